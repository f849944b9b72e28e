# SPDX-License-Identifier: MIT
"""Comes round once in 100 ms, and says when it could not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mint_plugin_host.report import Reporter
from mint_plugin_host.watchdog import Watchdog

BEAT_SEC = 0.1
LAG_REPORT_SEC = 0.25           # reported from here on


class Pulse:
    def __init__(
        self,
        reporter: Reporter,
        stuck_sec: int,
        on_beat: Callable[[], object],
    ) -> None:
        self._reporter = reporter
        self._on_beat = on_beat
        self._due = 0.0
        self._lag = 0.0                 # the greatest since it was asked for
        self._watchdog = Watchdog(reporter.send, stuck_sec)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT_SEC
        loop.call_at(self._due, self._beat, loop)
        self._watchdog.start()

    def close(self) -> None:
        """What ends may take its time on the loop."""
        self._watchdog.close()

    def take_lag_ms(self) -> int:
        lag, self._lag = self._lag, 0.0
        return round(lag * 1000)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        late = loop.time() - self._due
        self._lag = max(self._lag, late)
        self._watchdog.beat()
        if late > LAG_REPORT_SEC:
            self._reporter.send({"event": "lag", "ms": round(late * 1000)})
        self._reporter.flush()
        self._on_beat()
        self._due = loop.time() + BEAT_SEC
        loop.call_at(self._due, self._beat, loop)
