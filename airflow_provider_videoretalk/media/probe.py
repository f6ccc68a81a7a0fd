"""What a medium is like, from a few of its bytes: whatever it is, wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.media.demuxer import complete
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.header.kind import sniff
from airflow_provider_videoretalk.media.header.reader import read_facts
from airflow_provider_videoretalk.media.location import Location, open_ranged
from airflow_provider_videoretalk.media.ranged import Budget


@dataclass(frozen=True, kw_only=True)
class Media(Facts):
    """What was found out about a medium; ``None`` for what was not, and ``unchecked`` says why.

    :param size: in bytes
    """

    size: int | None = None


def probe(
    location: Location, *, field: str = "the file", allow_private: bool = False, budget: Budget | None = None
) -> Media:
    """Looks at a medium by ranged reads; a video is never read as a whole.

    What the format's own headers can't tell, FFmpeg is asked if the extra ``media`` is installed. What can't be found
    out within the budget, or because the server has no ranges, is listed in ``unchecked``, and no error.

    :param location: a URL (http, https, file), a path on this machine, or an ``ObjectStoragePath``
    :param field: what it is, for messages
    :param allow_private: also connect to addresses that are not of the public internet
    :param budget: what reading may cost; 8 MB, 64 requests and a minute by default, of files on this machine 64 MB
    :raises InputError: there is nothing that can be read, it lies in a private network, it is damaged, or of no kind
        that the service takes (the code is the one that the service would have answered)
    :raises TransportError: it can't be fetched now
    """
    with open_ranged(location, field=field, allow_private=allow_private, budget=budget) as ranged:
        facts = complete(read_facts(ranged, field=field), ranged)
        unchecked = (*facts.unchecked, *ranged.notes)
        if ranged.size is None:
            unchecked += ("size: the server does not say it",)
        return Media(**{**vars(facts), "unchecked": unchecked, "size": ranged.size})


def wav_seconds(url: str) -> float:
    """The duration of a WAV file that the service made, by one ranged request.

    :raises TransportError: the file can't be fetched, or is no WAV
    """
    try:
        with open_ranged(url, field="the speech", allow_private=True) as ranged:
            facts = read_facts(ranged, field="the speech") if sniff(ranged) == "wav" else None
    except InputError as error:
        raise TransportError(error.message, status=error.status) from None
    if facts is None or facts.seconds is None:
        raise TransportError("the speech is not a WAV file, or its size is not known")
    return round(facts.seconds, 3)
