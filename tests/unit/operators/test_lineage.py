"""What the operators tell Airflow's OpenLineage provider, where that is not installed."""

from __future__ import annotations

import subprocess
import sys

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator


def test_the_operators_load_nothing_of_openlineage() -> None:
    program = """
import sys
from airflow_provider_videoretalk.operators import publish, videoretalk
parts = "openlineage.", "airflow.providers.openlineage.extractors"
print([name for name in sys.modules if name.startswith(parts)])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_try_that_returned_nothing_has_no_lineage() -> None:
    retalk = VideoRetalkOperator(task_id="retalk", video_url="https://h/a.mp4", audio_url="https://h/a.wav")
    publish = PublishMediaOperator(task_id="publish", source="https://h/a.mp4", destination="file:///tmp/")
    assert retalk.get_openlineage_facets_on_complete(None) is None
    assert publish.get_openlineage_facets_on_complete(None) is None
