# SPDX-License-Identifier: MIT
"""kill -9 of plugins under mixed load."""

from __future__ import annotations

import random
import time
from collections import defaultdict

import pytest
from fault_ledger import Verdict
from fault_load import mixed
from fault_system import Field, Scenario, field_of, pause
from system_harness import wait_for

# five deaths in a minute are another state: given up
KILLS_A_MINUTE = 4


def kill_in_turn(field: Field, count: int, gap_sec: float) -> None:
    """Random plugins, each at most four times a minute, when ready."""
    killed: dict[str, list[float]] = defaultdict(list)

    def victim() -> str:
        now = time.monotonic()
        free = [name for name in field.names
                if len([t for t in killed[name] if now - t < 61])
                < KILLS_A_MINUTE]
        ready = {name for name, p in field.system.plugins().items()
                 if p["state"] == "ready"}
        fit = [name for name in free if name in ready]
        return random.choice(fit) if fit else ""

    for _ in range(count):
        name = wait_for(victim, "a plugin that may be killed", 120)
        killed[name].append(time.monotonic())
        field.kill(name)
        pause(random.random() * 2 * gap_sec)


@pytest.mark.scenario
@pytest.mark.timeout(900)
def test_kill_plugins(scenario: Scenario) -> None:
    """200 x kill -9 spread over 20 plugins."""
    count = scenario.count(200)
    with field_of(20) as field:
        core = field.state()["core"]
        with field.load(mixed(field.names, 2.0)) as load:
            wait_for(lambda: len(load.done()) > 200, "answers")
            kill_in_turn(field, count, 0.4)
            field.wait_ready()
        report = scenario.judge(field)
        scenario.figure(f"{len(field.ledger.outages)} kills")
        report.check(Verdict.REFUSED, Verdict.TOLD)
        assert field.state()["core"] == core


@pytest.mark.short
@pytest.mark.scenario
@pytest.mark.timeout(180)
def test_short_kills(scenario: Scenario) -> None:
    """Four plugin kills and four of the supervisor, in seconds."""
    from system_kills import kill_supervisor

    with field_of(2) as field:
        with field.load(mixed(field.names, 10.0)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            for _ in range(2):
                for name in field.names:
                    kill_supervisor(field.system)
                    field.kill(name)
                    field.wait_ready()
        report = scenario.judge(field)
        scenario.figure(f"{len(field.ledger.outages)} kills")
        report.check(Verdict.REFUSED, Verdict.TOLD)
