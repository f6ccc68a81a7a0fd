"""An Airflow home of this run's own, set before anything imports Airflow; the emulator and S3 as real servers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from connections import connect
from hypothesis import settings

if TYPE_CHECKING:
    from clients import Send
    from seaweed import Seaweed

    from airflow_provider_videoretalk.emulator.server import Emulator

# A loaded machine makes any example slow, so none has a deadline. --hypothesis-profile=thorough looks further.
settings.register_profile("usual", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=5000)
settings.load_profile("usual")

_HOME = tempfile.TemporaryDirectory(prefix="videoretalk-tests-", ignore_cleanup_errors=True)
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # Tests read and publish files in folders of their own.
    "AIRFLOW__VIDEORETALK__ALLOWED_SOURCES": "remote, file:///",
    "AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS": "remote, file:///",
    "NO_PROXY": "127.0.0.1,localhost",
}


def pytest_unconfigure() -> None:
    # The workers of pytest-xdist end without the interpreter's own clean-up.
    _HOME.cleanup()


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Either client."""
    import clients

    return clients.send_sync if request.param == "sync" else clients.send_async


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """DashScope on this machine, with its minutes as seconds and no limit on submits.

    Its files are in pytest's own folder, which a run that is killed leaves for a later one to remove.
    """
    from airflow_provider_videoretalk.emulator.server import Emulator
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

    # The service's three hours are three and a half minutes: a busy machine must not come to their end.
    settings = EmulatorSettings(
        port=0,
        submits_per_second=1000,
        queries_per_second=1000,
        time_scale=50,
        render_factor=1,
        data_dir=tmp_path_factory.mktemp("emulator"),
    )
    with Emulator(settings) as running:
        yield running


@pytest.fixture
def connection(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to the emulator."""
    connect(monkeypatch, host=emulator.base_url, allow_private=True)
    return "dashscope_default"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Seaweed]:
    """One with a bucket named ``bucket``. The lock has all that it needs, so nothing is skipped in CI."""
    from seaweed import seaweed, why_not

    if why_not() and "CI" not in os.environ:
        pytest.skip(why_not())
    with seaweed() as running:
        yield running


@pytest.fixture
def s3(s3_server: Seaweed) -> Iterator[Any]:
    """Its file system, with an empty bucket; ``s3://weed@bucket/...`` leads there."""
    from object_store import attached
    from s3fs import S3FileSystem

    fs = S3FileSystem(**s3_server.options, skip_instance_cache=True)
    for found in fs.find("bucket"):
        fs.rm_file(found)
    with attached(weed=fs):
        yield fs
