"""Imports run downwards: a room imports from the rooms below it, and from no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_videoretalk

PACKAGE = "airflow_provider_videoretalk"
ROOT = Path(airflow_provider_videoretalk.__file__).parent

# From the top floor to the bottom. Rooms on one floor do not import each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__main__", "provider_info"),
    ("cli", "ui"),
    ("decorators", "retry_policy"),
    ("health",),
    ("operators", "sensors"),
    ("triggers", "links"),
    ("hooks",),
    ("airflow_adapters",),
    ("batches",),
    ("submission",),
    ("job_history",),
    ("polling",),
    ("publishing",),
    ("inputs",),
    ("emulator",),
    ("faces",),
    ("editing",),
    ("media",),
    ("model_catalog",),
    ("dashscope",),
    ("outbound",),
    ("optional_dependencies",),
    # The tree of errors stands beside the protocol whose errors most of them are.
    ("dashscope.errors",),
    ("__init__",),
)
# The emulator plays the service: it shares with the client no more than what the vendor's pages say.
EMULATOR: dict[str, tuple[str, ...]] = {
    # The networks that find faces, and the measures of a sound, say nothing of the service.
    "emulator.engine": (
        "model_catalog",
        "optional_dependencies",
        "faces.face_detection",
        "editing.sound_levels",
        "editing.speech_alignment",
        "editing.speech_pauses",
        "editing.spoken_text",
        "editing.subtitle_rules",
        "dashscope.errors",
    ),
    "emulator.service": ("model_catalog",),
    "emulator.execution": ("model_catalog", "emulator.engine", "emulator.service"),
    "emulator.api": ("model_catalog", "emulator.engine", "emulator.service", "emulator.execution"),
}
EMULATOR_SHARED = ("emulator.settings", "emulator.faults", "emulator.loopback")

WITHOUT_AIRFLOW = (
    "batches",
    "submission",
    "job_history",
    "polling",
    "publishing",
    "inputs",
    "emulator",
    "faces",
    "editing",
    "media",
    "model_catalog",
    "dashscope",
    "outbound",
    "optional_dependencies",
)

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The room of a module, given below the package."""
    if module == "dashscope.errors" or module.startswith("dashscope.errors."):
        return "dashscope.errors"
    return module.partition(".")[0] or "__init__"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported(path: Path) -> Iterator[str]:
    """What a file imports of the package, at its top or in a function, for running or for types."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # ``from package.room import module`` names the module last.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}."))


FILES = [path for path in sorted(ROOT.rglob("*.py")) if "example_dags" not in path.parts]


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_downwards(path: Path) -> None:
    own = room_of(module_of(path))
    assert own in FLOOR_OF, f"{own} has no floor"
    upwards = [
        name
        for name in imported(path)
        if (room := room_of(name)) != own and room in FLOOR_OF and FLOOR_OF[room] <= FLOOR_OF[own]
    ]
    assert upwards == []


@pytest.mark.parametrize("path", [path for path in FILES if room_of(module_of(path)) in WITHOUT_AIRFLOW], ids=module_of)
def test_rooms_below_do_not_know_airflow(path: Path) -> None:
    modules = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert [module for module in modules if module and module.split(".")[0] == "airflow"] == []


@pytest.mark.parametrize("room", EMULATOR)
def test_the_emulator_shares_only_what_the_vendor_says(room: str) -> None:
    allowed = (room, *EMULATOR[room], *EMULATOR_SHARED)
    for path in FILES:
        if module_of(path).startswith(room):
            assert [name for name in imported(path) if not name.startswith(allowed)] == []


def test_no_two_modules_import_each_other() -> None:
    modules = {module_of(path): set(imported(path)) for path in FILES}
    circles = [
        (one, other)
        for one, names in modules.items()
        for other in names
        if one < other and one in modules.get(other, ()) and other in modules
    ]
    assert circles == []
