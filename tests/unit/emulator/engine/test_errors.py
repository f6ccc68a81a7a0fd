from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError

ROOT = Path(__file__).parents[4]


def test_refusals_cross_a_process_pool():
    refusal = pickle.loads(pickle.dumps(MediaRefusedError("InvalidFile.Size", "Too large.")))
    assert (refusal.code, refusal.message) == ("InvalidFile.Size", "Too large.")
    assert str(refusal) == "InvalidFile.Size: Too large."


def test_refusals_can_be_named_without_the_engines_libraries():
    program = (
        "import sys; import airflow_provider_videoretalk.emulator.engine.errors;"
        "assert not {'av', 'numpy', 'onnxruntime', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
