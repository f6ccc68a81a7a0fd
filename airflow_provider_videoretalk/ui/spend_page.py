"""The routes of the spend: its page, its panel on the board, and its figures as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from airflow_provider_videoretalk.batches.csv_file import csv_file
from airflow_provider_videoretalk.ui.address_limits import Day
from airflow_provider_videoretalk.ui.clip_name import content_disposition, file_name
from airflow_provider_videoretalk.ui.day_span import DaySpan, DaySpanError
from airflow_provider_videoretalk.ui.page_rendering import render_page
from airflow_provider_videoretalk.ui.permissions import CAN_READ_RUNS, ReadableDags
from airflow_provider_videoretalk.ui.spend import Spend, spend_of
from airflow_provider_videoretalk.ui.spend_charges import charge_amount, charge_currency, charge_name
from airflow_provider_videoretalk.ui.spend_chart import COLOURS, spend_bars
from airflow_provider_videoretalk.ui.spend_group import GroupBy

router = APIRouter(prefix="/spend", dependencies=CAN_READ_RUNS)

_SHOWN_GROUPS = 50
_IN_TIME = "The job history could not be read in time. Try again later."
_NOT_KEPT = "This Airflow keeps no job history. Airflow 3.3 and newer do."


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What is added up.

    :param dag: of this DAG alone; ``None`` for all
    """

    span: DaySpan
    by: GroupBy = "dag"
    dag: str | None = None

    def query(self) -> str:
        """The inverse of :func:`_choice`: the query of an address."""
        return urlencode({"from": self.span.first, "to": self.span.last, "by": self.by, "dag": self.dag or ""})


def _choice(
    first: Annotated[Day | Literal[""], Query(alias="from")] = "",
    last: Annotated[Day | Literal[""], Query(alias="to")] = "",
    by: GroupBy | Literal[""] = "",
    dag: Annotated[str, Query(max_length=250)] = "",
) -> _Choice:
    """What the form says. An empty field arrives as an empty text."""
    try:
        span = DaySpan.of(first or None, last or None)
    except DaySpanError as error:
        raise HTTPException(422, str(error)) from None
    return _Choice(span=span, by=by or "dag", dag=dag.strip() or None)


ChoiceDep = Annotated[_Choice, Depends(_choice)]


async def _spend(dag_ids: ReadableDags, choice: ChoiceDep) -> Spend | None:
    return await spend_of(dag_ids=dag_ids, dag=choice.dag, span=choice.span, by=choice.by)


SpendDep = Annotated[Spend | None, Depends(_spend)]


@router.get("")
def show(request: Request, choice: ChoiceDep, spend: SpendDep) -> HTMLResponse:
    """The page."""
    return _page("spend_page.html", request, choice, spend)


@router.get("/panel")
def panel(request: Request, choice: ChoiceDep, spend: SpendDep) -> HTMLResponse:
    """The panel of the board."""
    return _page("spend_panel.html", request, choice, spend)


def _page(template: str, request: Request, choice: _Choice, spend: Spend | None) -> HTMLResponse:
    totals = spend.totals if spend else {}
    return render_page(
        request,
        template,
        choice=choice,
        span=choice.span,
        spend=spend,
        bars=spend_bars(spend) if spend else [],
        shown=list(islice(totals.items(), _SHOWN_GROUPS)),
        rest=[total for _, total in islice(totals.items(), _SHOWN_GROUPS, None)],
        colours=COLOURS,
        charges=spend.charge_totals[:_SHOWN_GROUPS] if spend else [],
        charge_name=charge_name,
        charge_amount=charge_amount,
    )


@router.get(".csv")
def figures_as_csv(choice: ChoiceDep, spend: SpendDep) -> Response:
    """The figures of each day and group. Days and groups without any have no line."""
    if spend is None:
        raise HTTPException(503, _IN_TIME, headers={"retry-after": "15"})
    if not spend.is_kept:
        raise HTTPException(404, _NOT_KEPT)
    columns = ("day", choice.by, "paid_for", "videos", "requests", "amount", "unit", "not_ended", "unknown_bill")
    name = file_name(f"spend by {choice.by} {choice.span.first} to {choice.span.last}", suffix=".csv")
    return Response(
        csv_file(columns, _lines(spend)),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": content_disposition(name, kind="attachment")},
    )


def _lines(spend: Spend) -> Iterator[Mapping[str, Any]]:
    videos = ((day, group, figures) for group, days in spend.figures.items() for day, figures in days.items())
    charges = ((day, group, totals) for group, days in spend.charges.items() for day, totals in days.items())
    for day, group, figures in sorted(videos, key=lambda line: line[:2]):
        if figures.videos or figures.open or figures.unknown:
            yield {
                "day": day.isoformat(),
                spend.by: str(group),
                "paid_for": "video",
                "videos": figures.videos,
                "requests": "",
                "amount": round(figures.amount, 4),
                "unit": spend.unit,
                "not_ended": figures.open,
                "unknown_bill": figures.unknown,
            }
    for day, group, totals in sorted(charges, key=lambda line: line[:2]):
        for total in totals:
            yield {
                "day": day.isoformat(),
                spend.by: str(group),
                "paid_for": charge_name(total),
                "videos": "",
                "requests": total.requests,
                "amount": round(total.cost, 6),
                "unit": charge_currency(total),
                "not_ended": "",
                "unknown_bill": total.unpriced,
            }
