# SPDX-License-Identifier: MIT
"""Planned restarts under load: nobody is refused, nothing is done twice."""

from __future__ import annotations

import time

import pytest
from fault_ledger import Attempt, Fault, Kind, Outage, Verdict
from fault_load import MixedLoad, Stream
from fault_system import DRAIN_SEC, Field, Scenario, field_of
from system_harness import wait_for

SLACK_SEC = 3.0


def streams(field: Field, rate: float) -> list[Stream]:
    """POST and GET on kept connections; POSTs longer than a switch, too."""
    return [
        Stream(name, kind, rate, ms)
        for name in field.names
        for kind, ms in ((Kind.POST, 0), (Kind.POST, 20), (Kind.POST, 200),
                         (Kind.GET, 20))
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
@pytest.mark.timeout(3600)
def test_planned_restarts(scenario: Scenario) -> None:
    """200 under POST load on kept connections: nothing is refused or ended,
    nothing is executed twice, no seat is taken from under a request."""
    count = scenario.count(200)
    with field_of(2) as field:
        with field.load(streams(field, 30.0)) as load:
            wait_for(lambda: len(load.done()) > 100, "answers")
            restart_all(field, count)
            settle(field)
        check(field, scenario, count)


@pytest.mark.scenario
@pytest.mark.timeout(300)
def test_restarts_with_websockets(scenario: Scenario) -> None:
    """They go on in the old process, and are told when it ends."""
    restarts = scenario.count(2)
    with field_of(1) as field:
        name = field.names[0]
        streams = [Stream(name, kind, 20.0) for kind in
                   (Kind.MESSAGE, Kind.MESSAGE, Kind.MESSAGE, Kind.POST)]
        with field.load(streams) as load:
            for _ in range(restarts):
                begin = time.monotonic()
                wait_for(lambda: len(_messages(load, begin)) > 50, "messages")
                field.system.ctl("restart", name)
                served = time.monotonic()
                settle(field)
                took = time.monotonic() - served
                assert DRAIN_SEC - 1 < took < DRAIN_SEC + SLACK_SEC, took
                field.ledger.add_outage(Outage(
                    name, served, time.monotonic(), Fault.RESTARTED))
                while_old = [a for a in _messages(load, served)
                             if a.end < served + DRAIN_SEC - 2]
                assert len(while_old) > 100, "they do not go on"
        report = scenario.judge(field)
        report.check(Verdict.TOLD)
        assert report.count(Verdict.TOLD) == 3 * restarts


def _messages(load: MixedLoad, since: float) -> list[Attempt]:
    return [a for a in load.done(since=since) if a.kind is Kind.MESSAGE]


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
