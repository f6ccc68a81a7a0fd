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
    "SpokenPart": "operators/spoken_track.py",
    "WholeTaskResult": "dashscope/task.py",
    "Subtask": "dashscope/task_output.py",
    "StoredEstimate": "inputs/priced_result.py",
    "SubmissionResult": "dashscope/task.py",
    "TaskResult": "dashscope/task.py",
    "SpokenTrack": "operators/spoken_track.py",
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
    ("`PublishMediaOperator`", "the [metadata of the published object](#metadata-of-a-published-object)"),
    ("`PlanVideosOperator`", "the rows to map over"),
    ("`WriteManifestOperator`", "the sums of [the manifest](../batch.md#the-manifest)"),
    ("`AuditJobsOperator`", f"the results that can be saved, each a {_PRICED} with its `connection_id`"),
)

METADATA = (
    (
        "those of `source`",
        "",
        "such as those of [PricedResult](#pricedresult); not `video_url`, `audio_url`, `url` and `expires_at`",
    ),
    ("those of `metadata`", "", "what the operator's argument adds, such as `script` and `language`"),
    ("`uri`", "str", "of the object"),
    ("`size`", "int", "in bytes"),
    ("`sha256`", "str", "of the object's bytes"),
    ("`content_type`", "str", "by the bytes, whatever the server says"),
    (
        "`media`",
        "dict[str, Any]",
        "`kind` and `container`, what the file says of itself, such as `seconds`, `width` and `height`, and in "
        "`unchecked` what could not be looked at",
    ),
    (
        "`verified`",
        "list[str]",
        "what the server says of its file, and was confirmed: `length`, `md5`, `crc64`; or `sha256` of a source in a "
        "store",
    ),
    ("`unverified`", "dict[str, str]", "what the server says and was not checked, each with the reason"),
    ("`published_at`", "str", "when the metadata was written"),
    (
        "`edits`",
        "dict[str, Any]",
        "`names` of what changed the file, a `digest` of the settings, and the `original`'s size and hash",
    ),
    ("`aigc`", "dict[str, str]", "the elements of the AIGC label, if the file has one"),
    ("`content_credentials`", "dict[str, str]", "`manifest`, `signer`, `action` and `source_type`, if it is signed"),
    ("`lips`", "dict[str, Any]", "with `lip_check`: whether they `changed`, in what `share` of how many `frames`"),
    ("`subtitles`", "dict[str, str]", "the URI of each subtitle file, by format"),
    ("`subtitle_track`", "dict[str, str]", "its `language`, if the file has one"),
    ("`metadata_uri`", "str", "of the metadata file. Only in the return value"),
    (
        "`uris`, `metadata_uris`",
        "list[str]",
        "for a list of destinations; all other fields are those of the first. Only in the return value",
    ),
)
"""The fields of what ``PublishMediaOperator`` returns."""

_METADATA = """
## Metadata of a published object

What `PublishMediaOperator` returns. The same is in the file `<name>.json` beside the object, and in the `extra` of the
asset event. The fields from `edits` to `subtitle_track` are there only if they apply.

"""

_BASES = ("StoredEstimate", "SubmissionResult", "TaskResult", "SpokenTrack")
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
        + _METADATA
        + table(("field", "type", "meaning"), [(field, code(kind), meaning) for field, kind, meaning in METADATA])
    )


def _section(name: str) -> str:
    rows = [(code(field), code(kind), meaning) for field, kind, meaning in find(name).fields()]
    return f"\n## {name}\n\n{find(name).text}\n\n" + table(("field", "type", "meaning"), rows)


def _markdown(text: str) -> str:
    return _ROLE.sub(r"`\1`", text).replace("``", "`")
