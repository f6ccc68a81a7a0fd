from __future__ import annotations

import hashlib
import importlib.util
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.emulator.service.checksums import crc64 as emulators_crc64
from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata
from airflow_provider_videoretalk.publishing import checksums as module
from airflow_provider_videoretalk.publishing.checksums import Checksums, VerifiedContent
from airflow_provider_videoretalk.publishing.crc64 import fast_crc64, slow_crc64

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()
CRC64 = slow_crc64(CONTENT)


def metadata(**said: Any) -> ResponseMetadata:
    nothing: dict[str, Any] = dict.fromkeys(("size", "content_type", "etag", "last_modified", "md5", "crc64"))
    return ResponseMetadata(**nothing | {"chunked": False, "accepts_ranges": True} | said)


def verify(content: bytes = CONTENT, **said: Any) -> VerifiedContent:
    with Checksums(metadata(**said)) as checksums:
        for start in range(0, len(content), 1000):
            checksums.add(content[start : start + 1000])
        return checksums.verify()


@pytest.mark.parametrize(
    ("said", "verified"),
    [
        ({}, ()),
        ({"size": len(CONTENT)}, ("length",)),
        ({"size": len(CONTENT), "md5": MD5}, ("length", "md5")),
        ({"size": len(CONTENT), "md5": MD5, "crc64": CRC64}, ("length", "md5", "crc64")),
    ],
)
def test_compares_what_is_said(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], verified: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, "fast_crc64", lambda: None)
    verified_content = verify(**said)
    assert (verified_content.size, verified_content.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (verified_content.verified, verified_content.unverified) == (verified, {})


def test_no_md5_beside_a_fast_crc64(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take most of the time of a copy, and show nothing more."""
    monkeypatch.setattr(module, "fast_crc64", lambda: slow_crc64)
    monkeypatch.setattr(module.hashlib, "md5", lambda **_: pytest.fail("an MD5 is computed"))
    assert verify(size=len(CONTENT), md5="0" * 32, crc64=CRC64).verified == ("length", "crc64")
    with pytest.raises(TransportError, match="its crc64 is"):
        verify(size=len(CONTENT), md5=MD5, crc64=CRC64 ^ 1)


@pytest.mark.parametrize("said", [{"size": 7}, {"md5": "0" * 32}, {"size": len(CONTENT), "crc64": 0}])
def test_a_difference_is_an_error(said: dict[str, Any]) -> None:
    if "crc64" in said:
        said["md5"] = MD5
    with pytest.raises(
        TransportError, match=r"differs from the source: its (length|md5|crc64) is .* Nothing was published"
    ):
        verify(**said)


def test_one_bit_is_a_difference() -> None:
    flipped = CONTENT[:99] + bytes([CONTENT[99] ^ 1]) + CONTENT[100:]
    for said in ({"md5": MD5}, {"crc64": CRC64, "size": len(CONTENT)}):
        with pytest.raises(TransportError):
            verify(flipped, **said)


@pytest.mark.parametrize("declared_size", [None, module._MAX_SLOW_CRC_BYTES + 1])
def test_says_what_it_did_not_look_at(monkeypatch: pytest.MonkeyPatch, declared_size: int | None) -> None:
    """In Python it would take minutes."""
    monkeypatch.setattr(module, "fast_crc64", lambda: None)
    monkeypatch.setattr(module, "_MAX_SLOW_CRC_BYTES", module._MAX_SLOW_CRC_BYTES if declared_size else 5000)
    with Checksums(metadata(crc64=CRC64, size=declared_size)) as checksums:
        for _ in range(10):
            checksums.add(CONTENT[:1000])
        checksums.size = declared_size or checksums.size
        verified_content = checksums.verify()
    assert "crc64" not in verified_content.verified
    assert verified_content.unverified == {
        "crc64": "over 16 MB it needs fastcrc: pip install 'airflow-provider-videoretalk[crc]'"
    }


@pytest.mark.parametrize(("most", "verified"), [(len(CONTENT), ("crc64",)), (len(CONTENT) - 1, ())])
def test_the_slow_way_has_a_limit_that_it_includes(
    monkeypatch: pytest.MonkeyPatch, most: int, verified: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, "fast_crc64", lambda: None)
    monkeypatch.setattr(module, "_MAX_SLOW_CRC_BYTES", most)
    assert verify(crc64=CRC64).verified == verified


def test_the_slow_way_is_taken_for_small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fast_crc64", lambda: None)
    assert verify(crc64=CRC64, size=len(CONTENT)).verified == ("length", "crc64")
    assert verify(crc64=CRC64).verified == ("crc64",)


def test_without_fastcrc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastcrc.crc64", None)
    assert fast_crc64() is None


def test_with_a_module_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one where it is installed, else one that works as it does."""
    if importlib.util.find_spec("fastcrc") is None:
        from types import ModuleType

        package, stand_in = ModuleType("fastcrc"), ModuleType("fastcrc.crc64")
        stand_in.xz = slow_crc64  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fastcrc", package)
        monkeypatch.setitem(sys.modules, "fastcrc.crc64", stand_in)
    crc64 = fast_crc64()
    assert crc64 is not None
    assert crc64(b"6789", crc64(b"12345", 0)) == 0x995DC9BBDF1939FA
    assert verify(crc64=CRC64).verified == ("crc64",)


def test_the_check_value_of_the_catalogue() -> None:
    assert slow_crc64(b"123456789") == 0x995DC9BBDF1939FA
    assert slow_crc64(b"") == 0


@given(st.binary(max_size=300), st.integers(0, 300))
def test_agrees_with_the_emulator(content: bytes, cut: int) -> None:
    assert slow_crc64(content[cut:], slow_crc64(content[:cut])) == emulators_crc64(content)


def test_holds_a_megabyte_and_a_half_at_once() -> None:
    """However slow the sums are."""
    chunk = bytes(2**16)
    with Checksums(metadata()) as checksums:
        release = threading.Event()
        checksums._threads[0]._thread.submit(release.wait)
        adding = threading.Thread(target=lambda: [checksums.add(chunk) for _ in range(100)])
        adding.start()
        adding.join(0.2)
        held = checksums.size
        release.set()
        adding.join()
        assert held == 1.5 * 2**20
        assert checksums.verify().size == 100 * len(chunk)


def test_chunks_of_any_size() -> None:
    content = bytes(range(256)) * 10_000
    digest = hashlib.md5(content).hexdigest()
    for length in (100_000, 700_000, module._BATCH_BYTES, len(content)):
        with Checksums(metadata(size=len(content), md5=digest)) as checksums:
            for start in range(0, len(content), length):
                checksums.add(content[start : start + length])
            assert checksums.verify().sha256 == hashlib.sha256(content).hexdigest()


def test_its_threads_end_with_it() -> None:
    before = threading.active_count()
    with Checksums(metadata(md5=MD5)) as checksums:
        checksums.add(bytes(module._BATCH_BYTES))
        assert threading.active_count() == before + 2
    assert threading.active_count() == before


def test_an_md5_is_allowed_where_cryptography_allows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine in FIPS mode, only one that is not used for security."""
    md5 = module.hashlib.md5

    def allowed(*, usedforsecurity: bool = True) -> Any:
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return md5()

    monkeypatch.setattr(module.hashlib, "md5", allowed)
    assert verify(md5=MD5).verified == ("md5",)


def test_two_batches_wait_for_a_thread_at_most() -> None:
    """They are in memory."""
    done: list[bytes] = []
    thread = module._ChecksumThread(done.append)
    for number in range(10):
        thread.add([bytes([number])])
        assert len(thread._waiting) == min(number + 1, 2)
    thread.finish()
    assert b"".join(done) == bytes(range(10))
