from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.service.checksums import checksums_of, crc64

if TYPE_CHECKING:
    from pathlib import Path


def test_crc64_check_value() -> None:
    # The check value CRC catalogues give for CRC-64/XZ.
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA


def test_crc64_continues() -> None:
    data = bytes(range(256)) * 5
    assert crc64(data[77:], crc64(data[:77])) == crc64(data)


def test_sums_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"123456789")
    sums = checksums_of(path)
    assert (sums.size, sums.crc64) == (9, 0x995DC9BBDF1939FA)
    assert sums.md5 == hashlib.md5(b"123456789").hexdigest()
    assert sums.etag == f'"{sums.md5.upper()}"'
