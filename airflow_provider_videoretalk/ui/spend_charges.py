"""What tasks paid for without a render job, by group and day, and how the pages name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, TypeAlias

from airflow_provider_videoretalk.job_history.charges import Charged, ChargeTotal, total_charges
from airflow_provider_videoretalk.ui.clip_name import cut
from airflow_provider_videoretalk.ui.spend_group import Group, GroupBy, groups_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ChargesByDay: TypeAlias = "Mapping[Group, Mapping[date, Sequence[ChargeTotal]]]"

_NAMES: Mapping[str, str] = {
    "speech": "speech",
    "translation": "translation",
    "photo_check": "check of a photo",
    "voice": "enrolment of a voice",
}
_MAX_NAME = 40
_MAX_CURRENCY = 12


def charges_by_day(session: Session, charges: Sequence[Charged], *, by: GroupBy) -> ChargesByDay:
    """
    :param charges: of DAGs that the caller may read
    """
    found: dict[Group, dict[date, list[Charged]]] = defaultdict(lambda: defaultdict(list))
    for charge, group in zip(charges, groups_of(session, charges, by=by), strict=True):
        found[group][charge.day].append(charge)
    return {group: {day: total_charges(each) for day, each in days.items()} for group, days in found.items()}


def charge_name(total: ChargeTotal) -> str:
    """What was paid for. Whoever may write Variables can store any text."""
    return _NAMES.get(total.paid_for) or cut(total.paid_for, longest=_MAX_NAME)


def charge_amount(total: ChargeTotal) -> str:
    """``12.50 CNY``, or ``0.0085 CNY``: a translation costs less than a hundredth."""
    return f"{total.cost:,.{2 if total.cost >= 1 else 4}f} {charge_currency(total)}"


def charge_currency(total: ChargeTotal) -> str:
    return cut(total.currency, longest=_MAX_CURRENCY)
