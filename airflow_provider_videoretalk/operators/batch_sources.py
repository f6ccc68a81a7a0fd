"""What a table names: its own bytes, scripts and presenters, at any location that the DAG's author allowed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.batches.plan_file import VERSION, read_document, write_document
from airflow_provider_videoretalk.batches.planned_video import Presenter, Recording
from airflow_provider_videoretalk.batches.recipe import RecordingPart, content_digest, digest_of
from airflow_provider_videoretalk.batches.script_pieces import MAX_SECONDS
from airflow_provider_videoretalk.batches.table_text import MAX_BYTES
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, StateReadError
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.model_catalog.model import InputLength, Model
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    AUDIO_BYTES,
    AUDIO_SECONDS,
    VIDEO_BYTES,
    VIDEO_SECONDS,
    VIDEORETALK,
)
from airflow_provider_videoretalk.operators.template_values import as_location, as_text
from airflow_provider_videoretalk.optional_dependencies import require_extra
from airflow_provider_videoretalk.publishing.object_name import object_key

if TYPE_CHECKING:
    from airflow_provider_videoretalk.inputs.preflight import Finding, InspectionResult
    from airflow_provider_videoretalk.inputs.source import Source
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.media.probe_result import ProbeResult
    from airflow_provider_videoretalk.operators.output_folder import OutputFolder
    from airflow_provider_videoretalk.outbound.host_access import AccessRule
    from airflow_provider_videoretalk.publishing.atomic_object import Destination

MAX_SCRIPT_BYTES = 100_000
"""Most bytes of a script at a location: more than any model speaks."""

_LOCATION = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:/)?/\S.*")
_MAX_READERS = 8
_REQUESTS = 64

# The limits of an input that a part of it meets.
_CUT = {"video_url": (VIDEO_SECONDS, VIDEO_BYTES), "audio_url": (AUDIO_SECONDS, AUDIO_BYTES)}
_SHORTEST = VIDEO_SECONDS.low or 0

# Decoded pictures of eight presenters at once would need much memory.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, kw_only=True)
class BatchSources:
    """
    :param allowed_sources: of the operator
    :param access: how the host of a URL may be connected to
    :param face_check: of the operator, one of its words
    """

    allowed_sources: object
    access: AccessRule
    log: Callable[..., None]
    face_check: str = "off"

    def table(self, given: object, *, field: str = "table") -> bytes:
        """The bytes of a table.

        :param given: its text, or its location
        :param field: that has it, for messages
        :raises InputError: there is no text, or the location is not allowed or cannot be read
        :raises TransportError: it cannot be read now
        """
        text = as_text(field, given)
        if _LOCATION.fullmatch(text.strip()):
            return self._read(field, text.strip(), most=MAX_BYTES)
        return text.encode(errors="surrogatepass")

    def script(self, location: str) -> str:
        """The script at a location.

        :raises InputError: it is not allowed, cannot be read, is too long, or is no text
        :raises TransportError: it cannot be read now
        """
        content = self._read("text_location", location, most=MAX_SCRIPT_BYTES)
        if len(content) > MAX_SCRIPT_BYTES:
            raise InputError(
                f"the script has more than {MAX_SCRIPT_BYTES} bytes, allowed are {MAX_SCRIPT_BYTES}",
                remedy="Split the script.",
            )
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError("the script is not in UTF-8", remedy="Save it as a text in UTF-8.") from None

    def presenters(self, locations: Iterable[str]) -> dict[str, Presenter]:
        """Each presenter once, checked as a render job's input is.

        :raises ConfigurationError: faces are to be looked at, and the extra ``faces`` is not installed
        """
        if self.face_check != "off":
            require_extra("faces", part="face_check")
        given = list(dict.fromkeys(locations))
        with ThreadPoolExecutor(_MAX_READERS) as pool:
            return dict(zip(given, pool.map(self._presenter, given), strict=True))

    def photos(self, locations: Iterable[str], *, model: Model) -> dict[str, Presenter]:
        """Each photo of a presenter once, checked as an input of the model that makes it speak."""
        given = list(dict.fromkeys(locations))
        with ThreadPoolExecutor(_MAX_READERS) as pool:
            return dict(zip(given, pool.map(lambda one: self._photo(one, model), given), strict=True))

    def recordings(self, locations: Iterable[str], *, folder: OutputFolder) -> dict[str, Recording]:
        """Each recording once, checked as a render job's input is. One that is too long is cut in its pauses.

        :param folder: keeps where a recording is cut, so that the next plan does not fetch it again
        """
        given = list(dict.fromkeys(locations))
        with ThreadPoolExecutor(_MAX_READERS) as pool:
            return dict(zip(given, pool.map(lambda one: self._recording(one, folder), given), strict=True))

    def source(self, field: str, location: str) -> Source:
        """
        :raises InputError: the location is not allowed, or of an unknown kind
        """
        # Loads requests.
        from airflow_provider_videoretalk.inputs.source import source_of

        source = source_of(field, self._location(field, location))
        self._policy.check(field, source.location)
        return source

    @property
    def _policy(self) -> LocationPolicy:
        return LocationPolicy(setting="allowed_sources", own=self.allowed_sources)

    def _location(self, field: str, location: str) -> Location:
        # No store is opened that is not allowed.
        self._policy.check_remote(field, location)
        return as_location(field, location)

    def _presenter(self, location: str) -> Presenter:
        try:
            source = self.source("video", location)
            found, problems = self._inspect("video_url", source)
            problems = problems or self._face_problems(source)
            if problems:
                return Presenter(problems=problems)
            digest = content_digest(source.content_identity())
        except DashScopeError as error:
            return Presenter(problems=(_problem_of("video_url", error),))
        media = found.media.get("video_url")
        length = InputLength(seconds=media.seconds, fps=media.fps) if media else InputLength()
        return Presenter(digest=digest, length=length, in_parts=bool(found.findings), key=_key_of(source))

    def _photo(self, location: str, model: Model) -> Presenter:
        try:
            source = self.source("photo", location)
            _, problems = self._inspect("image_url", source, model=model)
            digest = "" if problems else content_digest(source.content_identity())
        except DashScopeError as error:
            return Presenter(problems=(_problem_of("image_url", error),))
        return Presenter(digest=digest, problems=problems, key=_key_of(source))

    def _inspect(
        self, field: str, source: Source, *, model: Model = VIDEORETALK
    ) -> tuple[InspectionResult, tuple[tuple[str, str], ...]]:
        """What preflight says of an input, and what speaks against a part of it, each with its remedy."""
        # Loads requests.
        from airflow_provider_videoretalk.inputs.preflight import inspect_inputs

        found = inspect_inputs(model=model, locations={field: source.location}, access=self.access)
        findings = [one for one in found.findings if not _is_cut(one, found.media)]
        for warning in found.warnings if not findings else ():
            self.log("%s", warning)
        return found, tuple((one.message.removeprefix(f"{field}: "), one.remedy) for one in findings)

    def _face_problems(self, source: Source) -> tuple[tuple[str, str], ...]:
        """What refuses a presenter for its face, each with its remedy. All else is logged."""
        if self.face_check == "off":
            return ()
        # Loads the readers of media.
        from airflow_provider_videoretalk.inputs.face_check import check_faces

        with _ONE_AT_A_TIME:
            found = check_faces(source.location, field="video", access=self.access)
        for sentence in found.unchecked:
            self.log("%s", sentence)
        if self.face_check == "refuse":
            return tuple((one.message.removeprefix("video: "), one.remedy) for one in found.findings)
        for one in found.findings:
            self.log("%s: %s", source.description, one)
        return ()

    def _recording(self, location: str, folder: OutputFolder) -> Recording:
        try:
            source = self.source("audio", location)
            found, problems = self._inspect("audio_url", source)
            if problems:
                return Recording(problems=problems)
            digest = content_digest(source.content_identity())
            parts = self._parts(source, folder.speech(f"{digest_of(digest)}-parts.json")) if found.findings else ()
        except DashScopeError as error:
            return Recording(problems=(_problem_of("audio_url", error),))
        media = found.media.get("audio_url")
        return Recording(digest=digest, seconds=media.seconds if media else None, parts=parts)

    def _parts(self, source: Source, kept: Destination) -> tuple[RecordingPart, ...]:
        """The parts that a recording is cut to, in its pauses.

        :param kept: the document of an earlier plan
        :raises InputError: there is no pause where one is needed, or the recording is too long
        :raises TransportError: the recording cannot be read, or a store failed
        """
        try:
            return tuple(
                RecordingPart(start=float(part["start"]), end=float(part["end"]), sound=str(part["sound"]))
                for part in read_document(kept)["parts"]
            )
        except (StateReadError, LookupError, TypeError, ValueError):
            pass
        # Loads PyAV.
        from airflow_provider_videoretalk.editing.sound_part import cut_sound
        from airflow_provider_videoretalk.editing.speech_cuts import choose_cuts
        from airflow_provider_videoretalk.editing.speech_pauses import find_pauses
        from airflow_provider_videoretalk.media.local_copy import local_copy

        with TemporaryDirectory(prefix="videoretalk-") as folder:
            file = local_copy(source.location, Path(folder, "recording"), field="audio", access=self.access)
            sound = find_pauses(file, field="the recording")
            if sound.seconds > MAX_SECONDS:
                raise InputError(
                    f"the recording takes {sound.seconds / 60:.0f} minutes, allowed are {MAX_SECONDS / 60:g} minutes",
                    remedy="Split it into several rows.",
                )
            part, parts = Path(folder, "part.wav"), []
            for start, end in pairwise((0.0, *choose_cuts(sound, field="the recording"), sound.seconds)):
                cut_sound(file, part, start=start, end=end)
                parts.append(RecordingPart(start=start, end=end, sound=hashlib.sha256(part.read_bytes()).hexdigest()))
        write_document(kept, {"version": VERSION, "parts": [asdict(one) for one in parts]})
        return tuple(parts)

    def _read(self, field: str, location: str, *, most: int) -> bytes:
        """The bytes at a location, one more than ``most`` at most."""
        # Loads requests.
        from airflow_provider_videoretalk.media.location import open_ranged_reader
        from airflow_provider_videoretalk.outbound.read_budget import ReadBudget

        source = self.source(field, location)
        # A range may be as long as the reader's longest one.
        budget = ReadBudget(size=2 * most + 4 * MEGABYTE, requests=_REQUESTS)
        with open_ranged_reader(source.location, field=field, access=self.access, budget=budget) as reader:
            return reader.read_at(0, most + 1)


def check_unchanged(what: str, source: Source, digest: str) -> None:
    """
    :param digest: as the plan saw it
    :raises InputError: it is another one
    """
    if content_digest(source.content_identity()) != digest:
        raise InputError(
            f"the {what} at {source.description} has changed since the plan, allowed is the same",
            remedy="Clear the task that plans the batch.",
        )


def _is_cut(finding: Finding, media: Mapping[str, ProbeResult]) -> bool:
    """Whether an input is only too long or too large, so that each render job gets a part of it."""
    found, limits = media.get(finding.field), _CUT.get(finding.field, ())
    is_long = found is not None and found.seconds is not None and found.seconds > _SHORTEST
    return is_long and finding.code in {limit.code for limit in limits}


def _problem_of(field: str, error: DashScopeError) -> tuple[str, str]:
    """What speaks against an input, and its remedy."""
    remedy = "It may pass: clear the task that plans the batch." if error.retryable else "Correct it."
    return error.message.removeprefix(f"{field}: "), error.remedy or remedy


def _key_of(source: Source) -> str | None:
    """The key of a presenter that is an object or a file."""
    # Loads fsspec.
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path

    location: Any = source.location
    if isinstance(location, Path):
        location = store_path(location.as_uri())
    return object_key(location) if hasattr(location, "protocol") else None
