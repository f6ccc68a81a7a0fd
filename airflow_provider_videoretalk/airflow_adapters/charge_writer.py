"""Writes what a task pays for without a render job to the job history, as it is paid."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history, task_instance_name
from airflow_provider_videoretalk.job_history.charges import Charged

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.job_history.charges import ChargeKind
    from airflow_provider_videoretalk.job_history.history import JobHistory

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class ChargeWriter:
    """Adds up the charges of one try of a task, of one kind. A try that is killed loses none that it has written.

    :param connection_id: of the account
    """

    context: Context
    connection_id: str
    paid_for: ChargeKind
    history: JobHistory = field(default_factory=open_history)
    _charged: Charged | None = field(default=None, init=False)

    def add(self, cost: Decimal | None, *, currency: str | None, model: str) -> None:
        """Adds a request that was answered. A failure is logged and not raised: the request is paid.

        :param cost: by the price list, in ``currency``; ``None`` if no price is known
        """
        try:
            charged = self._charged or self._nothing(currency, model)
            self._charged = replace(
                charged,
                requests=charged.requests + 1,
                unpriced=charged.unpriced + (cost is None),
                cost=round(charged.cost + float(cost or 0), 6),
            )
            self.history.note("charged", self._charged, now=charged.first_at)
            if self._charged.requests == 1:
                self.history.clean_up(written_at=charged.first_at)
        except Exception as error:
            _log.warning("The job history lacks what was paid for %s (%s)", self.paid_for, type(error).__name__)

    def _nothing(self, currency: str | None, model: str) -> Charged:
        ti = self.context["ti"]
        label = getattr(ti, "rendered_map_index", None)
        return Charged(
            task_instance=task_instance_name(ti),
            connection_id=self.connection_id,
            paid_for=self.paid_for,
            model=model,
            first_at=time.time(),
            requests=0,
            currency=currency,
            label=label if isinstance(label, str) and label else None,
        )
