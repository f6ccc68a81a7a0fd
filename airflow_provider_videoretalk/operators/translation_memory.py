"""Translations that are kept from run to run: what was translated, and how people corrected it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.object_storage_path import uri_of
from airflow_provider_videoretalk.batches.plan_file import VERSION, read_document, write_document
from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.dashscope.reply_values import mapping
from airflow_provider_videoretalk.operators.output_folder import OutputFolder
from airflow_provider_videoretalk.publishing.object_name import object_in_folder
from airflow_provider_videoretalk.publishing.object_store import find_object, make_folder_of, store_errors_named

if TYPE_CHECKING:
    from airflow_provider_videoretalk.publishing.atomic_object import Destination


@dataclass(kw_only=True)
class TranslationMemory:
    """The JSON document of one target language. One task at a time writes to it.

    :param path: of the document; ``None`` keeps nothing
    """

    path: Destination | None = None
    _lines: dict[str, str] = field(default_factory=dict, init=False)
    _corrections: dict[str, str] = field(default_factory=dict, init=False)

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
        opened = OutputFolder.open(folder, storage_conn_id=storage_conn_id, allowed_destinations=allowed_destinations)
        return cls(path=object_in_folder(opened.path, f"{language}.json"))

    @property
    def lines(self) -> Mapping[str, str]:
        """The translations by the digest of the line and of all that they depend on."""
        return self._lines

    @property
    def corrections(self) -> Mapping[str, str]:
        """The texts that people wrote, by what was translated."""
        return self._corrections

    def keep_lines(self, lines: Mapping[str, str]) -> None:
        """
        :raises TransportError: the store failed
        """
        self._keep(lines, {})

    def keep_corrections(self, corrections: Iterable[tuple[str, str]]) -> None:
        """
        :param corrections: what was translated, and the text that a person wrote
        :raises TransportError: the store failed
        """
        self._keep({}, dict(corrections))

    def _keep(self, lines: Mapping[str, str], corrections: Mapping[str, str]) -> None:
        if self.path is None or not (lines or corrections):
            return
        # Another task may have written since.
        self._read()
        self._lines.update(lines)
        self._corrections.update(corrections)
        with store_errors_named(self.path):
            make_folder_of(self.path)
        write_document(self.path, {"version": VERSION, "lines": self._lines, "corrections": self._corrections})

    def _read(self) -> None:
        if self.path is None:
            return
        with store_errors_named(self.path):
            found = find_object(self.path)
        if not found:
            return
        document = read_document(self.path)
        for name, known in (("lines", self._lines), ("corrections", self._corrections)):
            given = document.get(name)
            if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
                raise StateReadError(
                    f"{uri_of(self.path)} has no {name}", remedy="Remove the file: its translations are paid for again."
                )
            known.update(given)


def text_of(segment: Mapping[str, Any]) -> str:
    """The text of a segment in one line, as a form shows it."""
    return " ".join(str(mapping(segment).get("text") or "").split())
