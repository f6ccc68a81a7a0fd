"""The voice that speaks, and its model, from an operator's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.speech import DEFAULT_MODEL, family_of
from airflow_provider_videoretalk.operators.template_values import as_optional_text, as_text


def model_and_voice(*, model: object, voice: object) -> tuple[str, str]:
    """
    :param model: a name; by default that of an enrolled voice, else :data:`.DEFAULT_MODEL`
    :param voice: a name, or what ``VoiceOperator`` returned; by default a system voice of the model's family
    :raises InputError: the voice is enrolled for another model, or is no return value of ``VoiceOperator``
    """
    named = as_optional_text("model", model)
    if not isinstance(voice, Mapping):
        known = named or DEFAULT_MODEL
        return known, as_optional_text("voice", voice) or family_of(known).voice
    fields: Mapping[str, Any] = voice
    target = as_text("voice's target_model", fields.get("target_model"))
    if named not in (None, target):
        raise InputError(
            f"model is {named!r}, allowed is {target!r}, for which the voice is enrolled: it works with no other",
            remedy="Leave model out, or enrol the voice for this model.",
        )
    return target, as_text("voice's voice", fields.get("voice"))
