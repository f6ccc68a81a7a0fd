"""DashScope on this machine: the documented protocol over HTTP, and real media work behind it.

- :mod:`.api`: the HTTP routes, their bodies and replies
- :mod:`.service`: what the service knows: accounts, tasks, stored files
- :mod:`.work`: what happens to a task: inputs are fetched, checked, rendered in processes of their own
- :mod:`.engine`: the media work itself: speech, faces, mouths, video
- :mod:`.server`, :mod:`.settings`, :mod:`.faults`: running it, and making it misbehave
"""
