"""Faces in videos: whether a presenter can be lip-synced, and whether the lips of a video were changed.

* ``face_detection``: finds faces, with eyes, nose and corners of the mouth
* ``face_measures``: size, direction, sharpness and brightness of a face
* ``face_regions``: compares mouth and eyes of a face in two pictures
* ``video_pictures``: reads single pictures of a video
* ``presenter_check``: looks at a presenter's clip before a render is paid for
* ``lip_change``: compares a made video with its presenter

All need the ``faces`` extra. ``presenter_check`` and ``lip_change`` load it when they are called.
"""
