"""One translation: what is sent for it, what that costs at most, and what its answers come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.batches.recipe import digest_of
from airflow_provider_videoretalk.batches.segment_fit import fit_segment
from airflow_provider_videoretalk.batches.speaking_time import typical_seconds
from airflow_provider_videoretalk.batches.timed_segments import TimedSegment, read_segments, rooms_of
from airflow_provider_videoretalk.batches.translation_lines import join_lines, lines_of, pack_lines
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.reply_values import number
from airflow_provider_videoretalk.model_catalog.speech import is_ssml
from airflow_provider_videoretalk.model_catalog.translation import (
    AUTO,
    MAX_TOKENS,
    Term,
    TranslatedSegment,
    Translation,
    TranslationResult,
    input_token_bound,
    output_token_bound,
    translate_text,
)
from airflow_provider_videoretalk.operators.glossary import terms_in
from airflow_provider_videoretalk.operators.template_values import as_text
from airflow_provider_videoretalk.operators.translation_memory import Place, places_of

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.model_catalog.token_price import TokenPrice
    from airflow_provider_videoretalk.model_catalog.translation_languages import Language
    from airflow_provider_videoretalk.operators.translation_answers import TranslationAnswers


@dataclass(frozen=True, kw_only=True)
class TranslationSource:
    """What is translated.

    :param texts: the segments of a transcript, or the paragraphs of a text
    :param segments: the times of ``texts``; ``None`` for a text
    :param seconds: duration of the recording, if the transcript says it
    :param language: of the transcript, as it says it
    """

    texts: tuple[str, ...]
    segments: tuple[TimedSegment, ...] | None = None
    seconds: float | None = None
    language: str | None = None

    @classmethod
    def read(cls, given: object) -> TranslationSource:
        """
        :param given: a text, or a transcript: a mapping with ``segments``, and maybe ``language`` and ``seconds``
        :raises InputError: it is something else, or there is nothing to translate
        """
        if isinstance(given, Mapping):
            segments = tuple(read_segments("source.segments", given.get("segments")))
            language = given.get("language")
            source = cls(
                texts=tuple(segment.text for segment in segments),
                segments=segments,
                seconds=number(given.get("seconds")),
                language=language if isinstance(language, str) else None,
            )
        else:
            text = as_text("source", given)
            if is_ssml(text):
                raise InputError("source is SSML, allowed is plain text", remedy="Remove the tags.")
            source = cls(texts=tuple(" ".join(line.split()) for line in text.strip().split("\n")))
        if not any(source.texts):
            raise InputError("source has no words, allowed is a text or a transcript", remedy="Give what is said.")
        return source


@dataclass(frozen=True, kw_only=True)
class TranslationJob:
    """
    :param source_language: ``None`` to let the service detect it
    :param rate: of the speech that will be made of the translation
    :param max_rate: of the speech of a segment that would not fit else
    :param corrections: texts that people wrote
    """

    source: TranslationSource
    source_language: Language | None
    target_language: Language
    model: str
    terms: tuple[Term, ...]
    domains: str | None
    rate: float
    max_rate: float
    corrections: Mapping[Place, str]

    def packs(self, answers: TranslationAnswers) -> Iterator[list[str]]:
        """The lines of each request that is still needed, each line once."""
        missing = {digest: line for line, digest in self._digests.items() if answers.find(digest) is None}
        for digest, line in missing.items():
            if answers.must_stand_alone(digest):
                yield [line]
        together = [line for digest, line in missing.items() if not answers.must_stand_alone(digest)]
        for pack in pack_lines(together):
            yield from self._with_room_for_terms(pack)

    def request(self, pack: Sequence[str]) -> Request[Translation]:
        """
        :raises InputError: a line is too long together with its terms
        """
        text = "\n".join(pack)
        return translate_text(
            text=text,
            target_language=self.target_language.name,
            source_language=self.source_language.name if self.source_language else AUTO,
            model=self.model,
            terms=terms_in(text, self.terms),
            domains=self.domains,
        )

    def digest(self, line: str) -> str:
        """What identifies a line and all that its translation depends on, but for the lines around it."""
        return self._digests[line]

    def highest_cost(self, answers: TranslationAnswers, *, price: TokenPrice) -> Decimal:
        """What the missing translations cost at most, also if each line has to be asked for again by itself."""
        asked = list(self.packs(answers))
        asked += [[line] for pack in asked if len(pack) > 1 for line in pack]
        texts = ["\n".join(pack) for pack in asked]
        bounds = [input_token_bound(text, terms=terms_in(text, self.terms), domains=self.domains) for text in texts]
        return price.cost(input_tokens=sum(bounds), output_tokens=sum(map(output_token_bound, texts)))

    def result(self, answers: TranslationAnswers, *, price: TokenPrice | None) -> TranslationResult:
        """The result, once no line is missing."""
        texts = [
            self._translated(lines, answers) if corrected is None else corrected
            for corrected, lines in zip(self._corrected, self._lines, strict=True)
        ]
        segments = self._segments(texts)
        of_input, of_output = answers.tokens
        cost = None
        if price is not None and of_input is not None and of_output is not None:
            cost = float(price.cost(input_tokens=of_input, output_tokens=of_output))
        return {
            "source_language": self.source_language.code if self.source_language else AUTO,
            "target_language": self.target_language.code,
            "model": self.model,
            "text": "\n".join(texts if self.source.segments is None else filter(None, texts)),
            "segments": segments,
            "estimated_seconds": round(sum(typical_seconds(text, rate=self.rate) for text in texts), 2),
            "too_long": sum(not segment["fits"] for segment in segments),
            "input_tokens": of_input,
            "output_tokens": of_output,
            "cost": cost,
            "currency": price.currency if price else None,
            "request_ids": answers.request_ids,
        }

    def _translated(self, lines: Sequence[str], answers: TranslationAnswers) -> str:
        found = (answers.find(self.digest(line)) or "" for line in lines)
        return join_lines(found, language=self.target_language.code)

    @cached_property
    def _corrected(self) -> list[str | None]:
        """What a person wrote for each text."""
        return [self.corrections.get(place) for place in places_of(self.source.texts)]

    @cached_property
    def _lines(self) -> list[tuple[str, ...]]:
        """The lines of each text that have to be translated."""
        name = "source.segments[{}]" if self.source.segments is not None else "paragraph {} of source"
        return [
            lines_of(text, field=name.format(at)) if corrected is None else ()
            for at, (text, corrected) in enumerate(zip(self.source.texts, self._corrected, strict=True))
        ]

    @cached_property
    def _digests(self) -> dict[str, str]:
        """The digest of each line, in order. Looking for the terms of thousands of lines takes seconds."""
        languages = [self.source_language.code if self.source_language else AUTO, self.target_language.code]
        digests: dict[str, str] = {}
        for line in chain.from_iterable(self._lines):
            terms = [(term.source, term.target) for term in terms_in(line, self.terms)]
            digests[line] = digest_of([self.model, languages, self.domains, terms, line])
        return digests

    def _with_room_for_terms(self, pack: list[str]) -> Iterator[list[str]]:
        text = "\n".join(pack)
        most = input_token_bound(text, terms=terms_in(text, self.terms), domains=self.domains)
        if most <= MAX_TOKENS or len(pack) == 1:
            yield pack
            return
        middle = len(pack) // 2
        yield from self._with_room_for_terms(pack[:middle])
        yield from self._with_room_for_terms(pack[middle:])

    def _segments(self, texts: Sequence[str]) -> list[TranslatedSegment]:
        if self.source.segments is None:
            return []
        rooms = rooms_of(self.source.segments, seconds=self.source.seconds)
        return [
            self._segment(segment, text, room)
            for segment, text, room in zip(self.source.segments, texts, rooms, strict=True)
        ]

    def _segment(self, segment: TimedSegment, text: str, room: float) -> TranslatedSegment:
        fit = fit_segment(text, room=room, rate=self.rate, max_rate=self.max_rate)
        speaker: dict[str, Any] = {} if segment.speaker is None else {"speaker": segment.speaker}
        translated: TranslatedSegment = {
            "start": segment.start,
            "end": segment.end,
            "text": text,
            "source_text": segment.text,
            "estimated_seconds": round(fit.seconds, 2),
            "room": round(room, 3),
            "fits": fit.fits,
            "rate": fit.rate,
        }
        return {**translated, **speaker}  # type: ignore[typeddict-item]
