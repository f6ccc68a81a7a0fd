"""Looks at the bytes of a copy before it is published: are they media, of the right kind, and all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.media.header.completeness import find_cut
from airflow_provider_videoretalk.media.header.document_type import DOCUMENTS
from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.file_type import detect_file_type
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts, unknown_facts
from airflow_provider_videoretalk.media.header.mp4_passing_fragments import PassingFragments
from airflow_provider_videoretalk.media.header.reader import read_media_facts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import LOCAL_BUDGET, BudgetMeter, OutOfReachError
from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_types import MEDIA_TYPES, MediaType
from airflow_provider_videoretalk.publishing.streamed_file import START_BYTES, StreamedFile

_WITH_OR_WITHOUT_PICTURE = ("mp4", "mov")
_OF_BOXES = (*_WITH_OR_WITHOUT_PICTURE, "3gp", "m4a")

# Samples without a header may begin with any bytes, such as the two that begin a frame of these formats.
_RESEMBLED_BY_SAMPLES = ("", "mp3", "aac", "mpeg-audio")

_FREE_RETRY = "Nothing was published. Another try downloads it again, which is not billed."


class UnexpectedMediaError(TransportError):
    """The bytes that came are not the media that was expected: an error page, a file that is cut, another file."""


class MediaInspector:
    """Looks at a stream. First :meth:`read_start`, and after the last chunk :meth:`check`.

    :param expected: what the stream should be
    :param field: what is looked at, for messages
    """

    def __init__(self, expected: ExpectedMedia, *, field: str = "source") -> None:
        self._expected = expected
        self._field = field
        self._fragments = PassingFragments()
        self._file = StreamedFile(self._fragments.take)
        self._container: str
        self.content_type: str

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks of the stream, which are looked at as they pass."""
        return self._file.watch(chunks)

    def read_start(self, watched: Iterator[bytes]) -> list[bytes]:
        """The first chunks. Sets :attr:`content_type`, by the bytes alone.

        :raises UnexpectedMediaError: they begin no media of an expected kind
        """
        chunks: list[bytes] = []
        while self._file.length < START_BYTES and (chunk := next(watched, None)) is not None:
            chunks.append(chunk)
        self._container = self._detect()
        if self._container in _OF_BOXES:
            self._file.keep_indexes_only()
        media_type = MEDIA_TYPES.get(self._container)
        if media_type is None:
            other = f"a {self._container} file" if self._container else "of no known media format"
            raise self._unexpected(DOCUMENTS.get(self._container, other))
        if media_type.kind not in self._expected.kinds:
            # An MP4 may have sound only, which is known when its index has been read.
            if self._container not in _WITH_OR_WITHOUT_PICTURE or "audio" not in self._expected.kinds:
                raise self._unexpected(media_type.description)
            media_type = MEDIA_TYPES["m4a"]
        self.content_type = media_type.content_type
        return chunks

    def check(self) -> dict[str, Any]:
        """The properties of the file, as JSON-safe values: ``kind``, ``container``, and what its header states.

        ``unchecked`` has what could not be looked at, each with the reason.

        :raises UnexpectedMediaError: the file is damaged, cut, of another kind, or of another length
        """
        media_type, reader = MEDIA_TYPES[self._container], self._reader()
        if media_type.kind == "json":
            return self._check_json(reader)
        if self._container == "pcm":
            return {"kind": "audio", "container": "pcm", "unchecked": ["all: samples without a header state nothing"]}
        notes = self._check_whole(reader, media_type)
        if self._is_fragmented and self._fragments.damage:
            raise self._damaged(media_type, self._fragments.damage)
        facts = self._read_facts(reader, media_type)
        if self._is_fragmented:
            facts = self._fragments.complete(facts, unread=notes[0] if notes else "")
            self._check_gap()
        if facts.kind not in self._expected.kinds:
            raise self._unexpected(f"{media_type.description} with {facts.kind} only")
        self._check_length(facts.seconds)
        return _to_json(facts, notes)

    def _reader(self) -> RangedReader:
        # All that is kept is in memory, and counts for no budget.
        return RangedReader(self._file, BudgetMeter(LOCAL_BUDGET))

    def _detect(self) -> str:
        """The type of the file; ``""`` for an unknown one."""
        try:
            container = detect_file_type(self._reader()) or ""
        except OutOfReachError:
            # Only audio is looked for behind a tag, which may hold a large cover image.
            container = "mp3"
        if self._expected.headerless and container in _RESEMBLED_BY_SAMPLES:
            return "pcm"
        return container

    def _check_whole(self, reader: RangedReader, media_type: MediaType) -> list[str]:
        try:
            cut = self._find_cut_of_fragments() if self._is_fragmented else find_cut(reader, self._container)
        except OutOfReachError as error:
            return [f"end of the file: {error.message}"]
        except DamagedFileError as error:
            raise self._damaged(media_type, str(error)) from None
        if cut:
            raise self._unexpected(f"{media_type.description} that is cut after {self._size}: {cut}")
        return []

    @property
    def _is_fragmented(self) -> bool:
        return self._fragments.found and self._container in _OF_BOXES

    def _find_cut_of_fragments(self) -> str | None:
        return self._file.find_cut() or self._fragments.find_cut(self._file.length)

    def _read_facts(self, reader: RangedReader, media_type: MediaType) -> MediaFacts:
        try:
            return read_media_facts(reader, field="it")
        except OutOfReachError as error:
            reason = error.message
        except InputError as error:
            # Formats that the service does not take as input are recognised by their first bytes only.
            if error.code != "InvalidFile.Format":
                reason = error.message.partition(": ")[2] or error.message
                raise self._damaged(media_type, reason) from None
            reason = f"{media_type.description} is only recognised"
        return unknown_facts(media_type.kind, self._container, reason=reason)  # type: ignore[arg-type]

    def _check_json(self, reader: RangedReader) -> dict[str, Any]:
        report: dict[str, Any] = {"kind": "json", "container": "json"}
        try:
            json.loads(reader.read_at(0, self._file.length))
        except OutOfReachError as error:
            return report | {"unchecked": [f"all: {error.message}"]}
        except (ValueError, RecursionError):
            raise self._unexpected(f"a JSON document that is damaged or cut ({self._size})") from None
        return report

    def _check_length(self, seconds: float | None) -> None:
        expected = self._expected.seconds
        if seconds is not None and expected is not None and not self._expected.has_length(seconds):
            raise self._unexpected(
                f"a file of {seconds:.2f} s, where {expected:.2f} s were billed or measured",
                remedy="If this length is right, give the URL alone as source: then no length is expected.",
            )

    def _check_gap(self) -> None:
        """A part of the length that no fragment shows is as wrong as a shorter length."""
        if self._expected.seconds is not None and not self._expected.has_length(
            self._expected.seconds - self._fragments.gap
        ):
            raise self._unexpected(f"a file that lacks the fragments of {self._fragments.gap:.2f} s")

    def _damaged(self, media_type: MediaType, reason: str) -> UnexpectedMediaError:
        return self._unexpected(f"{media_type.description} that is damaged: {reason}")

    def _unexpected(self, what: str, *, remedy: str = "") -> UnexpectedMediaError:
        return UnexpectedMediaError(
            f"{self._field} is {what}, expected is {self._expected}", remedy=f"{_FREE_RETRY} {remedy}".strip()
        )

    @property
    def _size(self) -> str:
        size = self._file.length
        return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def is_inspected(metadata: Mapping[str, Any], expected: ExpectedMedia) -> bool:
    """Whether a metadata file says that its object was looked at, and is of an expected kind."""
    media = metadata.get("media")
    return isinstance(media, Mapping) and media.get("kind") in expected.kinds


def _to_json(facts: MediaFacts, notes: list[str]) -> dict[str, Any]:
    values = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in vars(facts).items()
        if value is not None and name != "unchecked"
    }
    unchecked = [*notes, *facts.unchecked]
    return values | ({"unchecked": unchecked} if unchecked else {})
