"""Ends the scripts on a signal. Before :func:`run_to_exit`, Ctrl-C ends the process at once and without a traceback.

Nothing has been started then.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_to_exit(main: Callable[[], int]) -> NoReturn:
    """Runs ``main``. A stop signal ends its ``with`` blocks and prints no traceback."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        sys.exit(128 + signal.SIGINT)
