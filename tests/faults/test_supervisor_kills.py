# SPDX-License-Identifier: MIT
"""kill -9 of the supervisor: nobody notices, nothing has changed."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from fault_load import mixed
from fault_system import Field, Scenario, field_of, pause
from system_harness import wait_for
from system_kills import (
    HEALTHY_SEC,
    starting_supervisor,
    supervisor_pid,
    wait_next_supervisor,
)

KILLS_A_ROUND = 5


def kill_round(field: Field, killed: list[int]) -> None:
    """One that has run for a while, then four somewhere in their start."""
    pause(HEALTHY_SEC + random.random())
    keeper = field.system.status()["keeper_pid"]
    killed.append(wait_for(lambda: supervisor_pid(field.system), "one"))
    os.kill(killed[-1], signal.SIGKILL)
    for _ in range(KILLS_A_ROUND - 1):
        pid = starting_supervisor(keeper, killed)
        # it is ready after some 100 ms
        time.sleep(random.random() * 0.15)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            log = (field.system.var / "mint.log").read_text("utf-8", "replace")
            pytest.fail(f"supervisor {pid} ended by itself: {log[-2000:]}")
        killed.append(pid)
    wait_next_supervisor(field.system, killed[-1])


@pytest.mark.scenario
@pytest.mark.timeout(900)
def test_kill_supervisor(scenario: Scenario) -> None:
    """100 x kill -9 at random moments under load: 0 failed requests."""
    rounds = scenario.count(100 // KILLS_A_ROUND)
    killed: list[int] = []
    with field_of(3) as field:
        before = field.state()
        with (
            field.same_tables(),
            field.load(mixed(field.names, 10.0)) as load,
        ):
            wait_for(lambda: len(load.done()) > 100, "answers")
            for _ in range(rounds):
                kill_round(field, killed)
        report = scenario.judge(field)
        scenario.figure(f"{len(set(killed))} kills")
        assert len(set(killed)) == rounds * KILLS_A_ROUND
        report.check()
        assert field.state() == before


@pytest.mark.scenario
@pytest.mark.timeout(300)
def test_kill_keeper(scenario: Scenario) -> None:
    """kill -9 of the keeper: no plugin and no request is lost, and a plugin
    that dies afterwards is started again."""
    with field_of(2) as field:
        before = field.state()
        with field.load(mixed(field.names, 10.0)) as load:
            wait_for(lambda: len(load.done()) > 100, "answers")
            os.kill(before["core"]["keeper"], signal.SIGKILL)
            pause(5)
            is_supervised = supervisor_pid(field.system) != 0
        report = scenario.judge(field)
        if not is_supervised:
            scenario.not_built(
                "another keeper: the supervisor ends with the first one, and "
                "the launcher ends what both have left behind")
        report.check()
        assert field.state()["instances"] == before["instances"]
        field.kill(field.names[0])
        field.wait_ready()
