"""Airflow on the emulator, and a headless Chromium before it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_airflow import LocalAirflow
from local_airflow import emulator as running_emulator

from .person import Person

API_KEY = "sk-browser"


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's base URL; a render takes long enough to be watched while it lasts."""
    with running_emulator(home=tmp_path_factory.mktemp("emulator"), time_scale=3) as base_url:
        yield base_url


@pytest.fixture(scope="session")
def airflow(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """A whole Airflow, with the connection to the emulator in place. It may publish in every test's own folder."""
    home = tmp_path_factory.mktemp("airflow")
    with LocalAirflow(home=home, published=tmp_path_factory.getbasetemp()).running() as airflow:
        airflow.configure(base_url=base_url, api_key=API_KEY)
        yield airflow


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: where the docs use them, if ``VIDEORETALK_PICTURES`` says so."""
    named = os.environ.get("VIDEORETALK_PICTURES")
    return Path(named) if named else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def chromium() -> dict[str, str]:
    """Where the browser and its driver are."""
    driver = shutil.which("chromedriver")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if driver is None or browser is None:
        pytest.fail("Chromium is missing; on Debian: apt-get install chromium chromium-driver")
    return {"browser": browser, "driver": driver}


@pytest.fixture
def person(airflow: LocalAirflow, pictures: Path, chromium: dict[str, str]) -> Iterator[Person]:
    """Somebody at a laptop."""
    with Person.at(airflow.url, **chromium, pictures=pictures) as person:
        yield person
