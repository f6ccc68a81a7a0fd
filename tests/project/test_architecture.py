"""Compares the files, packages and stored names that the pages on the architecture name with the code."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from contract.test_rooms import FLOORS
from documents import PAGES, ROOT, Page

from airflow_provider_videoretalk.decorators import returned_fields
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.provider_info import get_provider_info
from airflow_provider_videoretalk.submission import admitting_triggerers, ledger, registry
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.retry_later import RetryLaterTrigger

PACKAGE = ROOT / "airflow_provider_videoretalk"
_BY_NAME = {page.name: page for page in PAGES}
_ARCHITECTURE, _DESIGN = _BY_NAME["docs/architecture.md"], _BY_NAME["docs/design.md"]
_FILE = re.compile(r"`([\w./-]+/[\w.-]+\.py)`")


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md", "docs/design.md"])
def test_every_named_file_exists(name: str) -> None:
    named = set(_FILE.findall(_BY_NAME[name].prose))
    assert {path for path in named if not ((PACKAGE / path).exists() or (ROOT / path).exists())} == set()


def test_the_path_of_a_clip_names_its_files() -> None:
    path = _section(_ARCHITECTURE, "One clip's path")
    assert len(re.findall(r"^\d+\. ", path, re.MULTILINE)) == 20
    assert len(set(_FILE.findall(path))) >= 30


def test_the_table_of_packages_is_complete() -> None:
    rows = re.findall(r"^\| ((?:`[\w.]+` ?)+)\|", _section(_ARCHITECTURE, "Packages"), re.MULTILINE)
    documented = [set(re.findall(r"`([\w.]+)`", row)) for row in rows]
    existing = [{name for name in floor if _exists(name)} for floor in FLOORS]
    assert documented == [names for names in existing if names]


def _exists(name: str) -> bool:
    """Whether the package or module exists, and is more than a file that only Python needs."""
    path = PACKAGE / name.replace(".", "/")
    return not name.startswith("__") and (path.is_dir() or path.with_suffix(".py").exists())


def _section(page: Page, heading: str) -> str:
    return page.prose.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("kind", [ClearCount, Intent, Record, PollPolicy, AwaitedJob], ids=lambda kind: kind.__name__)
def test_every_stored_field_is_in_the_table(kind: type) -> None:
    documented = set(re.findall(r"`(\w+)`", _section(_DESIGN, "Stored names")))
    assert {field.name for field in fields(kind)} - documented == set()


def test_every_other_stored_name_is_in_the_table() -> None:
    stored = _section(_DESIGN, "Stored names")
    for key in (ledger.KEY, registry.PREFIX, admitting_triggerers.PREFIX, returned_fields.KEPT):
        assert f"`{key}" in stored
    triggers = (
        DashScopeTaskTrigger(
            dashscope_conn_id="c", dashscope_task_id="t", expected_seconds=1.0, cost_estimate={"exact": True}
        ),
        AdmissionTrigger(dashscope_conn_id="c", model="m", held_since=1.0, limit=60.0),
        RetryLaterTrigger(moment=1.0, note={"refusals": 1, "since": 1.0}),
    )
    for trigger in triggers:
        path, arguments = trigger.serialize()
        assert f"`{path}`" in stored
        assert [name for name in arguments if f"`{name}`" not in stored] == []
    extras = get_provider_info()["connection-types"][0]["conn-fields"]
    assert [name for name in extras if f"`{name}`" not in stored] == []
