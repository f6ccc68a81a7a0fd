"""What has been translated: the answers of this task, in its state as they arrive, and those of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.operators.translation_memory import TranslationMemory

if TYPE_CHECKING:
    from airflow_provider_videoretalk.model_catalog.translation import Translation
    from airflow_provider_videoretalk.submission.record_store import Store

KEY = "videoretalk_translation"
"""The begin of the keys. Each answer has one of its own, since Airflow limits the size of a value."""

_VERSION = 1


@dataclass(kw_only=True)
class TranslationAnswers:
    """The answers of all tries of a task instance.

    :param store: of the task's state
    :param memory: has the translations of earlier runs, and gets those of this one
    """

    store: Store
    memory: TranslationMemory = field(default_factory=TranslationMemory)
    _lines: dict[str, str] = field(default_factory=dict, init=False)
    _unmatched: set[str] = field(default_factory=set, init=False)
    _answers: list[Mapping[str, Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        while (found := self.store.get(f"{KEY}_{len(self._answers)}")) is not None:
            self._add(found)

    def find(self, digest: str) -> str | None:
        """The translation of a line; ``None`` if there is none."""
        return self._lines.get(digest, self.memory.lines.get(digest))

    def must_stand_alone(self, digest: str) -> bool:
        """Whether a reply to several lines, of which this was one, had another number of lines."""
        return digest in self._unmatched

    def keep(self, reply: Translation, *, digests: Sequence[str], lines: Sequence[str] | None) -> None:
        """
        :param digests: of the lines that were sent
        :param lines: their translations; ``None`` if the reply does not have them
        """
        answer: dict[str, Any] = {
            "version": _VERSION,
            "lines": dict(zip(digests, lines, strict=True)) if lines is not None else {},
            "unmatched": list(digests) if lines is None else [],
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "request_id": reply.request_id,
        }
        self.store.set(f"{KEY}_{len(self._answers)}", answer)
        self._add(answer)
        self.memory.keep_lines(answer["lines"])

    @property
    def request_ids(self) -> list[str]:
        return [answer["request_id"] for answer in self._answers if answer.get("request_id")]

    @property
    def tokens(self) -> tuple[int | None, int | None]:
        """The billed tokens of all answers, of input and of output; ``None`` if an answer did not say."""
        return self._sum("input_tokens"), self._sum("output_tokens")

    def _sum(self, name: str) -> int | None:
        given = [answer.get(name) for answer in self._answers]
        known = [one for one in given if isinstance(one, int)]
        return sum(known) if len(known) == len(given) else None

    def _add(self, answer: object) -> None:
        """Reads an answer. What another release wrote is paid for again."""
        known = isinstance(answer, Mapping) and answer.get("version") == _VERSION
        self._answers.append(answer if isinstance(answer, Mapping) and known else {})
        self._lines.update(self._answers[-1].get("lines", {}))
        self._unmatched.update(self._answers[-1].get("unmatched", ()))
