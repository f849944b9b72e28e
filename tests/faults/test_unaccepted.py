# SPDX-License-Identifier: MIT
"""Requests that have reached a plugin's socket and that no process accepts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from fault_ledger import Kind, Verdict
from fault_load import PARK_SEC, Stream
from fault_system import DRAIN_SEC, Field, Scenario, field_of, pause
from system_harness import wait_for

STOPPED_SEC = 3.0
# so long it is asked what it would lose, which it does not say
ASKED_SEC = 2.0
GRACE_SEC = 10.0


def _waiting(field: Field) -> int:
    """Connections that the plugin has not accepted."""
    seat = field.system.instance(field.names[0])["seat"]
    socket = os.fsencode(str(field.system.run_directory / "s")) + b"/"
    lines = open("/proc/net/unix", "rb").read().splitlines()
    # state 02: connecting, which is how the kernel shows those in the backlog
    return sum(socket in line and line.split()[5] == b"02"
               and line.endswith(seat.encode() + b".sock") for line in lines)


def _die(field: Field, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _end_by_hand(field: Field, pid: int) -> None:
    field.system.ctl("stop", field.names[0], "--now", "--yes")


@pytest.mark.scenario
@pytest.mark.timeout(300)
@pytest.mark.parametrize("trouble,end", [
    pytest.param("never-ready", _die, id="slow", marks=pytest.mark.short),
    pytest.param("exit", _die, id="failing"),
    pytest.param("", _end_by_hand, id="stopped"),
])
def test_unaccepted(
    scenario: Scenario, trouble: str, end: Callable[[Field, int], None]
) -> None:
    """A process that takes nothing up ends, and there is no next one: who
    waits at its socket is refused as soon as that is known."""
    with field_of(1) as field:
        name = field.names[0]
        # as long as the process is there, it may still go on
        waits = STOPPED_SEC + PARK_SEC
        if end is _end_by_hand:
            waits += ASKED_SEC + DRAIN_SEC + GRACE_SEC
        streams = [
            Stream(name, Kind.POST, 5.0, 20, wait_sec=waits),
            Stream(name, Kind.GET, 5.0, 20, wait_sec=waits),
            Stream(name, Kind.MESSAGE, 2.0, 20, wait_sec=waits),
        ]
        with field.load(streams) as load:
            wait_for(lambda: len(load.done()) > 20, "answers")
            field.make_trouble(name, trouble)
            pid = field.system.pid(name)
            begin = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            pause(STOPPED_SEC)
            waiting = _waiting(field)
            assert waiting > 10
            end(field, pid)
            field.add_death(name, pid, begin)
            pause(PARK_SEC + 1.0)
            field.make_trouble(name, "")
            field.system.ctl("restart", name)
            field.wait_ready()
        report = scenario.judge(field)
        scenario.figure(f"{waiting} waited at the socket")
        report.check(Verdict.REFUSED, Verdict.TOLD)
        refused = sum(b"no process that could" in f.attempt.body
                      for f in report.findings)
        assert refused >= waiting / 2, f"{refused} of {waiting}"
