"""A response that streams media. However slow the source or the reader is, Airflow's own pages go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from threading import BoundedSemaphore

from anyio import fail_after
from fastapi import HTTPException
from fastapi.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.publishing.media_types import suffix_of_type
from airflow_provider_videoretalk.ui.byte_range import UnsatisfiableRangeError
from airflow_provider_videoretalk.ui.clip_name import content_disposition, file_name
from airflow_provider_videoretalk.ui.daemon_threads import ThreadSlot
from airflow_provider_videoretalk.ui.media_stream import MediaStream

MAX_STREAMS = 32
"""Media that are streamed at once by a process. A page with both videos and the speech needs three."""

_STREAMS = BoundedSemaphore(MAX_STREAMS)

# Seconds. A source has the first to open, and the second for each part.
_OPENING_SECONDS, _SOURCE_SECONDS = 20.0, 45.0

# Seconds for a part of 256 KiB. A browser that has paused longer requests the rest by its range.
_READER_SECONDS = 60.0

# Seconds for a whole stream.
_LONGEST_STREAM = 1800.0

# Seconds after which a refused reader may try again.
_RETRY_AFTER = 10


class MediaResponse(Response):
    """Opens a stream and sends it, if not too many are open.

    It opens the stream only when it is sent: a response that is never sent occupies nothing.

    :param open_stream: blocks; see :func:`~airflow_provider_videoretalk.ui.media_stream.open_first_available`
    :param name: of the clip, for the name of a downloaded file
    """

    def __init__(self, open_stream: Callable[[], MediaStream], *, name: str) -> None:
        super().__init__()
        self._open_stream = open_stream
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        :raises HTTPException: 503 if too many streams are open, 404 or 416 if this one cannot be opened
        """
        if not _STREAMS.acquire(blocking=False):
            raise HTTPException(
                503,
                "Airflow streams too many videos at the moment. Try again in some seconds.",
                headers={"retry-after": str(_RETRY_AFTER)},
            )
        slot, opened = ThreadSlot(_STREAMS), list[MediaStream]()
        try:
            stream = await self._open(slot, opened)
            headers = {**stream.headers, "content-disposition": self._disposition(stream.headers["content-type"])}
            response = StreamingResponse(
                _read(stream, slot), status_code=stream.status, headers=headers, background=self.background
            )
            with fail_after(_LONGEST_STREAM):
                await response(scope, receive, _limited(send))
        finally:
            slot.close(lambda: _close(opened))

    def _disposition(self, content_type: str) -> str:
        name = file_name(self._name, suffix=suffix_of_type(content_type))
        return content_disposition(name, kind="inline")

    async def _open(self, slot: ThreadSlot, opened: list[MediaStream]) -> MediaStream:
        def open_and_keep() -> MediaStream:
            # Kept even if nobody waits for it any more, so that it is closed.
            opened.append(self._open_stream())
            return opened[0]

        try:
            return await slot.run(open_and_keep, seconds=_OPENING_SECONDS)
        except UnsatisfiableRangeError:
            raise HTTPException(416, "The file has no such range.") from None
        except DashScopeError as error:
            raise HTTPException(404, f"{error.message}. {error.remedy}".strip()) from None
        except TimeoutError:
            raise HTTPException(
                504, "The server or the object store of this file does not answer in time. Try again later."
            ) from None


def _close(opened: list[MediaStream]) -> None:
    for stream in opened:
        stream.close()


async def _read(stream: MediaStream, slot: ThreadSlot) -> AsyncIterator[bytes]:
    while chunk := await slot.run(lambda: next(stream.chunks, b""), seconds=_SOURCE_SECONDS):
        yield chunk


def _limited(send: Send) -> Send:
    """``send`` with a time limit for each part, for readers that read nothing."""

    async def send_in_time(message: Message) -> None:
        with fail_after(_READER_SECONDS):
            await send(message)

    return send_in_time
