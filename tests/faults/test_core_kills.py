# SPDX-License-Identifier: MIT
"""kill -9 of what every request needs: the platform, workers of nginx."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fault_ledger import Fault, Kind, Outage, Verdict
from fault_load import Stream, mixed
from fault_system import TEARDOWN_SEC, Field, Scenario, field_of, pause
from system_harness import MEMBER, wait_for


@pytest.mark.scenario
@pytest.mark.timeout(600)
def test_kill_platform(scenario: Scenario) -> None:
    """20 x kill -9 of mint-platform: requests that need it wait for the next
    one, the others do not notice."""
    kills = scenario.count(20)
    with field_of(2) as field:
        field.system.create_user(*MEMBER)
        token = field.system.login(*MEMBER)
        before = field.state()
        streams = mixed(field.names, 5.0) + [
            Stream(name, Kind.GET, 5.0, path="whoami", wait_sec=10.0,
                   headers={"authorization": f"Bearer {token}"})
            for name in field.names
        ]
        with field.load(streams) as load:
            wait_for(lambda: len(load.done()) > 100, "answers")
            for _ in range(kills):
                old = field.system.status()["platform"]["pid"]
                os.kill(old, signal.SIGKILL)
                wait_for(lambda old=old: _platform(field) not in (0, old),
                         "the next platform", 60)
                pause(1)
        report = scenario.judge(field)
        scenario.figure(f"{kills} kills")
        report.check()
        after = field.state()
        assert after["instances"] == before["instances"]
        assert after["plugins"] == before["plugins"]


def _platform(field: Field) -> int:
    platform = field.system.status()["platform"]
    return platform["pid"] if platform["state"] == "ready" else 0


@pytest.mark.scenario
@pytest.mark.timeout(600)
def test_kill_nginx_workers(scenario: Scenario) -> None:
    """20 x kill -9 of a worker: its connections end, those of the other do
    not, nothing is executed twice, and no count of it stays."""
    kills = scenario.count(20)
    with field_of(2, MINT_NGINX__WORKERS="2") as field:
        before = field.state()
        with field.load(mixed(field.names, 10.0)) as load:
            wait_for(lambda: len(load.done()) > 100, "answers")
            for number in range(kills):
                old = _workers(field)
                begin = time.monotonic()
                os.kill(old[number % 2], signal.SIGKILL)
                wait_for(lambda old=old: len(new := _workers(field)) == 2
                         and new != old, "the next worker")
                field.ledger.add_outage(Outage(
                    "", begin, time.monotonic() + TEARDOWN_SEC, Fault.EDGE))
                pause(0.5)
        report = scenario.judge(field)
        scenario.figure(f"{kills} kills")
        report.check(Verdict.TOLD)
        assert field.state() == before
        # waits until nothing of it is counted any more
        for name in field.names:
            field.system.ctl("restart", name)


def _workers(field: Field) -> list[int]:
    master = field.system.status()["nginx"]["pid"]
    path = Path(f"/proc/{master}/task/{master}/children")
    return sorted(int(pid) for pid in path.read_text().split())
