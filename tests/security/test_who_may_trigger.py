"""Who may trigger a DAG can do no more than its author allowed: sources, destinations, cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import ParamValidationError
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG
from markdown_it import MarkdownIt
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

from .conftest import ExampleDags

PAYING = {
    "videoretalk_quickstart": "retalk",
    "videoretalk_review": "retalk",
    "videoretalk_submit_and_sense": "submit",
    "videoretalk_on_new_script": "video.retalk",
}
FORMS = [dag_id for dag_id in PAYING if not dag_id.endswith("script")]
SPEECH = {"audio_url": "https://speech.example/a.wav", "format": "wav", "seconds": 3.0, "expires_at": None}
HOSTILE_SOURCES = [
    "file:///opt/airflow/airflow.cfg",
    " FILE:///opt/airflow/airflow.cfg",
    "file:/opt/airflow/airflow.cfg",
    "file://localhost/opt/airflow/airflow.cfg",
    "local:///opt/airflow/airflow.cfg",
    "/opt/airflow/airflow.cfg",
    "/proc/self/environ",
    "opt/airflow/airflow.cfg",
    "s3://any_conn@bucket/secret.mp4",
    "gs://any_conn@bucket/secret.mp4",
    "sftp://any_conn@host/secret.mp4",
    "oss://any_conn@bucket/secret.mp4",
    "oss://dashscope-instant/of-somebody-else.mp4",
    "filecache::file:///opt/airflow/airflow.cfg",
    "s3://any_conn@bucket/a::file:///opt/airflow/airflow.cfg",
    "memory://secret.mp4",
]


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test in which a store is opened."""
    import airflow.sdk.io.path as path

    def attach(*arguments: Any, **options: Any) -> Any:
        raise AssertionError(f"a store was opened: {arguments}")

    monkeypatch.setattr(path, "attach", attach)


@pytest.mark.usefixtures("no_store")
@pytest.mark.parametrize("location", HOSTILE_SOURCES)
def test_a_source_that_the_author_did_not_allow(
    location: str, examples: ExampleDags, service: HTTPServer, context: dict[str, Any]
) -> None:
    """The deployment of these tests allows every file and store. So the DAG itself has to refuse them."""
    retalk: Any = examples.load("videoretalk_review").get_task("retalk")
    retalk.audio_url, retalk.deferrable = SPEECH, False
    with pytest.raises(InputError, match="video_url"):
        examples.render(retalk, video=location).execute(context)
    assert not service.log


@pytest.mark.parametrize("location", ["http://169.254.169.254/a.mp4", "http://[::1]/a.mp4", "http://localhost/a.mp4"])
def test_an_address_inside_the_network_is_not_read(
    location: str, examples: ExampleDags, service: HTTPServer, context: dict[str, Any]
) -> None:
    retalk: Any = examples.load("videoretalk_review").get_task("retalk")
    retalk.audio_url, retalk.deferrable, retalk.is_dry_run = SPEECH, False, True
    with pytest.raises(Exception, match=r"allowed are public addresses|nothing was submitted"):
        examples.render(retalk, video=location).execute(context)
    assert not service.log


@pytest.mark.usefixtures("deployed", "no_store")
@pytest.mark.parametrize("field", ["video_url", "audio_url", "ref_image_url"])
@pytest.mark.parametrize("location", ["/etc/hostname", "file:///etc/hostname", Path("/etc/hostname"), "local:///etc/x"])
def test_by_default_no_file_is_read(
    field: str, location: Any, service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"video_url": "https://v.example/", "audio_url": "https://a.example/"} | {field: location}
    for more in ({}, {"dry_run": True}, {"preflight": "off"}):
        with pytest.raises(InputError, match=rf"{field} is .*allowed_sources"):
            VideoRetalkOperator(task_id="retalk", **given, **more).execute(context)
    assert not service.log


@pytest.mark.parametrize("dag_id", PAYING)
def test_a_destination_is_no_field_of_the_form(dag_id: str, examples: ExampleDags) -> None:
    examples.variables["videoretalk_folder"] = "s3://conn@bucket/videos/"
    dag = examples.load(dag_id)
    assert not {"destination", "folder"} & set(dag.params)
    publish: Any = dag.get_task(PAYING[dag_id].rpartition(".")[0] + ".publish" if "." in PAYING[dag_id] else "publish")
    assert publish.if_exists in ("fail", "skip_same")
    publish.source, publish.metadata = SPEECH, {}
    rendered = examples.render(publish, destination="file:///opt/airflow/airflow.cfg")
    assert rendered.destination.startswith("s3://conn@bucket/videos/")


@pytest.mark.usefixtures("deployed", "no_store")
@pytest.mark.parametrize(
    "destination",
    [
        "file:///tmp/videoretalk/",
        "FILE:/opt/airflow/airflow.cfg",
        "/opt/airflow/airflow.cfg",
        "airflow.cfg",
        "~/airflow.cfg",
        "file://~root/x.mp4",
        "file:////etc/x.mp4",
        "local:/etc/x.mp4",
        "s3://any@bucket/../other/",
        "s3://any@bucket/a::file:///etc/",
    ],
)
def test_by_default_nothing_is_written_to_a_disk(destination: str, context: dict[str, Any]) -> None:
    publish = PublishMediaOperator(task_id="publish", source="https://v.example/a.mp4", destination=destination)
    with pytest.raises(InputError, match="destination"):
        publish.execute(context)
    with pytest.raises(InputError, match="destination"):
        open_destination(destination)


def test_a_folder_that_is_not_allowed_is_refused_before_anything_is_paid_for(
    examples: ExampleDags, deployed: None, service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import Variable

    monkeypatch.setattr(Variable, "get", lambda key, default=None: default)
    for dag_id in FORMS:
        dag = examples.load(dag_id)
        first: Any = dag.roots[0]
        check = first._pre_execute_hook or first.python_callable
        with pytest.raises(InputError, match="allowed_destinations"):
            check({})
    assert not service.log


@pytest.mark.parametrize("dag_id", PAYING)
@pytest.mark.parametrize("cost", [20.01, 1e9, 0, -1, "20", True, None, float("inf")])
def test_a_cost_above_the_authors(dag_id: str, cost: Any, examples: ExampleDags) -> None:
    dag = examples.load(dag_id)
    task = dag.get_task("scripts" if "script" in dag_id else PAYING[dag_id])
    with pytest.raises(ParamValidationError):
        examples.render(task, max_cost=cost)
    paying: Any = dag.get_task(PAYING[dag_id])
    given = getattr(paying, "max_cost", None) or paying.partial_kwargs["max_cost"]
    assert given == "{{ params.max_cost }}"


@pytest.mark.parametrize(
    ("field", "most"), [("max_cost", 500), ("max_cost_per_video", 20), ("approve_above", 500), ("tolerate", None)]
)
def test_the_limits_of_a_batch_are_the_authors(field: str, most: int | None, examples: ExampleDags) -> None:
    plan = examples.load("videoretalk_batch").get_task("plan")
    for given in (-1, "20", True, None, *([most + 0.01, 1e9, float("inf")] if most else [0.5])):
        with pytest.raises(ParamValidationError):
            examples.render(plan, **{field: given})


@pytest.mark.parametrize("location", HOSTILE_SOURCES)
@pytest.mark.parametrize("template", ["{}", "text,video\nHello.,{}", "text_location\n{}"])
def test_a_table_names_no_source_that_the_author_did_not_allow(
    template: str, location: str, examples: ExampleDags, service: HTTPServer, context: dict[str, Any], tmp_path: Path
) -> None:
    examples.variables["videoretalk_folder"] = f"{tmp_path.as_uri()}/"
    plan: Any = examples.render(
        examples.load("videoretalk_batch").get_task("plan"), table=template.format(location), video="https://v.example/"
    )
    with pytest.raises((InputError, AirflowFailException)):
        plan.execute(context)
    assert not service.log


def test_a_table_names_no_destination_outside_the_folder(
    examples: ExampleDags, service: HTTPServer, context: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    examples.variables["videoretalk_folder"] = f"{folder.as_uri()}/"
    hostile = [f"{tmp_path.as_uri()}/x.mp4", "s3://any@bucket/x.mp4", "../x.mp4", "a/../../x.mp4", "speech/x.mp4"]
    hostile += ["/etc/x.mp4", "batches/x.mp4", ".hidden.mp4", "a//x.mp4", "x.mp4.json", "x::file:///etc/y.mp4"]
    table = "\n".join(json.dumps({"text": f"Hello {at}.", "destination": one}) for at, one in enumerate(hostile))
    dag = examples.load("videoretalk_batch")
    plan: Any = examples.render(dag.get_task("plan"), table=table)
    # The rows' presenter is not looked at before their destinations are known.
    plan.defaults = {"video": service.url_for("/none.mp4")}
    with pytest.raises(AirflowFailException, match=f"{len(hostile)} rows have faults"):
        plan.execute(context)
    assert not service.log
    publish: Any = dag.get_task("video.publish")
    make: Any = dag.get_task("video.make")
    assert publish.allowed_destinations == make.folder


@pytest.mark.parametrize("text", ["{{ var.value.secret }}", "{% raw %}{{ 7 * 7 }}{% endraw %}", "{{ '{{' }} 7 * 7 }}"])
def test_a_template_in_the_form_is_a_text(text: str, examples: ExampleDags) -> None:
    examples.variables["secret"] = "revealed"
    for dag_id in ("videoretalk_quickstart", "videoretalk_review"):
        speech = examples.load(dag_id).get_task("speech")
        assert examples.render(speech, script=text).text == text


@pytest.mark.usefixtures("no_store")
def test_a_mapping_in_the_form_is_no_return_value(service: HTTPServer, context: dict[str, Any]) -> None:
    """A DAG that renders native objects turns a text into a mapping."""
    with DAG("native", render_template_as_native_obj=True, params={"audio": ""}):
        only = ["https://mine.example/"]
        retalk = VideoRetalkOperator(
            task_id="retalk",
            video_url="https://mine.example/v.mp4",
            audio_url="{{ params.audio }}",
            allowed_sources=only,
        )
        publish = PublishMediaOperator(
            task_id="publish", source="{{ params.audio }}", destination="file:///tmp/x.mp4", allowed_sources=only
        )
    for task, field in ((retalk, "audio_url"), (publish, "source")):
        for url in ("https://evil.example/a.wav", "file:///etc/hostname", "s3://any@bucket/a.wav"):
            rendered = ExampleDags(context, {}).render(task, audio=str({"audio_url": url}))
            with pytest.raises(InputError, match=field):
                rendered.execute(context)
            task.audio_url = task.source = "{{ params.audio }}"
            vars(task).pop("_job_inputs", None)
    assert not service.log


@pytest.mark.parametrize("field", ["input", "parameters"])
def test_a_url_anywhere_in_any_models_request(field: str, service: HTTPServer, context: dict[str, Any]) -> None:
    values = {"prompt": "a cat", "media": [{"url": "https://evil.example/a b.mp4"}]}
    task = DashScopeTaskOperator(
        task_id="any", model="m", path="p", allowed_sources="https://mine.example/", **{"input": {}} | {field: values}
    )
    with pytest.raises(InputError, match=rf"{field}\.media\[0\]\.url is 'https://evil\.example/a b\.mp4'"):
        task.execute(context)
    assert not service.log


def test_a_run_that_is_sent_back_gets_the_texts_as_they_are(examples: ExampleDags, context: dict[str, Any]) -> None:
    text = "{{ var.value.secret }}"
    answer = {"params_input": {"new_script": text, "reason": "{{ 7 * 7 }}"}}
    context["ti"].xcom_pull = lambda **_: answer
    dag = examples.load("videoretalk_review")
    redo: Any = examples.render(dag.get_task("redo"), video="https://v.example/a.mp4", max_cost=3.5)
    assert redo.conf == {
        "script": text,
        "note": "{{ 7 * 7 }}",
        "video": "https://v.example/a.mp4",
        "max_cost": 3.5,
    }
    assert redo.trigger_run_id == "run_redo"
    assert examples.render(dag.get_task("speech"), **redo.conf).text == text


_SCRIPTS = [
    "[link](https://evil.example)",
    "a\n\n[link](https://evil.example)\n\n![pixel](https://evil.example/p.png)",
    "```\n[link](https://evil.example)\n```",
    "~~~\n````\n[link](https://evil.example)",
    "\r[link](https://evil.example)\r\r# heading",
    "\u2028[link](https://evil.example)\x85![p](https://evil.example/p.png)\x0b# heading\x0c",
    "x\n\n- item\n\n1. [link](https://evil.example)\n\n> quote",
    "\n\n\n<img src=https://evil.example/p.png>\n<a href=https://evil.example>x</a>",
    "</code></pre><img src=https://evil.example/p.png>",
    "x\n===\n\n[ref]\n\n[ref]: https://evil.example",
    f"{'x' * 300}\n[link](https://evil.example)",
    "| a |\n|---|\n| [link](https://evil.example) |",
    "https://evil.example <https://evil.example>",
    "\t[link](https://evil.example)\n\t\n \n[link](https://evil.example)",
]


@pytest.mark.parametrize("text", _SCRIPTS)
def test_a_script_is_shown_to_the_reviewer_as_text(text: str, examples: ExampleDags) -> None:
    review = examples.load("videoretalk_review").get_task("review")
    body = examples.render(review, script=text, note=text).body
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body)
    outside = "".join(part.partition("</code></pre>")[2] for part in html.split("<pre><code>")[1:])
    outside = html.partition("<pre><code>")[0] + outside
    assert outside.count("<a ") == 1, "the link to the video's page"
    for tag in ("<img", "<h1", "<h2", "<ul", "<ol", "<table", "<blockquote", "evil"):
        assert tag not in outside
    assert html.count("<pre><code>") == 2
    assert outside.count("<p>") == 3
