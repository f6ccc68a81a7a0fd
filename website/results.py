"""The page of the return values, made from the ``TypedDict`` classes that describe them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from website.markdown import code, table

PACKAGE = Path(__file__).parents[1] / "airflow_provider_videoretalk"

RESULTS = {
    "SpeechResult": "model_catalog/speech.py",
    "VoiceResult": "model_catalog/voices.py",
    "PricedResult": "inputs/priced_result.py",
    "PricedSubmission": "inputs/priced_result.py",
    "TranscriptionResult": "operators/transcribe.py",
    "TranscribedSegment": "model_catalog/transcription.py",
    "TranscribedWord": "model_catalog/transcription.py",
    "TranslationResult": "model_catalog/translation.py",
    "TranslatedSegment": "model_catalog/translation.py",
    "SegmentSpeechResult": "operators/segment_speech.py",
    "SpokenPart": "operators/segment_speech.py",
    "WholeTaskResult": "dashscope/task.py",
    "Subtask": "dashscope/task_output.py",
    "StoredEstimate": "inputs/priced_result.py",
    "SubmissionResult": "dashscope/task.py",
    "TaskResult": "dashscope/task.py",
    "_Track": "operators/segment_speech.py",
}
"""The file of each class, in the order of the page. Those after ``Subtask`` are bases, whose fields are told there."""

REPEATED = {"PricedResult": ("StoredEstimate",)}
"""Classes that declare the fields of another once more, since these need not be there."""

_BEGIN = """# Return values

What each operator returns, in the XCom `return_value`: values that JSON can hold. Times are ISO 8601 in UTC, and
durations are seconds. A field is `None` if the service did not say it. [XCom keys](xcom.md) has the other keys, and the
sizes.

"""

_PRICED, _WHOLE, _SUBMITTED = (
    f"[{name}](#{name.lower()})" for name in ("PricedResult", "WholeTaskResult", "PricedSubmission")
)
_RETURNS = (
    ("`VideoRetalkOperator`, `TalkingPhotoOperator`, `MakeVideoOperator`", _PRICED),
    ("`MakeVideoOperator`, of several pieces", f"{_PRICED}, with `video_location`, the URI of the joined video"),
    ("the first two with `wait_for_completion=False`", _SUBMITTED),
    ("`DashScopeTaskSensor`, of one of these jobs", f"{_PRICED}, with the fields of {_WHOLE}"),
    ("`DashScopeTaskOperator`, and the sensor of its job", _WHOLE),
    ("`TextToSpeechOperator`", "[SpeechResult](#speechresult)"),
    ("`VoiceOperator`", "[VoiceResult](#voiceresult)"),
    ("`TranscribeOperator`", "[TranscriptionResult](#transcriptionresult)"),
    ("`TranslateOperator`, `ProofreadOperator`", "[TranslationResult](#translationresult)"),
    ("`SegmentSpeechOperator`", "[SegmentSpeechResult](#segmentspeechresult)"),
    ("`PublishMediaOperator`", "the metadata: [consume the asset event](../engineer.md#consume-the-asset-event)"),
    ("`PlanVideosOperator`", "the rows to map over"),
    ("`WriteManifestOperator`", "the sums of [the manifest](../batch.md#the-manifest)"),
    ("`AuditJobsOperator`", f"the results that can be saved, each a {_PRICED} with its `connection_id`"),
)

_BASES = ("StoredEstimate", "SubmissionResult", "TaskResult", "_Track")
_PARAM = re.compile(r"^:param (\w+): (.*?)(?=^:|\Z)", re.DOTALL | re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


@dataclass(frozen=True)
class Result:
    """One class, with the fields of its bases."""

    node: ast.ClassDef

    @property
    def text(self) -> str:
        """What the class says of itself, without its fields."""
        return _markdown(ast.get_docstring(self.node) or "").partition("\n:param")[0].strip()

    def fields(self) -> Iterator[tuple[str, str, str]]:
        """Name, type and meaning of each field."""
        meanings = self.meanings()
        return ((name, kind, meanings.get(name, "")) for name, kind in self.types().items())

    def types(self) -> dict[str, str]:
        """The type of each field, those of the bases first."""
        found = {name: kind for base in self._bases() for name, kind in base.types().items()}
        for field in self.node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found[field.target.id] = ast.unparse(field.annotation)
        return found

    def meanings(self) -> dict[str, str]:
        """What is said of each field, here or in a base."""
        found = {name: text for base in self._bases() for name, text in base.meanings().items()}
        return found | dict(_PARAM.findall(_markdown(ast.get_docstring(self.node) or "")))

    def _bases(self) -> list[Result]:
        names = [ast.unparse(base) for base in self.node.bases]
        names += REPEATED.get(self.node.name, ())
        return [find(name) for name in names if name in RESULTS]


@cache
def find(name: str) -> Result:
    body = ast.parse((PACKAGE / RESULTS[name]).read_text(encoding="utf-8")).body
    return Result(next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name))


def page() -> str:
    return (
        _BEGIN
        + table(("operator", "returns"), _RETURNS)
        + "".join(_section(name) for name in RESULTS if name not in _BASES)
    )


def _section(name: str) -> str:
    rows = [(code(field), code(kind), meaning) for field, kind, meaning in find(name).fields()]
    return f"\n## {name}\n\n{find(name).text}\n\n" + table(("field", "type", "meaning"), rows)


def _markdown(text: str) -> str:
    return _ROLE.sub(r"`\1`", text).replace("``", "`")
