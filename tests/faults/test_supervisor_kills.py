# SPDX-License-Identifier: MIT
"""kill -9 of the supervisor: nobody notices, nothing has changed."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from fault_ledger import Fault, Outage, Verdict
from fault_load import mixed
from fault_system import (
    DRAIN_SEC, Field, Scenario, field_of, is_settled, pause)
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


def keeper_pid(field: Field) -> int:
    """0 while there is none."""
    return field.system.status()["keeper_pid"]


def kill_keeper(field: Field) -> None:
    """Until the next one has taken over."""
    old = wait_for(lambda: keeper_pid(field), "a keeper")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: keeper_pid(field) not in (0, old), "the next keeper")


@pytest.mark.scenario
@pytest.mark.timeout(600)
def test_kill_keeper(scenario: Scenario) -> None:
    """10 x kill -9 of the keeper at random moments, 10 x around the start and
    the switch of a move: no plugin and no request is lost, and a plugin that
    dies afterwards is started again."""
    kills = scenario.count(10)
    with field_of(2) as field:
        before = field.state()
        with (
            field.same_tables(),
            field.load(mixed(field.names, 10.0)) as load,
        ):
            wait_for(lambda: len(load.done()) > 100, "answers")
            for _ in range(kills):
                pause(0.5 + random.random())
                kill_keeper(field)
        after = field.state()
        assert after["core"].pop("keeper") != before["core"].pop("keeper")
        assert after == before
        with field.load(mixed(field.names, 10.0)) as load:
            for number in range(kills):
                name = field.names[number % 2]
                begin = time.monotonic()
                field.system.ctl("restart", name)
                pause(random.random() * 2)
                kill_keeper(field)
                wait_for(lambda name=name: is_settled(field, name),
                         "the end of the move", 60)
                field.ledger.add_outage(Outage(
                    name, begin + DRAIN_SEC, time.monotonic(),
                    Fault.RESTARTED))
        report = scenario.judge(field)
        scenario.figure(f"{2 * kills} kills")
        report.check(Verdict.TOLD)
        # the WebSocket to each that was moved
        assert report.count(Verdict.TOLD) == kills
        assert field.state()["core"] | {"keeper": 0} == before["core"] | {
            "keeper": 0}
        field.kill(field.names[0])
        field.wait_ready()
