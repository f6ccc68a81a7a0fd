"""A file on this machine, read by ranges of bytes."""

from __future__ import annotations

import stat
from pathlib import Path

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter


class LocalFile:
    """A regular file on this machine.

    :raises InputError: the file does not exist, is not a regular file, or cannot be opened
    """

    forward_only = False
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, *, field: str, meter: BudgetMeter) -> None:
        self._meter = meter
        self._field = field
        try:
            status = path.stat()
            # Opening a pipe would block, and a device has no end.
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{field} is {str(path)!r}, allowed is a regular file", remedy="Give a file's path.")
            self._file = path.open("rb", buffering=0)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{field} is {str(path)!r}, which cannot be opened ({type(error).__name__})",
                remedy="Check the path and its permissions on the machine where the task runs.",
            ) from None
        self.size: int | None = status.st_size

    def fetch(self, start: int, length: int) -> bytes:
        """See :meth:`~airflow_provider_videoretalk.media.ranged_reader.RangedFile.fetch`."""
        self._meter.charge(size=length)
        try:
            self._file.seek(start)
            return self._file.read(length)
        except OSError as error:
            raise TransportError(f"{self._field} cannot be read: {type(error).__name__}") from None

    def close(self) -> None:
        self._file.close()
