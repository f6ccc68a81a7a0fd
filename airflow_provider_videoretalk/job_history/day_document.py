"""The facts of all jobs that were submitted on one day, as one stored value."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.facts import FACTS, VERSION, Fact, FactKind, fact_fields
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.job_history.job_table import facts_of
from airflow_provider_videoretalk.polling.stored_json import read_dataclass, unreadable, versioned_mapping

MAX_BYTES = 128 * 1024 * 1024
"""Bytes of the facts of a day as JSON. A larger value is not unpacked."""

MAX_JOBS = 50_000
"""Jobs of a day. Their document is below 16 MB, the limit of Airflow's column of Variables on MySQL."""


def pack_day(records: Iterable[JobRecord], charges: Iterable[Charged] = ()) -> dict[str, Any]:
    """The document of a day: its JSON, compressed to about a tenth."""
    jobs = [{kind: fact_fields(fact) for kind, fact in facts_of(record)} for record in records]
    document: dict[str, Any] = {"jobs": jobs}
    if paid := [fact_fields(charge) for charge in charges]:
        document["charges"] = paid
    text = json.dumps(document, separators=(",", ":"))
    return {"version": VERSION, "zlib": base64.b64encode(zlib.compress(text.encode(), 6)).decode()}


def unpack_day(stored: object, *, name: str, containing: str = "") -> Iterator[tuple[FactKind, Fact]]:
    """The facts in a document. Unknown fields and kinds of facts are ignored.

    :param name: where it is stored, for the message
    :param containing: a text such as a job's id. A document without it has no facts
    :raises StateReadError: another version wrote it, or it is damaged
    """
    document = versioned_mapping(stored, version=VERSION, name=name)
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(base64.b64decode(document["zlib"], validate=True), MAX_BYTES)
        if not unpacker.eof:
            raise ValueError(f"it is cut, or larger than {MAX_BYTES} bytes")
        content = json.loads(text) if json.dumps(containing)[1:-1].encode() in text else {"jobs": []}
        jobs, charges = content["jobs"], content.get("charges")
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error, RecursionError) as error:
        raise unreadable(name, f"it is damaged ({type(error).__name__})") from None
    for number, job in enumerate(jobs if isinstance(jobs, list) else ()):
        yield from _facts_in(job, name=name, path=f"jobs[{number}]")
    for number, charge in enumerate(charges if isinstance(charges, list) else ()):
        yield "charged", read_dataclass(Charged, charge, name=name, path=f"charges[{number}]")


def _facts_in(job: object, *, name: str, path: str) -> Iterator[tuple[FactKind, Fact]]:
    if not isinstance(job, Mapping):
        raise unreadable(name, f"{path} is of type {type(job).__name__}, allowed is a mapping")
    for kind, stored in job.items():
        if kind in FACTS:
            yield cast("FactKind", kind), read_dataclass(FACTS[kind], stored, name=name, path=f"{path}.{kind}")
