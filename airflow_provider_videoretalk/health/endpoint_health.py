"""Whether a connection can be read, and whether the service accepts its key. The requests cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import redact

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ConfigurationError,
    DashScopeError,
    ThrottledError,
)
from airflow_provider_videoretalk.health.report import Finding, Part, State
from airflow_provider_videoretalk.outbound.signed_url import safe_text

if TYPE_CHECKING:
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook


def endpoint_findings(hook: DashScopeHook) -> list[Finding]:
    """What is found of a connection and of its key. Asks the service."""
    name = hook.dashscope_conn_id
    try:
        _ = hook.endpoint, hook.settings, hook.prices
    except Exception as error:
        # Not only this package's errors: Airflow's secrets backend or its database may be the cause.
        reason = safe_text(str(redact(error.message))) if isinstance(error, DashScopeError) else type(error).__name__
        remedy = error.remedy if isinstance(error, DashScopeError) else "See the log of Airflow's secrets backend."
        return [
            _finding("connection", name, "unwell", f"The connection {name!r} is not usable: {reason}.", remedy),
            _finding("key", name, "unknown", "The service was not asked: the connection is not usable."),
        ]
    return [_finding("connection", name, "well", f"The connection {name!r} can be read."), key_finding(hook)]


def key_finding(hook: DashScopeHook) -> Finding:
    """Whether the service accepts the key.

    A service that cannot be reached is ``unwell``: no job can be submitted. One that throttles is well.
    """
    from airflow_provider_videoretalk.dashscope.endpoint_probe import probe_endpoint

    name = hook.dashscope_conn_id
    try:
        found = probe_endpoint(hook.client)
    except ThrottledError:
        return _finding("key", name, "well", f"The service throttles the account of {name!r}, and so knows its key.")
    except AccessError as error:
        reason = f"The service refuses the key of {name!r}: {safe_text(error.message)}"
        return _finding("key", name, "unwell", f"{reason.rstrip('.')}.", error.remedy)
    except ConfigurationError as error:
        return _finding("key", name, "unwell", f"{safe_text(error.message).rstrip('.')}.", error.remedy)
    except DashScopeError as error:
        reason = f"The service does not answer {name!r}: {safe_text(error.message)}"
        return _finding("key", name, "unwell", f"{reason.rstrip('.')}.", error.remedy)
    queued = "" if found.queued is None else f" {found.queued} render jobs are in its queue."
    return _finding("key", name, "well", f"The service accepts the key of {name!r}.{queued}")


def _finding(part: Part, subject: str, state: State, sentence: str, remedy: str = "") -> Finding:
    return Finding(part=part, subject=subject, state=state, sentence=sentence, remedy=remedy)
