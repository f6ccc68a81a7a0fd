from __future__ import annotations

from typing import Any

import pytest
from connections import connect

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.hooks.connection_settings import AccountSettings, ConnectionSettings
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

DEFAULTS = AccountSettings(poll_interval=4.0, max_poll_interval=300.0, throttle_timeout=3600.0, hold_back=True)
NARROWER: dict[str, Any] = {
    "poll_interval": 11.0,
    "max_poll_interval": 601.0,
    "throttle_timeout": 59.0,
    "hold_back": True,
}
LIMITS: dict[str, Any] = {"poll_interval": 10, "max_poll_interval": 600, "throttle_timeout": 60, "hold_back": True}
WIDER: dict[str, Any] = {
    "poll_interval": 9.0,
    "max_poll_interval": 599.0,
    "throttle_timeout": 61.0,
    "hold_back": False,
}


def settings(**extra: Any) -> ConnectionSettings:
    return ConnectionSettings.parse("mine", extra)


def test_package_defaults() -> None:
    assert settings().narrow() == DEFAULTS
    assert settings(poll_interval=None, hold_back="", another="x").narrow() == DEFAULTS


def test_the_connections_values_are_the_operators_defaults() -> None:
    limits = LIMITS | {"hold_back": False}
    assert settings(**limits).narrow() == AccountSettings(**limits)


@pytest.mark.parametrize("name", LIMITS)
def test_an_operator_may_narrow(name: str) -> None:
    assert settings(**LIMITS).narrow(**{name: NARROWER[name]}) == AccountSettings(**LIMITS | {name: NARROWER[name]})
    assert settings(**LIMITS).narrow(**{name: LIMITS[name]}) == AccountSettings(**LIMITS)


def test_an_operator_may_turn_hold_back_on() -> None:
    assert settings(hold_back=False).narrow(hold_back=True).hold_back is True


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("poll_interval", "9 s", "10 s or more"),
        ("max_poll_interval", "599 s", "600 s or more"),
        ("throttle_timeout", "61 s", "60 s or less"),
        ("hold_back", "False", "True"),
    ],
)
def test_an_operator_may_not_widen(name: str, value: str, allowed: str) -> None:
    with pytest.raises(InputError) as refused:
        settings(**LIMITS).check(**{name: WIDER[name]})
    assert refused.value.message == f"{name} is {value}, allowed is {allowed}, by the connection 'mine'"
    assert refused.value.remedy == f"Remove {name} from the operator, or change the extra '{name}' of the connection."


@pytest.mark.parametrize("name", LIMITS)
def test_for_a_job_that_exists_the_limit_applies(name: str) -> None:
    """The connection may have been edited since its submit, and the job is paid."""
    assert settings(**LIMITS).narrow(**{name: WIDER[name]}) == AccountSettings(**LIMITS)
    settings(**LIMITS).check(**{name: NARROWER[name]})
    settings(**LIMITS).check(**{name: None})


@pytest.mark.parametrize("name", LIMITS)
def test_every_value_is_allowed_where_the_connection_sets_no_limit(name: str) -> None:
    others = {other: limit for other, limit in LIMITS.items() if other != name}
    assert getattr(settings(**others).narrow(**{name: WIDER[name]}), name) == WIDER[name]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", ["often", -1, [1], "nan", "inf", "yes"])
def test_unusable_values(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(**{name: value})
    assert refused.value.message.startswith(f"the extra '{name}' of the connection 'mine' is {value!r}, allowed is ")
    assert f'{{"{name}": ' in refused.value.remedy


def test_a_boolean_is_no_number_of_seconds() -> None:
    with pytest.raises(ConfigurationError, match="poll_interval' of the connection 'mine' is True"):
        settings(poll_interval=True)


def test_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host=None, **LIMITS)
    assert DashScopeHook().settings.narrow() == AccountSettings(**LIMITS)


def test_of_a_connection_given_as_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "dashscope://:sk-uri@?poll_interval=10&max_poll_interval=600.0&throttle_timeout=60&hold_back=false"
    monkeypatch.setenv("AIRFLOW_CONN_MINE", uri)
    assert DashScopeHook("mine").settings.narrow() == AccountSettings(**LIMITS | {"hold_back": False})


def test_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-env")
    assert DashScopeHook().settings.narrow() == DEFAULTS
