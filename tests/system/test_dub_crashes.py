"""No step of a dub is paid for twice, and nothing is lost, whatever dies on the way: the service's book decides."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from system.cluster import Cluster
from system.dub_steps import (
    StepRow,
    StepScenario,
    cleared_after_the_end,
    cleared_and_forgotten,
    dies_again_and_again,
    fault_hits,
    killed_often,
    play_steps,
    services_of,
    table,
    triggerer_dies_waiting,
    worker_dies_in_flight,
    worker_dies_waiting,
)
from system.reports import REPORTS

ABREAST = 8
# A task that waits for a core is not dead: Airflow would kill it, and it would pay for what was in flight once more.
PATIENT = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60", "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20"}
BEFORE_ENROLMENT = ("before_list", "before_intent", "after_intent")


def killed(points: tuple[str, ...], **given: Any) -> tuple[StepScenario, ...]:
    return tuple(StepScenario(name=f"killed {point}", points=(point,), **given) for point in points)


def lost(operation: str, effect: str = "drop_after", **rule: Any) -> dict[str, Any]:
    return {"operation": operation, "effect": effect, **rule}


def held_back(operation: str, **rule: Any) -> dict[str, Any]:
    """The head of the reply comes, which shows that the request was carried out, and the body much later."""
    return lost(operation, "stall", at_byte=0, seconds=20, **rule)


def voices() -> Iterator[StepScenario]:
    """An enrolment is the third request: the first two read the list."""
    one: dict[str, Any] = {"dag": "voice", "paid": {"voices": 1}}
    # Takes longest.
    yield StepScenario(
        name="two runs, twenty kills",
        dag="voice_killed_often",
        paid={"voices": 1},
        points=BEFORE_ENROLMENT,
        kills=20,
        injury=killed_often,
        twins=2,
    )
    yield StepScenario(name="nothing happens", **one)
    yield from killed((*BEFORE_ENROLMENT, "after_post", "after_id", "after_result"), **one)
    yield StepScenario(
        name="worker killed in the enrolment",
        faults=(held_back("voices", after=2),),
        injury=worker_dies_in_flight,
        **one,
    )
    yield StepScenario(name="reply lost", faults=(lost("voices", after=2),), injury=fault_hits, **one)
    # Nobody knows that nothing was enrolled: only a person's clear enrols.
    yield StepScenario(
        name="request lost, cleared after the failure",
        faults=(lost("voices", "drop_before", after=2),),
        injury=cleared_after_the_end,
        says="clear the task: then it enrols the voice",
        **one,
    )
    yield StepScenario(name="cleared after the end", injury=cleared_after_the_end, **one)


def transcriptions(path: str) -> Iterator[StepScenario]:
    one: dict[str, Any] = {"dag": f"transcribe_{path}", "paid": {"jobs": 1}}
    yield StepScenario(name="nothing happens", **one)
    yield from killed(("before_intent", "after_post", "after_id", "after_event", "after_result"), **one)
    yield StepScenario(name="reply lost", faults=(lost("submit"),), injury=fault_hits, **one)
    dies = worker_dies_waiting if path == "blocking" else triggerer_dies_waiting
    yield StepScenario(name="killed while waiting", held=True, injury=dies, **one)
    # What a person's clear of a finished job means is a policy.
    yield StepScenario(name="cleared after the end", injury=cleared_after_the_end, **one | {"paid": {"jobs": 2}})
    yield StepScenario(
        name="cleared after the end: reuse", injury=cleared_after_the_end, **one | {"dag": f"transcribe_{path}_reuse"}
    )


def translations() -> Iterator[StepScenario]:
    """Three requests. The one in flight is paid for again: it has no id."""
    three: dict[str, Any] = {"dag": "translate", "paid": {"translations": 3}}
    four: dict[str, Any] = {"dag": "translate", "paid": {"translations": 4}}
    yield StepScenario(name="nothing happens", **three)
    yield StepScenario(
        name="killed after each answer",
        points=("after_answer",),
        kills=3,
        injury=dies_again_and_again("after_answer", times=3),
        **three,
    )
    yield from killed(("after_post",), **four)
    yield StepScenario(
        name="worker killed in the second request",
        faults=(held_back("translation", after=1),),
        injury=worker_dies_in_flight,
        **four,
    )
    yield StepScenario(name="reply lost", faults=(lost("translation", after=1),), injury=fault_hits, **four)
    yield StepScenario(name="cleared after the end", injury=cleared_after_the_end, **three)
    yield StepScenario(
        name="as Airflow 3.4: cleared after the end",
        injury=cleared_and_forgotten,
        **three | {"paid": {"translations": 6}},
    )


def speeches() -> Iterator[StepScenario]:
    """Three segments. The speech in flight is paid for again: it has no id."""
    three: dict[str, Any] = {"dag": "speak", "paid": {"speeches": 3}}
    four: dict[str, Any] = {"dag": "speak", "paid": {"speeches": 4}}
    yield StepScenario(name="nothing happens", **three)
    yield StepScenario(
        name="killed after each segment",
        points=("after_speech",),
        kills=3,
        injury=dies_again_and_again("after_speech", times=3),
        **three,
    )
    yield from killed(("after_result",), **three)
    yield from killed(("after_post",), **four)
    yield StepScenario(
        name="worker killed in the second request",
        faults=(held_back("speech", after=1),),
        injury=worker_dies_in_flight,
        **four,
    )
    yield StepScenario(name="reply lost", faults=(lost("speech", after=1),), injury=fault_hits, **four)
    yield StepScenario(name="as Airflow 3.4: cleared after the end", injury=cleared_and_forgotten, **three)


def photos() -> Iterator[StepScenario]:
    for path, points in (
        ("blocking", ("after_check", "before_intent", "after_post", "after_id")),
        ("deferrable", ("after_check", "after_post", "after_event", "after_result")),
    ):
        once: dict[str, Any] = {"dag": f"photo_{path}", "paid": {"checks": 1, "jobs": 1}}
        yield StepScenario(name="nothing happens", **once)
        yield from killed(points, **once)
        yield StepScenario(name="reply lost", faults=(lost("submit"),), injury=fault_hits, **once)
    # The check in flight is paid for again: it has no id.
    twice: dict[str, Any] = {"dag": "photo_blocking", "paid": {"checks": 2, "jobs": 1}}
    yield StepScenario(name="check's reply lost", faults=(lost("detect"),), injury=fault_hits, **twice)
    yield StepScenario(
        name="worker killed in the check",
        faults=(held_back("detect"),),
        injury=worker_dies_in_flight,
        **twice,
    )
    # Airflow 3.3 keeps what the check said.
    yield StepScenario(
        name="cleared after the end",
        dag="photo_deferrable",
        injury=cleared_after_the_end,
        paid={"checks": 1, "jobs": 2},
    )


SCENARIOS = (
    *voices(),
    *transcriptions("deferrable"),
    *transcriptions("blocking"),
    *translations(),
    *speeches(),
    *photos(),
)


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> Iterator[dict[str, StepRow]]:
    """What became of every scenario that was asked for; the table of them is printed at the end."""
    wanted: list[StepScenario] = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    failed_before = request.session.testsfailed
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    settings = {**PATIENT, "AIRFLOW__VIDEORETALK__ALLOWED_SOURCES": f"remote,{home.as_uri()}/"}
    with Cluster(
        home=home / "airflow", services=services_of(wanted, home=home / "airflow"), settings=settings
    ) as cluster:
        played = play_steps(cluster, wanted, abreast=ABREAST)
    yield {row.id: row for row in played}
    if request.session.testsfailed == failed_before:
        shutil.rmtree(home)
    request.config.stash[REPORTS].append(f"{table(played)}\nlogs: {home if home.exists() else 'removed'}")


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.id) for scenario in SCENARIOS])
def test_what_is_paid_and_made(rows: dict[str, StepRow], scenario: StepScenario) -> None:
    row = rows[scenario.id]
    assert not row.trouble
    assert set(row.states) == {"success"}, row.log
    assert (row.paid, row.made) == (scenario.paid, True), row.log
    assert row.kills >= scenario.least_kills
    assert scenario.says in row.log, row.log
