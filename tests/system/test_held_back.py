"""A submit that is held back, in a real Airflow: its triggerer is killed, and it is still sent once, when it is due."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from system.cluster import Cluster
from system.dag_run import HAPPENS_WITHIN
from system.scenarios import Clip
from system.waiting import until

KEY = "sk-held"
# Each render takes 15 seconds, and a render must begin within 60: the DAG's queue_timeout.
SERVICE = {"render_factor": 100, "submits_per_second": 20}
OTHERS = 9
ENDS_WITHIN = 600.0
PLACE = "submits are held back before this one"
"""In the line that the triggerer writes into the task's log."""


def test_one_bill() -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    with Cluster(home=home / "airflow", services={"main": SERVICE}) as cluster:
        service = cluster.services["main"]
        clip = Clip(cluster=cluster, service=service, name="held-back", dag_id="clip_deferrable_held", key=KEY)
        other = Clip(cluster=cluster, service=service, name="other", dag_id="", key=KEY)
        for _ in range(OTHERS):
            service.submit(key=KEY, video_url=other.video_url, audio_url=cluster.clips.url("speech.wav"))
        # The list then says how long a render takes.
        other.wait_for_status("SUCCEEDED")
        clip.connect("held")
        clip.start("held")
        until(lambda: clip.state() == "deferred", what="the clip is held back", within=HAPPENS_WITHIN)
        until(lambda: PLACE in clip.log(), what="its place is logged", within=HAPPENS_WITHIN)
        assert clip.tasks() == []
        cluster.kill("triggerer")
        cluster.wait_until_back("triggerer")
        assert cluster.wait_run(clip.dag_id, clip.run_id, within=ENDS_WITHIN) == "success", clip.log()
        (job,) = clip.settle()
        assert job["billed_seconds"] > 0
        assert clip.published() == "right"
        log = clip.log()
        assert log.count("spend submit") == 1
        # The worker decides once. Each of two triggerers says its place.
        assert log.count("Held back, nothing is submitted") <= 1 + 2
    shutil.rmtree(home)
