"""Spend: what the service billed, and what nobody knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from fastapi.testclient import TestClient
from job_facts import DAG, HOUR, NOW, OTHER, billed, charge, end, submit
from variable_rows import VariableRows

from airflow_provider_videoretalk.job_history.fold import fold
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.ui import spend as spend_module
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.job_history import find_job, find_jobs_of_task, load_jobs
from airflow_provider_videoretalk.ui.spend import Spend, load_spend
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

Login = Callable[..., TestClient]

DAGS = frozenset({DAG, OTHER})


def loaded(dag_ids: frozenset[str] = DAGS) -> Spend:
    return call_with_session(lambda session: load_spend(session, dag_ids=dag_ids, now=NOW))


def page(client: TestClient, query: str = "") -> str:
    # Each look at the page is a reader's after some seconds.
    spend_module._SPENDS = replace(spend_module._SPENDS)
    reply = client.get(f"/videoretalk/spend/panel{query}")
    assert reply.status_code == 200
    return " ".join(reply.text.split())


def test_spend_by_day_and_dag(history: JobHistory, dags: None, login: Login) -> None:
    for job_id, dag in (("a", DAG), ("b", DAG), ("c", OTHER)):
        history.note("submitted", submit(job_id, dag=dag))
        history.note("ended", billed(job_id))
    text = page(login(DAG, OTHER))
    assert "<strong>2.40 CNY</strong> for 3 videos in 14 days" in text
    assert text.count("<rect") == 2
    assert "<strong>1.60 CNY</strong> for 2 videos" in page(login(DAG, OTHER), f"?dag={DAG}")
    only = page(login(DAG))
    assert "<strong>1.60 CNY</strong>" in only
    assert OTHER not in only
    assert "Nothing is known to have been billed" in page(login(DAG), f"?dag={OTHER}")


def test_what_is_not_known_is_said_and_never_counts_as_nothing(history: JobHistory, dags: None, login: Login) -> None:
    for number, fact in enumerate(
        [
            None,  # No end, five hours after the submit.
            end("1"),  # Succeeded, and the service does not say what it billed.
            end("2", "UNKNOWN"),
        ]
    ):
        history.note("submitted", submit(str(number)))
        if fact:
            history.note("ended", fact)
    history.note("submitted", submit(None, estimated_cost=None))
    history.note("submitted", submit("open", hours_ago=1))
    text = page(login(DAG))
    assert "4 videos with an unknown bill are not included: at most 2.70 CNY for the 3 with an estimate." in text
    assert "1 video has not ended as far as Airflow knows, and is not included: at most 0.90 CNY." in text
    assert "Nothing is known to have been billed" in text
    history.note("checked", billed("0"))
    text = page(login(DAG))
    assert "<strong>0.80 CNY</strong> for 1 video in 14 days" in text
    assert "3 videos with an unknown bill" in text


def test_what_was_paid_without_a_job_has_lines_of_its_own(history: JobHistory, dags: None, login: Login) -> None:
    history.note("charged", charge("voice", currency=None, unpriced=2, cost=0.0))
    history.note("charged", charge())
    history.note("charged", charge(first_at=NOW - 2 * HOUR, cost=1.0))
    history.note("charged", charge("translation", dag=OTHER))
    text = page(login(DAG))
    assert "Nothing is known to have been billed" not in text
    assert "for 0 videos" not in text
    assert '<th scope="row">speech</th> <td class="amount">4</td> <td class="amount">1.25 CNY</td>' in text
    voices = (
        '<th scope="row">enrolment of a voice</th> <td class="amount">2</td> <td class="amount"> 2 of unknown price'
    )
    assert voices in text
    assert "translation" not in text
    history.note("submitted", submit("a"))
    history.note("ended", billed("a"))
    text = page(login(DAG, OTHER))
    assert "<strong>0.80 CNY</strong> for 1 video in 14 days, by what the service said." in text
    # 0.80 of the video, 1.25 of speech, 0.25 of the translation.
    assert "Besides, by the price lists: in all <strong>2.30 CNY</strong>" in text
    assert "translation" not in page(login(DAG, OTHER), f"?dag={DAG}")


def test_no_sum_is_made_of_several_currencies(history: JobHistory, dags: None, login: Login) -> None:
    history.note("submitted", submit("a"))
    history.note("ended", billed("a"))
    history.note("charged", charge(currency="<i>USD"))
    text = page(login(DAG))
    assert "0.2500 &lt;i&gt;USD" in text
    assert "in all" not in text


def test_what_is_free_is_neither_billed_nor_unknown(history: JobHistory) -> None:
    history.note("submitted", submit("a"))
    history.note("ended", end("a", "FAILED", billed_seconds=0.0))
    history.note("submitted", replace(submit(None), nothing_created=True))
    found = loaded()
    assert (found.videos, found.unknown.count, found.open.count, found.figures) == (0, 0, 0, {})


def test_costs_of_several_currencies_are_added_up_in_seconds(history: JobHistory) -> None:
    for job_id, currency in (("a", "CNY"), ("b", "USD")):
        history.note("submitted", submit(job_id))
        history.note("ended", billed(job_id, currency=currency))
    found = loaded()
    assert (found.unit, found.total, found.videos) == ("s", 16.0, 2)


def test_a_job_without_a_price_is_not_billed_nothing(history: JobHistory) -> None:
    history.note("submitted", submit("a"))
    history.note("ended", billed("a"))
    history.note("submitted", submit("b", currency=None, estimated_cost=None))
    history.note("ended", end("b", billed_seconds=7.0))
    found = loaded()
    assert (found.unit, found.total, found.unknown.count) == ("CNY", 0.8, 1)


def test_a_job_of_another_system_belongs_to_the_dag_that_waited(history: JobHistory) -> None:
    history.note("ended", replace(billed("a"), task_instance=f"{OTHER}/run/wait/-1"))
    assert set(map(str, loaded().figures)) == {OTHER}
    assert not loaded(frozenset({DAG})).figures


def test_folded_days_and_single_facts_are_one_history(variables: VariableRows) -> None:
    old = JobHistory(variables, clock=lambda: NOW - 48 * HOUR)
    for job_id in ("a", "b"):
        old.note("submitted", submit(job_id, hours_ago=49))
    old.note("ended", billed("a"))
    before = loaded()
    fold(variables, now=NOW)
    assert len(variables) == 1
    assert loaded() == before
    JobHistory(variables, clock=lambda: NOW).note("checked", billed("b"))
    assert (loaded().videos, loaded().unknown.count) == (2, 0)


def test_older_days_are_not_added_up(variables: VariableRows) -> None:
    JobHistory(variables, clock=lambda: NOW - 20 * 24 * HOUR).note("ended", replace(billed("a"), task_instance=DAG))
    JobHistory(variables, clock=lambda: NOW - 14 * 24 * HOUR).note("submitted", submit("b", hours_ago=14 * 24))
    found = loaded()
    assert (found.videos, found.unknown.count) == (0, 0)


def test_what_cannot_be_read_is_told_and_hides_nothing(
    variables: VariableRows, history: JobHistory, login: Login
) -> None:
    history.note("submitted", submit("a"))
    history.note("ended", billed("a"))
    today = datetime.fromtimestamp(NOW, tz=timezone.utc)
    variables.set(f"dashscope_history_{today - timedelta(days=2):%Y%m%d}", {"version": 99})
    variables.set("dashscope_history_notes", "somebody's")
    text = page(login(DAG))
    assert "<strong>0.80 CNY</strong>" in text
    assert "1 Variable of the job history cannot be read" in text


def test_a_value_that_cannot_be_decrypted_is_told(history: JobHistory, variables: VariableRows) -> None:
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import update

    history.note("submitted", submit("a"))
    with create_session(scoped=False) as session:
        session.execute(update(Variable).values(val="not encrypted with this key", is_encrypted=True))
    assert loaded().unreadable == 1


def test_before_airflow_3_3_the_page_says_that_there_is_no_history(
    dags: None, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spend_module, "IS_KEPT", False)
    text = page(login(DAG))
    assert "Airflow 3.3 or newer keeps a history" in text
    assert "billed for" not in text


def test_values_are_shown_as_text(history: JobHistory, dags: None, login: Login) -> None:
    currency = "<b>" + "x" * 400
    history.note("submitted", submit("a", currency=currency))
    history.note("ended", billed("a", currency=currency))
    history.note("submitted", submit("b", currency=currency, hours_ago=0.1))
    text = page(login(DAG))
    assert "0.80 &lt;b&gt;xxxxxxxxx…" in text
    assert "at most 0.90 &lt;b&gt;x" in text
    assert not re.search("<b>", text)
    assert "x" * 20 not in text


def test_a_job_is_found_by_its_id_and_by_its_task(variables: VariableRows) -> None:
    past = JobHistory(variables, clock=lambda: NOW - 48 * HOUR)
    past.note("submitted", submit("1", hours_ago=48))
    past.note("submitted", submit("2", hours_ago=48))
    fold(variables, now=NOW)
    today = JobHistory(variables, clock=lambda: NOW)
    today.note("checked", billed("1"))
    ref = TaskInstanceRef(dag_id=DAG, run_id="run", task_id="retalk", map_index=1)

    def by_id(dag_ids: frozenset[str]) -> str | None:
        found = call_with_session(lambda session: find_job(session, job_id="1", dag_ids=dag_ids))
        return found.status if found else None

    assert by_id(DAGS) == "SUCCEEDED"
    assert by_id(frozenset({OTHER})) is None
    today.note("submitted", replace(submit("1b"), task_instance=f"{DAG}/run/retalk/1"))
    today.note("ended", end("1b", "FAILED"))
    found = call_with_session(lambda session: find_jobs_of_task(session, ref))
    assert [(record.job_id, record.status) for record in found] == [("1b", "FAILED"), ("1", "SUCCEEDED")]
    assert not call_with_session(lambda session: find_jobs_of_task(session, replace(ref, map_index=7)))
    since = datetime.fromtimestamp(NOW, tz=timezone.utc).date() - timedelta(days=3)
    assert len(call_with_session(lambda session: load_jobs(session, dag_ids=DAGS, since=since)).jobs) == 3
