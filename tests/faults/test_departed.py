# SPDX-License-Identifier: MIT
"""Clients that go while nobody can take up what they have sent."""

from __future__ import annotations

import os
import signal
import time

import pytest
from fault_ledger import Fault, Kind, Outage, Verdict
from fault_load import Stream
from fault_system import Field, Scenario, field_of, pause
from system_harness import wait_for


@pytest.mark.scenario
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_clients_that_leave(scenario: Scenario, how: str) -> None:
    """POSTs whose clients go before a process could take them up never run:
    sent to a stopped process, or while there is none."""
    with field_of(1) as field:
        name = field.names[0]
        streams = [Stream(name, Kind.LEAVE, 40.0),
                   Stream(name, Kind.POST, 5.0, 20, wait_sec=12.0)]
        with field.load(streams) as load:
            wait_for(lambda: len(load.done()) > 20, "answers")
            for _ in range(scenario.count(3)):
                if how == "stopped":
                    _stop_for(field, 3.0)
                else:
                    field.kill(name)
                    field.wait_ready()
                pause(1)
        report = scenario.judge(field)
        report.check(Verdict.REFUSED, Verdict.TOLD)
        gone = sum(f.verdict is Verdict.LEFT and not f.executions
                   for f in report.findings)
        scenario.figure(f"{gone} left and were not executed")
        assert gone > 0


def _stop_for(field: Field, seconds: float) -> None:
    pid = field.system.pid(field.names[0])
    begin = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        pause(seconds)
    finally:
        end = time.monotonic()
        os.kill(pid, signal.SIGCONT)
    field.ledger.add_outage(Outage(
        field.names[0], begin, end, Fault.STOPPED))
