"""What a remote medium is like, from a few of its bytes."""

from __future__ import annotations

import requests

from airflow_provider_videoretalk.dashscope.errors import TransportError

_HEAD_BYTES = 4096
_TIMEOUT = (10, 30)

# Most that tags and other chunks after the samples may hold, for the header's own count to be believed.
_TRAILER_BYTES = 64 * 1024


def wav_seconds(url: str) -> float:
    """The duration of a WAV file, by one ranged request for its first 4 KiB.

    It is counted from the file's size: the header of streamed speech can hold any number of frames.

    :raises TransportError: the file can't be fetched, or is no WAV
    """
    headers = {"Range": f"bytes=0-{_HEAD_BYTES - 1}", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=headers, timeout=_TIMEOUT, stream=True) as response:
            if response.status_code not in (200, 206):
                raise TransportError("the speech can't be fetched", status=response.status_code)
            head = next(response.iter_content(_HEAD_BYTES), b"")
            size = _size(response)
    except requests.RequestException as error:
        # Not the exception's own text: it holds the URL and its signature.
        raise TransportError(f"the speech can't be fetched: {type(error).__name__}") from None
    return _seconds(head, size)


def _size(response: requests.Response) -> int:
    """The whole file's size in bytes, 0 where the server does not say."""
    _, _, total = response.headers.get("Content-Range", "").rpartition("/")
    length = total if response.status_code == 206 else response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else 0


def _seconds(head: bytes, size: int) -> float:
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise TransportError("the speech is not a WAV file")
    bytes_per_second = 0
    position = 12
    while position + 8 <= len(head):
        name, length = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        position += 8
        if name == b"fmt " and position + 12 <= len(head):
            bytes_per_second = int.from_bytes(head[position + 8 : position + 12], "little")
        if name == b"data" and bytes_per_second and size > position:
            rest = size - position
            believed = length if rest - _TRAILER_BYTES <= length <= rest else rest
            return round(believed / bytes_per_second, 3)
        position += length + length % 2
    raise TransportError("the WAV file's header lacks its format, or its size is not known")
