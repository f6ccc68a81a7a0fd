"""A speech recogniser as a listener that knows nothing of this project."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest

RATE = 16_000


def sound_of(path: Path) -> np.ndarray:
    """The sound of any medium as 16 kHz mono, 16-bit samples."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def heard_share(path: Path, text: str) -> float:
    """The share of the words of an English text that is heard in a medium, 0 to 1."""
    sphinx = pytest.importorskip("pocketsphinx", reason="the speech recogniser has no wheel for this Python")
    decoder = sphinx.Decoder(samprate=RATE, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(sound_of(path).tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    heard = set(hypothesis.hypstr.split()) if hypothesis else set()
    words = re.findall(r"[a-z]+", text.lower())
    return sum(word in heard for word in words) / len(words)
