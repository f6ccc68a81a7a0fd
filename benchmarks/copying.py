"""One copy of a URL to a destination, in a process of its own: its seconds, by the clock and of CPU, and peak memory.

    python -m benchmarks.copying PLAN

``PLAN`` is a JSON object: ``client`` (``null`` for nothing but Airflow), ``url``, ``destination``, and ``s3``, the
options of the S3 file system or ``null``. Prints ``seconds``, ``cpu_seconds`` and ``megabytes``.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.machine import peak_megabytes

PLAIN, OURS, SUMMED = "plain fsspec", "this package", "this package, and a source that tells MD5 and CRC-64"
_MB = 1024 * 1024


def run(plan: Mapping[str, Any]) -> dict[str, float]:
    from airflow.sdk import BaseOperator, ObjectStoragePath  # noqa: F401

    seconds = cpu_seconds = 0.0
    if plan["client"] is not None:
        path = _destination(plan["destination"], plan["s3"])
        begun, spent = time.perf_counter(), time.process_time()
        (_plainly if plan["client"] == PLAIN else _by_this_package)(plan["url"], path)
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - spent
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "megabytes": peak_megabytes()}


def _destination(uri: str, s3: Mapping[str, Any] | None) -> Any:
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io.store import attach

    if s3:
        from s3fs import S3FileSystem

        attach("s3", conn_id="bench", fs=S3FileSystem(**s3))
    return ObjectStoragePath(uri)


def _plainly(url: str, path: Any) -> None:
    """As fast as fsspec has it: a stream in, a stream or file out."""
    from fsspec.implementations.http import HTTPFileSystem

    if path.protocol == "file":
        HTTPFileSystem().get_file(url, path.path)
        return
    with HTTPFileSystem().open(url, block_size=0) as source, path.open("wb", block_size=8 * _MB) as target:
        shutil.copyfileobj(source, target, _MB)


def _by_this_package(url: str, path: Any) -> None:
    from airflow_provider_videoretalk.outbound.host_access import any_address
    from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, copy_object

    def build_metadata(downloaded: DownloadedObject, _: Any) -> dict[str, Any]:
        return {"size": downloaded.content.size, "sha256": downloaded.content.sha256}

    copy_object(url, [path], access=any_address, build_metadata=build_metadata)


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
