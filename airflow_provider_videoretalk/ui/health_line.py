"""One line of the board: whether connections, keys, triggerers and pool are well.

Airflow's database is asked in a thread of these pages' own, twice a minute at most, however many boards are open. What
the service says is the answer that the queue's panel has asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from airflow_provider_videoretalk.health.report import Finding, HealthReport, Part
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.queue_status import WaitingVideos
from airflow_provider_videoretalk.ui.service_answer import NoAnswer
from airflow_provider_videoretalk.ui.service_status import fetch_queue_counts
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered

_SOURCE = "Airflow's database"

_QUESTIONS: SharedAnswers[list[Finding]] = SharedAnswers(seconds=3.0, kept_seconds=30.0, threads=1, threads_each=1)

# The service's list is not needed to submit and to wait, so an endpoint without one is well.
_LIST_ALONE = frozenset({"request_refused"})


async def ask_for_health(waiting: WaitingVideos) -> HealthReport:
    """The health now. Needs some seconds at most, and holds no thread that Airflow's pages share.

    :param waiting: the videos that wait, whose connections are asked
    """
    keys = asyncio.gather(*(_key_finding(conn_id, waiting) for conn_id in waiting.conn_ids))
    airflow = _QUESTIONS.get("airflow", lambda: call_with_session(_airflow_findings), source=_SOURCE)
    findings, parts = await asyncio.gather(keys, airflow)
    return HealthReport(findings=[*findings, *_airflow_answer(parts)])


async def _key_finding(conn_id: str, waiting: WaitingVideos) -> Finding:
    answer = await fetch_queue_counts(conn_id)
    if not isinstance(answer, NoAnswer) or answer.cause in _LIST_ALONE:
        return Finding(part="key", subject=conn_id, state="well", sentence=f"The service answers {conn_id!r}.")
    if answer.cause == "no_connection" and not waiting.videos:
        # The default connection, which nobody may use.
        sentence = f"No video waits, and there is no connection {conn_id!r}, so no key was tried."
        return Finding(part="key", subject=conn_id, state="unknown", sentence=sentence)
    is_unwell = answer.cause not in ("busy", "slow", "throttled")
    state = "unwell" if is_unwell else "unknown"
    return Finding(part="key", subject=conn_id, state=state, sentence=answer.sentence, remedy=answer.remedy)  # type: ignore[arg-type]


def _airflow_findings(session: Any) -> list[Finding]:
    # Late: it loads Airflow's models.
    from airflow_provider_videoretalk.health.airflow_health import pool_finding, triggerer_finding

    return [triggerer_finding(session), pool_finding(session, missing="unknown")]


def _airflow_answer(answer: list[Finding] | Unanswered) -> Sequence[Finding]:
    if not isinstance(answer, Unanswered):
        return answer
    reason = type(answer.error).__name__ if answer.error else "it does not answer within some seconds"
    parts: tuple[Part, ...] = ("triggerer", "pool")
    sentence = f"Airflow's database does not tell: {reason}."
    return [Finding(part=part, state="unknown", sentence=sentence) for part in parts]
