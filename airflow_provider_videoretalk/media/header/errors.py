"""The error for a file that contradicts its own format."""

from __future__ import annotations


class DamagedFileError(Exception):
    """A file is damaged. The message is a clause about the file ("it has no video stream").

    :func:`~airflow_provider_videoretalk.media.header.reader.read_media_facts` turns it into an ``InputError``.
    """
