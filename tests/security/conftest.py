"""Airflow's API server, the example DAGs, and a task's context, by whose means each role acts."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.param import ParamsDict
from connections import connect
from pytest_httpserver import HTTPServer
from video_rows import DAGS

from ..ui.conftest import dags, database, login, published, runs, server
from ..unit.conftest import context, variables

__all__ = ["context", "dags", "database", "login", "published", "runs", "server", "variables"]


class Variables:
    """``var.value`` of a template."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, key: str, default: str | None = None) -> str | None:
        return self._values.get(key, default)


class ExampleDags:
    """The example DAGs, whose fields are rendered as a worker does."""

    def __init__(self, context: dict[str, Any], variables: dict[str, str]) -> None:
        self._context = context
        self.variables = variables

    def load(self, dag_id: str) -> DAG:
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(str(DAGS / f"{dag_id}.py"))
        assert not bag.import_errors, bag.import_errors
        found: DAG = bag.dags[dag_id]
        return found

    def render(self, task: Any, **form: Any) -> Any:
        """The task, with its fields rendered for a run with this form.

        :raises ParamValidationError: Airflow starts no run with this form
        """
        dag = task.dag
        params = ParamsDict(dict(dag.params.items()))
        params.update(form)
        values = params.validate()
        dag.resolve_template_files()
        context = self._context | {
            "params": values,
            "dag": dag,
            "run_id": "run",
            "dag_run": SimpleNamespace(run_after=datetime(2026, 11, 26, tzinfo=timezone.utc), conf=form),
            "var": {"value": Variables(self.variables)},
        }
        task.render_template_fields(context, dag.get_template_env())
        return task


@pytest.fixture
def examples(context: dict[str, Any]) -> ExampleDags:
    return ExampleDags(context, {})


@pytest.fixture
def service(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """The account's service. It is to receive nothing."""
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), queries_per_second=1000)
    return httpserver


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment whose manager has set nothing."""
    for name in ("ALLOWED_SOURCES", "ALLOWED_DESTINATIONS"):
        monkeypatch.delenv(f"AIRFLOW__VIDEORETALK__{name}")
