"""The rows of a table of videos, each checked. All faults of all rows are found at once."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airflow_provider_videoretalk.batches.script_pieces import MAX_SECONDS, split_script
from airflow_provider_videoretalk.batches.speaking_time import typical_seconds
from airflow_provider_videoretalk.batches.table_text import Fault, Record, listed, read_records, shown
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError

COLUMNS = ("name", "text", "text_location", "audio", "language", "voice", "video", "photo", "destination")
"""The columns of a table."""

DEFAULTS = ("name", "language", "voice", "video", "destination")
"""The columns that may have a default."""

MAX_NAME_BYTES = 120
"""Most bytes of a name in UTF-8. A file's name has the language and a suffix besides, and at most 255 bytes."""

_MAX_VOICE, _MAX_LOCATION = 128, 2_048
_LANGUAGE = re.compile("[A-Za-z]{2,20}([-_ ][A-Za-z0-9]{1,20}){0,3}")
# What separates folders, or has a meaning in a URI, in a shell's pattern or in the file names of some system.
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|#%{}\[\]]')
_NAME_WORDS = 6
_MAX_READERS = 16


@dataclass(frozen=True, kw_only=True)
class VideoRow:
    """A row without a fault.

    :param line: see :attr:`~airflow_provider_videoretalk.batches.table_text.Fault.line`
    :param language: as the speech model takes it; ``None`` to let the service detect it
    :param voice: ``None`` for the model's default
    :param audio: location of a recording of the speech; ``None`` if the text has to be spoken
    :param video: location of the presenter, or of a photo of the presenter
    :param is_photo: it is a photo
    :param destination: URI of the video, a path below the folder of the batch, or ``None`` for a name of its own there
    """

    line: int
    name: str
    text: str
    language: str | None
    voice: str | None
    audio: str | None
    video: str
    destination: str | None
    is_photo: bool = False

    @property
    def label(self) -> str:
        """What people call it: the name and the language."""
        return f"{self.name} ({self.language})" if self.language else self.name

    @property
    def file_name(self) -> str:
        """The video's name in a folder."""
        language = f"-{self.language.replace(' ', '-')}" if self.language else ""
        return f"{self.name}{language}.mp4"


@dataclass(frozen=True, kw_only=True)
class VideoTable:
    """
    :param rows: those without a fault, in the order of the table
    :param faults: of all others, in the order of their lines
    :param count: rows of the table, also those with a fault
    """

    rows: tuple[VideoRow, ...]
    faults: tuple[Fault, ...]
    count: int


def read_table(
    content: bytes,
    *,
    defaults: Mapping[str, str | None] | None = None,
    speech_model: str,
    speaking_rate: float = 1.0,
    read_text: Callable[[str], str],
) -> VideoTable:
    """Reads a table and checks each row.

    :param content: CSV, TSV, JSON Lines or XLSX, see
        :func:`~airflow_provider_videoretalk.batches.table_text.read_records`
    :param defaults: the values of cells that are empty, by column (:data:`DEFAULTS`)
    :param speech_model: its limit of characters applies
    :param speaking_rate: see :func:`~airflow_provider_videoretalk.batches.speaking_time.speaking_rate`
    :param read_text: reads the script at a ``text_location``; called by several threads
    :raises InputError: there is no table, it is too large, its columns are unknown, or a name or a destination is there
        twice; or the defaults are not usable
    """
    given = _checked_defaults(defaults or {})
    records = [_with_defaults(record, given) for record in read_records(content, columns=COLUMNS)]
    scripts = _read_scripts(records, read_text)
    rows, faults = [], []
    for record, script in zip(records, scripts, strict=True):
        found = [*record.faults, *_faults_of(record, script, speech_model, speaking_rate)]
        faults += found
        if not found:
            rows.append(_row(record, str(script)))
    refuse_repeated("name and language", [(row.line, (row.name, row.language or "")) for row in rows])
    return VideoTable(rows=tuple(rows), faults=tuple(faults), count=len(records))


def refuse_repeated(what: str, values: Iterable[tuple[int, object]]) -> None:
    """Refuses a table in which a value is there twice.

    :param values: each with its line
    :raises InputError: with all that are repeated
    """
    lines = defaultdict(list)
    for line, value in values:
        lines[value].append(line)
    repeated = [
        f"{shown(value)} in the lines {listed(list(map(str, at)))}" for value, at in lines.items() if len(at) > 1
    ]
    if repeated:
        raise InputError(
            f"table has the same {what} in several rows: {listed(repeated, separator='; ')}, allowed is each once",
            remedy="Change or remove these rows. A row without a name is called by its first words.",
        )


def _checked_defaults(defaults: Mapping[str, str | None]) -> dict[str, str]:
    """
    :raises InputError: a default of an unknown column, or one that no row may have
    """
    unknown = [name for name in defaults if name not in DEFAULTS]
    if unknown:
        raise InputError(
            f"defaults has {shown(unknown[0])}, allowed are {', '.join(DEFAULTS)}",
            remedy="Remove it. A text has no default.",
        )
    given = {name: str(value).strip() for name, value in defaults.items() if value is not None and str(value).strip()}
    faults = list(_faults_of_values(0, given))
    if faults:
        raise InputError("; ".join(map(str, faults)), remedy="Correct the defaults.")
    return given


def _with_defaults(record: Record, defaults: Mapping[str, str]) -> Record:
    # A photo takes the place of the presenter that rows have which name none.
    unused = ("video",) if "photo" in record.values else ()
    given = {column: value for column, value in defaults.items() if column not in unused}
    return Record(line=record.line, values={**given, **record.values}, faults=record.faults)


def _read_scripts(records: Sequence[Record], read_text: Callable[[str], str]) -> list[str | Fault | None]:
    """The script of each record, the fault of one that cannot be read, or ``None`` without one."""

    def script_of(record: Record) -> str | Fault | None:
        location = record.values.get("text_location")
        if "text" in record.values or location is None:
            return record.values.get("text")
        try:
            return read_text(location).strip()
        except DashScopeError as error:
            remedy = error.remedy or "Correct the location."
            return Fault(line=record.line, column="text_location", value=error.message, remedy=remedy)

    with ThreadPoolExecutor(_MAX_READERS) as pool:
        return list(pool.map(script_of, records))


def _faults_of(record: Record, script: str | Fault | None, model: str, rate: float) -> Iterator[Fault]:
    line, values = record.line, record.values
    yield from _faults_of_values(line, values)
    yield from _faults_of_presenter(line, values)
    if "text" in values and "text_location" in values:
        both = "there are both text and text_location"
        yield Fault(line=line, column="text", value=both, limit="one of them", remedy="Remove one of them.")
    elif isinstance(script, Fault):
        yield script
    elif not script and "audio" not in values:
        # A record that cannot be read at all has said so.
        if values or not record.faults:
            remedy = "Write the script, or name a recording of it in audio."
            yield Fault(line=line, column="text", value="it is empty", limit="a script", remedy=remedy)
    else:
        column = "text" if "text" in values else "text_location"
        yield from _faults_of_script(line, column, script or "", None if "audio" in values else model, rate)
        if "name" not in values and not _name_of_script(script or ""):
            remedy = "Give the row a name."
            yield Fault(line=line, column="name", value="it is empty, and the script has no words", remedy=remedy)


def _faults_of_presenter(line: int, values: Mapping[str, str]) -> Iterator[Fault]:
    if "video" not in values and "photo" not in values:
        yield Fault(line=line, column="video", value="it is empty", limit="a location", remedy="Name the presenter.")
    elif "video" in values and "photo" in values:
        both = "there are both video and photo"
        yield Fault(line=line, column="photo", value=both, limit="one of them", remedy="Remove one of them.")


def _faults_of_script(line: int, column: str, script: str, model: str | None, rate: float) -> Iterator[Fault]:
    """
    :param model: that speaks it; ``None`` if it is spoken already
    """
    seconds = typical_seconds(script, rate=rate)
    if seconds > MAX_SECONDS:
        yield Fault(
            line=line,
            column=column,
            value=f"it takes about {seconds / 60:.0f} minutes to speak",
            limit=f"at most {MAX_SECONDS / 60:g} minutes",
            remedy="Split the script into several rows.",
        )
    elif model is not None:
        yield from _faults_of_pieces(line, column, script, model, rate)
    bad = next((one for one in set(script) if unicodedata.category(one) in ("Cs", "Cc") and one not in "\n\r\t"), None)
    if bad is not None:
        value = f"it has the character U+{ord(bad):04X}, which nobody can speak"
        yield Fault(line=line, column=column, value=value, remedy="Remove it.")


def _faults_of_pieces(line: int, column: str, script: str, model: str, rate: float) -> Iterator[Fault]:
    try:
        split_script(script, model=model, rate=rate)
    except InputError as error:
        yield Fault(line=line, column=column, value=error.message, remedy=error.remedy)


def _faults_of_values(line: int, values: Mapping[str, str]) -> Iterator[Fault]:
    """The faults of cells that are given."""
    if "name" in values:
        yield from _faults_of_name(line, values["name"])
    if "language" in values and not _LANGUAGE.fullmatch(values["language"]):
        limit = "a code such as en, or a name such as English for Qwen-TTS"
        yield Fault(line=line, column="language", value=shown(values["language"]), limit=limit, remedy="Correct it.")
    for column, most in {
        "voice": _MAX_VOICE,
        **dict.fromkeys(("video", "photo", "audio", "destination", "text_location"), _MAX_LOCATION),
    }.items():
        value = values.get(column, "")
        bad = ("Cc", "Cs", "Cf", "Zl", "Zp") if column == "destination" else ("Cc", "Cs")
        if len(value) > most or any(unicodedata.category(one) in bad for one in value):
            limit = f"one line of at most {most} characters"
            yield Fault(line=line, column=column, value=shown(value), limit=limit, remedy="Correct it.")


def _faults_of_name(line: int, name: str) -> Iterator[Fault]:
    limit = (
        f"at most {MAX_NAME_BYTES} bytes in one line that begin with a letter or a digit, without "
        '/ \\ : * ? " < > | # % { } [ ] and without a dot at the end or invisible characters'
    )
    plain = not _NOT_IN_NAMES.search(name) and not any(
        unicodedata.category(one)[0] in "CZ" and one != " " for one in name
    )
    if not plain or not name[0].isalnum() or name.endswith(".") or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        yield Fault(line=line, column="name", value=shown(name), limit=limit, remedy="Give another name.")


def _row(record: Record, script: str) -> VideoRow:
    values = record.values
    return VideoRow(
        line=record.line,
        name=unicodedata.normalize("NFC", values.get("name") or _name_of_script(script)),
        text=script,
        language=values.get("language"),
        voice=values.get("voice"),
        audio=values.get("audio"),
        video=values.get("photo") or values["video"],
        destination=values.get("destination"),
        is_photo="photo" in values,
    )


def _name_of_script(script: str) -> str:
    """The first words of a script, as a name. It stays the same when rows are added or sorted."""
    words = unicodedata.normalize("NFC", script).split()
    # Marks too, without which Hindi or Thai is no text.
    plain = ("".join(one for one in word if unicodedata.category(one)[0] in "LMN") for word in words)
    name = "-".join([word for word in plain if word][:_NAME_WORDS])
    return name.encode()[: MAX_NAME_BYTES // 2].decode(errors="ignore").strip("-")
