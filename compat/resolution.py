"""Resolves the versions that a cell installs, or explains why there are none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from compat.cells import Surroundings
from compat.commands import UV, UV_ENVIRONMENT, run
from compat.project import EXTRAS, OPTIONAL_TEST_LIBRARIES, PYPROJECT, TEST_LIBRARIES, group, metadata


class RefusedError(Exception):
    """This package, or the resolver, allows no such versions on this Python."""


class ResolverError(Exception):
    """The resolver fails for another reason: requirements exclude each other, or the network is not available."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The versions that a cell installs.

    :param pins: a requirements file with all packages except the project
    :param left_out: test libraries without a suitable version, with the reasons
    :param untested_floors: declared lowest versions that the lowest resolution does not install
    """

    pins: Path
    left_out: dict[str, str] = field(default_factory=dict)
    untested_floors: list[str] = field(default_factory=list)


def resolve(surroundings: Surroundings, *, version: str, python: Path, folder: Path) -> Resolution:
    """The versions of a set of dependencies, with the test libraries.

    :raises RefusedError: with the resolver's reason, in one line
    :raises ResolverError: the resolver failed for another reason
    """
    for requirement in map(Requirement, surroundings.requirements):
        check_allowed(requirement, metadata()["project"]["dependencies"], python=version)
    asked = folder / "asked.in"
    asked.write_text("\n".join(surroundings.requirements) + "\n")
    base = folder / "surroundings.txt"
    options: list[str | Path] = [PYPROJECT, asked]
    lowest = ["--resolution", "lowest-direct"] if surroundings.lowest else []
    options += lowest
    day = surroundings.days.get(version, surroundings.day)
    options += ["--exclude-newer", day] if day else _extras()
    _compile([*options, "--output-file", base], python=python, log=folder / "resolve-surroundings.log")
    libraries = {Requirement(text).name: text for text in (*group("dev"), *group("system"))}
    chosen = [text for name, text in libraries.items() if name in TEST_LIBRARIES]
    left_out = {}
    pins = folder / "pins.txt"

    def add(tests: list[str]) -> None:
        (folder / "tests.in").write_text("\n".join(tests) + "\n")
        sources: list[str | Path] = [PYPROJECT, asked, folder / "tests.in", *_extras(), *lowest]
        options = [*sources, "--constraint", base, "--output-file", pins]
        _compile(options, python=python, log=folder / "resolve-tests.log")

    optional = {name: text for name, text in libraries.items() if name in OPTIONAL_TEST_LIBRARIES}
    try:
        add([*chosen, *optional.values()])
    except (RefusedError, ResolverError):
        for name, text in optional.items():
            try:
                add([*chosen, text])
            except (RefusedError, ResolverError) as error:
                left_out[name] = str(error)
            else:
                chosen.append(text)
        add(chosen)
    floors = unmet_floors(metadata()["project"]["dependencies"], base, python=version) if surroundings.lowest else []
    return Resolution(pins=pins, left_out=left_out, untested_floors=floors)


def check_allowed(asked: Requirement, declared: Iterable[str], *, python: str) -> None:
    """Refuses what this package allows on other Pythons only. The resolver's message would not name the Python.

    :param asked: such as ``apache-airflow==3.1.8``
    :raises RefusedError: names what the package requires on this Python
    """
    pinned = [Version(part.version) for part in asked.specifier if part.operator == "=="]
    ours = [entry for entry in map(Requirement, declared) if entry.name == asked.name]
    if len(ours) < 2 or not pinned:
        return
    here = [entry for entry in ours if entry.marker and entry.marker.evaluate({"python_version": python})]
    if not any(entry.specifier.contains(pinned[0]) for entry in here):
        required = ", ".join(f"{entry.name}{entry.specifier}" for entry in here)
        raise RefusedError(f"{asked} is not allowed on Python {python}: this package requires {required}")


def unmet_floors(declared: Iterable[str], pins: Path, *, python: str) -> list[str]:
    """The declared lowest versions that the lowest resolution does not install, so that they are never tested.

    Versions that replace one without a release or without a wheel are included.
    """
    installed = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", pins.read_text(), re.MULTILINE))
    unmet = []
    for requirement in map(Requirement, declared):
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": python, "extra": ""}):
            continue
        floor = next(part for part in requirement.specifier if part.operator in (">=", "=="))
        version = installed.get(canonicalize_name(requirement.name))
        if version is None or Version(version) != Version(floor.version):
            found = "not installed" if version is None else f"installed as {version}"
            unmet.append(f"{requirement.name}{floor} is {found}")
    return unmet


def _extras() -> list[str]:
    return [option for extra in EXTRAS for option in ("--extra", extra)]


def _compile(options: list[str | Path], *, python: Path, log: Path) -> None:
    command: list[str | Path] = [
        *UV,
        "pip",
        "compile",
        "--quiet",
        "--python",
        python,
        "--only-binary",
        ":all:",
        "--no-header",
    ]
    done = run([*command, "--no-annotate", "--no-emit-index-url", *options], log=log, env=UV_ENVIRONMENT)
    if not done.ok:
        raise failure_of(done.output)


def failure_of(output: str) -> RefusedError | ResolverError:
    """The error for a message of the resolver."""
    reason = reason_of(output)
    is_refused = "No solution found" in output and "python" in reason.lower()
    return RefusedError(reason) if is_refused else ResolverError(reason)


def reason_of(output: str) -> str:
    """The reason in the resolver's message, without its conclusions."""
    text = " ".join(re.sub(r"^[^\w(]+", "", line).strip() for line in output.splitlines())
    text = re.split(r"\bhint:", text)[0]
    match = re.search(r"Because (.*?)(?:,? we can conclude|$)", text)
    reason = match[1] if match else re.sub(r"^error:\s*|\bcause:\s*", "", text)
    reason = re.sub(r"\s+", " ", reason).strip().rstrip(".,")
    return reason or "the resolver gave no reason"
