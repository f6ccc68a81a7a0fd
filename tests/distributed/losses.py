"""What a production loses while clips are on their way."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distributed.clips import Clip
from distributed.cluster import DistributedAirflow
from distributed.settings import API_SERVERS, SCHEDULERS, TRIGGERERS, WORKERS

FAULT_POINTS: Mapping[str, str] = {
    "before_intent": "before the submit",
    "after_intent": "intent written, not submitted",
    "after_post": "in the submit: taken, id not written",
    "after_id": "before the deferral: id written",
    "after_event": "in the resume: event received",
    "after_result": "in the resume: result written",
    "during_publish": "in the publishing",
    "after_publish": "published, not yet told",
}
"""Where a worker's machine is lost, and what the table calls it."""

Victim = Callable[[DistributedAirflow, Sequence[Clip], random.Random], str]
Act = Callable[[DistributedAirflow, str], object]


def nobody(cluster: DistributedAirflow, clips: Sequence[Clip], chance: random.Random) -> str:
    return ""


def busy_worker(cluster: DistributedAirflow, clips: Sequence[Clip], chance: random.Random) -> str:
    """A worker that runs a task of one of the clips, or any if none does."""
    return chance.choice(sorted(filter(None, map(cluster.machine_of, clips))) or WORKERS)


def busy_triggerer(cluster: DistributedAirflow, clips: Sequence[Clip], chance: random.Random) -> str:
    return chance.choice(sorted(filter(None, map(cluster.triggerer_of, clips))) or TRIGGERERS)


def scheduler(cluster: DistributedAirflow, clips: Sequence[Clip], chance: random.Random) -> str:
    return chance.choice(SCHEDULERS)


def api_server(cluster: DistributedAirflow, clips: Sequence[Clip], chance: random.Random) -> str:
    return chance.choice(API_SERVERS)


def needs_no_mending(cluster: DistributedAirflow, victim: str) -> None:
    """Another process takes its place at once."""


def kill_both_schedulers(cluster: DistributedAirflow, _: str) -> None:
    for name in SCHEDULERS:
        cluster.lose(name)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """
    :param of: what is lost: no two losses of it are at the same time
    :param victim: chosen first; the caller's chance decides, so that a seed repeats it
    :param networks: whether machines must have networks of their own
    """

    of: str
    strike: Act
    mend: Act = needs_no_mending
    victim: Victim = nobody
    networks: bool = False


WORKER_KILLED = Loss(of="worker", victim=busy_worker, strike=DistributedAirflow.lose)
WORKER_CUT_OFF = Loss(
    of="network", victim=busy_worker, strike=DistributedAirflow.cut_off, mend=DistributedAirflow.heal, networks=True
)
TRIGGERER_KILLED = Loss(of="triggerer", victim=busy_triggerer, strike=DistributedAirflow.lose)
TRIGGERER_FROZEN = Loss(
    of="triggerer",
    victim=busy_triggerer,
    strike=lambda cluster, victim: cluster.freeze([victim]),
    mend=lambda cluster, victim: cluster.thaw([victim]),
)
SCHEDULER_KILLED = Loss(of="scheduler", victim=scheduler, strike=DistributedAirflow.lose)
BOTH_SCHEDULERS_KILLED = Loss(of="scheduler", strike=kill_both_schedulers)
API_SERVER_KILLED = Loss(of="api-server", victim=api_server, strike=DistributedAirflow.lose)
REDIS_STOPPED = Loss(
    of="redis", strike=lambda cluster, _: cluster.stop_redis(), mend=lambda cluster, _: cluster.start_redis()
)
REDIS_EMPTIED = Loss(
    of="redis", strike=lambda cluster, _: cluster.stop_redis(), mend=lambda cluster, _: cluster.start_redis(empty=True)
)
DATABASE_CUT = Loss(of="database", strike=lambda cluster, _: cluster.cut_database_connections())
MESSAGE_AGAIN = Loss(of="redis", strike=lambda cluster, _: cluster.deliver_again())

LOSSES: Mapping[str, Loss] = {
    "worker killed": WORKER_KILLED,
    "worker cut off the network": WORKER_CUT_OFF,
    "triggerer killed": TRIGGERER_KILLED,
    "triggerer frozen": TRIGGERER_FROZEN,
    "scheduler killed": SCHEDULER_KILLED,
    "both schedulers killed": BOTH_SCHEDULERS_KILLED,
    "API server killed": API_SERVER_KILLED,
    "Redis stopped": REDIS_STOPPED,
    "Redis emptied": REDIS_EMPTIED,
    "database's connections cut": DATABASE_CUT,
    "messages delivered again": MESSAGE_AGAIN,
}
