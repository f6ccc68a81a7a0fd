"""Why goals are not met, by what they are about. The page shows the reasons of goals that the results do not meet.

Reasons have no measured figures: these are in the tables, which a run writes.
"""

from __future__ import annotations

from collections.abc import Mapping

_MEMORY = (
    "Triggers that do nothing take more than HttpSensor's whole growth, as the row *sleep* shows. So half of "
    "HttpSensor's is less than Airflow's own part. The sensor is stopped before most of its work is done. With "
    "1,000 waiting, where both finish, the goal is met."
)
_MODULES = (
    "A triggerer loads aiohttp when its first job is waited for. As this was measured, the other clients had loaded it "
    "before. With those eight megabytes left out, it is about the half."
)
_STALL = (
    "The long stalls are full passes of Python's garbage collector over all objects, one for one, as its own "
    "callbacks (`gc.callbacks`) showed. No other step of this package took as long. The difference is what the "
    "waiting tasks hold."
)
_QUEUE = (
    "To learn the state of 5,000 jobs takes 50 pages of the list. Airflow takes seconds of the wall's clock to "
    "start as many triggers, which are minutes of a fast clock. Each new trigger was looked for again. A queue of "
    "that length cannot be served within three hours: `hold_back` keeps it from being submitted."
)
_AT_ONCE = (
    "Nobody told how long the renders take, so a look may come a sixteenth of their age after the end. And only nine "
    "tenths of the allowed rate are used, so that requests which a network bunches are not refused. At the other two "
    "latencies the end fell nearer to a look. Since then, jobs that share a look are looked at the oftener."
)
_FRAGMENTS = (
    "Only the fragments tell their length. The last one begins some megabytes before the end of the file, and nothing "
    "tells where. So the end of the file is searched. PyAV and ffprobe read all fragments one by one."
)
_SUBMIT = (
    "Both load requests, as `python -X importtime` shows. Beside it, this package loads what reads the headers of both "
    "inputs, estimates the price, looks into the installed distributions whether the job can be waited for, and keeps "
    "the record. HttpOperator does none of these. A third of the time goes into making the dataclasses of the modules, "
    "as a clock around `dataclasses` showed. Tuples would be faster, and worse to read."
)

_OVERHEAD = (
    "An end is seen by the next look, at most a `poll_interval` after the one before it. Then Airflow's scheduler "
    "queues the task again in its next round. The stages show both. A shorter `poll_interval` costs requests."
)

_BOARD = (
    "The newest videos of this data are those of a batch of 5,000: each of its rows has a mapped task to make the "
    "video and others that are looked up with it. With single videos, as in the row *one DAG*, the board takes no "
    "longer than Airflow's list."
)

REASONS: Mapping[str, str] = {
    "1,000 waiting, many running: memory, half of HttpSensor's": _MODULES,
    "1,500 ending at once, 120 ms: lag, p95": _AT_ONCE,
    "1,500 ending at once, 500 ms: lag, p95": _AT_ONCE,
    "mp4, fragmented, no index: sent to this package, for the exact duration": _FRAGMENTS,
    "5,000 waiting, many running: memory, half of HttpSensor's": _MEMORY,
    "5,000 waiting, many running: stall beyond that of triggers that sleep": _STALL,
    "one running, 150 / 1000 / 5000 queued: requests a finished clip": _QUEUE,
    "the board, beside Airflow's own list of DAG runs": _BOARD,
    "overhead of a deferred clip, warm": _OVERHEAD,
    "CPU of a cold submit, with preflight": _SUBMIT,
}
