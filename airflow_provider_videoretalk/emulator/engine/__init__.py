"""The media engine of the emulator: what the service does to pictures and sound, done on this machine.

Rooms, from the door inwards:

* ``refusal``: the one exception by which the engine turns media down, in the service's vocabulary
* ``container``: which kind of file this is, and opening it without following anything it points to
* ``facts``: what a video, a sound or an image measures, checked against the documented limits
* ``face``: where the faces are, with eyes, nose and mouth corners
* ``loudness``: how loud the speech is at any moment, and so how far the mouth opens
* ``mouth``: the warp that opens it
* ``track``: one face followed through a video
* ``frames``: pictures out of a video, forwards and, for its extension, backwards
* ``mp4``: pictures and sound into a file that plays everywhere
* ``sound``: samples out of and into sound files
* ``language``: which language a text is in
* ``speech``: a text spoken into a file
* ``espeak``: the GPL voice, only ever run as a process of its own
* ``video``: the lip replacement as a whole
* ``presenter``: a drawn person for demonstrations and tests
* ``drawing``: the shapes the presenter is made of

Importing this package imports none of them: they need the ``emulator`` extra.
"""
