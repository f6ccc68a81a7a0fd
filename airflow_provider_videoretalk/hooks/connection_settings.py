"""What an Airflow connection sets for all tasks that use its account, and how an operator may narrow it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.polling.poll_policy import MAX_SECONDS, PollPolicy

_DEFAULTS = PollPolicy()


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """How one operator uses its account. The defaults apply where neither operator nor connection gives a value.

    :param poll_interval: least seconds between two queries for one render job
    :param max_poll_interval: most seconds between two queries for one render job
    :param throttle_timeout: seconds for which to go on sending while the account is throttled
    :param hold_back: whether to defer a submit whose job would not begin or end in time
    """

    poll_interval: float = _DEFAULTS.poll_interval
    max_poll_interval: float = _DEFAULTS.max_poll_interval
    throttle_timeout: float = 3600.0
    hold_back: bool = True


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings:
    """The extras of a connection that set limits for its account; ``None`` where the connection does not set one.

    An operator's own value is used where it narrows the connection's: longer intervals, a shorter ``throttle_timeout``,
    ``hold_back`` turned on. Where the connection does not set a limit, every value is allowed. A value that would widen
    a limit is refused before a submit. For a job that exists, the limit applies instead: the connection may have
    changed since, and the job is paid.

    :param connection: the connection's id
    """

    connection: str
    poll_interval: float | None = None
    max_poll_interval: float | None = None
    throttle_timeout: float | None = None
    hold_back: bool | None = None

    @classmethod
    def parse(cls, connection: str, extra: Mapping[str, Any]) -> ConnectionSettings:
        """Reads the extras. An empty field of the UI's form is null; a connection given as a URI has only strings.

        :raises ConfigurationError: a value has the wrong type, or is out of range
        """
        given = {name: extra[name] for name in NAMES if extra.get(name) not in (None, "")}
        read: dict[str, Any] = {
            name: (_bool if name == "hold_back" else _seconds)(connection, name, given[name]) for name in given
        }
        return cls(connection=connection, **read)

    def narrow(
        self,
        *,
        poll_interval: float | None = None,
        max_poll_interval: float | None = None,
        throttle_timeout: float | None = None,
        hold_back: bool | None = None,
    ) -> AccountSettings:
        """The settings of an operator that gives these values; ``None`` takes the connection's, else the default."""
        chosen: dict[str, Any] = {
            "poll_interval": _narrower(max, poll_interval, self.poll_interval),
            "max_poll_interval": _narrower(max, max_poll_interval, self.max_poll_interval),
            "throttle_timeout": _narrower(min, throttle_timeout, self.throttle_timeout),
            "hold_back": self.hold_back if self.hold_back or hold_back is None else hold_back,
        }
        return AccountSettings(**{name: value for name, value in chosen.items() if value is not None})

    def check(
        self,
        *,
        poll_interval: float | None = None,
        max_poll_interval: float | None = None,
        throttle_timeout: float | None = None,
        hold_back: bool | None = None,
    ) -> None:
        """Returns if an operator that gives these values widens no limit of the connection.

        :raises InputError: a value would widen a limit
        """
        for name, interval in (("poll_interval", poll_interval), ("max_poll_interval", max_poll_interval)):
            least = getattr(self, name)
            if interval is not None and least is not None and interval < least:
                raise self._widens(name, f"{interval:g} s", f"{least:g} s or more")
        most = self.throttle_timeout
        if throttle_timeout is not None and most is not None and throttle_timeout > most:
            raise self._widens("throttle_timeout", f"{throttle_timeout:g} s", f"{most:g} s or less")
        if self.hold_back and hold_back is False:
            raise self._widens("hold_back", "False", "True")

    def _widens(self, name: str, value: str, allowed: str) -> InputError:
        return InputError(
            f"{name} is {value}, allowed is {allowed}, by the connection {self.connection!r}",
            remedy=f"Remove {name} from the operator, or change the extra {name!r} of the connection.",
        )


NAMES = tuple(field.name for field in fields(AccountSettings))
"""The extras that are read here."""


def _narrower(choose: Callable[[Any, Any], Any], own: Any, limit: Any) -> Any:
    if own is None or limit is None:
        return limit if own is None else own
    return choose(own, limit)


def _seconds(connection: str, name: str, value: object) -> float:
    try:
        seconds = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_SECONDS:
        allowed = f"a number of seconds from 0 to {MAX_SECONDS:.0f}"
        raise _unusable(connection, name, value, allowed, f'{{"{name}": 60}}')
    return seconds


def _bool(connection: str, name: str, value: object) -> bool:
    word = str(value).strip().lower()
    if word not in ("true", "false"):
        raise _unusable(connection, name, value, "true or false", f'{{"{name}": true}}')
    return word == "true"


def _unusable(connection: str, name: str, value: object, allowed: str, example: str) -> ConfigurationError:
    return ConfigurationError(
        f"the extra {name!r} of the connection {connection!r} is {value!r}, allowed is {allowed}",
        remedy=f"Write it as JSON, as in {example}, or remove it.",
    )
