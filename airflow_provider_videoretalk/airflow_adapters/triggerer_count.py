"""How many triggerers hold submits of an account back, for use on a triggerer's event loop."""

from __future__ import annotations

from asgiref.sync import sync_to_async

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers


class TriggererCount:
    """:class:`AdmittingTriggerers` on an event loop, whose calls to Airflow would block it."""

    def __init__(self, triggerers: AdmittingTriggerers) -> None:
        self._triggerers = triggerers

    async def enter(self) -> int:
        """See :meth:`AdmittingTriggerers.enter`."""
        return await sync_to_async(self._triggerers.enter)()

    async def leave(self) -> None:
        """See :meth:`AdmittingTriggerers.leave`."""
        await sync_to_async(self._triggerers.leave)()


def open_triggerer_count(account: str, *, model: str) -> TriggererCount | None:
    """``None`` on Airflow 3.1 and 3.2, where triggers cannot list Variables."""
    if not variable_store.HAS_KEYS:
        return None
    return TriggererCount(AdmittingTriggerers(variable_store.VariableStore(), account, model=model))
