"""One paid video for one clip, whatever dies on the way: Airflow's processes and the service's own books decide."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from system.cluster import Cluster
from system.reports import REPORTS
from system.scenarios import (
    PATHS,
    REAL_TIME,
    Row,
    Scenario,
    WaitingOn,
    cleared_when_published,
    cleared_while,
    dies_at,
    fault_hits,
    is_submitted,
    killed,
    marked_while,
    play_all,
    table,
    triggerer_dies_at,
    waits_for,
    worker_dies_in_submit,
    worker_dies_waiting,
)

ABREAST = 8
SLOW = {"render_factor": 60}
NO_LIST = {"missing": ["list"]}
LOST = {"operation": "submit", "effect": "drop_after"}
UNSENT = {"operation": "submit", "effect": "drop_before"}

STEPS = (
    "before_intent",
    "after_post",
    "after_id",
    "after_event",
    "after_result",
    "during_publish",
    "after_publish",
)

SCENARIOS = (
    Scenario(name="nothing happens"),
    *(Scenario(name=f"killed {step}", steps=(step,), injury=dies_at(step)) for step in STEPS),
    # That no job was created is proved by the list, if it shows another job that is known.
    Scenario(
        name="killed after_intent",
        settings=REAL_TIME,
        earlier=True,
        steps=("after_intent",),
        injury=dies_at("after_intent"),
    ),
    Scenario(
        name="killed after_intent, no job is known",
        settings=REAL_TIME,
        steps=("after_intent",),
        injury=dies_at("after_intent"),
        run="failed",
        submitted=0,
        billed=0,
        published="none",
        says="nor any other that is known to exist",
    ),
    Scenario(name="submit taken, reply lost", faults=(LOST,), injury=fault_hits),
    Scenario(name="submit lost", settings=REAL_TIME, earlier=True, faults=(UNSENT,), injury=fault_hits),
    # The first intent made nothing, and must not cast doubt on what the second one made.
    Scenario(
        name="killed after_intent, then reply lost",
        settings=REAL_TIME,
        earlier=True,
        steps=("after_intent",),
        faults=(LOST,),
        injury=fault_hits,
    ),
    Scenario(name="submit taken, answered 500", faults=({**LOST, "effect": "error_after"},), injury=fault_hits),
    Scenario(name="submit taken, gateway's page", faults=({**LOST, "effect": "html_after"},), injury=fault_hits),
    Scenario(name="throttled", faults=({**LOST, "effect": "throttle", "times": 3},), injury=fault_hits),
    Scenario(
        name="reply lost, list fails twice",
        faults=(LOST, {"operation": "list", "effect": "error_before", "times": 2}),
        injury=fault_hits,
    ),
    Scenario(
        name="reply lost, list is slow",
        faults=(LOST, {"operation": "list", "effect": "stall", "seconds": 3}),
        injury=fault_hits,
    ),
    Scenario(name="reply lost, list lags", settings={"list_delay": 30}, faults=(LOST,), injury=fault_hits),
    # Longer than until a try looks into the list for the first time.
    Scenario(
        name="reply lost, list lags long",
        settings={"list_delay": 240},
        faults=(LOST,),
        injury=fault_hits,
        policy="patient",
    ),
    Scenario(
        name="worker killed in submit",
        faults=({"operation": "submit", "effect": "stall", "seconds": 8},),
        injury=worker_dies_in_submit,
    ),
    Scenario(name="worker killed while waiting", settings=SLOW, paths=("blocking",), injury=worker_dies_waiting),
    Scenario(name="cleared while queued", settings=SLOW, queued=2, injury=cleared_while("PENDING")),
    Scenario(name="cleared while rendering", settings=SLOW, injury=cleared_while("RUNNING")),
    Scenario(
        name="as Airflow 3.4: cleared while queued",
        settings=SLOW,
        queued=2,
        injury=cleared_while("PENDING", forgets=True),
    ),
    Scenario(
        name="as Airflow 3.4: cleared while rendering",
        settings=SLOW,
        injury=cleared_while("RUNNING", forgets=True),
    ),
    # What a person's clear of a finished clip means is a policy.
    Scenario(name="cleared when published", injury=cleared_when_published, submitted=2, billed=2),
    Scenario(name="cleared when published: reuse", injury=cleared_when_published, policy="reuse"),
    Scenario(
        name="cleared while queued: fresh",
        settings=SLOW,
        queued=3,
        injury=cleared_while("PENDING"),
        policy="fresh",
        submitted=2,
        says="is cancelled",
    ),
    # What was submitted for other inputs is never taken for these.
    Scenario(
        name="inputs changed by a retry",
        settings=SLOW,
        queued=3,
        steps=("after_id",),
        injury=dies_at("after_id"),
        policy="changing",
        submitted=2,
        says="is cancelled",
    ),
    Scenario(
        name="inputs changed by a retry: fail",
        steps=("after_id",),
        injury=dies_at("after_id"),
        policy="changing_fail",
        run="failed",
        published="none",
        says="the inputs changed since an earlier try submitted render job",
    ),
    # What nobody wants any longer costs nothing where it still queues, and is reported where it renders.
    Scenario(
        name="marked failed while queued",
        settings=SLOW,
        queued=3,
        injury=marked_while("failed", "PENDING"),
        run="failed",
        billed=0,
        published="none",
        says="is cancelled",
    ),
    Scenario(
        name="marked failed while rendering",
        settings=SLOW,
        injury=marked_while("failed", "RUNNING"),
        run="failed",
        published="none",
        says="cannot be cancelled",
    ),
    Scenario(
        name="marked success while queued",
        settings=SLOW,
        queued=3,
        injury=marked_while("success", "PENDING"),
        run="failed",
        billed=0,
        published="none",
        says="is cancelled",
    ),
    Scenario(
        name="marked success while rendering",
        settings=SLOW,
        injury=marked_while("success", "RUNNING"),
        run="failed",
        published="none",
        says="cannot be cancelled",
    ),
    # Without a list the truth can't be known: the stated policy decides.
    Scenario(
        name="no list, reply lost: reconcile",
        settings=NO_LIST,
        faults=(LOST,),
        injury=fault_hits,
        run="failed",
        published="none",
        says="outcome",
    ),
    Scenario(
        name="no list, submit lost: reconcile",
        settings=NO_LIST,
        faults=(UNSENT,),
        injury=fault_hits,
        run="failed",
        submitted=0,
        billed=0,
        published="none",
        says="outcome",
    ),
    Scenario(
        name="no list, killed after_post: reconcile",
        settings=NO_LIST,
        steps=("after_post",),
        injury=dies_at("after_post"),
        run="failed",
        published="none",
        says="outcome",
    ),
    Scenario(
        name="no list, reply lost: resubmit",
        settings=NO_LIST,
        faults=(LOST,),
        injury=fault_hits,
        policy="resubmit",
        submitted=2,
        billed=2,
    ),
    Scenario(
        name="reply lost: fail",
        faults=(LOST,),
        injury=fault_hits,
        policy="fail",
        run="failed",
        published="none",
    ),
    # The list shows both clips' tasks, and tells neither from the other.
    Scenario(
        name="two clips of one key, replies lost",
        settings=REAL_TIME,
        faults=(LOST,),
        one_key=True,
        injury=fault_hits,
        policy="patient",
        run="failed",
        published="none",
        says="these 2 render jobs of the service's list may be its job",
    ),
    Scenario(
        name="killed in_trigger",
        triggerer_steps=("in_trigger",),
        paths=("deferrable",),
        injury=triggerer_dies_at("in_trigger"),
    ),
    Scenario(name="triggerer killed", settings=SLOW, ready=waits_for("RUNNING"), loss=killed("triggerer")),
    Scenario(name="scheduler killed", settings=SLOW, ready=waits_for("RUNNING"), loss=killed("scheduler")),
    Scenario(
        name="scheduler killed, workers live on",
        settings=SLOW,
        ready=waits_for("RUNNING"),
        loss=killed("scheduler", whole=False),
    ),
    Scenario(name="api-server killed", settings=SLOW, ready=waits_for("RUNNING"), loss=killed("api-server")),
    # The reply comes, with the id, while Airflow can't write it down.
    Scenario(
        name="api-server killed in submit",
        faults=({"operation": "submit", "effect": "stall", "seconds": 3},),
        ready=is_submitted,
        loss=killed("api-server"),
    ),
    Scenario(name="database killed", settings=SLOW, ready=waits_for("RUNNING"), loss=Cluster.kill_database),
    # The last: the second triggerer stays.
    Scenario(
        name="triggerer stalled, another took over",
        settings=SLOW,
        queued=4,
        paths=("deferrable",),
        ready=waits_for("PENDING"),
        loss=Cluster.stall_triggerer,
        says="is not cancelled: the state of the task instance",
    ),
)

CASES = [
    pytest.param(scenario, path, id=f"{scenario.name} - {path}")
    for scenario in SCENARIOS
    for path in PATHS
    if path in scenario.paths
]


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Row]]:
    """What became of every scenario that was asked for; the table of them is printed at the end."""
    wanted: list[tuple[Scenario, WaitingOn]] = [
        (item.callspec.params["scenario"], item.callspec.params["path"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    services = {"main": {}} | {scenario.service_name(path): scenario.service_settings() for scenario, path in wanted}
    failed_before = request.session.testsfailed
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    with Cluster(home=home / "airflow", services=services) as cluster:
        played = play_all(cluster, wanted, abreast=ABREAST)
    yield {(row.scenario, row.path): row for row in played}
    if request.session.testsfailed == failed_before:
        shutil.rmtree(home)
    request.config.stash[REPORTS].append(f"{table(played)}\nlogs: {home if home.exists() else 'removed'}")


@pytest.mark.parametrize(("scenario", "path"), CASES)
def test_one_paid_video_for_one_clip(rows: dict[tuple[str, str], Row], scenario: Scenario, path: WaitingOn) -> None:
    row = rows[scenario.name, path]
    assert not row.trouble
    found = (row.run, row.submitted, row.billed, row.published)
    assert found == (scenario.run, scenario.submitted, scenario.billed, scenario.published), row.log
    assert scenario.is_said_in(row.log), row.log
