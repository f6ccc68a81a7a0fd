"""DashScope on this machine: the documented protocol over HTTP, with real media work.

- :mod:`.server`, :mod:`.settings`, :mod:`.faults`: run an emulator, configure it, and inject faults
- :mod:`.fake_engine`: a media engine without media work, for tests
- :mod:`.pytest_plugin`: fixtures for the tests of DAG authors
- :mod:`.api`: the HTTP routes, with the models of requests and replies
- :mod:`.service`: the state of the service: accounts, render jobs, stored files
- :mod:`.execution`: runs render jobs: downloads, checks, renders in worker processes, stores
- :mod:`.engine`: the media work: speech, face detection, lip replacement, video files
"""
