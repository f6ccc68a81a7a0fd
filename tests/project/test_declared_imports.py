"""Every imported distribution is declared by name, because another requirement may stop requiring it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project_files import PYPROJECT, ROOT

PACKAGE = "airflow_provider_videoretalk"
PROJECT = PYPROJECT["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
GROUPS = set(PYPROJECT["dependency-groups"])

# The extras and groups that the files below each path may import.
OPTIONAL = {
    f"{PACKAGE}/emulator/engine/espeak.py": {"espeak"},
    f"{PACKAGE}/emulator/pytest_plugin.py": {"emulator", "dev"},
    f"{PACKAGE}/emulator/": {"emulator"},
    f"{PACKAGE}/media/ffmpeg_probe.py": {"media"},
    f"{PACKAGE}/editing/content_credentials.py": {"c2pa"},
    f"{PACKAGE}/editing/": {"media"},
    f"{PACKAGE}/faces/": {"faces"},
    f"{PACKAGE}/publishing/crc64.py": {"crc"},
    f"{PACKAGE}/batches/xlsx.py": {"xlsx"},
    f"{PACKAGE}/airflow_adapters/openlineage_facets.py": {"observability"},
    f"{PACKAGE}/airflow_adapters/oss_filesystem.py": {"oss"},
    f"{PACKAGE}/airflow_adapters/tracing.py": {"observability"},
    f"{PACKAGE}/dashscope/async_client.py": {"socks"},
    f"{PACKAGE}/outbound/http_transport.py": {"socks"},
    f"{PACKAGE}/": set(),
    "dags/": set(),
    "scripts/covering_tests.py": {"dev"},
    "scripts/mutants.py": {"dev"},
    "scripts/warm_pytest.py": {"dev"},
    "scripts/": {"emulator", "scripts"},
    "website/": {"docs"},
    "benchmarks/": EXTRAS | {"build", "dev"},
    "tests/distributed/": EXTRAS | {"build", "dev", "system", "distributed"},
    "tests/system/": EXTRAS | {"build", "dev", "system"},
    "tests/browser/": EXTRAS | {"build", "dev", "browser"},
    "tests/": EXTRAS | {"build", "dev", "observability"},
}
# apache-airflow requires these, each in one version.
AIRFLOW = {"apache-airflow-core", "apache-airflow-task-sdk"}


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def is_own(module: str) -> bool:
    """Whether a module is part of this project; the folders tests and scripts are on the path."""
    name = module.partition(".")[0]
    places = [ROOT, ROOT / "tests", ROOT / "scripts"]
    return any((place / f"{name}.py").exists() or (place / name).is_dir() for place in places)


def is_standard(module: str) -> bool:
    # Python 3.10 does not know the names of later ones.
    return module.partition(".")[0] in sys.stdlib_module_names | {"tomllib"}


@cache
def _owners() -> dict[str, str]:
    return {
        str(file): canonicalize_name(found.metadata["Name"])
        for found in distributions()
        for file in found.files or ()
        if file.suffix == ".py"
    }


@cache
def distributions_of(module: str) -> frozenset[str]:
    """The distributions of a module; in a namespace such as Airflow's, the one that has the file."""
    path = module.replace(".", "/")
    owner = _owners().get(f"{path}/__init__.py") or _owners().get(f"{path}.py")
    if owner:
        return frozenset({owner})
    name = module.partition(".")[0]
    # Python 3.10 knows a package only by a file that few distributions still have.
    sharing = {owner for file, owner in _owners().items() if file.startswith(f"{name}/")}
    # A module that is not installed on this Python, such as tomli, has the name of its distribution.
    return frozenset(sharing or map(canonicalize_name, packages_distributions().get(name, [name])))


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def declared(*parts: str) -> set[str]:
    """The distributions that are declared as dependencies, or in the given extras and groups."""
    found = names(PROJECT["dependencies"])
    for part in parts:
        found |= names(PROJECT["optional-dependencies"].get(part) or PYPROJECT["dependency-groups"][part])
    return found | AIRFLOW if "apache-airflow" in found else found


def files_of(part: str) -> list[Path]:
    """The files whose first part in :data:`OPTIONAL` is ``part``."""
    place = ROOT / part
    found = [place] if place.is_file() else sorted(place.rglob("*.py"))
    before = list(OPTIONAL)[: list(OPTIONAL).index(part)]
    return [path for path in found if not any(str(path.relative_to(ROOT)).startswith(other) for other in before)]


@pytest.mark.parametrize("part", OPTIONAL)
def test_every_import_is_declared(part: str) -> None:
    required = declared(*OPTIONAL[part])
    undeclared = set()
    for path in files_of(part):
        for module in imported_by(path):
            if is_own(module) or is_standard(module):
                continue
            if not distributions_of(module) & required:
                undeclared.add(f"{module} ({', '.join(distributions_of(module))}) in {path.relative_to(ROOT)}")
    assert undeclared == set()


def test_airflow_requires_its_parts() -> None:
    assert names(requires("apache-airflow") or []) >= AIRFLOW


@pytest.mark.parametrize("module", ["cachetools", "PIL", "airflow.sdk", "airflow.providers.http.hooks.http"])
def test_an_import_that_is_not_declared_is_found(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail."""
    assert distributions_of(module) <= declared("emulator")
    kept = [
        text for text in PROJECT["dependencies"] if not names([text]) & {*distributions_of(module), "apache-airflow"}
    ]
    monkeypatch.setitem(PROJECT, "dependencies", kept)
    assert not distributions_of(module) & declared()
