"""What is kept, what is made, what it costs, and when it is ready; on a disk, without Airflow's database."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path
from airflow_provider_videoretalk.batches.estimate import longest_speech, typical_speech
from airflow_provider_videoretalk.batches.manifest import as_csv, manifest_document
from airflow_provider_videoretalk.batches.plan import plan_videos, total_cost
from airflow_provider_videoretalk.batches.plan_document import plan_document, report, summary
from airflow_provider_videoretalk.batches.plan_file import (
    RowToMake,
    numbers_of,
    plan_name,
    read_row,
    read_rows,
    references,
    rows_to_make,
    write_rows,
)
from airflow_provider_videoretalk.batches.planned_video import (
    BatchSettings,
    PlannedVideo,
    Presenter,
    Recording,
    RenderSettings,
)
from airflow_provider_videoretalk.batches.prune import find_unused, remove_video
from airflow_provider_videoretalk.batches.recipe import SpeechRecipe, VideoRecipe, content_digest, speech_of
from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.batches.table_text import Fault
from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.model_catalog.model import InputLength
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.model_catalog.talking_photo import LIVEPORTRAIT, WAN_S2V, with_check
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK

PRICE = Price(per_second=Decimal("0.08"), currency="CNY", as_of=date(2026, 11, 22))
MODEL = "cosyvoice-v3-flash"
SCRIPT = "Good morning, and welcome to our spring collection."
NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
PRESENTER = Presenter(digest=content_digest("https://clips.example/a.mp4"), length=InputLength(seconds=10.0, fps=25.0))


def row(name: str = "welcome", *, line: int = 2, text: str = SCRIPT, **values: Any) -> VideoRow:
    given = {"language": "en", "voice": None, "audio": None, "video": "a", "destination": None} | values
    return VideoRow(line=line, name=name, text=text, **given)


def settings(**values: Any) -> BatchSettings:
    price = values.pop("price", PRICE)
    video = RenderSettings(model=VIDEORETALK, parameters={"video_extension": True}, price=price)
    photo = RenderSettings(model=LIVEPORTRAIT, parameters={}, price=with_check(LIVEPORTRAIT.price))
    given: dict[str, Any] = {"speech_model": MODEL, "speech_options": {}, "video": video, "photo": photo}
    return BatchSettings(**(given | values))


class Store:
    """A folder with videos and speeches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = store_path(folder.as_uri())

    def put(self, name: str, **metadata: Any) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"media")
        path.with_name(f"{path.name}.json").write_text(json.dumps({"size": 5, **metadata}))
        return path

    def speech(self, name: str) -> Any:
        return self.path / "speech" / name

    def piece(self, name: str) -> Any:
        return self.path / "pieces" / name

    def plan(
        self,
        *rows: VideoRow,
        presenter: Presenter = PRESENTER,
        recordings: Mapping[str, Recording] = MappingProxyType({}),
        **values: Any,
    ) -> list[PlannedVideo]:
        placed = [(one, self.path / one.file_name) for one in rows]
        presenters = dict.fromkeys((one.video for one in rows), presenter)
        stores = {"speech_store": self.speech, "piece_store": self.piece}
        named = {"presenters": presenters, "photos": presenters, "recordings": recordings}
        return plan_videos(placed, settings=settings(**values), **named, **stores)

    def publish(self, one: VideoRow, **fields: Any) -> Path:
        """The video of a row, as a run publishes it."""
        speech = speech_of(one, model=MODEL, options={})
        recipe = VideoRecipe(speech=speech, presenter=PRESENTER.digest, parameters={"video_extension": True})
        made = {
            "published_at": "2026-11-26T11:00:00+00:00",
            "task_id": "job-1",
            "billed_seconds": 4.0,
            "cost": 0.32,
            "currency": "CNY",
            "batch": "spring",
        }
        return self.put(one.file_name, **recipe.fields, **(made | fields))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_video_of_the_same_recipe_is_kept(store: Store) -> None:
    store.publish(row())
    (planned,) = store.plan(row(line=7, voice="longanyang"))
    assert (planned.state, planned.kept["billed_seconds"]) == ("keep", 4.0)
    assert total_cost([planned]) == 0
    # The name and the place in the table are no part of it.
    (forced,) = store.plan(row(), force=True)
    assert (forced.state, forced.replaces) == ("make", "job-1")


@pytest.mark.parametrize(
    "changed",
    [
        {"text": f"{SCRIPT} Good night."},
        {"voice": "longcheng"},
        {"presenter": Presenter(digest=content_digest("other"))},
        {"speech_model": "cosyvoice-v3-plus"},
        {"speech_options": {"rate": 1.1}},
        {"video": RenderSettings(model=VIDEORETALK, parameters={"video_extension": False}, price=PRICE)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_row_is_made_again(changed: dict[str, Any], store: Store) -> None:
    store.publish(row())
    of_row = {name: changed[name] for name in ("text", "voice") if name in changed}
    others = {name: value for name, value in changed.items() if name not in of_row}
    (planned,) = store.plan(row(**of_row), **others)
    assert planned.state == "make"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"cut"),
        lambda path: path.with_name(f"{path.name}.json").unlink(),
        lambda path: path.with_name(f"{path.name}.json").write_text("{"),
        lambda path: path.with_name(f"{path.name}.json").write_text('{"size": 5, "script": "by another tool"}'),
    ],
    ids=["no video", "another size", "no metadata", "no JSON", "not of a batch"],
)
def test_what_cannot_be_known_is_made_again(damage: Callable[[Path], object], store: Store) -> None:
    damage(store.publish(row()))
    assert [one.state for one in store.plan(row())] == ["make"]


def test_a_price_is_exact_where_the_speech_is_kept(store: Store) -> None:
    (unknown,) = store.plan(row())
    assert unknown.estimate is not None
    assert not unknown.estimate.cost.exact
    speech = speech_of(row(), model=MODEL, options={})
    store.put(f"speech/{speech.file_name}", seconds=4.0, **speech.fields)
    (known,) = store.plan(row())
    assert known.estimate is not None
    assert (known.estimate.cost.seconds, known.estimate.cost.exact, known.most_cost) == (4.0, True, Decimal("0.32"))
    assert unknown.most_cost > known.most_cost
    (limited,) = store.plan(row(text=SCRIPT + " More."), max_cost_per_video=Decimal("0.5"))
    assert limited.most_cost == Decimal("0.5") + Decimal(len(SCRIPT) + 6) / 10_000


def test_a_speech_that_is_known_to_be_unfit_is_refused_before_it_is_paid_for(store: Store) -> None:
    speech = speech_of(row(), model=MODEL, options={})
    store.put(f"speech/{speech.file_name}", seconds=1.25, **speech.fields)
    (planned,) = store.plan(row())
    assert [str(fault) for fault in planned.faults] == [
        "line 2, column text: its speech takes 1.25 s, allowed is 2 to 120 s. Lengthen the script."
    ]
    store.put(f"speech/{speech.file_name}", seconds=30.0, **speech.fields)
    (dear,) = store.plan(row(), max_cost_per_video=Decimal(2))
    assert "the video costs 30 s of output, 2.4 CNY" in str(dear.faults[0])
    assert dear.state == "refuse"


def test_a_presenter_that_the_service_refuses_is_a_fault_of_its_rows(store: Store) -> None:
    refused = Presenter(problems=(("video duration is 1 s, allowed is 2 to 120 s", "Give a longer one."),))
    planned = store.plan(row(), row("other", line=5), presenter=refused)
    assert [str(fault)[:23] for one in planned for fault in one.faults] == [
        "line 2, column video: v",
        "line 5, column video: v",
    ]


@given(text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=2000))
def test_the_longest_speech_is_longer_than_the_typical(text: str) -> None:
    recipe = SpeechRecipe(script=text, language=None, voice="v", model=MODEL)
    assert 2 <= typical_speech(recipe) <= longest_speech(recipe) <= 120


def test_how_long_scripts_take() -> None:
    def of(text: str) -> SpeechRecipe:
        return SpeechRecipe(script=text, language=None, voice="v", model=MODEL)

    assert typical_speech(of("a" * 130)) == 10
    assert typical_speech(of("早" * 130)) == 30
    assert longest_speech(of("<speak>Hello.<break time='100s'/></speak>")) == 120
    assert longest_speech(of("123")) == 5 + 18 / 4


def document(planned: list[PlannedVideo], **values: Any) -> dict[str, Any]:
    given = {
        "faults": [],
        "unused": [],
        "render_seconds": lambda seconds, model: {"videoretalk": 9, "liveportrait": 5}[model] * seconds,
        "batch": "spring",
        "dag_id": "d",
        "run_id": "r",
        "dry_run": False,
        "prune": "off",
        "currency": "CNY",
    }
    uris = [f"s3://b/{one.destination.name}" for one in planned]
    return plan_document(planned, uris=uris, numbers=numbers_of(planned, uris=uris), now=NOW, **(given | values))


def listed(planned: list[PlannedVideo]) -> list[RowToMake]:
    uris = [f"s3://b/{number}.mp4" for number in range(len(planned))]
    return rows_to_make(planned, batch="spring", uris=uris, numbers=numbers_of(planned, uris=uris))


def test_the_document_of_a_plan(store: Store) -> None:
    store.publish(row())
    planned = store.plan(row(), row("b", line=3), row("*c*\n# d", line=5))
    fault = Fault(line=4, column="text", value="it is empty", remedy="Write it.")
    plan = document(planned, faults=[fault, fault])
    assert plan["counts"] == {"make": 2, "keep": 1, "refuse": 1}
    assert [(video["line"], video["state"], video["row"]) for video in plan["videos"]] == [
        (2, "keep", None),
        (3, "make", 0),
        (4, "refuse", None),
        (5, "make", 1),
    ]
    # One job at a time: the second is ready after the first.
    times = [datetime.fromisoformat(plan["videos"][at]["ready_at"]) - NOW for at in (1, 3)]
    assert times[1] / times[0] == pytest.approx(2, abs=0.05)
    assert SCRIPT not in json.dumps(plan)
    assert "2 to make, 1 kept, 1 refused, at most " in summary(plan)
    assert "\n# d" not in report(plan)
    lines = report(document(store.plan(row("b"), row("`*c*` d", line=5)))).splitlines()
    assert re.fullmatch(r"- `b \(en\)`: at most [\d.]+ s, at most \d\.\d\d CNY, ready at about .* UTC", lines[2])
    assert lines[3].startswith("- `'*c*' d (en)`: at most ")


def test_rows_are_read_back_one_by_one(store: Store) -> None:
    planned = store.plan(*(row(f"clip {number}", line=number) for number in range(250)))
    rows = listed(planned)
    write_rows(store.path / "batches", rows)
    assert read_rows(store.path / "batches", 250) == rows
    assert [read_row(store.path / "batches", number) for number in (0, 99, 100, 249)] == [
        rows[number] for number in (0, 99, 100, 249)
    ]
    assert references(rows)[249] == {"label": "clip 249 (en)", "row": 249}
    assert len(json.dumps(references(rows))) < 250 * 60
    for number in (250, 300, -1):
        with pytest.raises(StateReadError, match=r"it has no row|does not exist"):
            read_row(store.path / "batches", number)


def test_the_name_of_a_run_is_plain() -> None:
    name = plan_name("d", "manual__2026-11-26T12:00:00+00:00/../x")
    assert name.startswith("manual__2026-11-26T12_00_00_00_00_.._x-")
    assert name != plan_name("e", "manual__2026-11-26T12:00:00+00:00/../x")


@pytest.mark.parametrize("lie", [float("nan"), float("inf"), -1.0, True, "0.32", {"a": 1}, [0.3], None])
def test_a_metadata_file_that_lies_of_its_amounts(store: Store, lie: Any) -> None:
    """Whoever may write there can write anything."""
    store.publish(row(), cost=lie, billed_seconds=lie)
    store.put(f"speech/{speech_of(row('b'), model=MODEL, options={}).file_name}", seconds=lie)
    planned = store.plan(row(), row("b", line=3))
    plan = document(planned)
    assert [(video["state"], video["cost"], video["exact"]) for video in plan["videos"]] == [
        ("keep", None, True),
        ("make", None, False),
    ]
    json.dumps(plan, allow_nan=False)
    metadata = {**listed(planned)[0].recipe.fields, "cost": lie, "billed_seconds": lie, "currency": lie}
    manifest = manifest_document(plan, rows=listed(planned), published=[metadata], errors={})
    assert (manifest["counts"], manifest["cost"]) == ({"kept": 1, "published": 1}, 0)
    json.dumps(manifest, allow_nan=False)


@pytest.mark.parametrize("content", ["[" * 100_000, "[", "\xff", "null", "[1]", '{"size": 6}'])
def test_a_metadata_file_that_is_damaged(store: Store, content: str) -> None:
    published = store.publish(row())
    published.with_name(f"{published.name}.json").write_bytes(content.encode("latin-1"))
    (planned,) = store.plan(row())
    assert planned.state == "make"
    assert find_unused(store.path, batch="spring", named=()) == []


def test_the_same_words_from_another_program(store: Store) -> None:
    store.publish(row(text="Grüße,\nund willkommen."))
    for text in ("Grüße,\r\nund willkommen.", "Gru\u0308ße,\rund willkommen."):
        (planned,) = store.plan(row(text=text))
        assert planned.state == "keep"


def test_a_forced_video_without_a_job_is_missing(store: Store) -> None:
    store.publish(row(), task_id=None)
    planned = store.plan(row(), force=True)
    old = {**planned[0].recipe.fields, "task_id": None}
    manifest = manifest_document(document(planned), rows=listed(planned), published=[old], errors={})
    assert manifest["counts"] == {"missing": 1}


def test_the_manifest_says_what_became_of_each_row(store: Store) -> None:
    store.publish(row("kept"))
    store.publish(row("forced"))
    rows = [row("kept"), row("made", line=3), row("failed", line=4), row("lost", line=5)]
    planned = store.plan(*rows)
    plan = document(planned, faults=[Fault(line=9, column="name", value="'='", remedy="=Rename it.")])
    to_make = listed(planned)
    metadata = {**to_make[0].recipe.fields, "task_id": "j", "billed_seconds": 4.0, "cost": 0.32, "currency": "CNY"}
    error = {"row": 1, "code": "InvalidURL", "message": "not found", "remedy": "Check it."}
    manifest = manifest_document(plan, rows=to_make, published=[metadata, None, {}], errors={1: error})
    assert [(video["name"], video["state"], video["cost"], video["code"]) for video in manifest["videos"]] == [
        ("kept", "kept", 0.32, None),
        ("made", "published", 0.32, None),
        ("failed", "failed", None, "InvalidURL"),
        ("lost", "missing", None, None),
        (None, "refused", None, "InputError"),
    ]
    assert (manifest["counts"]["published"], manifest["cost"]) == (1, 0.32)
    text = as_csv(manifest).decode("utf-8-sig")
    assert text.splitlines()[0] == "line,name,language,state,uri,seconds,cost,currency,code,problem,remedy"
    assert "'=Rename it." in text
    (forced,) = store.plan(row("forced"), force=True)
    old = {**forced.recipe.fields, "task_id": "job-1"}
    (one,) = listed([forced])
    (video,) = manifest_document(document([forced]), rows=[one], published=[old], errors={})["videos"]
    assert video["state"] == "missing"


def test_what_the_table_does_not_name(store: Store) -> None:
    named, gone = store.publish(row()), store.publish(row("gone"))
    store.put("of-another.mp4", batch="summer")
    store.put("no-batch.mp4")
    store.put("nested/gone.mp4", batch="spring", published_at="2026-11-26T13:00:00+01:00")
    store.put("speech/x.mp4", batch="spring")
    (store.folder / "broken.mp4.json").write_text("[")
    unused = find_unused(store.path, batch="spring", named={str(named).casefold()})
    assert [one.path for one in unused] == [str(gone), str(store.folder / "nested" / "gone.mp4")]
    assert not remove_video(store.path / "of-another.mp4", batch="spring", planned_at=NOW.isoformat())
    # The second is as old as the plan.
    removed = [remove_video(one, batch="spring", planned_at=NOW.isoformat()) for one in [*unused, *unused]]
    assert removed == [True, False, False, False]
    assert named.exists()
    assert not gone.exists()
    assert not gone.with_name("gone-en.mp4.json").exists()


def test_an_empty_folder(tmp_path: Path) -> None:
    assert find_unused(store_path((tmp_path / "none").as_uri()), batch="spring", named=()) == []


PHOTO = {"video": "a.png", "is_photo": True}


def test_a_photo_is_priced_by_its_own_model_with_its_check(store: Store) -> None:
    (planned,) = store.plan(row(text=SCRIPT, **PHOTO))
    assert (planned.state, planned.recipe.model) == ("make", "liveportrait")
    assert planned.recipe.fields["photo_model"] == "liveportrait"
    assert planned.estimate is not None
    assert planned.most_video_cost == round(Decimal(str(planned.estimate.cost.seconds)) * Decimal("0.02"), 4) + Decimal(
        "0.004"
    )


def test_a_photo_and_a_video_are_two_videos(store: Store) -> None:
    store.publish(row())
    assert [one.state for one in store.plan(row())] == ["keep"]
    assert [one.state for one in store.plan(row(**PHOTO))] == ["make"]


@pytest.mark.parametrize(
    ("model", "words", "fault"),
    [
        (LIVEPORTRAIT, 60, None),
        (
            LIVEPORTRAIT,
            400,
            "line 2, column text: its speech takes about 184 s, and the video of a photo is made by one render job, "
            "allowed is at most 80 s. Shorten it, or name a presenter video in place of the photo.",
        ),
        (WAN_S2V, 25, None),
        (
            WAN_S2V,
            100,
            "line 2, column text: its speech takes about 46 s, and the video of a photo is made by one render job, "
            "allowed is at most 20 s. Shorten it, or name a presenter video in place of the photo.",
        ),
    ],
)
def test_the_video_of_a_photo_is_one_render_job(store: Store, model: Any, words: int, fault: str | None) -> None:
    photo = RenderSettings(model=model, parameters=model.parameters(), price=with_check(model.price))
    (planned,) = store.plan(row(text="good, " * words, **PHOTO), photo=photo)
    assert [str(one) for one in planned.faults] == ([fault] if fault else [])
    assert planned.state == ("refuse" if fault else "make")


def test_a_batch_has_one_currency(store: Store) -> None:
    dollars = Price(per_second=Decimal("0.012"), currency="USD", as_of=date(2026, 11, 22))
    planned = store.plan(row(), row("photo", line=3, **PHOTO), price=dollars)
    assert [str(fault) for one in planned for fault in one.faults] == [
        "line 3, column photo: the price of liveportrait is in CNY, that of the batch in USD. "
        "State the price of liveportrait in USD in the Connection."
    ]


def test_a_row_of_a_photo_names_its_model_in_xcom(store: Store) -> None:
    planned = store.plan(row(**PHOTO), row("b", line=3))
    rows = rows_to_make(planned, batch="spring", uris=["a", "b"], numbers=[0, 1])
    assert [reference.get("photo_model") for reference in references(rows)] == ["liveportrait", None]
    assert [RowToMake.parse(one.to_json()) for one in rows] == rows
