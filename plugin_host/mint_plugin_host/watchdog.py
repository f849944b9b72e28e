# SPDX-License-Identifier: MIT
"""Says where an event loop is stuck, while it is.

A thread looks once a second at when the loop has last come round.  Code that
keeps the interpreter's lock (a C extension) stops this thread too: then
faulthandler, armed anew each second, writes the stacks to the log by itself.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

LOOK_SEC = 1.0
STACK_MAX = 8000                # of its text; the end says where


class Watchdog:
    """beat() from the loop's own thread; close() before it ends."""

    def __init__(
        self, report: Callable[[dict[str, Any]], object], stuck_sec: int
    ) -> None:
        self._report = report
        self._stuck_sec = stuck_sec
        self._thread_id = threading.get_ident()
        self._beaten = time.monotonic()
        self._is_said = False
        self._is_closed = threading.Event()
        self._thread = threading.Thread(
            target=self._look, name="mint-watchdog", daemon=True
        )

    def start(self) -> None:
        if self._stuck_sec > 0:
            self._thread.start()

    def beat(self) -> None:
        self._beaten = time.monotonic()
        self._is_said = False

    def close(self) -> None:
        self._is_closed.set()
        faulthandler.cancel_dump_traceback_later()

    def _look(self) -> None:
        self._arm()
        while not self._is_closed.wait(LOOK_SEC):
            late = time.monotonic() - self._beaten
            if late > self._stuck_sec and not self._is_said:
                self._is_said = True
                self._report({
                    "event": "stuck",
                    "ms": round(late * 1000),
                    "stack": self._stack(),
                })
            self._arm()

    def _arm(self) -> None:
        """Only a thread that can still run gets here in time again."""
        if not self._is_closed.is_set():
            faulthandler.dump_traceback_later(self._stuck_sec + 2 * LOOK_SEC)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread_id)
        text = "".join(traceback.format_stack(frame)) if frame else ""
        return text[-STACK_MAX:]
