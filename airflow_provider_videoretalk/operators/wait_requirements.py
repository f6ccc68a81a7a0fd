"""Checks, before a paid submit, that this process can wait for the render job."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

_DISTRIBUTION = "airflow-provider-videoretalk"

# The distributions that waiting needs. The package's other dependencies serve its pages and publishing.
_NEEDED_TO_WAIT = frozenset(
    {
        "aiohttp",
        "apache-airflow",
        "apache-airflow-providers-common-compat",
        "asgiref",
        "requests",
    }
)

# Modules and names that are not imported with the operator, but when a task runs, some of them after the submit.
_IMPORTED_AT_RUN_TIME = {
    "airflow.providers.common.compat.sdk": ("Stats",),
    "airflow.sdk.execution_time.task_runner": ("RuntimeTaskInstance",),
    "airflow_provider_videoretalk.hooks.dashscope": ("DashScopeHook",),
    "airflow_provider_videoretalk.polling.account": ("shared_poller",),
}

# Modules that only the triggerer loads. A worker finds them without loading them: aiohttp is heavy.
_LOADED_BY_THE_TRIGGERER = (
    "aiohttp",
    "airflow_provider_videoretalk.dashscope.async_client",
    "airflow_provider_videoretalk.polling.poller",
)


def check_can_wait(trigger: Callable[[], BaseTrigger] | None) -> None:
    """Returns if this process can wait for a render job.

    :param trigger: creates the trigger for a deferral; ``None`` if the task does not defer
    :raises ConfigurationError: a distribution is missing or too old, an import fails, or the trigger cannot be stored
    """
    for requirement, installed in _unmet_requirements():
        raise _requirement_error(requirement, installed)
    try:
        for module, names in _IMPORTED_AT_RUN_TIME.items():
            loaded = importlib.import_module(module)
            for name in names:
                getattr(loaded, name)
        for module in _LOADED_BY_THE_TRIGGERER:
            if importlib.util.find_spec(module) is None:
                raise ModuleNotFoundError(f"No module named {module!r}")
        if trigger is not None:
            _check_trigger(trigger())
    except Exception as error:
        raise _import_error(error) from error


def _check_trigger(trigger: BaseTrigger) -> None:
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    if getattr(importlib.import_module(module), name) is not type(trigger):
        raise TypeError(f"{path} is not the trigger's class")
    json.dumps(arguments)
    if isinstance(trigger, DashScopeTaskTrigger):
        trigger.read_arguments()


def _import_error(error: Exception) -> ConfigurationError:
    installed = ", ".join(f"{name} {_version(name) or 'is missing'}" for name in sorted(_NEEDED_TO_WAIT))
    return ConfigurationError(
        f"this process cannot wait for the render job, so nothing was submitted: {type(error).__name__}: {error}",
        remedy=f"Install the requirements of {_DISTRIBUTION} at the versions that it names. Installed: {installed}.",
    )


def _requirement_error(requirement: Requirement, installed: str | None) -> ConfigurationError:
    found = f"{requirement.name} {installed} is installed" if installed else f"{requirement.name} is not installed"
    return ConfigurationError(
        f"this process cannot wait for the render job, so nothing was submitted: {found}, "
        f"and {_DISTRIBUTION} needs {requirement.specifier}",
        remedy=f"Install it on Airflow's workers and triggerers: pip install '{requirement}'.",
    )


def _unmet_requirements() -> Iterator[tuple[Requirement, str | None]]:
    """The requirements whose lower bound is not met. Upper bounds are not checked: a newer version may work."""
    for requirement in map(Requirement, requires(_DISTRIBUTION)):
        if canonicalize_name(requirement.name) not in _NEEDED_TO_WAIT:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        least = SpecifierSet(",".join(str(part) for part in requirement.specifier if part.operator == ">="))
        installed = _version(requirement.name)
        if installed is None or not least.contains(installed, prereleases=True):
            yield Requirement(f"{requirement.name}{least}"), installed


def requires(name: str) -> list[str]:
    """The requirements of a distribution; none if it is not installed."""
    return _metadata(name, "Requires-Dist")


def _version(name: str) -> str | None:
    """The installed version; ``None`` if the distribution is not installed."""
    return next(iter(_metadata(name, "Version")), None)


def _metadata(name: str, field: str) -> list[str]:
    """The values of a field. ``importlib.metadata`` parses the long description too, which takes milliseconds each."""
    try:
        head = (distribution(name).read_text("METADATA") or "").partition("\n\n")[0]
    except PackageNotFoundError:
        return []
    return [line.partition(": ")[2] for line in head.splitlines() if line.startswith(f"{field}: ")]
