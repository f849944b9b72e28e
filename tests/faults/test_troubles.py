# SPDX-License-Identifier: MIT
"""One plugin is in trouble: it ends in the stated state, for the stated
reason, in time, and the others do not notice (docs/faults.md)."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fault_neighbours import Neighbours
from fault_system import DRAIN_SEC, Field, Scenario, field_of, pause
from system_harness import wait_for
from system_kills import is_gone

# what polling and a busy machine add to a deadline
SLACK_SEC = 3.0
READY_DEADLINE_SEC = 60.0
# starts at once, after 1, 2 and 4 s (and 10 %), each of which takes a second
GIVE_UP_SEC = 8.0 + 5 * 2.0
GRACE_SEC = 10.0
# asked every 10 s, no answer for 3 s, three times
UNANSWERED_SEC = 39.0
TREE_SEC = 10.0
MEMORY_MIB = 300

pytestmark = [pytest.mark.scenario, pytest.mark.alone,
              pytest.mark.timeout(400)]


def plugin(field: Field) -> dict[str, Any]:
    return field.system.plugins()[field.names[0]]


def said(field: Field, text: str) -> bool:
    """By the system about the plugin: in its log, or as its error."""
    return text in field.system.log(field.names[0]) \
        or text in (plugin(field)["error"] or "")


def start_in_trouble(field: Field, trouble: str) -> None:
    field.make_trouble(field.names[0], trouble)
    field.kill(field.names[0])


def given_up(field: Field, reason: str, deadline_sec: float) -> float:
    """Seconds until it had failed for that reason."""
    begin = time.monotonic()
    wait_for(lambda: plugin(field)["state"] == "failed", "given up",
             deadline_sec + SLACK_SEC)
    took = time.monotonic() - begin
    assert reason in plugin(field)["error"]
    with field.system.client() as client:
        reply = client.get(f"/api/{field.names[0]}/look?id=x")
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 1
    assert reply.json()["cause"] == "failed"
    return took


def back_by_hand(field: Field) -> None:
    field.make_trouble(field.names[0], "")
    field.system.ctl("restart", field.names[0])
    assert plugin(field)["state"] == "ready"


@pytest.mark.parametrize("trouble, reason, deadline_sec", [
    ("never-ready",
     "was not ready within 60 s; last line: waiting for the instrument",
     READY_DEADLINE_SEC),
    ("hang",
     "was not ready within 60 s; last line: waiting for the licence server",
     READY_DEADLINE_SEC),
    ("exit", "SystemExit: 1", GIVE_UP_SEC),
])
def test_start(
    scenario: Scenario, trouble: str, reason: str, deadline_sec: float
) -> None:
    with field_of(3) as field:
        watch = Neighbours(field, scenario)
        with watch.watched():
            start_in_trouble(field, trouble)
            took = given_up(field, reason, deadline_sec)
            scenario.figure(f"given up after {took:.1f} s")
        back_by_hand(field)


def test_ignores_sigterm(scenario: Scenario) -> None:
    """And one of its requests does not end either: 30 s of drain, 10 s."""
    with field_of(3) as field, ThreadPoolExecutor(1) as pool:
        watch = Neighbours(field, scenario)
        victim = field.names[0]
        field.begin_trouble(victim, "deaf")
        old = field.system.pid(victim)
        with watch.watched():
            held = pool.submit(_hold, field, 120_000)
            pause(0.5)
            field.system.ctl("restart", victim)
            # not waited for here: the history says when it began and ended
            wait_for(lambda: is_gone(old), "the end of the old process", 120)
            status, took = held.result(timeout=5)
            assert status == 502
        drain, grace = _ending(field, victim, old)
        scenario.figure(f"drained for {drain:.1f} s, killed {grace:.1f} s "
                        f"later, its request waited {took:.1f} s")
        assert DRAIN_SEC - 1 < drain < DRAIN_SEC + SLACK_SEC
        assert GRACE_SEC - 1 < grace < GRACE_SEC + SLACK_SEC
        assert said(field, f"did not stop within {GRACE_SEC:.0f} s")
        assert plugin(field)["state"] == "ready"


def _ending(field: Field, name: str, pid: int) -> tuple[float, float]:
    """Seconds from when the next process has taken over until SIGTERM, and
    from there to its end."""
    records = field.system.ctl_json("history", name)["records"]

    def when(**wanted: Any) -> float:
        time_text = next(r["time"] for r in records
                         if wanted.items() <= r.items())
        return datetime.fromisoformat(time_text).timestamp()

    switched = when(subject="move", to="draining")
    told = when(subject="process", to="stopping", pid=pid)
    gone = next(r for r in records if r["subject"] == "process"
                and r["from"] == "stopping" and r["to"] == "down")
    assert gone["text"] == f"killed: did not stop within {GRACE_SEC:.0f} s"
    return told - switched, when(**gone) - told


def _hold(field: Field, ms: int) -> tuple[int, float]:
    begin = time.monotonic()
    with field.system.client() as client:
        reply = client.get(f"/api/{field.names[0]}/look",
                           params={"id": "held", "ms": ms},
                           timeout=ms / 1000 + 10)
    return reply.status_code, time.monotonic() - begin


def test_forks_500_children(scenario: Scenario) -> None:
    """In sessions of their own: they go when it does."""
    with field_of(3) as field:
        watch = Neighbours(field, scenario)
        with watch.watched():
            field.begin_trouble(field.names[0], "fork")
            children = _children()
            assert len(children) == 500
            field.kill(field.names[0])
            begin = time.monotonic()
            wait_for(lambda: not any(Path(f"/proc/{pid}").exists()
                                     for pid in children),
                     "the end of all of them", TREE_SEC)
            scenario.figure(f"gone after {time.monotonic() - begin:.1f} s")
            field.wait_ready()
        assert said(field, "what it had started was killed")


def _children() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"mint-test-child\0"):
                found.append(int(path.parts[2]))
        except OSError:
            continue
    return found


def test_stopped_by_a_signal(scenario: Scenario) -> None:
    """SIGSTOP: alive, and answers nobody; it is replaced."""
    with field_of(3) as field:
        watch = Neighbours(field, scenario)
        old = field.system.pid(field.names[0])
        with watch.watched():
            begin = time.monotonic()
            os.kill(old, signal.SIGSTOP)
            try:
                wait_for(lambda: field.system.pid(field.names[0])
                         not in (0, old), "another process",
                         UNANSWERED_SEC + SLACK_SEC)
            except AssertionError:
                if field.system.pid(field.names[0]) != old:
                    raise
                os.kill(old, signal.SIGCONT)
                scenario.not_built("asking plugins that are ready whether "
                                   "they still answer")
            field.wait_ready()
            scenario.figure(f"replaced in {time.monotonic() - begin:.1f} s")


def test_fills_its_log(scenario: Scenario) -> None:
    """Ten seconds of as much output as it can write."""
    with field_of(3) as field:
        watch = Neighbours(field, scenario)
        old = field.system.pid(field.names[0])
        with watch.watched():
            field.begin_trouble(field.names[0], "flood", 10)
            pause(10)
            wait_for(lambda: said(field, "the detector is saturated"),
                     "its lines")
        assert field.system.pid(field.names[0]) == old
        assert plugin(field)["state"] == "ready"


def test_leaks_memory(scenario: Scenario) -> None:
    """Until its limit; the reason is told, and it is started again."""
    limits = {"test-ledger1": {"memoryMegabytes": MEMORY_MIB}}
    with field_of(3, MINT_PLUGINS__PER_PLUGIN=json.dumps(limits)) as field:
        limited = field.system.status().get("limits", {}).get("memory")
        if limited not in ("cgroup v1", "cgroup v2"):
            pytest.skip(f"no cgroup may limit memory here: {limited}")
        watch = Neighbours(field, scenario)
        old = field.system.pid(field.names[0])
        with watch.watched():
            field.begin_trouble(field.names[0], "leak")
            wait_for(lambda: is_gone(old), "its end", 30)
            field.wait_ready()
        assert field.system.instance(field.names[0])["last_exit"] == \
            f"out of memory: killed at its limit of {MEMORY_MIB} MiB"
