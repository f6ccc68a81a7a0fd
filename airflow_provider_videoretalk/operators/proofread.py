"""Lets a person correct a translation before its speech is paid for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, XComArg
from airflow.sdk.definitions.param import ParamsDict

from airflow_provider_videoretalk.airflow_adapters.error_note import notes_error
from airflow_provider_videoretalk.batches.plan_document import as_code
from airflow_provider_videoretalk.batches.segment_fit import fit_segment
from airflow_provider_videoretalk.operators.template_values import as_bool, as_mapping, as_text, is_empty
from airflow_provider_videoretalk.operators.translation_memory import TranslationMemory, places_of

if TYPE_CHECKING:
    from airflow.sdk import Context

_SPEAK, _REJECT = "Speak it", "Reject"
_TEXT = "text"
_MAX_LISTED = 200


class ProofreadOperator(HITLOperator):
    """Shows a translation to a person, with Airflow's Required Actions, and returns it as they have corrected it.

    The form has the translation, a segment in each line, and the request the original of each, with its time. A segment
    that will be too long to speak is marked. *Reject* fails the task, so that nothing is spoken.

    Returns the translation with the corrected texts, ``estimated_seconds``, ``fits`` and ``rate`` of those that were
    changed, and ``proofread_by``, the person's name.

    :param translation: What ``TranslateOperator`` returned for a transcript. (templated)
    :param ask: If False, nobody is asked, and the translation is returned as it is. (templated)
    :param memory: As of ``TranslateOperator``: its next translation of the same sentences has the corrections.
        (templated)
    :param storage_conn_id: As of ``TranslateOperator``. (templated)
    :param allowed_destinations: As of ``TranslateOperator``. (templated)
    :param max_rate: The highest speed of a corrected segment, as ``max_rate`` of ``TranslateOperator``.

    All other parameters are those of ``HITLOperator``.

    :raises AirflowFailException: it was rejected, or the answer has another number of lines
    """

    template_fields: Collection[str] = ("translation", "ask", "memory", "storage_conn_id", "allowed_destinations")

    def __init__(
        self,
        *,
        translation: Mapping[str, Any] | XComArg,
        ask: bool | str = True,
        max_rate: float = 1.2,
        memory: str | None = None,
        storage_conn_id: str | None = None,
        allowed_destinations: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        given = {"subject": "Is this translation right?", "options": [_SPEAK, _REJECT]}
        params = {_TEXT: _text_field(None), **dict((kwargs.pop("params", None) or {}).items())}
        super().__init__(**{**given, **kwargs, "params": params})
        self.translation = translation
        self.ask = ask
        self.max_rate = max_rate
        self.memory = memory
        self.storage_conn_id = storage_conn_id
        self.allowed_destinations = allowed_destinations

    def execute(self, context: Context) -> Any:
        translation = as_mapping("translation", self.translation)
        segments = _segments(translation)
        if not as_bool("ask", self.ask, default=True) or not segments:
            return dict(translation)
        # A folder that cannot be used is reported before a person works.
        self._open_memory(translation)
        lines = "\n".join(map(_line_of, segments))
        others = {name: self.params.get_param(name) for name in self.params if name != _TEXT}
        self.params = ParamsDict({_TEXT: _text_field(lines), **others})
        self.subject = f"{self.subject} ({translation.get('target_language')})"
        self.body = _request(segments)
        return super().execute(context)

    @notes_error
    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        answer = super().execute_complete(context, event)
        person = answer.get("responded_by_user") or {}
        name = str(person.get("name") or person.get("id") or "somebody")
        if answer["chosen_options"] != [_SPEAK]:
            raise AirflowFailException(f"{name} rejected the translation. Nothing was spoken.")
        translation = as_mapping("translation", self.translation)
        segments = _segments(translation)
        given = str((answer["params_input"] or {}).get(_TEXT) or "").split("\n")
        # Line breaks after the last line. The first and the last line themselves may be empty.
        while len(given) > len(segments) and not given[-1].strip():
            given.pop()
        if len(given) != len(segments):
            raise AirflowFailException(
                f"{name} answered {len(given)} lines, the translation has {len(segments)} segments, one in each line. "
                "Nothing was spoken. Clear the task to be asked again; an empty line is a segment that is not spoken."
            )
        corrected = [
            self._corrected(segment, " ".join(line.split())) for segment, line in zip(segments, given, strict=True)
        ]
        places = places_of(str(segment.get("source_text", "")) for segment in segments)
        changed = {
            place: str(one["text"])
            for place, one, segment in zip(places, corrected, segments, strict=True)
            if one["text"] != segment["text"]
        }
        self.log.info("%s changed %s of %s segments", name, len(changed), len(segments))
        if memory := self._open_memory(translation):
            memory.keep_corrections(changed)
        return {
            **translation,
            "segments": corrected,
            "text": "\n".join(one["text"] for one in corrected if one["text"]),
            "too_long": sum(not one.get("fits", True) for one in corrected),
            "proofread_by": name,
        }

    def _open_memory(self, translation: Mapping[str, Any]) -> TranslationMemory | None:
        if is_empty(self.memory):
            return None
        return TranslationMemory.open(
            self.memory,
            language=as_text("target_language", translation.get("target_language")),
            storage_conn_id=self.storage_conn_id,
            allowed_destinations=self.allowed_destinations,
        )

    def _corrected(self, segment: Mapping[str, Any], text: str) -> dict[str, Any]:
        if text == _line_of(segment):
            return dict(segment)
        fit = fit_segment(text, room=float(segment["room"]), rate=1.0, max_rate=self.max_rate)
        estimate = {"estimated_seconds": round(fit.seconds, 2), "fits": fit.fits, "rate": fit.rate}
        return {**segment, "text": text, **estimate}


def _text_field(lines: str | None) -> Param:
    # Airflow adds the params of the DAG. HITLOperator leaves them out again, by their source.
    return Param(
        lines,
        source="task",
        type=["null", "string"],
        format="multiline",
        title="Translation",
        description="A segment in each line. Keep the number of lines. An empty line is not spoken.",
    )


def _line_of(segment: Mapping[str, Any]) -> str:
    return " ".join(str(segment["text"]).split())


def _segments(translation: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = translation.get("segments")
    return [as_mapping("segment", one) for one in found] if isinstance(found, Sequence) else []


def _request(segments: Sequence[Mapping[str, Any]]) -> str:
    """What is shown above the form: the original of each line. Nothing in a text is Markdown."""
    rows = [
        f"{number}. {segment['start']:.1f} s{'' if segment.get('fits', True) else ' **too long**'} "
        f"{as_code(str(segment.get('source_text', '')))}"
        for number, segment in enumerate(segments[:_MAX_LISTED], 1)
    ]
    more = [f"And {len(segments) - _MAX_LISTED} more."] if len(segments) > _MAX_LISTED else []
    return "\n".join(["The original of each line:", "", *rows, *more])
