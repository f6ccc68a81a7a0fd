"""A slice of the run in ``tests/hostile_run.py``: nobody pays twice unexplained, and clips still get their videos."""

from __future__ import annotations

import pytest
from hostile_run import DISTURBANCES, POLICIES, Tally, run, table

from airflow_provider_videoretalk.submission.resume import OnUnknownSubmit


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_pays_twice_unexplained(policy: OnUnknownSubmit) -> None:
    tallies = run(policy=policy, clips=25, rounds=len(DISTURBANCES))
    print(table(policy, tallies))
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    assert (total.failed, total.unnamed, total.clips) == (0, 0, 25 * len(DISTURBANCES))
    # An operator that never submits, or never finds anything, fails these.
    assert total.calm_videos == total.calm > total.clips / 2
    assert tallies["none"].videos == tallies["none"].clips
    assert total.videos > 0.75 * total.clips
    if policy == "resubmit":
        assert total.twice > 0, "the policy says that it may pay twice: else this run could not see it"
        return
    assert (total.twice, total.wrong) == (0, 0)
    if policy == "reconcile":
        assert total.resolved > 0.25 * total.lost > 0
        assert tallies["quiet account"].resolved > 0.5 * tallies["quiet account"].lost > 0
