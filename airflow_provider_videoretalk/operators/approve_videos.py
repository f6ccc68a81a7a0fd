"""Asks a person before an expensive batch is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import XComArg

from airflow_provider_videoretalk.airflow_adapters.error_note import notes_error
from airflow_provider_videoretalk.links import batch_url
from airflow_provider_videoretalk.operators.template_values import as_bool, as_mapping, as_optional_amount

if TYPE_CHECKING:
    from airflow.sdk import Context

_APPROVE, _REJECT = "Approve", "Reject"


class ApproveVideosOperator(HITLOperator):
    """Lets a batch go on if it costs little, and else asks a person, with Airflow's Required Actions.

    The request shows the price, how long the queue takes, what is kept, and the first videos to make, with a link to
    the batch page. *Reject* fails the task, so that nothing is made.

    :param plan: The sums of the plan: ``plan.output["videoretalk_plan"]``. (templated)
    :param approve_above: The cost above which a person is asked, in the currency of the price. By default nobody is
        asked. (templated)

    All other parameters are those of ``HITLOperator``.

    :raises AirflowFailException: a person rejected the batch
    """

    template_fields: Collection[str] = ("plan", "approve_above")

    def __init__(
        self,
        *,
        plan: Mapping[str, Any] | XComArg,
        approve_above: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"subject": "May these videos be made?", "options": [_APPROVE, _REJECT], **kwargs})
        self.plan = plan
        self.approve_above = approve_above

    def execute(self, context: Context) -> Any:
        plan, limit = as_mapping("plan", self.plan), as_optional_amount("approve_above", self.approve_above)
        if as_bool("dry_run", plan["dry_run"]) or not plan["counts"]["make"]:
            self.log.info("Nothing is to be made")
            return None
        if limit is None or Decimal(str(plan["most_cost"])) <= limit:
            self.log.info("Nobody is asked: %s %s is not above %s", plan["most_cost"], plan["currency"], limit)
            return None
        page = batch_url(dag_id=context["ti"].dag_id, run_id=context["ti"].run_id)
        self.body = f"{plan['report']}\n\n[The batch page]({page}) has all rows."
        return super().execute(context)

    @notes_error
    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        answer = super().execute_complete(context, event)
        if answer["chosen_options"] != [_APPROVE]:
            raise AirflowFailException("The batch was rejected. Nothing was made.")
        return answer
