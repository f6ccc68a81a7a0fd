"""Whether a file is of a format that a mark can be written to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.header.file_type import detect_file_type
from airflow_provider_videoretalk.media.location import open_ranged_reader


def markable_format(path: Path, *, mark: str, formats: Mapping[str, str]) -> str:
    """The format of a file, by its bytes.

    :param mark: for messages
    :param formats: those that the mark can be written to, with their names for messages
    :raises InputError: it is of another format
    """
    with open_ranged_reader(path, field="the file") as reader:
        found = detect_file_type(reader) or "unknown"
    if found not in formats:
        raise unmarkable_error(found, mark=mark, formats=formats)
    return found


def unmarkable_error(found: str, *, mark: str, formats: Mapping[str, str]) -> InputError:
    return InputError(
        f"{mark} cannot be written to a file of the format {found}, allowed is {', '.join(formats.values())}",
        remedy=f"Publish another format, or without {mark}.",
    )
