"""Makes intent, ledger and admission of an operator and its task instance, for the submit of a render job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history, task_instance_name
from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.submission.admission import Admission
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.ledger import Ledger
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, fingerprint_of
from airflow_provider_videoretalk.submission.record_store import VolatileStore
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.polling.progress_log import Log
    from airflow_provider_videoretalk.submission.record import Record
    from airflow_provider_videoretalk.submission.record_store import SharedStore, Store


class ModelInputs(Protocol):
    """The part of an operator that describes its inputs."""

    model: str
    dashscope_conn_id: str

    @property
    def log(self) -> Log: ...

    def identity(self) -> Mapping[str, Any]: ...

    def input_locations(self) -> Mapping[str, Any]: ...


def record_store_of(context: Context, *, durable: bool) -> Store | None:
    """Airflow's task state store; ``None`` if there is none (before Airflow 3.3) or ``durable`` is off."""
    store: Store | None = context.get("task_state_store") if durable else None
    return store


def shared_store() -> SharedStore:
    """Airflow's Variables. Before Airflow 3.3 a task cannot list them, and knows its own process alone."""
    return variable_store.VariableStore() if variable_store.HAS_KEYS else VolatileStore()


def open_ledger(context: Context, *, durable: bool, log: Log) -> Ledger:
    """The ledger of one task instance. Without a store, its record ends with this process."""
    store = record_store_of(context, durable=durable)
    label, history = _label(context), open_history()
    if store is None:
        log.info("A retry submits a new job: durable is False, or Airflow is older than 3.3 and keeps no task state")
        return Ledger(VolatileStore(), SubmissionRegistry(VolatileStore()), history=history, label=label)
    return Ledger(store, SubmissionRegistry(variable_store.VariableStore()), history=history, label=label)


def intent_of(operator: ModelInputs, context: Context, *, account_id: str) -> Intent:
    """What this try is about to submit, and for which task instance.

    :param account_id: of the connection
    """
    ti = context["ti"]
    return Intent(
        task_instance=task_instance_name(ti),
        connection_id=operator.dashscope_conn_id,
        account_id=account_id,
        fingerprint=content_fingerprint(operator),
        location_fingerprint=fingerprint_of(operator.input_locations()),
        model=str(operator.model),
        clear_count=ClearCount(max_tries=ti.max_tries, clear_number=getattr(context["dag_run"], "clear_number", 0)),
    )


def _label(context: Context) -> str | None:
    """The name that the DAG gives to a mapped task instance; ``None`` without one, or on Airflow 3.1."""
    return getattr(context["ti"], "rendered_map_index", None)


def content_fingerprint(operator: ModelInputs) -> str | None:
    """The hash of all inputs; ``None`` if they cannot be read now."""
    try:
        return fingerprint_of(operator.identity())
    except TransportError as error:
        operator.log.warning("The inputs cannot be compared with those of an earlier try now: %s", error)
        return None


def admission_of(client: Client, ledger: Ledger, intent: Intent, *, queue_timeout: float) -> Admission:
    """Decides whether the submit of an intent is held back.

    :param queue_timeout: seconds from a submit within which its render must begin
    """
    triggerers = AdmittingTriggerers(shared_store(), intent.account, model=intent.model)
    return Admission(client=client, registry=ledger.registry, triggerers=triggerers, limit=queue_timeout)


def job_of(record: Record) -> AwaitedJob:
    """The render job that a record is about."""
    return AwaitedJob(
        task_id=str(record.task_id),
        request_id=record.request_id,
        submitted_at=record.submitted_at or record.intended_at,
        expected_seconds=record.intent.expected_seconds,
        cost_estimate=record.intent.cost_estimate,
    )
