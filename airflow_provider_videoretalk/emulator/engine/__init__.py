"""The media engine: the service's work on video, audio and images, done on this machine.

* ``errors``: the exception for media that the service refuses, with the service's codes
* ``container``: detects the kind of a file, and opens it without following references to other files
* ``inspection``: measures a video, an audio file or an image, and checks the documented limits
* ``face_tracking``: follows one face through a video
* ``loudness``: measures the loudness of speech, which decides how far the mouth opens
* ``mouth_warp``: opens the mouth in a frame
* ``video_frames``: reads the frames of a video, forwards and backwards
* ``mp4_writer``: writes frames and audio into a file that every player can play
* ``audio``: reads and writes audio files
* ``lip_sync``: the lip replacement as a whole
* ``language_detection``: detects the language of a text
* ``speech_synthesis``: synthesises a text into a file
* ``espeak``: the GPL voice, which always runs in a process of its own
* ``sample_presenter``: draws a person for demonstrations and tests
* ``drawing``: draws the shapes of the presenter

Importing this package imports none of them: they need the ``emulator`` extra.
"""
