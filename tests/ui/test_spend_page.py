"""The spend of any days, by DAG, label and person, as a chart and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from job_facts import DAG, HOUR, NOW, OTHER, billed, charge, end, submit
from variable_rows import VariableRows
from video_rows import Row

from airflow_provider_videoretalk.job_history.fold import fold
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.ui import day_span, spend_group
from airflow_provider_videoretalk.ui import spend as spend_module
from airflow_provider_videoretalk.ui.airflow_db import run_triggers
from airflow_provider_videoretalk.ui.day_span import DaySpan, DaySpanError

Runs = Callable[..., None]
Login = Callable[..., TestClient]

TODAY = datetime.fromtimestamp(NOW, tz=timezone.utc).date()
DAY = 24 * HOUR


class OfThisRun(datetime):
    """A clock that shows :data:`NOW`, also when midnight has passed since."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.fromtimestamp(NOW, tz)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_span, "datetime", OfThisRun)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def spent(
    variables: VariableRows, job_id: str, *, days_ago: int, ended_after: int = 0, cost: float = 0.8, **fields: Any
) -> None:
    """A job that was billed, with its end so many days after its submit."""
    # At noon, so that no test runs over midnight.
    noon = datetime.combine(ago(days_ago), datetime.min.time(), tzinfo=timezone.utc).timestamp() + 12 * HOUR
    fact = replace(submit(job_id, **fields), intended_at=noon)
    JobHistory(variables, clock=lambda: noon).note("submitted", fact)
    JobHistory(variables, clock=lambda: noon + ended_after * DAY).note("ended", billed(job_id, cost))


def page(client: TestClient, query: str = "", *, part: str = "") -> str:
    # Each look at the page is a reader's after some seconds.
    spend_module._SPENDS = replace(spend_module._SPENDS)
    reply = client.get(f"/videoretalk/spend{part}{query}")
    assert reply.status_code == 200, reply.text
    return " ".join(reply.text.split())


def chart(text: str) -> list[tuple[str, str, str]]:
    """The days of a page with their amounts, and how the bar is read aloud."""
    rows = re.findall(r'<tr> <th scope="row"><time[^>]*>(.*?)</time></th> <td[^>]*>(.*?)</td> <td>(.*?)</td>', text)
    labels = [re.findall(r'role="img" aria-label="([^"]*)"', bar) for _, _, bar in rows]
    return [(day, amount, label[0] if label else "") for (day, amount, _), label in zip(rows, labels, strict=True)]


def groups(text: str) -> dict[str, tuple[str, str]]:
    """The groups of a page with their videos and amounts."""
    found = re.findall(
        r'class="name">.*?</span>(.*?)</th> <td class="amount">(.*?)</td> <td class="amount">(.*?)</td>', text
    )
    return {name: (videos, amount) for name, videos, amount in found}


def lines(client: TestClient, query: str) -> list[dict[str, str]]:
    spend_module._SPENDS = replace(spend_module._SPENDS)
    reply = client.get(f"/videoretalk/spend.csv{query}")
    assert reply.status_code == 200, reply.text
    return list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"))))


def trigger(dag_id: str, run_id: str, **columns: Any) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session(scoped=False) as session:
        statement = update(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        session.execute(statement.values(**columns))


@pytest.mark.usefixtures("dags")
def test_each_day_has_its_date_its_amount_and_a_bar_that_is_read_aloud(variables: VariableRows, login: Login) -> None:
    spent(variables, "a", days_ago=2, cost=1.2)
    spent(variables, "b", days_ago=2, dag=OTHER, cost=0.4)
    spent(variables, "c", days_ago=1, cost=0.8)
    for part in ("", "/panel"):
        text = page(login(DAG, OTHER), part=part)
        found = chart(text)
        assert [day for day, *_ in found] == [str(ago(days)) for days in range(14)]
        assert found[0] == (str(TODAY), "0.00 CNY", "")
        assert found[1] == (str(ago(1)), "0.80 CNY", f"{DAG}: 0.80 CNY")
        assert found[2] == (str(ago(2)), "1.60 CNY", f"{DAG}: 1.20 CNY, {OTHER}: 0.40 CNY")
        assert re.findall(r'<rect class="colour(\d)" x="([\d.]+)" y="0" width="([\d.]+)"', text) == [
            ("0", "0.0", "50.0"),
            ("0", "0.0", "75.0"),
            ("1", "75.0", "25.0"),
        ]
        assert groups(text) == {DAG: ("2", "2.00 CNY"), OTHER: ("1", "0.40 CNY")}
    assert f'<a href="/videoretalk/spend?from={ago(13)}&amp;to={TODAY}&amp;by=dag&amp;dag=">' in text


@pytest.mark.usefixtures("dags")
def test_a_span_has_its_first_and_its_last_day(variables: VariableRows, login: Login) -> None:
    for days_ago in (11, 10, 9, 8, 7):
        # The end of a job may be told three days after the span.
        spent(variables, f"job{days_ago}", days_ago=days_ago, ended_after=3, cost=float(days_ago))
    client, query = login(DAG), f"?from={ago(10)}&to={ago(8)}"
    for _ in ("single facts", "folded days"):
        text = page(client, query)
        assert [(day, amount) for day, amount, _ in chart(text)] == [
            (str(ago(8)), "8.00 CNY"),
            (str(ago(9)), "9.00 CNY"),
            (str(ago(10)), "10.00 CNY"),
        ]
        assert "<strong>27.00 CNY</strong> for 3 videos in 3 days" in text
        assert f'name="from" value="{ago(10)}"' in text
        assert [line["day"] for line in lines(client, query)] == [str(ago(10)), str(ago(9)), str(ago(8))]
        fold(variables, now=NOW)
    assert f"billed from {ago(6)} to {ago(5)}." in page(client, f"?from={ago(6)}&to={ago(5)}")


def test_spans_by_default() -> None:
    today = date(2026, 11, 26)

    def span(first: date | None, last: date | None) -> tuple[date, date]:
        found = DaySpan.of(first, last, today=today)
        return found.first, found.last

    assert span(None, None) == (date(2026, 11, 13), today)
    assert span(date(2026, 11, 20), None) == (date(2026, 11, 20), today)
    assert span(date(2026, 1, 1), None) == (date(2026, 1, 1), date(2026, 3, 3))
    assert span(None, date(2026, 11, 20)) == (date(2026, 11, 7), date(2026, 11, 20))
    assert span(None, date(2027, 1, 1)) == (date(2026, 11, 13), today)
    assert len(DaySpan.of(date(2026, 9, 26), today, today=today).days) == 62
    with pytest.raises(DaySpanError, match=r"From 2026-09-25 to 2026-11-26 are 63 days, allowed are 62 at once\."):
        DaySpan.of(date(2026, 9, 25), today, today=today)
    with pytest.raises(DaySpanError, match=r"From is 2026-11-27, allowed is 2026-11-26 at most"):
        DaySpan.of(date(2026, 11, 27), date(2026, 12, 1), today=today)


@pytest.mark.usefixtures("variables", "dags")
@pytest.mark.parametrize("part", ["", "/panel", ".csv"])
def test_a_wrong_span_is_told(part: str, login: Login) -> None:
    client = login(DAG)
    for query, words in {
        f"from={ago(3)}&to={ago(4)}": f"From is {ago(3)}, allowed is {ago(4)} at most",
        f"from={ago(70)}&to={ago(1)}": "are 70 days, allowed are 62 at once.",
        "from=yesterday": "The address is not one of these pages.",
        "by=secret": "The address is not one of these pages.",
        "to=0001-01-01": "The address is not one of these pages.",
    }.items():
        reply = client.get(f"/videoretalk/spend{part}?{query}")
        assert (reply.status_code, words in reply.text) == (422, True), (query, reply.text)
    assert client.get(f"/videoretalk/spend{part}?from=&to=&by=&dag=").status_code == 200


@pytest.mark.usefixtures("dags")
def test_days_before_the_kept_ones_are_not_said_to_be_free(variables: VariableRows, login: Login) -> None:
    spent(variables, "a", days_ago=31)
    spent(variables, "b", days_ago=33)
    text = page(login(DAG), f"?from={ago(34)}&to={ago(30)}")
    assert [amount for _, amount, _ in chart(text)] == ["0.00 CNY", "0.80 CNY", "not kept", "0.80 CNY", "not kept"]
    assert f"days before {ago(31)} may lack videos" in text
    assert "may lack videos" not in page(login(DAG), f"?from={ago(31)}&to={ago(30)}")


@pytest.mark.usefixtures("dags")
def test_by_label(variables: VariableRows, login: Login) -> None:
    spent(variables, "a", days_ago=2, label="welcome (en)")
    spent(variables, "b", days_ago=1, label="welcome (en)", run="other")
    spent(variables, "c", days_ago=1, label="<b>bold</b>\u202e")
    spent(variables, "d", days_ago=1, cost=0.1)
    text = page(login(DAG), "?by=label")
    assert groups(text) == {
        "welcome (en)": ("2", "1.60 CNY"),
        "&lt;b&gt;bold&lt;/b&gt;": ("1", "0.80 CNY"),
        "<em>no label</em>": ("1", "0.10 CNY"),
    }
    assert "<b>" not in text
    assert "\u202e" not in text
    assert '<option value="label" selected>' in text
    assert [line["label"] for line in lines(login(DAG), "?by=label")] == [
        *("welcome (en)", "<b>bold</b>", "(no label)", "welcome (en)")
    ]


def test_by_person(variables: VariableRows, runs: Runs, login: Login) -> None:
    from airflow.utils.types import DagRunTriggeredByType

    names = ("anna1", "anna2", "planned", "again", "asset", "dag", "nobody")
    runs(DAG, **{name: [Row(task_id="retalk")] for name in names})
    # The same run id in another DAG is another run.
    runs(OTHER, anna1=[Row(task_id="submit")])
    trigger(DAG, "anna1", triggering_user_name="anna", triggered_by=DagRunTriggeredByType.UI)
    trigger(DAG, "anna2", triggering_user_name="anna", triggered_by=DagRunTriggeredByType.REST_API)
    trigger(OTHER, "anna1", triggering_user_name="=cmd()")
    trigger(DAG, "planned", run_type="scheduled")
    trigger(DAG, "again", run_type="backfill", triggering_user_name="bert")
    trigger(DAG, "asset", run_type="asset_triggered")
    trigger(DAG, "dag", triggered_by=DagRunTriggeredByType.OPERATOR)
    for name in (*names, "gone"):
        spent(variables, name, days_ago=1, run=name)
    spent(variables, "other", days_ago=1, run="anna1", dag=OTHER)
    client = login(DAG, OTHER)
    assert groups(page(client, "?by=person")) == {
        "anna": ("2", "1.60 CNY"),
        "=cmd()": ("1", "0.80 CNY"),
        "<em>another DAG</em>": ("1", "0.80 CNY"),
        "<em>asset</em>": ("1", "0.80 CNY"),
        "bert": ("1", "0.80 CNY"),
        "<em>nobody named</em>": ("1", "0.80 CNY"),
        "<em>run deleted</em>": ("1", "0.80 CNY"),
        "<em>schedule</em>": ("1", "0.80 CNY"),
    }
    assert "anna" not in str(groups(page(login(OTHER), "?by=person")))
    assert {line["person"]: line["videos"] for line in lines(client, "?by=person")}["'=cmd()"] == "1"


def test_the_latest_runs_are_looked_up(
    variables: VariableRows, runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_triggers, "_AT_ONCE", 2)
    monkeypatch.setattr(spend_group, "MAX_RUNS", 3)
    names = [f"run{days}" for days in range(1, 6)]
    runs(DAG, **{name: [Row(task_id="retalk")] for name in names})
    for days, name in enumerate(names, start=1):
        trigger(DAG, name, triggering_user_name=f"user of {name}")
        spent(variables, name, days_ago=days, run=name)
    assert groups(page(login(DAG), "?by=person")) == {
        "<em>not looked up</em>": ("2", "1.60 CNY"),
        **{f"user of run{days}": ("1", "0.80 CNY") for days in (1, 2, 3)},
    }


@pytest.mark.usefixtures("dags")
def test_the_csv_has_what_was_paid_without_a_job(variables: VariableRows, login: Login) -> None:
    # At noon, so that no test runs over midnight.
    noon = datetime.combine(ago(2), datetime.min.time(), tzinfo=timezone.utc).timestamp() + 12 * HOUR
    history = JobHistory(variables, clock=lambda: noon)
    history.note("charged", charge(first_at=noon, label="Ada"))
    history.note("charged", charge(first_at=noon + 1, label="Ada"))
    history.note("charged", charge("voice", first_at=noon, currency=None, unpriced=2, cost=0.0))
    history.note("charged", charge("=1+1", first_at=noon, dag=OTHER))
    fold(variables, now=NOW)
    assert [list(line.values()) for line in lines(login(DAG, OTHER), "?by=label")] == [
        [str(ago(2)), "Ada", "speech", "", "4", "0.5", "CNY", "", "0"],
        [str(ago(2)), "(no label)", "'=1+1", "", "2", "0.25", "CNY", "", "0"],
        [str(ago(2)), "(no label)", "enrolment of a voice", "", "2", "0.0", "", "", "2"],
    ]
    assert lines(login(OTHER), f"?from={ago(1)}&to={ago(1)}") == []
    assert len(lines(login(OTHER), "")) == 1


@pytest.mark.usefixtures("dags")
def test_the_csv_has_the_figures_of_the_page(variables: VariableRows, login: Login) -> None:
    spent(variables, "a", days_ago=2, cost=0.1)
    spent(variables, "b", days_ago=2, cost=0.2)
    spent(variables, "c", days_ago=2, dag=OTHER)
    history = JobHistory(variables, clock=lambda: NOW)
    history.note("submitted", submit("open", hours_ago=0.01))
    history.note("submitted", replace(submit("unknown"), intended_at=NOW - 3 * DAY))
    history.note("ended", end("unknown", "UNKNOWN"))
    history.note("submitted", submit("free", hours_ago=0.01))
    history.note("ended", end("free", "FAILED", billed_seconds=0.0))
    client = login(DAG, OTHER)
    columns = ["day", "dag", "paid_for", "videos", "requests", "amount", "unit", "not_ended", "unknown_bill"]
    found = lines(client, "")
    assert [list(line) for line in found] == [columns] * 4
    assert [list(line.values()) for line in found] == [
        [str(ago(3)), DAG, "video", "0", "", "0.0", "CNY", "0", "1"],
        [str(ago(2)), DAG, "video", "2", "", "0.3", "CNY", "0", "0"],
        [str(ago(2)), OTHER, "video", "1", "", "0.8", "CNY", "0", "0"],
        [str(TODAY), DAG, "video", "0", "", "0.0", "CNY", "1", "0"],
    ]
    reply = client.get(f"/videoretalk/spend.csv?from={ago(3)}&to={ago(1)}")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    named = f'attachment; filename="spend by dag {ago(3)} to {ago(1)}.csv"'
    assert reply.headers["content-disposition"].startswith(named)
    assert {line["dag"] for line in lines(login(OTHER), "")} == {OTHER}
    assert lines(login(OTHER), f"?dag={DAG}") == []
    assert [line["dag"] for line in lines(client, f"?dag={OTHER}")] == [OTHER]
    assert f'href="/videoretalk/spend.csv?from={ago(13)}&amp;to={TODAY}&amp;by=person&amp;dag={DAG}"' in page(
        client, f"?by=person&dag={DAG}"
    )


@pytest.mark.usefixtures("dags")
def test_no_reader_gets_the_answer_to_another_question(variables: VariableRows, login: Login) -> None:
    spent(variables, "a", days_ago=1, label="x")
    spent(variables, "b", days_ago=3, label="y", dag=OTHER)
    both = login(DAG, OTHER)
    for client, query, expected in (
        (both, "", {DAG, OTHER}),
        (both, "?by=label", {"x", "y"}),
        (both, f"?by=label&to={ago(2)}", {"y"}),
        (both, f"?by=label&from={ago(2)}", {"x"}),
        (both, f"?by=label&dag={DAG}", {"x"}),
        (login(OTHER), "?by=label", {"y"}),
        (both, "", {DAG, OTHER}),
    ):
        # All of it in the seconds for which an answer is kept.
        text = " ".join(client.get(f"/videoretalk/spend{query}").text.split())
        assert set(groups(text)) == expected, query


@pytest.mark.usefixtures("dags")
def test_many_groups_share_a_colour_and_a_row(variables: VariableRows, login: Login) -> None:
    for number in range(53):
        spent(variables, f"job{number}", days_ago=1, cost=10.0 - number / 100, label=f"clip{number:02}")
    text = page(login(DAG), "?by=label")
    (read,) = (label for day, _, label in chart(text) if day == str(ago(1)))
    assert read == (
        "clip00: 10.00 CNY, clip01: 9.99 CNY, clip02: 9.98 CNY, clip03: 9.97 CNY, clip04: 9.96 CNY, "
        "48 others: 466.32 CNY"
    )
    found = groups(text)
    assert len(found) == 51
    assert found["<em>3 more, which are in the CSV</em>"] == ("3", "28.47 CNY")
    assert len(lines(login(DAG), "?by=label")) == 53


@pytest.mark.usefixtures("dags")
def test_a_csv_is_whole_or_an_error(variables: VariableRows, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no database")

    with monkeypatch.context() as patched:
        patched.setattr(spend_module, "load_spend", fail)
        reply = login(DAG).get("/videoretalk/spend.csv")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "15")
        assert "could not be read in time" in page(login(DAG))
    monkeypatch.setattr(spend_module, "IS_KEPT", False)
    assert login(DAG).get("/videoretalk/spend.csv").status_code == 404
    assert "Airflow 3.3 or newer keeps a history" in page(login(DAG))
