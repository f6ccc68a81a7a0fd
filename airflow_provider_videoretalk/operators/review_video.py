"""Lets a person watch the video of one row of a batch before it is published."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, XComArg

from airflow_provider_videoretalk.airflow_adapters.error_note import ERROR_KEY
from airflow_provider_videoretalk.batches.plan_document import as_code
from airflow_provider_videoretalk.links import WatchLink, batch_url, watch_url
from airflow_provider_videoretalk.operators.template_values import as_bool, as_mapping

if TYPE_CHECKING:
    from airflow.sdk import Context

_APPROVE, _SEND_BACK = "Approve", "Send back"
# Older versions of the standard provider have no parameter of its own for the wait.
_WAITS_BY = "response_timeout"
if _WAITS_BY not in signature(HITLOperator.__init__).parameters:
    _WAITS_BY = "execution_timeout"
_REMEDY = "Correct the row, and run the table again: only what is missing is made."


class ReviewVideoOperator(HITLOperator):
    """Asks a person whether the video of a row may be published, with Airflow's Required Actions.

    Map it over the rows, between ``MakeVideoOperator`` and ``PublishMediaOperator``. The request has the script, and
    links to the video and to the batch page, which links to the request. Other rows go on.

    Returns ``metadata``, for ``metadata`` of ``PublishMediaOperator``. After *Approve* it also has ``approved_by``, the
    person's name, and ``approved_at``. *Send back* fails the task, so that the video is not published. It is then
    missing: the next run of the table makes it again, and nothing else.

    :param metadata: What the video is made of: XCom ``videoretalk_metadata`` of the row's ``MakeVideoOperator``.
        (templated)
    :param make_task_id: Id of the mapped ``MakeVideoOperator``, to whose video the request links.
    :param ask: If False, nobody is asked, and the video is published. (templated)
    :param response_timeout: How long to wait for an answer. Defaults to 23 hours, because the service keeps a video for
        24.

    All other parameters are those of ``HITLOperator``.

    :raises AirflowFailException: the video was sent back, or nobody has answered
    """

    template_fields: Collection[str] = ("metadata", "ask")
    operator_extra_links = (WatchLink(),)

    def __init__(
        self,
        *,
        metadata: Mapping[str, Any] | XComArg,
        make_task_id: str,
        ask: bool | str = True,
        response_timeout: timedelta = timedelta(hours=23),
        **kwargs: Any,
    ) -> None:
        given = {"subject": "May this video be published?", "options": [_APPROVE, _SEND_BACK]}
        # Airflow adds the params of the DAG. HITLOperator leaves them out again, by their source.
        note = Param(None, "Why it is sent back.", source="task", type=["null", "string"], title="Note")
        params = {"note": note, **dict((kwargs.pop("params", None) or {}).items())}
        super().__init__(**{**given, **kwargs, _WAITS_BY: response_timeout, "params": params})
        self.response_timeout = response_timeout
        self.metadata = metadata
        self.make_task_id = make_task_id
        self.ask = ask

    def execute(self, context: Context) -> Any:
        metadata = as_mapping("metadata", self.metadata)
        if not as_bool("ask", self.ask, default=True):
            return dict(metadata)
        ti = context["ti"]
        ids = {"dag_id": ti.dag_id, "run_id": ti.run_id}
        video = watch_url(**ids, task_id=self.make_task_id, map_index=-1 if ti.map_index is None else ti.map_index)
        self.body = (
            f"{as_code(str(metadata.get('label')))}: [watch the video]({video}), beside its source. "
            f"[The batch page]({batch_url(**ids)}) has all rows.\n\n{_verbatim(metadata.get('script'))}"
        )
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        if event.get("error_type") == "timeout":
            self._refuse(context, code="NoAnswer", message=f"Nobody has answered within {self.response_timeout}.")
        answer = super().execute_complete(context, event)
        person = answer.get("responded_by_user") or {}
        name = str(person.get("name") or person.get("id") or "somebody")
        if answer["chosen_options"] != [_APPROVE]:
            note = str((answer["params_input"] or {}).get("note") or "").strip()
            self._refuse(context, code="SentBack", message=f"{name} sent it back{f': {note}' if note else '.'}")
        metadata = as_mapping("metadata", self.metadata)
        return {**metadata, "approved_by": name, "approved_at": answer["responded_at"].isoformat()}

    def _refuse(self, context: Context, *, code: str, message: str) -> NoReturn:
        """Notes the cause for the manifest and the batch page, and fails the task for good."""
        noted = {"row": context["ti"].map_index, "code": code, "message": message, "remedy": _REMEDY}
        context["ti"].xcom_push(key=ERROR_KEY, value=noted)
        raise AirflowFailException(f"{message} The video is not published. {_REMEDY}")


def _verbatim(script: object) -> str:
    """A script as code: nothing in it is Markdown."""
    return textwrap.indent(textwrap.fill(" ".join(str(script or "").split()), width=90), "    ")
