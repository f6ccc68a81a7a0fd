"""Submits a render job of a model in the catalog: the base of the operators of such models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.airflow_adapters.tracing import step_span
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.dashscope.task import NO_RESULT_REMEDY
from airflow_provider_videoretalk.inputs.cost_estimate import check_max_cost
from airflow_provider_videoretalk.inputs.priced_result import stated_estimate, with_cost
from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.operators.job import DashScopeJobOperator
from airflow_provider_videoretalk.operators.template_values import as_bool, as_location, check_word

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.multipart_upload import Content
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.task import Submission, Task
    from airflow_provider_videoretalk.inputs.job_inputs import JobInputs
    from airflow_provider_videoretalk.inputs.preflight import PreflightMode
    from airflow_provider_videoretalk.inputs.preflight_report import PreflightReport
    from airflow_provider_videoretalk.inputs.priced_result import PricedResult, PricedSubmission
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.model import Model
    from airflow_provider_videoretalk.model_catalog.price import Price
    from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
    from airflow_provider_videoretalk.submission.record import Intent


class CatalogModelOperator(DashScopeJobOperator):
    """Submits a render job of a model in the catalog and returns its result.

    A subclass sets :attr:`catalog_entry` and defines :meth:`job_inputs`. The result is a
    :class:`~airflow_provider_videoretalk.inputs.priced_result.PricedResult`.

    :param preflight: ``strict`` reads the headers of the inputs, and fails the task for a problem for which the service
        would refuse the job. ``warn`` only logs such a problem. ``off`` reads nothing. A property that could not be
        checked is logged and never fails the task.
    :param allowed_sources: Where inputs may be: a list of prefixes such as ``s3://conn@bucket/folder/``, or one text
        with commas between them. It narrows ``[videoretalk] allowed_sources`` of Airflow's configuration. (templated)
    :param max_cost: Highest estimated cost, in the price's currency. Defaults to no limit. (templated)
    :param dry_run: If True, logs the inputs, the findings and the estimated cost, pushes them as XCom
        ``dashscope_dry_run``, and skips the task. (templated, as ``is_dry_run``)

    All other parameters are those of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`.
    """

    catalog_entry: Model
    template_fields: Sequence[str] = ("allowed_sources", "max_cost", "is_dry_run", "dashscope_conn_id")

    def __init__(
        self,
        *,
        preflight: PreflightMode = "strict",
        allowed_sources: Sequence[str] | str | None = None,
        max_cost: float | str | None = None,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("preflight", preflight, ("strict", "warn", "off"))
        self.model = self.catalog_entry.name
        self.preflight = preflight
        self.allowed_sources = allowed_sources
        self.max_cost = max_cost
        # BaseOperator has a method dry_run.
        self.is_dry_run = dry_run

    def job_inputs(self) -> JobInputs:
        """The inputs of the job, made from the rendered fields.

        :raises InputError: the service would refuse a field
        """
        raise NotImplementedError

    @property
    def output_fields(self) -> Collection[str]:
        """The media inputs whose URL another task returned. Only http and https are allowed in them, of any host."""
        return ()

    def location(self, field: str, value: Location) -> Location:
        """The location in a rendered field. No store is opened that is not allowed.

        :raises InputError: the location is not allowed, or of an unknown kind
        """
        LocationPolicy(setting="allowed_sources", own=self.allowed_sources).check_remote(field, value)
        return as_location(field, value)

    def price(self) -> Price:
        """The price by which the job is estimated: the connection's, or the list price.

        :raises ConfigurationError: the connection states a price that is not valid
        """
        return price_of(self.model, self.hook.prices, parameters=self._job_inputs.parameters)

    def preflight_report(self) -> PreflightReport:
        """Checks the inputs and estimates the cost.

        :raises ConfigurationError: the connection of a store cannot be used
        """
        return self._job_inputs.preflight(
            price=self.price(),
            mode=self.preflight,
            access=self.hook.media_access,
            until=_after(self.queue_timeout),
        )

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        if as_bool("dry_run", self.is_dry_run):
            self._dry_run(context)
        return super().attempt(context, refusals=refusals, since=since)

    def identity(self) -> Mapping[str, Any]:
        return self._job_inputs.content_identity()

    def input_locations(self) -> Mapping[str, Any]:
        return self._job_inputs.unsigned_locations()

    def prepare(self, intent: Intent) -> Intent:
        with step_span("preflight"):
            report = self.preflight_report()
        for warning in report.inspection.warnings:
            self.log.warning("%s", warning)
        self._check(report)
        self.log.info("Estimate: %s", report.estimate)
        return replace(intent, expected_seconds=report.expected_seconds, cost_estimate=report.stored_estimate)

    def submission(self) -> Request[Submission]:
        urls = self._job_inputs.urls(until=_after(self.queue_timeout + self.render_timeout), upload=self._upload)
        mask_urls(urls)
        return self._job_inputs.request(urls)

    def submission_result(self, awaited: AwaitedJob) -> PricedSubmission:
        expected = {"expected_seconds": awaited.expected_seconds}
        estimate = stated_estimate(awaited.cost_estimate)
        return cast("PricedSubmission", {**super().submission_result(awaited), **estimate, **expected})

    def task_result(self, task: Task, awaited: AwaitedJob) -> PricedResult:
        result = super().task_result(task, awaited)
        url, billed = self.catalog_entry.result_url(task.output), self.catalog_entry.billed_seconds(task.usage)
        result["video_url"] = url or result["video_url"]
        result["billed_seconds"] = result["billed_seconds"] if billed is None else billed
        if result["video_url"] is None:
            raise TransportError(
                f"render job {task.task_id} succeeded, but it has no {self.catalog_entry.result_url_field}",
                request_id=result["request_id"],
                remedy=NO_RESULT_REMEDY,
            )
        return with_cost(result, awaited.cost_estimate)

    @cached_property
    def _job_inputs(self) -> JobInputs:
        inputs = self.job_inputs()
        policy = LocationPolicy(setting="allowed_sources", own=self.allowed_sources)
        for field in inputs.sources.keys() - set(self.output_fields):
            policy.check(field, inputs.sources[field].location)
        return inputs

    def _upload(self, content: Content) -> str:
        # Loads aiohttp.
        from airflow_provider_videoretalk.dashscope.temporary_storage import upload

        return upload(self.hook.client, content, model=self.model)

    def _check(self, report: PreflightReport) -> None:
        """
        :raises InputError: the inputs must not be submitted
        """
        report.inspection.check()
        check_max_cost(report.estimate, self.max_cost)

    def _dry_run(self, context: Context) -> NoReturn:
        """Logs and pushes the preflight report.

        :raises AirflowSkipException: the inputs could be submitted
        :raises InputError: they could not
        """
        report = self.preflight_report()
        for sentence in report.sentences:
            self.log.info("Dry run: %s", sentence)
        context["ti"].xcom_push(key="dashscope_dry_run", value=report.to_json())
        self._check(report)
        raise AirflowSkipException("Dry run: nothing was submitted.")


def _after(seconds: float) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)
