"""Faces in videos: whether a presenter can be lip-synced, and whether the lips of a video were changed.

* ``face_detection``: finds faces, with eyes, nose and corners of the mouth

Importing this package imports none of them: they need the ``faces`` extra.
"""
