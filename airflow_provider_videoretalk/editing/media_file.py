"""Opens local media files of unknown origin. The module is heavy: it loads FFmpeg (PyAV, the extra ``media``).

FFmpeg would detect the kind of a file itself. Some kinds (playlists, concatenation scripts) are lists of addresses that
it then opens. So the kind is detected here, the demuxer is fixed, and no second file is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import av
from av.stream import Disposition

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.media.header.file_type import detect_file_type
from airflow_provider_videoretalk.media.local_copy import NO_ROOM_REMEDY
from airflow_provider_videoretalk.media.local_file import LocalFile
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import LOCAL_BUDGET, BudgetMeter

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

_DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "3gp": "mov",
    "avi": "avi",
    "wav": "wav",
    "mp3": "mp3",
    "aac": "aac",
    "flac": "flac",
    "ogg": "ogg",
}

_MAX_RATE_DENOMINATOR = 1001
_LOWEST_RATE, _HIGHEST_RATE, _UNKNOWN_RATE = 1, 240, Fraction(25)


@contextmanager
def open_media(path: Path, *, field: str, remedy: str) -> Iterator[InputContainer]:
    """Opens a file of sound or pictures: mp4, mov, m4a, 3gp, avi, wav, mp3, aac, flac or ogg.

    :param field: what the file is, for messages
    :param remedy: what to do if the file cannot be read
    :raises InputError: the file does not exist, cannot be read, or is of another kind
    """
    kind = _detect(path, field=field)
    if kind not in _DEMUXERS:
        found = f"a file of the kind {kind}" if kind else "a file of no known kind"
        raise InputError(f"{field} is {str(path)!r}, {found}, allowed are {', '.join(_DEMUXERS)}", remedy=remedy)
    with ExitStack() as stack:
        with refuse_damaged_media(path, field=field, remedy=remedy):
            file = stack.enter_context(path.open("rb"))
            container = stack.enter_context(
                av.open(file, mode="r", format=_DEMUXERS[kind], io_open=_refuse_referenced_file)
            )
        yield container


def _detect(path: Path, *, field: str) -> str | None:
    meter = BudgetMeter(LOCAL_BUDGET)
    with closing(LocalFile(path, field=field, meter=meter)) as file:
        return detect_file_type(RangedReader(file, meter))


def _refuse_referenced_file(*_: Any) -> NoReturn:
    raise ValueError("the file refers to another file")


@contextmanager
def refuse_damaged_media(path: Path, *, field: str, remedy: str) -> Iterator[None]:
    """Converts every exception of reading to an :class:`InputError`.

    A damaged file makes PyAV raise not only its own errors, but also IndexError, MemoryError, UnicodeDecodeError and
    EOFError. So this catches Exception, and the block must contain nothing except reading.
    """
    try:
        yield
    except DashScopeError:
        raise
    except Exception as error:
        raise InputError(f"{field} is {str(path)!r}, which cannot be decoded ({error})", remedy=remedy) from error


@contextmanager
def write_whole_file(target: Path) -> Iterator[Path]:
    """A path to write to. It becomes ``target`` at the end of the block, and is removed if the block fails.

    :raises TransportError: the file cannot be written, such as on a full disk
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        if isinstance(error, DashScopeError):
            raise
        raise TransportError(f"{str(target)!r} cannot be written ({error})", remedy=NO_ROOM_REMEDY) from error
    finally:
        partial.unlink(missing_ok=True)


def video_stream(container: InputContainer, *, field: str, remedy: str) -> VideoStream:
    """The first video stream with a known codec that is not a cover picture.

    :raises InputError: there is no such stream
    """
    for stream in container.streams.video:
        known = getattr(stream, "codec_context", None) is not None
        if known and not stream.disposition & Disposition.attached_pic:
            return stream
    raise InputError(f"{field} has no picture that can be decoded", remedy=remedy)


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The first sound with a known codec."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def frame_rate(*, frames: int, seconds: Fraction, declared: Fraction | None) -> Fraction:
    """Frames per second: the declared rate if it is within 1 % of the counted one, else the counted one.

    The declared one is the rounder number. The emulator has the same rule.

    :raises ValueError: no video has such a rate. A damaged index would make a file of millions of pictures
    """
    if declared is not None and not _LOWEST_RATE <= declared <= _HIGHEST_RATE:
        declared = None
    if seconds <= 0:
        return declared or _UNKNOWN_RATE
    counted = frames / seconds
    if not _LOWEST_RATE <= counted <= _HIGHEST_RATE:
        raise ValueError(f"its frame rate is {float(counted):g} fps, allowed is {_LOWEST_RATE} to {_HIGHEST_RATE} fps")
    if declared is not None and abs(declared / counted - 1) < Fraction(1, 100):
        return declared
    return counted.limit_denominator(_MAX_RATE_DENOMINATOR)
