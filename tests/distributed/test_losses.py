"""The crash table on CeleryExecutor: whatever is lost, each clip is published, and paid for once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from distributed.cluster import DistributedAirflow
from distributed.rows import LANES, NOTHING, ROWS, Played, Row, play, table
from system.reports import REPORTS


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, cluster: DistributedAirflow) -> Iterator[list[Played]]:
    """The rows that were played; the first one gives each account a job that is known. Their table is printed."""
    for lane in range(LANES):
        cluster.open_account(f"lane-{lane}", cluster.service)
    rows = [play(cluster, NOTHING, 0)]
    yield rows
    request.config.stash[REPORTS].append(table(rows))


def test_nothing_is_lost(played: list[Played]) -> None:
    assert [outcome.verdict for outcome in played[0].outcomes] == ["fine"] * LANES, played[0].cells()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_one_bill_a_clip(cluster: DistributedAirflow, played: list[Played], row: Row) -> None:
    if row.networks and cluster.layout.why_one_network:
        pytest.skip(f"machines have no network of their own: {cluster.layout.why_one_network}")
    result = play(cluster, row, 1 + ROWS.index(row))
    played.append(result)
    bad = [outcome for outcome in result.outcomes if outcome.verdict != "fine"]
    assert not bad, "\n".join(f"{outcome}\n{outcome.log}" for outcome in bad)
