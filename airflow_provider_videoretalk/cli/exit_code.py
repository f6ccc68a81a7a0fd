"""The exit codes of the commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The meaning of a number never changes."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3


EXPLANATION = """exit codes:
  0  done; "check": the service would accept the inputs; "doctor": all is well
  1  refused; "check": the service would refuse the inputs, or they cost more than --max-cost;
     "dags": a file with other content exists, nothing was written; "doctor": a part is not well
  2  wrong usage
  3  not possible here; "check": an input could not be reached, or a library or a connection is
     missing; "dags": the folder cannot be written; "doctor": a part cannot be told from here
"""
