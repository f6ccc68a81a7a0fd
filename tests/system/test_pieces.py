"""A video of several pieces whose processes are killed before, between and after the pieces, and during the join."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest
from media_files import video
from system.cluster import Cluster
from system.reports import REPORTS
from system.test_batch import SPEECH, connect
from system.waiting import until

# The emulator renders as long as Airflow needs for two or three of its loops.
SERVICE = {"spoken": True, "time_scale": 100}
# About 48 s of speech in each part.
PIECES, SENTENCES = 3, 13
STEPS = ("before_intent", "after_id", "in_trigger", "after_event", "after_result", "after_piece", "during_join")
ENDS_WITHIN = 600.0


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a folder's files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def table(run: str, presenter: str) -> str:
    number = STEPS.index(run.removeprefix("killed-").replace("-", "_"))
    script = "\n\n".join(f"This is a sentence of part {part} in run {number}. " * SENTENCES for part in range(PIECES))
    return json.dumps({"name": run, "text": script, "video": presenter})


def test_only_missing_pieces_are_paid_for(request: pytest.FixtureRequest) -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    clip = video(home / "presenter.mp4", seconds=4)
    report = []
    with Cluster(home=home / "airflow", services={"main": SERVICE}) as cluster, serving(home) as address:
        connect(cluster)
        service, folder = cluster.services["main"], cluster.home / "published"
        for step in STEPS:
            run, before = f"killed-{step}".replace("_", "-"), len(service.all_tasks())
            spoken = sum(entry["path"] == SPEECH for entry in service.requests())
            cluster.arm(step)
            conf = {"table": table(run, f"{address}/{clip.name}"), "folder": f"{folder.as_uri()}/"}
            cluster.trigger("batch", run, conf)
            died = until(partial(cluster.died_at, step), what=f"a process dies at {step}", within=ENDS_WITHIN)
            assert died
            assert cluster.wait_run("batch", run, within=ENDS_WITHIN) == "success"
            jobs = service.all_tasks()[before:]
            speeches = sum(entry["path"] == SPEECH for entry in service.requests()) - spoken
            report.append(f"{run}: {len(jobs)} render jobs, {speeches} speeches")
            assert [job["status"] for job in jobs] == ["SUCCEEDED"] * PIECES
            assert speeches == PIECES
            with av.open(folder / f"{run}.mp4") as joined:
                seconds = sum(job["billed_seconds"] for job in jobs)
                assert joined.streams.video[0].frames == pytest.approx(15 * seconds, abs=3 * PIECES)
    request.config.stash[REPORTS].append("\n".join(report))
