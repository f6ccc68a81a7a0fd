"""Clips that lie in S3, and what became of them: by the service's books, by Airflow, and in S3."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from system.service import content

if TYPE_CHECKING:
    from distributed.cluster import DistributedAirflow

WaitingOn = Literal["deferrable", "blocking"]
PATHS: tuple[WaitingOn, ...] = ("deferrable", "blocking")

_BUCKET = "s3://aws_default@bucket"
_TASKS = ("retalk", "publish")
_FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One run of one clip.

    :param connection: its connection, of a key of its own. One clip after another has it: so the service's list shows
        a job that is known, and no two lost submits can be mistaken for each other
    """

    name: str
    path: WaitingOn
    connection: str

    @property
    def dag_id(self) -> str:
        return f"stored_clip_{self.path}"

    @property
    def video(self) -> str:
        return f"clips/{self.name}.mp4"

    @property
    def published(self) -> str:
        return f"videos/{self.name}.mp4"

    def conf(self, *, steps: str) -> dict[str, str]:
        return {
            "video": f"{_BUCKET}/{self.video}",
            "speech": f"{_BUCKET}/speech.wav",
            "destination": f"{_BUCKET}/{self.published}",
            "connection": self.connection,
            "steps": steps,
        }

    def is_shown_in(self, job: dict[str, Any]) -> bool:
        """Whether a render job of the service is this clip's. Its URL is signed anew for each submit."""
        return f"/{self.video}?" in f"{job['inputs']['video_url']}?"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a clip.

    :param billed: its render jobs that cost something
    :param published: ``right``, ``wrong`` or ``none``
    :param tries: of its two tasks, as Airflow counts them
    """

    clip: Clip
    run: str
    submitted: int
    billed: int
    published: str
    tries: int
    log: str = ""

    @property
    def verdict(self) -> Literal["fine", "duplicate", "lost", "wrong"]:
        if self.submitted > 1 or self.billed > 1:
            return "duplicate"
        if self.published == "wrong":
            return "wrong"
        return "fine" if (self.run, self.billed, self.published) == ("success", 1, "right") else "lost"

    def __str__(self) -> str:
        return (
            f"{self.verdict}: {self.clip.name} ({self.clip.path}), run {self.run}, {self.submitted} submitted, "
            f"{self.billed} billed, published {self.published}, {self.tries} tries"
        )


def outcome_of(cluster: DistributedAirflow, clip: Clip, run: str) -> Outcome:
    """What became of a clip whose run has ended."""
    jobs = cluster.settled_jobs(clip)
    outcome = Outcome(
        clip=clip,
        run=run,
        submitted=len(jobs),
        billed=sum(job["billed_seconds"] > 0 for job in jobs),
        published=_published(cluster, clip),
        tries=sum(cluster.task(clip.dag_id, clip.name, task).try_number for task in _TASKS),
    )
    if outcome.verdict == "fine":
        return outcome
    logs = [cluster.task_log(clip.dag_id, clip.name, task) for task in _TASKS]
    return Outcome(**{**vars(outcome), "log": "\n".join(logs)})


def is_final(jobs: Sequence[dict[str, Any]]) -> bool:
    return all(job["status"] in _FINAL for job in jobs)


def verdicts(outcomes: Sequence[Outcome]) -> str:
    counted = Counter(outcome.verdict for outcome in outcomes)
    return f"duplicates {counted['duplicate']}, lost {counted['lost']}, wrong {counted['wrong']}"


def _published(cluster: DistributedAirflow, clip: Clip) -> str:
    video, metadata = cluster.stored(clip.published), cluster.stored(f"{clip.published}.json")
    if video is None:
        return "none"
    whole = metadata is not None and json.loads(metadata)["size"] == len(video)
    return "right" if whole and video == content(f"{clip.name}.mp4") else "wrong"
