"""Translations that are kept from run to run: what was translated, and how people corrected it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
from airflow_provider_videoretalk.batches.plan_file import VERSION, read_document, write_document
from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.publishing.object_name import object_in_folder
from airflow_provider_videoretalk.publishing.object_store import find_object, store_errors_named

if TYPE_CHECKING:
    from airflow_provider_videoretalk.publishing.atomic_object import Destination

Place = tuple[str, int]
"""A text of the source, and how many texts before it are the same."""


def places_of(texts: Iterable[str]) -> list[Place]:
    """The place of each text of a source."""
    seen: Counter[str] = Counter()
    places = []
    for text in texts:
        places.append((text, seen[text]))
        seen[text] += 1
    return places


@dataclass(kw_only=True)
class TranslationMemory:
    """The JSON document of one target language. One task at a time writes to it.

    :param path: of the document; ``None`` keeps nothing
    :ivar lines: the translations by the digest of the line and of all that they depend on
    :ivar corrections: the texts that people wrote
    """

    path: Destination | None = None
    lines: dict[str, str] = field(default_factory=dict, init=False)
    corrections: dict[Place, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._read()

    @classmethod
    def open(
        cls, folder: object, *, language: str, storage_conn_id: object, allowed_destinations: object
    ) -> TranslationMemory:
        """
        :param folder: URI of a folder, with a slash at its end
        :param language: the code of the target language
        :raises InputError: the folder is not allowed, or is none
        :raises ConfigurationError: its store cannot be opened
        :raises StateReadError: another release wrote the document, or it is damaged
        :raises TransportError: the store failed
        """
        opened = OutputFolder.open(
            folder, storage_conn_id=storage_conn_id, allowed_destinations=allowed_destinations, field="memory"
        )
        return cls(path=object_in_folder(opened.path, f"{language}.json"))

    def keep_lines(self, lines: Mapping[str, str]) -> None:
        """
        :raises TransportError: the store failed
        """
        self._keep(lines, {})

    def keep_corrections(self, corrections: Mapping[Place, str]) -> None:
        """
        :raises TransportError: the store failed
        """
        self._keep({}, corrections)

    def _keep(self, lines: Mapping[str, str], corrections: Mapping[Place, str]) -> None:
        if self.path is None or not (lines or corrections):
            return
        # Another task may have written since.
        self._read()
        self.lines.update(lines)
        self.corrections.update(corrections)
        rows = [
            {"source": source, "occurrence": number, "text": text}
            for (source, number), text in self.corrections.items()
        ]
        write_document(self.path, {"version": VERSION, "lines": self.lines, "corrections": rows})

    def _read(self) -> None:
        if self.path is None:
            return
        with store_errors_named(self.path):
            found = find_object(self.path)
        if not found:
            return
        document = read_document(self.path)
        try:
            self.lines.update({str(digest): str(line) for digest, line in document["lines"].items()})
            self.corrections.update(
                {(str(one["source"]), int(one["occurrence"])): str(one["text"]) for one in document["corrections"]}
            )
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise StateReadError(
                f"{uri_of(self.path)} has no translations ({type(error).__name__})",
                remedy="Correct the file, or remove it: its translations are paid for again.",
            ) from None
