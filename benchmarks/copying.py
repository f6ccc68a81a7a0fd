"""One copy of a URL to a destination, in a process of its own: its seconds, by the clock and of CPU, and peak memory.

    python -m benchmarks.copying PLAN

``PLAN`` is a JSON object: ``client``, ``url`` (``null`` to load the client only), ``destination``, and ``s3``, the
options of the S3 file system or ``null``. Prints ``seconds``, ``cpu_seconds`` and ``megabytes``. To load the client
is not part of the seconds.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.machine import peak_megabytes

CURL, PLAIN = "curl", "plain fsspec"
OURS, SUMMED = "this package", "this package, and a source that tells MD5 and CRC-64"
_MB = 1024 * 1024


def run(plan: Mapping[str, Any]) -> dict[str, float]:
    path, copy = _destination(plan["destination"], plan["s3"]), _LOADED[plan["client"]]()
    begun, spent = time.perf_counter(), _cpu_seconds()
    if plan["url"] is not None:
        copy(plan["url"], path)
    seconds, cpu_seconds = time.perf_counter() - begun, _cpu_seconds() - spent
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "megabytes": peak_megabytes()}


def _cpu_seconds() -> float:
    """Of this process, and of the curl that has ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _destination(uri: str, s3: Mapping[str, Any] | None) -> Any:
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io.store import attach

    if s3:
        from s3fs import S3FileSystem

        attach("s3", conn_id="bench", fs=S3FileSystem(**s3))
    return ObjectStoragePath(uri)


_Copy = Callable[[str, Any], object]


def _curl() -> _Copy:
    """To a disk only."""
    return lambda url, path: subprocess.run(["curl", "-sS", "--fail", "-o", path.path, url], check=True)


def _plain_fsspec() -> _Copy:
    """As fast as fsspec has it: a stream in, a stream or file out."""
    import aiohttp  # noqa: F401
    from fsspec.implementations.http import HTTPFileSystem

    def copy(url: str, path: Any) -> None:
        if path.protocol == "file":
            HTTPFileSystem().get_file(url, path.path)
            return
        with HTTPFileSystem().open(url, block_size=0) as source, path.open("wb", block_size=8 * _MB) as target:
            shutil.copyfileobj(source, target, _MB)

    return copy


def _this_package() -> _Copy:
    from airflow_provider_videoretalk.outbound.host_access import any_address
    from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, copy_object

    def build_metadata(downloaded: DownloadedObject, _: Any) -> dict[str, Any]:
        return {"size": downloaded.content.size, "sha256": downloaded.content.sha256}

    return lambda url, path: copy_object(url, [path], access=any_address, build_metadata=build_metadata)


_LOADED = {CURL: _curl, PLAIN: _plain_fsspec, OURS: _this_package, SUMMED: _this_package}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
