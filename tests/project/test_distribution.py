"""The contents and the metadata of the wheel and the sdist, which are built here without network."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from project_files import PYPROJECT, ROOT, is_checkout, tracked_files

PACKAGE = "airflow_provider_videoretalk"
PROJECT = PYPROJECT["project"]
REPOSITORY = PROJECT["urls"]["Source"]
# Files that only a checkout needs.
NOT_IN_SDIST = re.compile(r"\.ci/")


def build(source: Path, target: Path) -> tuple[Path, Path]:
    """The wheel and the sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), "-t", "wheel", "-t", "sdist"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return wheel, sdist


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> dict[str, bytes]:
    return contents(built[0])


@pytest.fixture(scope="module")
def unpacked(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist's folder."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built[1]) as archive:
        # This archive is trusted: it needs no filter, and the first releases of Python 3.10 have none.
        for member in archive:
            assert member.isfile()
            assert ".." not in Path(member.name).parts
            archive.extract(member, folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    (content,) = [content for name, content in wheel.items() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(content)


def example_dags() -> dict[str, Path]:
    return {f"{PACKAGE}/example_dags/{path.name}": path for path in (ROOT / "dags").glob("*.py")}


def package_files() -> set[str]:
    """The files of the package that the wheel must contain, by their paths in the wheel."""
    if is_checkout():
        found = {path for path in tracked_files() if path.startswith(f"{PACKAGE}/")} - {f"{PACKAGE}/example_dags"}
    else:
        found = {str(path.relative_to(ROOT)) for path in (ROOT / PACKAGE).rglob("*") if path.is_file()}
        found = {path for path in found if "__pycache__" not in path}
    return found | set(example_dags())


def test_the_wheel_holds_the_package(wheel: dict[str, bytes]) -> None:
    held = {name for name in wheel if ".dist-info/" not in name}
    assert held == package_files()
    for part in ("py.typed", "cli/check.schema.json", "ui/templates/base.html", "ui/static/videoretalk.css"):
        assert f"{PACKAGE}/{part}" in held
    for name, path in example_dags().items():
        assert wheel[name] == path.read_bytes()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


@pytest.mark.skipif(not is_checkout(), reason="an unpacked sdist does not know the tracked files")
def test_the_sdist_holds_what_is_tracked(unpacked: Path) -> None:
    held = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    tracked = {path for path in tracked_files() if not NOT_IN_SDIST.match(path)} - {f"{PACKAGE}/example_dags"}
    assert held == tracked | set(example_dags()) | {"PKG-INFO"}


def test_a_wheel_from_the_sdist_is_the_same(
    wheel: dict[str, bytes], unpacked: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again, _ = build(unpacked, tmp_path_factory.mktemp("again"))
    assert contents(again) == wheel


def test_the_metadata(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    required = {Requirement(text).name for text in metadata.get_all("Requires-Dist", [])}
    assert {Requirement(text).name for text in PROJECT["dependencies"]} <= required
    urls = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert urls == PROJECT["urls"]


def test_the_entry_points(wheel: dict[str, bytes]) -> None:
    (content,) = [content for name, content in wheel.items() if name.endswith(".dist-info/entry_points.txt")]
    parser = ConfigParser(delimiters="=")
    parser.read_string(content.decode())
    assert {group: dict(parser[group]) for group in parser.sections()} == PROJECT["entry-points"]


def test_links_of_the_long_description_are_absolute_and_exist(metadata: Message) -> None:
    text = str(metadata.get_payload())
    without_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = re.findall(r"\]\(\s*<?([^)\s>]+)", without_code)
    links += re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']+)", without_code)
    links += re.findall(r"^\[[^\]]+\]:\s*(\S+)", without_code, re.MULTILINE)
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []
    assert missing_of([*links, *PROJECT["urls"].values()]) == []


def missing_of(links: list[str]) -> list[str]:
    """Links to this repository whose file does not exist."""
    raw = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/")
    into = re.compile(rf"(?:{re.escape(REPOSITORY)}/(?P<kind>blob|tree)|{re.escape(raw)})/main/(?P<path>[^#?]+)")
    found = {link: match for link in links if (match := into.match(link))}
    kinds = {"tree": Path.is_dir, "blob": Path.is_file, None: Path.is_file}
    return [link for link, match in found.items() if not kinds[match["kind"]](ROOT / match["path"])]


def test_a_link_without_its_file_is_found() -> None:
    good, bad = f"{REPOSITORY}/blob/main/README.md#use-it", f"{REPOSITORY}/blob/main/docs/none.md"
    assert missing_of([good, bad, f"{REPOSITORY}/tree/main/README.md"]) == [bad, f"{REPOSITORY}/tree/main/README.md"]


def test_pictures_are_linked_as_files() -> None:
    """GitHub's page of an image is not the image."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures
    assert all(picture.startswith("https://raw.githubusercontent.com/") for picture in pictures)
