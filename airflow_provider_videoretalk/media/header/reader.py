"""From the bytes of a file to what its header tells."""

from __future__ import annotations

import struct
from collections.abc import Callable

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.limits import AUDIO_CONTAINERS, IMAGE_FORMATS, VIDEO_CONTAINERS
from airflow_provider_videoretalk.media.header.aac import read_aac
from airflow_provider_videoretalk.media.header.avi import read_avi
from airflow_provider_videoretalk.media.header.bmp import read_bmp
from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts, Kind, unknown
from airflow_provider_videoretalk.media.header.jpeg import read_jpeg
from airflow_provider_videoretalk.media.header.kind import sniff
from airflow_provider_videoretalk.media.header.mp3 import read_mp3
from airflow_provider_videoretalk.media.header.mp4 import read_mp4
from airflow_provider_videoretalk.media.header.png import read_png
from airflow_provider_videoretalk.media.header.wav import read_wav
from airflow_provider_videoretalk.media.header.webp import read_webp
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

_READERS: dict[str, tuple[Kind, Callable[[Ranged, str], Facts]]] = {
    "mp4": ("video", read_mp4),
    "mov": ("video", read_mp4),
    "m4a": ("audio", read_mp4),
    "avi": ("video", read_avi),
    "wav": ("audio", read_wav),
    "mp3": ("audio", read_mp3),
    "aac": ("audio", read_aac),
    "jpeg": ("image", read_jpeg),
    "png": ("image", read_png),
    "bmp": ("image", read_bmp),
    "webp": ("image", read_webp),
}


def read_facts(ranged: Ranged, *, field: str) -> Facts:
    """What the file's header tells, by its content alone.

    :param field: what it is, for messages
    :raises InputError: the file is damaged, or of no kind that is read here, playlists among them
    :raises OutOfReachError: not even its kind could be read within the budget
    :raises TransportError: it can't be fetched
    """
    container = sniff(ranged)
    if container not in _READERS:
        raise _foreign(container, field)
    kind, read = _READERS[container]
    try:
        facts = read(ranged, container)
        _check_plausible(facts)
    except OutOfReachError as error:
        return unknown(kind, container, why=error.message)
    except (DamageError, struct.error) as error:
        why = str(error) if isinstance(error, DamageError) else "its header ends early"
        raise InputError(
            f"{field} is a damaged {container} file: {why}",
            code="InvalidFile.Openerror",
            remedy="Export or upload the file anew; does it play?",
        ) from None
    return facts


def _check_plausible(facts: Facts) -> None:
    if 0 in (facts.width, facts.height):
        raise DamageError("its picture has a side of 0 px")
    if facts.width is not None and facts.width < 0:
        raise DamageError("its picture has a negative width")


def _foreign(kind: str | None, field: str) -> InputError:
    allowed = "; ".join(", ".join(names) for names in (VIDEO_CONTAINERS, AUDIO_CONTAINERS, IMAGE_FORMATS))
    return InputError(
        f"{field} is {f'a {kind} file' if kind else 'of no known media format'}, allowed are {allowed}",
        # A kind that the service knows and does not take; bytes of no kind at all it can't open.
        code="InvalidFile.Format" if kind else "InvalidFile.Openerror",
        remedy="Give the medium itself in one of these formats; its name does not matter.",
    )
