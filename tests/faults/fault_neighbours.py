# SPDX-License-Identifier: MIT
"""What one plugin's trouble does to the others: the times of their answers
before, during and after."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

from fault_ledger import Attempt, Kind, Report, Verdict
from fault_load import MixedLoad, mixed
from fault_system import Field, Scenario, pause
from system_harness import wait_for

RATE = 15.0                     # of each kind, to each of them
BASELINE_SEC = 10.0
RECOVERY_SEC = 5.0
AFTERWARDS_SEC = 10.0
P99_FACTOR = 3.0
P99_SLACK_SEC = 0.05
FEWEST = 20


class Neighbours:
    """Of the first plugin of a field, which is the one in trouble."""

    def __init__(self, field: Field, scenario: Scenario) -> None:
        self.field = field
        self.scenario = scenario
        self.victim, *self.names = field.names
        self._load: MixedLoad | None = None
        self._baseline = (0.0, 0.0)
        self._trouble = (0.0, 0.0)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Load on the others; the trouble lasts as long as the block."""
        before = self.field.state()["instances"]
        with self.field.load(mixed(self.names, RATE, ms=5)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            self._baseline = self._span(BASELINE_SEC)
            begin = time.monotonic()
            yield
            self._trouble = (begin, time.monotonic())
            pause(RECOVERY_SEC)
            afterwards = self._span(AFTERWARDS_SEC)
        report = self.scenario.judge(self.field)
        self._check(report, afterwards)
        after = self.field.state()["instances"]
        for name in self.names:
            assert after[name] == before[name], name

    @staticmethod
    def _span(seconds: float) -> tuple[float, float]:
        begin = time.monotonic()
        pause(seconds)
        return begin, time.monotonic()

    def _check(self, report: Report, afterwards: tuple[float, float]) -> None:
        report.about(self.names).check()
        spans = (self._baseline, self._trouble, afterwards)
        times = [p99(self._answered(report, span)) for span in spans]
        base, during, after = times
        bound = P99_FACTOR * base + P99_SLACK_SEC
        self.scenario.figure(
            "p99 of the others {:.1f} ms before, {:.1f} during, {:.1f} "
            "afterwards, bound {:.1f}".format(
                *(1000 * t for t in (*times, bound))))
        assert during <= bound
        assert after <= bound

    def _answered(
        self, report: Report, span: tuple[float, float]
    ) -> list[Attempt]:
        return [f.attempt for f in report.of(Verdict.DONE)
                if f.attempt.plugin in self.names
                and f.attempt.kind in (Kind.GET, Kind.POST)
                and span[0] <= f.attempt.start < span[1]]


def p99(attempts: list[Attempt]) -> float:
    """By the nearest rank: of less than a hundred the slowest.  Some troubles
    are over that soon."""
    assert len(attempts) >= FEWEST, f"only {len(attempts)} answers"
    times = sorted(a.end - a.start for a in attempts)
    return times[math.ceil(0.99 * len(times)) - 1]
