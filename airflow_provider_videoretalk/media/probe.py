"""Determines the properties of a media file at any location by reading a few of its bytes."""

from __future__ import annotations

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.media.ffmpeg_probe import complete_with_ffmpeg
from airflow_provider_videoretalk.media.header.file_type import detect_file_type
from airflow_provider_videoretalk.media.header.reader import read_media_facts
from airflow_provider_videoretalk.media.location import Location, open_ranged_reader
from airflow_provider_videoretalk.media.probe_result import ProbeResult
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only
from airflow_provider_videoretalk.outbound.read_budget import ReadBudget


def probe(
    location: Location, *, field: str = "the file", access: AccessRule = public_only, budget: ReadBudget | None = None
) -> ProbeResult:
    """Determines the properties of a media file by ranged reads. A video is never read as a whole.

    FFmpeg completes what the header readers cannot determine, if the extra ``media`` is installed. A property that
    cannot be determined within the budget, or because the server has no ranges, is listed in ``unchecked``; it is not
    an error.

    :param location: a URL (http, https, file), a path on this machine, or an ``ObjectStoragePath``
    :param field: name of the input, for messages
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param budget: limits of bytes, requests and time; by default 8 MB, 64 requests and a minute, for files on this
        machine 64 MB
    :raises InputError: the file cannot be read, is in a private network, is damaged, or is of a format that the service
        does not accept; the code is the one that the service would answer
    :raises TransportError: the file cannot be fetched at the moment
    """
    with open_ranged_reader(location, field=field, access=access, budget=budget) as ranged:
        facts = complete_with_ffmpeg(read_media_facts(ranged, field=field), ranged)
        unchecked = (*facts.unchecked, *ranged.notes)
        if ranged.size is None:
            unchecked += ("size: the server does not state it",)
        return ProbeResult(**{**vars(facts), "unchecked": unchecked, "size": ranged.size})


def wav_seconds(url: str, *, access: AccessRule) -> float:
    """The duration in seconds of a WAV file that the service generated, by one ranged request.

    :param access: how the host of a URL may be connected to
    :raises TransportError: the file cannot be fetched, is not a WAV file, or its duration is not known
    """
    try:
        with open_ranged_reader(url, field="the speech", access=access) as ranged:
            facts = read_media_facts(ranged, field="the speech") if detect_file_type(ranged) == "wav" else None
    except InputError as error:
        raise TransportError(error.message, status=error.status) from None
    if facts is None:
        raise TransportError("the speech is not a WAV file")
    if facts.seconds is None:
        raise TransportError(f"the speech has no known duration: {'; '.join(facts.unchecked)}")
    return round(facts.seconds, 3)
