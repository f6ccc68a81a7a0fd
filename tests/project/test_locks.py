"""`make` installs only from the lock files, without a resolver and without a compiler."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution, requires

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project_files import PYPROJECT, ROOT

LOCKS = ("demo", "test")
# What make test-distributed adds to them, in an environment that these tests do not see.
ADDED = "distributed"
DISTRIBUTION = "airflow-provider-videoretalk"
_ENTRY = re.compile(
    r"^(?P<requirement>[a-z0-9][^\\#]*?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def text_of(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.lock").read_text()


def locked(*locks: str) -> list[Requirement]:
    """All entries, including those for other Pythons."""
    return [Requirement(entry["requirement"]) for lock in locks for entry in _ENTRY.finditer(text_of(lock))]


def names(requirements: Iterable[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def grouped(*groups: str) -> list[Requirement]:
    return [Requirement(one) for group in groups for one in PYPROJECT["dependency-groups"][group]]


def applies(requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
    environment = {name: str(value) for name, value in default_environment().items()}
    return requirement.marker is None or any(
        requirement.marker.evaluate(environment | {"extra": extra}) for extra in extras
    )


def required(roots: Iterable[Requirement]) -> Iterator[tuple[str, Requirement]]:
    """Each direct and indirect requirement of ``roots`` on this Python, with the package that requires it."""
    waiting = [("pyproject.toml", root) for root in roots if applies(root)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        required_by, requirement = waiting.pop()
        yield required_by, requirement
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), canonicalize_name(extra) if extra else "")
            if key in seen:
                continue
            seen.add(key)
            for line in requires(requirement.name) or ():
                found = Requirement(line)
                if applies(found, [extra, canonicalize_name(extra)] if extra else [""]):
                    waiting.append((f"{requirement.name}[{extra}]", found))


@pytest.mark.parametrize("lock", [*LOCKS, ADDED])
def test_every_entry_is_one_version_with_hashes(lock: str) -> None:
    lines = [line for line in text_of(lock).splitlines() if line and not line.startswith((" ", "#", "--"))]
    entries = locked(lock)
    assert len(entries) == len(lines) > 0
    assert all([clause.operator for clause in entry.specifier] == ["=="] for entry in entries)
    assert not [str(entry) for entry in entries if entry.extras or entry.url]


@pytest.mark.parametrize("lock", [*LOCKS, ADDED])
def test_nothing_is_compiled(lock: str) -> None:
    assert text_of(lock).startswith("--only-binary :all:\n")


def test_each_package_is_in_one_lock() -> None:
    assert not names(locked("demo")) & names(locked("test"))
    assert not names(locked(*LOCKS)) & names(locked(ADDED))


def test_the_demo_installs_only_its_requirements() -> None:
    roots = [Requirement(f"{DISTRIBUTION}[emulator,espeak]"), *grouped("build", "scripts")]
    needed = names(requirement for _, requirement in required(roots))
    assert names(entry for entry in locked("demo") if applies(entry)) == needed - {DISTRIBUTION}


def test_build_requirements_are_locked() -> None:
    assert {canonicalize_name(Requirement(one).name) for one in PYPROJECT["build-system"]["requires"]} <= names(
        locked("demo")
    )


def test_all_requirements_are_locked_with_their_extras() -> None:
    """If a package is required with an extra, the packages of the extra must be in a lock too."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    roots = [
        Requirement(f"{DISTRIBUTION}[{','.join(extras)}]"),
        *grouped("build", "scripts", "dev", "system", "browser"),
    ]
    known = {canonicalize_name(entry.name): entry for entry in locked(*LOCKS) if applies(entry)}
    wrong = {}
    for required_by, requirement in required(roots):
        name = canonicalize_name(requirement.name)
        if name == DISTRIBUTION:
            continue
        entry = known.get(name)
        if entry is None:
            wrong[f"{requirement} of {required_by}"] = "is not locked"
        elif not requirement.specifier.contains(distribution(name).version, prereleases=True):
            wrong[f"{requirement} of {required_by}"] = f"is locked as {entry}"
    assert not wrong


def test_the_cluster_has_what_its_group_requires() -> None:
    entries = {canonicalize_name(entry.name): entry.specifier for entry in locked(ADDED) if applies(entry)}
    for requirement in grouped(ADDED):
        (clause,) = entries[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(clause.version), requirement


def make(*arguments: str) -> list[str]:
    """The output of make, also if another make runs these tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    printed = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return printed.stdout.splitlines()


def recipe(target: str) -> list[str]:
    """The commands of a target."""
    return make("--always-make", "--dry-run", target)


@pytest.mark.parametrize("target", ["demo", "ui", "test", "check", "test-distributed"])
def test_the_installer_resolves_and_builds_nothing(target: str) -> None:
    installs = [line for line in recipe(target) if " pip " in line and " install " in line]
    assert len(installs) >= 2
    for line in installs:
        assert "--no-deps" in line
        from_lock = "--require-hashes" in line and "--only-binary :all:" in line
        own = line.endswith("--no-build-isolation --editable .")
        assert from_lock or own, line
    checks = [line for line in recipe(target) if line.endswith(" check")]
    assert len(checks) == len([line for line in installs if "--require-hashes" in line])


@pytest.mark.parametrize("target", ["demo", "ui"])
def test_the_demo_installs_the_demos_lock_alone(target: str) -> None:
    assert [line for line in recipe(target) if "test.lock" in line] == []


def test_make_alone_lists_the_targets() -> None:
    declared = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[0].split()
    assert {line.split()[0] for line in make()} == set(declared)
