"""A render job whose inputs a function returns: what it returned is fixed before it is paid for, and stays so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk import DAG, ObjectStoragePath, task
from unit.operators.world import AUDIO, VIDEO, CrashError, World, with_policy

from airflow_provider_videoretalk.dashscope.errors import ChangedInputError, InputError
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission.fault_points import FaultPoint
from airflow_provider_videoretalk.submission.resume import ResumePolicy

OTHER = VIDEO.replace("input_video_01", "another")
INPUTS = {"video_url": VIDEO, "audio_url": AUDIO}
SPEECH = {"audio_url": AUDIO, "format": "wav", "seconds": 3.0, "request_id": "r1"}

Function = Callable[..., Any]


def retalk(function: Function, *args: Any, **arguments: Any) -> Any:
    """A new object of the decorated task, as each process has one."""
    given = {"deferrable": True, "preflight": "off", "task_id": "retalk"} | with_policy(arguments)
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        return task.videoretalk(**given)(function)(*args).operator


def returns(*values: dict[str, Any]) -> tuple[Function, list[int]]:
    """A function that returns another value each time, and its calls."""
    calls: list[int] = []

    def function() -> dict[str, Any]:
        calls.append(len(calls))
        return values[min(len(calls), len(values)) - 1]

    return function, calls


def deferral(world: World, function: Function, **arguments: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        retalk(function, **arguments).execute(world.context)
    return deferred.value


def resume(world: World, deferred: TaskDeferred, event: dict[str, Any], function: Function, **arguments: Any) -> Any:
    """Resumes in a new process, with what Airflow has stored of the deferral."""
    stored = json.loads(json.dumps(deferred.kwargs)) | {"event": event}
    return retalk(function, **arguments).resume_execution(deferred.method_name, stored, world.context)


def succeeded(world: World) -> dict[str, Any]:
    (job,) = world.tasks
    output = {"task_id": job["task_id"], "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4"}
    return {"version": 1, "job": {"task_id": job["task_id"], "request_id": "r"}, "reply": {"output": output}}


def test_the_function_returns_the_inputs_of_the_job(world: World) -> None:
    function, calls = returns({**INPUTS, "video_extension": True})
    deferral(world, function)
    (job,) = world.emulator.state.jobs.values()
    assert (job.inputs.video_url, job.inputs.audio_url, job.inputs.video_extension) == (VIDEO, AUDIO, True)
    assert calls == [0]


def test_what_it_returns_replaces_what_the_decorator_has(world: World) -> None:
    function, _ = returns({"audio_url": AUDIO, "query_face_threshold": 150})
    deferral(world, function, video_url=VIDEO, query_face_threshold=190)
    (job,) = world.emulator.state.jobs.values()
    assert (job.inputs.video_url, job.inputs.query_face_threshold) == (VIDEO, 150)


def test_an_async_function(world: World) -> None:
    async def function() -> dict[str, Any]:
        return INPUTS

    deferral(world, function)
    assert len(world.tasks) == 1


@pytest.mark.parametrize("step", ["before_intent", "after_id"])
def test_a_crash_makes_one_job_if_the_function_returns_the_same(world: World, step: FaultPoint) -> None:
    world.dies_at = step
    function, calls = returns(INPUTS)
    with pytest.raises(CrashError):
        retalk(function).execute(world.context)
    deferral(world, function)
    assert (len(world.tasks), calls) == (1, [0, 1])


def test_a_retry_in_which_the_function_returns_something_else_pays_for_nothing(world: World) -> None:
    function, _ = returns(INPUTS, {**INPUTS, "video_url": OTHER})
    deferral(world, function)
    with pytest.raises(ChangedInputError, match=r"inputs changed since an earlier try submitted .* return the same"):
        retalk(function).execute(world.context)
    assert len(world.tasks) == 1
    world.clear()
    deferral(world, function)
    assert len(world.tasks) == 2


def test_the_policy_of_the_decorator_decides_of_a_change(world: World) -> None:
    function, _ = returns(INPUTS, {**INPUTS, "video_url": OTHER})
    deferral(world, function)
    deferral(world, function, on_changed_input="submit")
    assert len(world.tasks) == 2


def test_a_policy_that_does_not_say_what_a_change_means_pays_for_no_second_job() -> None:
    for policy, expected in (
        (None, "submit_after_clear"),
        (ResumePolicy(on_unknown_submit="reconcile"), "submit_after_clear"),
        (ResumePolicy(on_changed_input="submit"), "submit"),
        (ResumePolicy(on_changed_input="fail"), "fail"),
    ):
        with DAG("dag", schedule=None, default_args={"resume": policy}):
            operator = task.videoretalk(task_id="retalk")(lambda: INPUTS)().operator
        assert operator.resume == replace(policy or ResumePolicy(), on_changed_input=expected)


def test_a_throttled_submit_resumes_with_what_the_function_returned(world: World) -> None:
    """A deferral before anything is sent."""
    world.emulator.faults.arm(FaultRule(operation="submit", effect="throttle"))
    function, calls = returns(INPUTS, {**INPUTS, "video_url": OTHER})
    deferred = deferral(world, function)
    assert (deferred.method_name, world.tasks) == ("execute_again", [])
    with pytest.raises(TaskDeferred):
        resume(world, deferred, deferred.trigger.note, function)
    (job,) = world.emulator.state.jobs.values()
    assert (job.inputs.video_url, calls) == (VIDEO, [0])


@pytest.mark.parametrize("policy", ["reconcile", "resubmit"])
def test_a_doubt_about_a_submit_is_not_forgotten_because_the_function_would_return_something_else(
    world: World, policy: str
) -> None:
    """With other inputs, the lost submit would not be looked for, and a second one be sent at once."""
    world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_after"))
    function, calls = returns(INPUTS, {**INPUTS, "video_url": OTHER})
    given = {"on_unknown_submit": policy, "reconcile_after": 0}
    deferred = deferral(world, function, **given)
    with pytest.raises(TaskDeferred):
        resume(world, deferred, deferred.trigger.note, function, **given)
    assert calls == [0]
    assert len(world.tasks) == (1 if policy == "reconcile" else 2)
    assert {job.inputs.video_url for job in world.emulator.state.jobs.values()} == {VIDEO}


def test_without_what_was_kept_the_function_runs_again_and_a_doubt_still_pays_for_nothing(world: World) -> None:
    """As in dag.test()."""
    world.emulator.faults.arm(FaultRule(operation="submit", effect="drop_after"))
    function, calls = returns(INPUTS, {**INPUTS, "video_url": OTHER})
    given = {"on_unknown_submit": "reconcile", "reconcile_after": 0}
    deferred = deferral(world, function, **given)
    with pytest.raises(ChangedInputError, match="sent a submit of unknown outcome"):
        retalk(function, **given).resume_execution("execute_again", {"event": deferred.trigger.note}, world.context)
    assert (calls, len(world.tasks)) == ([0, 1], 1)


def test_a_finished_job_resumes_with_what_the_function_returned_and_does_not_run_it(world: World) -> None:
    function, calls = returns(INPUTS, {**INPUTS, "video_url": OTHER})
    deferred = deferral(world, function)
    assert deferred.method_name == "execute_complete"
    operator = retalk(function)
    stored = json.loads(json.dumps(deferred.kwargs)) | {"event": succeeded(world)}
    result = operator.resume_execution("execute_complete", stored, world.context)
    assert result["video_url"] == "http://r/1.mp4"
    # The pages read these fields.
    assert (operator.video_url, operator.audio_url) == (VIDEO, AUDIO)
    assert operator.overwrite_rtif_after_execution
    assert calls == [0]


def test_without_what_was_kept_a_finished_job_does_not_run_the_function_either(world: World) -> None:
    function, calls = returns(INPUTS)
    deferral(world, function)
    result = retalk(function).resume_execution("execute_complete", {"event": succeeded(world)}, world.context)
    assert (result["video_url"], calls) == ("http://r/1.mp4", [0])


@pytest.mark.parametrize("field", ["max_cost", "dry_run", "is_dry_run", "allowed_sources", "dashscope_conn_id"])
def test_a_function_lifts_no_limit_of_the_author(world: World, field: str) -> None:
    function, _ = returns({**INPUTS, field: 1_000_000})
    context, pushed = world.context, {}
    context["ti"].xcom_push = lambda key, value: pushed.update({key: value})
    with pytest.raises(InputError, match=f"returned the field '{field}'"):
        retalk(function, max_cost=1).execute(context)
    assert pushed["videoretalk_error"]["kind"] == "InputError"


def test_an_argument_that_compares_by_elements(world: World) -> None:
    """As arrays and data frames do."""

    class Frame:
        def __eq__(self, other: object) -> Any:
            raise ValueError("The truth value is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    operator = retalk(lambda frame: INPUTS, Frame())
    operator._are_outputs = [True]
    assert operator._call({})["outputs"] == []


def test_what_it_returns_is_not_rendered(world: World) -> None:
    """A script or a name with braces is not run as a template, whoever wrote it."""
    function, _ = returns({**INPUTS, "video_url": f"{VIDEO}?name={{{{1+1}}}}"})
    deferral(world, function)
    (job,) = world.emulator.state.jobs.values()
    assert job.inputs.video_url == f"{VIDEO}?name=%7B%7B1+1%7D%7D"


def test_paths_are_kept_as_texts(tmp_path: Path) -> None:
    returned = {"video_url": tmp_path / "v.mp4", "audio_url": ObjectStoragePath("s3://conn@bucket/a.wav")}
    kept = retalk(lambda: returned)._call({})
    assert kept["fields"] == {"video_url": f"{tmp_path}/v.mp4", "audio_url": "s3://conn@bucket/a.wav"}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, r"lambda> returned a value of type NoneType, allowed is a mapping of fields"),
        ("https://h/v.mp4", "of type str.*Return some of video_url, audio_url"),
        ({**INPUTS, "max_price": 3}, "returned the field 'max_price', allowed are video_url, audio_url, ref_image_url"),
        ({**INPUTS, "allowed_sources": "remote"}, "returned the field 'allowed_sources'"),
        ({**INPUTS, "dashscope_conn_id": "c"}, "returned the field 'dashscope_conn_id'.*to the decorator"),
        ({**INPUTS, "op_args": []}, "returned the field 'op_args'"),
        ({"video_url": VIDEO}, "audio_url has no value: <lambda> did not return it"),
        ({**INPUTS, "audio_url": object()}, "cannot be written as JSON"),
        ({**INPUTS, "query_face_threshold": float("nan")}, "cannot be written as JSON"),
    ],
)
def test_other_values_are_refused_before_anything_is_sent(world: World, returned: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        retalk(lambda: returned).execute(world.context)
    assert world.emulator.state.jobs == {}


@pytest.mark.parametrize("way", ["positional", "named", "part of a list", "copied", "rewritten"])
def test_only_another_tasks_return_value_may_be_at_any_host(world: World, way: str) -> None:
    """Whatever the function makes of it is the function's own, and has to be allowed."""
    functions: dict[str, Function] = {
        "positional": lambda speech: {"audio_url": speech},
        "named": lambda speech: {"audio_url": speech},
        "part of a list": lambda speech: {"audio_url": speech[0]},
        "copied": lambda speech: {"audio_url": dict(speech)},
        "rewritten": lambda speech: {"audio_url": {**speech, "audio_url": f"{AUDIO}#2"}},
    }
    sources = "https://nowhere.example.com/"
    given: dict[str, Any] = {"video_url": f"{sources}v.mp4", "allowed_sources": sources}
    with DAG("dag", schedule=None):
        upstream = task.python(task_id="speech")(lambda: SPEECH)()
        decorated = task.videoretalk(task_id="retalk", deferrable=True, preflight="off", **given)(functions[way])
        passed = [upstream] if way == "part of a list" else upstream
        operator = (decorated(speech=passed) if way == "named" else decorated(passed)).operator
    # As Airflow renders it.
    value = [SPEECH] if way == "part of a list" else SPEECH
    if way == "named":
        operator.op_kwargs = {"speech": value}
    else:
        operator.op_args = (value,)
    if way in ("positional", "named", "part of a list", "copied"):
        with pytest.raises(TaskDeferred):
            operator.execute(world.context)
        assert len(world.tasks) == 1
    else:
        with pytest.raises(InputError, match=r"audio_url is .*, allowed is https://nowhere"):
            operator.execute(world.context)
        assert world.tasks == []


def test_a_value_of_who_triggered_the_run_is_no_task_output(world: World) -> None:
    function = lambda params: {"audio_url": params["speech"]}  # noqa: E731
    sources = "https://nowhere.example.com/"
    operator = retalk(function, video_url=f"{sources}v.mp4", allowed_sources=sources)
    with pytest.raises(InputError, match=r"audio_url is .*, allowed is https://nowhere"):
        operator.execute({**world.context, "params": {"speech": SPEECH}})
    assert world.tasks == []


def test_signatures_that_the_function_returns_are_masked(world: World, masked: list[str]) -> None:
    """Also if nothing is submitted: Airflow stores the fields all the same."""
    signed = f"{VIDEO}?Expires=1&OSSAccessKeyId=a&Signature=of-the-clip"
    function, _ = returns({"video_url": signed, "audio_url": "nowhere"})
    with pytest.raises(InputError):
        retalk(function).execute(world.context)
    assert "of-the-clip" in masked


def test_it_is_the_operator(world: World) -> None:
    operator = retalk(lambda: INPUTS)
    assert isinstance(operator, VideoRetalkOperator)
    assert operator.operator_name == "@task.videoretalk"
    assert operator.template_fields == ("op_args", "op_kwargs", *VideoRetalkOperator.template_fields)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_member_of_a_zipped_value_is_another_tasks_return_value(world: World, mapped: bool) -> None:
    """A mapped task gets the pair itself."""
    sources = "https://nowhere.example.com/"
    given: dict[str, Any] = {"video_url": f"{sources}v.mp4", "allowed_sources": sources, "preflight": "off"}
    pair = ({"name": "spring"}, SPEECH)
    with DAG("dag", schedule=None):
        rows = task.python(task_id="rows")(lambda: [{"name": "spring"}])()
        speeches = task.python(task_id="speeches")(lambda: [SPEECH])()
        decorated = task.videoretalk(task_id="retalk", deferrable=True, **given)(lambda pair: {"audio_url": pair[1]})
        operator = decorated(pair if mapped else rows.zip(speeches)).operator
    operator.op_args = (pair,)
    with pytest.raises(TaskDeferred):
        operator.execute(world.context)
    assert len(world.tasks) == 1


@pytest.mark.parametrize(
    "kept", [None, 3, {"version": 2}, {"version": 1, "fields": {"audio_url": AUDIO}, "outputs": []}]
)
def test_whatever_was_kept_a_paid_result_is_returned(world: World, kept: object) -> None:
    function, calls = returns(INPUTS)
    deferral(world, function)
    stored = {"decorated_function_returned": kept, "event": succeeded(world)}
    result = retalk(function).resume_execution("execute_complete", stored, world.context)
    assert (result["video_url"], calls) == ("http://r/1.mp4", [0])


def test_what_a_deferral_keeps_is_read_by_later_releases(world: World) -> None:
    """Golden: a release that writes it otherwise raises the version."""
    world.emulator.faults.arm(FaultRule(operation="submit", effect="throttle"))
    deferred = deferral(world, lambda: {**INPUTS, "query_face_threshold": 150})
    assert deferred.kwargs == {
        "decorated_function_returned": {
            "version": 1,
            "fields": {"video_url": VIDEO, "audio_url": AUDIO, "query_face_threshold": 150},
            "outputs": [],
        }
    }


def test_an_argument_that_is_named_as_a_value_of_airflow_does_not_replace_it(world: World) -> None:
    """The operator finds its record by the task instance."""
    given: list[str] = []

    def function(ti: str) -> dict[str, Any]:
        given.append(ti)
        return INPUTS

    with DAG("dag", schedule=None):
        operator = task.videoretalk(task_id="retalk", deferrable=True, preflight="off")(function)(ti="mine").operator
    with pytest.raises(TaskDeferred):
        operator.execute(world.context)
    assert (given, len(world.tasks)) == (["mine"], 1)


def test_a_function_gets_what_it_asks_for(world: World) -> None:
    """Its own arguments by place and by name, and Airflow's context by name."""
    given: list[Any] = []

    def some(one: str, /, two: str, *, run_id: str, three: str = "3") -> dict[str, Any]:
        given.append((one, two, run_id, three))
        return INPUTS

    def every(two: str, *more: str, **context: Any) -> dict[str, Any]:
        given.append((two, more, context["run_id"], context["three"], "two" in context))
        return INPUTS

    values = {"run_id": "run", "two": "of Airflow"}
    with DAG("dag", schedule=None):
        first = task.videoretalk(task_id="some")(some)("1", "2").operator
        second = task.videoretalk(task_id="every")(every)("2", "more", three="3").operator
    first._call(values)
    second._call(values)
    assert given == [("1", "2", "run", "3"), ("2", ("more",), "run", "3", False)]
