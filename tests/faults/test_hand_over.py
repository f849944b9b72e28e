# SPDX-License-Identifier: MIT
"""Planned restarts under load: nobody is refused, nothing is done twice."""

from __future__ import annotations

import pytest
from fault_ledger import Kind
from fault_load import Stream
from fault_system import Field, Scenario, field_of
from system_harness import wait_for


def streams(field: Field, rate: float) -> list[Stream]:
    """POST and GET on kept connections; POSTs longer than a switch, too."""
    return [
        Stream(name, kind, rate, ms)
        for name in field.names
        for kind, ms in ((Kind.POST, 0), (Kind.POST, 200), (Kind.GET, 20))
    ]


def restart_all(field: Field, count: int) -> None:
    """One plugin after the other; the old process ends meanwhile."""
    for number in range(count):
        field.system.ctl("restart", field.names[number % len(field.names)])


def check(field: Field, scenario: Scenario, count: int) -> None:
    report = scenario.judge(field)
    plugins = field.system.plugins()
    moves = [plugins[name]["moves"] for name in field.names]
    done = sum(m["done"] for m in moves)
    defects = sum(m["defects"] for m in moves)
    scenario.figure(f"{done} restarts, {defects} hand-over defects")
    report.check()
    assert (done, defects) == (count, 0)
    assert {p["state"] for p in plugins.values()} == {"ready"}


def settle(field: Field) -> None:
    wait_for(
        lambda: all(p["move"] is None and len(p["instances"]) == 1
                    for p in field.system.plugins().values()),
        "the end of all old processes", 60)


@pytest.mark.scenario
@pytest.mark.timeout(1500)
def test_hand_over_defects(scenario: Scenario) -> None:
    """200 planned restarts under POST load: 0 failed requests."""
    count = scenario.count(200)
    with field_of(2) as field:
        with field.load(streams(field, 30.0)) as load:
            wait_for(lambda: len(load.done()) > 100, "answers")
            restart_all(field, count)
            settle(field)
        check(field, scenario, count)


@pytest.mark.short
@pytest.mark.scenario
@pytest.mark.timeout(180)
def test_short_hand_over(scenario: Scenario) -> None:
    with field_of(1) as field:
        with field.load(streams(field, 20.0)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            restart_all(field, 5)
            settle(field)
        check(field, scenario, 5)
