from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Turn
from object_store import ObjectStore, attached, place
from small_mp4 import around, mp4

from airflow_provider_videoretalk.dashscope.errors import InputError, ResultExpiredError, TransportError
from airflow_provider_videoretalk.dashscope.result_expiry import RefusedUrlError
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.service.checksums import checksums_of
from airflow_provider_videoretalk.outbound.download import RetrySettings
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.crc64 import fast_crc64
from airflow_provider_videoretalk.publishing.media_inspection import UnexpectedMediaError
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, PublishedObject, copy_object

CONTENT = mp4(bytes(range(256)) * 100)
OTHER = mp4(bytes(range(255, -1, -1)) * 100)
FAST_RETRY = RetrySettings(first_delay=0, read_timeout=1.5)
ONE, TWO = "s3://one@bucket/en.mp4", "s3://two@bucket/en.mp4"
KEY = "bucket/en.mp4"
# The MD5 is computed only where a CRC-64 takes long.
OSS_SUMS = ("length", "crc64") if fast_crc64() else ("length", "md5", "crc64")
PAST = datetime(2026, 1, 1, tzinfo=timezone.utc).isoformat()


@pytest.fixture
def stores() -> Iterator[tuple[ObjectStore, ObjectStore]]:
    one, two = ObjectStore(), ObjectStore()
    with attached(one=one, two=two):
        yield one, two


def build_metadata(downloaded: DownloadedObject, destination: Destination) -> Mapping[str, Any]:
    return {
        "task_id": "t1",
        "uri": str(destination),
        "size": downloaded.content.size,
        "sha256": downloaded.content.sha256,
        "media": dict(downloaded.media),
    }


def copied(origin: FaultyOrigin, *uris: str, **options: Any) -> list[PublishedObject]:
    options = {"build_metadata": build_metadata, "retry": FAST_RETRY, "sleep": lambda _: None} | options
    return copy_object(origin.url, [place(uri) for uri in uris], access=any_address, **options)


def test_one_pass_to_several_places(tmp_path: Path, stores: tuple[ObjectStore, ObjectStore]) -> None:
    disk = (tmp_path / "en.mp4").as_uri()
    with FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=9_000)], sums=("md5", "crc64")) as origin:
        found = copied(origin, ONE, disk, TWO)
    assert len(origin.requests) == 2
    assert [str(each.destination) for each in found] == [ONE, disk, TWO]
    assert not any(each.kept for each in found)
    for each, store in zip((found[0], found[2]), stores, strict=True):
        assert store.objects[KEY] == CONTENT
        assert json.loads(store.objects[f"{KEY}.json"]) == each.metadata
    assert (tmp_path / "en.mp4").read_bytes() == CONTENT
    assert found[1].metadata["uri"] == disk
    assert stores[0].opened[0]["ContentType"] == "video/mp4"


def test_the_description_of_the_download(
    stores: tuple[ObjectStore, ObjectStore], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    seen: list[DownloadedObject] = []

    def note(downloaded: DownloadedObject, destination: Destination) -> Mapping[str, Any]:
        seen.append(downloaded)
        return build_metadata(downloaded, destination)

    with FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=9_000)], sums=("etag", "crc64")) as origin:
        copied(origin, ONE, build_metadata=note)
    assert seen[0].content.verified == OSS_SUMS
    assert seen[0].content.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert seen[0].content_type == "video/mp4"
    assert "resumed after 1 lost connections" in caplog.text


def test_what_is_replaced_before_a_byte_was_read_is_published(stores: tuple[ObjectStore, ObjectStore]) -> None:
    script = [Turn(kind="cut", at=0), Turn(kind="swap")]
    with FaultyOrigin(OTHER[:-1], CONTENT, script=script, sums=("md5", "crc64")) as origin:
        copied(origin, ONE)
    assert stores[0].objects[KEY] == CONTENT


@pytest.mark.parametrize("sums", [("md5",), ("crc64",), ("etag",)])
def test_wrong_bytes_are_published_nowhere(tmp_path: Path, stores: tuple[ObjectStore, ObjectStore], sums: Any) -> None:
    """Also if everything else is right."""
    for turn in (Turn(kind="flip", at=77), Turn(kind="length", at=-77)):
        with (
            FaultyOrigin(CONTENT, script=[turn], sums=sums) as origin,
            pytest.raises(TransportError, match="differs from the source"),
        ):
            copied(origin, ONE, (tmp_path / "en.mp4").as_uri())
    assert not stores[0].objects
    assert not stores[0].uploads
    assert not list(tmp_path.iterdir())


def test_nowhere_where_one_store_takes_no_more(tmp_path: Path, stores: tuple[ObjectStore, ObjectStore]) -> None:
    stores[1].fail("close", "en.mp4")
    with FaultyOrigin(CONTENT) as origin, pytest.raises(TransportError, match=f"{TWO} cannot be published"):
        copied(origin, (tmp_path / "en.mp4").as_uri(), ONE, TWO)
    assert not list(tmp_path.iterdir())
    assert not any(store.objects or store.uploads for store in stores)


def test_says_what_is_there_when_a_commit_fails(tmp_path: Path, stores: tuple[ObjectStore, ObjectStore]) -> None:
    disk = (tmp_path / "en.mp4").as_uri()
    stores[0].fail("commit", "en.mp4")
    with FaultyOrigin(CONTENT) as origin:
        with pytest.raises(TransportError) as caught:
            copied(origin, disk, ONE, TWO)
        failure = f"{ONE} cannot be published: the store failed with OSError"
        assert f"{failure}; already published: {disk}; not published: {ONE}, {TWO}" in str(caught.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["en.mp4", "en.mp4.json"]
        assert not any(store.objects or store.uploads for store in stores)
        stores[0].failures.clear()
        found = copied(origin, disk, ONE, TWO, if_exists="skip_same", identity={"task_id": "t1"})
    assert [each.kept for each in found] == [True, False, False]


def test_says_that_nothing_is_there(stores: tuple[ObjectStore, ObjectStore]) -> None:
    stores[0].fail("commit", "en.mp4")
    with FaultyOrigin(CONTENT) as origin:
        with pytest.raises(TransportError, match="already published: nothing; not published"):
            copied(origin, ONE, TWO)
        with pytest.raises(TransportError, match=r"OSError\. See the cause") as caught:
            copied(origin, ONE)
    assert "already published" not in str(caught.value)


def test_overwrites_by_default(stores: tuple[ObjectStore, ObjectStore]) -> None:
    with FaultyOrigin(CONTENT, OTHER, script=[Turn(), Turn(kind="swap")]) as origin:
        assert not copied(origin, ONE)[0].kept
        assert not copied(origin, ONE)[0].kept
    assert stores[0].objects[KEY] == OTHER
    assert json.loads(stores[0].objects[f"{KEY}.json"])["sha256"] == hashlib.sha256(OTHER).hexdigest()


def test_fails_before_anything_is_fetched(stores: tuple[ObjectStore, ObjectStore]) -> None:
    stores[1].objects[KEY] = OTHER
    with FaultyOrigin(CONTENT) as origin:
        with pytest.raises(InputError, match=f"destination {TWO} exists already, and if_exists is 'fail'"):
            copied(origin, ONE, TWO, if_exists="fail")
        assert not origin.requests
        stores[1].objects.clear()
        copied(origin, ONE, TWO, if_exists="fail")
    assert stores[1].objects[KEY] == CONTENT


def test_an_object_that_appears_during_the_download_is_not_replaced(stores: tuple[ObjectStore, ObjectStore]) -> None:
    def appear(downloaded: DownloadedObject, destination: Destination) -> Mapping[str, Any]:
        stores[0].objects[KEY] = OTHER
        return build_metadata(downloaded, destination)

    with FaultyOrigin(CONTENT) as origin, pytest.raises(InputError, match="exists already"):
        copied(origin, ONE, if_exists="fail", build_metadata=appear)
    assert stores[0].objects == {KEY: OTHER}


def test_the_caller_says_how_long_it_waits_between_two_tries(stores: tuple[ObjectStore, ObjectStore]) -> None:
    script = [Turn(kind="refuse"), Turn(kind="status", headers={"Retry-After": "700"})]
    waits: list[float] = []
    with FaultyOrigin(CONTENT, script=script) as origin:
        copied(origin, ONE, retry=RetrySettings(first_delay=0, max_delay=90), sleep=waits.append)
    assert waits == [0, 90]


def test_the_same_task_is_not_even_asked_for(stores: tuple[ObjectStore, ObjectStore]) -> None:
    with FaultyOrigin(CONTENT) as origin:
        first = copied(origin, ONE)
        opened = len(stores[0].opened)
        (again,) = copied(origin, ONE, if_exists="skip_same", identity={"task_id": "t1"}, expires_at=PAST)
    assert (again.kept, again.metadata) == (True, first[0].metadata)
    assert (len(origin.requests), len(stores[0].opened)) == (1, opened)


@pytest.mark.parametrize(
    "damage",
    [
        {f"{KEY}.json": None},
        {KEY: None},
        {KEY: CONTENT[:-1]},
        {f"{KEY}.json": b"{"},
    ],
)
def test_the_same_task_is_copied_again_where_something_is_missing(
    stores: tuple[ObjectStore, ObjectStore], damage: dict[str, bytes | None]
) -> None:
    with FaultyOrigin(CONTENT) as origin:
        copied(origin, ONE)
        whole = dict(stores[0].objects)
        for name, content in damage.items():
            stores[0].objects.pop(name) if content is None else stores[0].objects.update({name: content})
        (again,) = copied(origin, ONE, if_exists="skip_same", identity={"task_id": "t1"})
    assert not again.kept
    assert stores[0].objects == whole


def test_another_task_with_the_same_bytes_leaves_the_object_alone(stores: tuple[ObjectStore, ObjectStore]) -> None:
    with FaultyOrigin(CONTENT) as origin:
        copied(origin, ONE)
        before, steps = dict(stores[0].objects), len(stores[0].steps)
        for identity in ({"task_id": "t2"}, {}, None):
            one, two = copied(origin, ONE, TWO, if_exists="skip_same", identity=identity)
            assert (one.kept, one.metadata["task_id"]) == (True, "t1")
        assert not any(step == "commit" for step, _ in stores[0].steps[steps:])
    assert stores[0].objects == before
    assert not stores[0].uploads
    assert two.metadata["uri"] == TWO


def test_another_task_with_other_bytes_overwrites(stores: tuple[ObjectStore, ObjectStore]) -> None:
    with FaultyOrigin(CONTENT, OTHER, script=[Turn(), Turn(kind="swap")]) as origin:
        copied(origin, ONE)
        assert not copied(origin, ONE, if_exists="skip_same", identity={"task_id": "t2"})[0].kept
    assert stores[0].objects[KEY] == OTHER


def test_only_what_is_missing_is_copied(stores: tuple[ObjectStore, ObjectStore]) -> None:
    with FaultyOrigin(CONTENT) as origin:
        copied(origin, ONE)
        steps = len(stores[0].steps)
        one, two = copied(origin, ONE, TWO, if_exists="skip_same", identity={"task_id": "t1"})
        assert {step for step, _ in stores[0].steps[steps:]} == {"info", "read"}
    assert (one.kept, two.kept) == (True, False)
    assert stores[1].objects[KEY] == CONTENT


def test_a_url_that_is_past_its_end_is_not_asked(stores: tuple[ObjectStore, ObjectStore]) -> None:
    with FaultyOrigin(CONTENT) as origin:
        with pytest.raises(
            ResultExpiredError, match=r"^source expired at .* Nothing was published\. .* new URL for free"
        ):
            copied(origin, ONE, expires_at=PAST)
        assert not origin.requests


def test_calls_back_between_an_object_and_its_metadata(stores: tuple[ObjectStore, ObjectStore]) -> None:
    seen: list[list[str]] = []
    with FaultyOrigin(CONTENT) as origin:
        copied(origin, ONE, TWO, on_object_visible=lambda: seen.append([*stores[0].objects, *stores[1].objects]))
    assert seen == [[KEY], [KEY, f"{KEY}.json", KEY]]


def test_a_result_as_the_service_keeps_it(
    tmp_path: Path, emulator: Emulator, stores: tuple[ObjectStore, ObjectStore]
) -> None:
    """With OSS's headers, over connections that drop and stall, and with a URL that expires."""
    storage, faults = emulator.state.storage, emulator.faults
    file = tmp_path / "result.mp4"
    content = mp4(bytes(range(256)) * 800)
    file.write_bytes(content)
    result = storage.add_result(key="results/out.mp4", path=file, media_type="video/mp4", checksums=checksums_of(file))
    url = storage.url(result, origin=emulator.url)
    seen: list[DownloadedObject] = []

    def note(downloaded: DownloadedObject, destination: Destination) -> Mapping[str, Any]:
        seen.append(downloaded)
        return build_metadata(downloaded, destination)

    options: dict[str, Any] = {"build_metadata": note, "retry": FAST_RETRY, "sleep": lambda _: None}
    faults.arm(
        FaultRule(operation="result", effect="error_before"),
        FaultRule(operation="result", effect="truncate", at_byte=70_000),
        FaultRule(operation="result", effect="drop_before"),
        FaultRule(operation="result", effect="stall", at_byte=1_000, seconds=4),
    )
    copy_object(url, [place(ONE)], access=any_address, **options)
    assert not faults.pending()
    assert stores[0].objects[KEY] == content
    assert (seen[0].content.verified, seen[0].content_type) == (OSS_SUMS, "video/mp4")
    faults.arm(
        FaultRule(operation="result", effect="truncate", at_byte=70_000),
        FaultRule(operation="result", effect="expired"),
    )
    # The URL says that it is valid for hours.
    with pytest.raises(RefusedUrlError, match=r"the URL of source, which expires only at .*\(HTTP 403\)") as caught:
        copy_object(url, [place(TWO)], access=any_address, **options)
    assert caught.value.retryable
    assert not stores[1].objects
    assert not stores[1].uploads


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({"effect": "result_html"}, "an HTML page"),
        ({"effect": "result_empty"}, "an empty file"),
        ({"effect": "result_cut", "at_byte": 1_000}, "an MP4 file that is cut after 1,000 bytes"),
    ],
)
def test_what_the_emulator_sends_in_place_of_a_result(
    tmp_path: Path, emulator: Emulator, stores: tuple[ObjectStore, ObjectStore], rule: dict[str, Any], what: str
) -> None:
    file = tmp_path / "result.mp4"
    file.write_bytes(CONTENT)
    storage = emulator.state.storage
    result = storage.add_result(key="results/a.mp4", path=file, media_type="video/mp4", checksums=checksums_of(file))
    url = storage.url(result, origin=emulator.url)
    options: dict[str, Any] = {"build_metadata": build_metadata, "retry": FAST_RETRY, "sleep": lambda _: None}
    emulator.faults.arm(FaultRule(operation="result", **rule))
    with pytest.raises(UnexpectedMediaError, match=f"source is {what}"):
        copy_object(url, [place(ONE)], access=any_address, **options)
    assert not stores[0].objects
    assert not stores[0].uploads
    copy_object(url, [place(ONE)], access=any_address, **options)
    assert stores[0].objects[KEY] == CONTENT


def test_memory_does_not_grow_with_the_object(tmp_path: Path) -> None:
    """What is kept of an object, to look at it and to check it, is bounded."""
    peaks = []
    for megabytes in (16, 64):
        before, after = around(megabytes << 20)
        with FaultyOrigin(before + bytes(megabytes << 20) + after) as origin:
            tracemalloc.start()
            copied(origin, (tmp_path / f"{megabytes}.mp4").as_uri())
            peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
            tracemalloc.stop()
    assert peaks[1] < 40, peaks
