# SPDX-License-Identifier: MIT
"""Ready plugins are watched: silence, stuck loops, figures, recycling."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from system_harness import (
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    wait_for,
)
from system_load import Load, Target

NAME = "test-misbehaving"
QUICK = {"probeIntervalSeconds": 1, "probeTimeoutSeconds": 1,
         "stuckLoopSeconds": 1}
DOWN_SEC = 3 * (1 + 1)          # of QUICK: three times interval and time-out
SLACK_SEC = 5                   # a busy machine


@pytest.fixture(scope="module")
def watched() -> Iterator[MintSystem]:
    each = {
        NAME: {**QUICK, "maxProcesses": 2000},
        "test-echo": {**QUICK, "recycleRequests": 200, "jobCpuSlots": 3},
    }
    system = MintSystem(make_place(), MINT_JOB_CPU_SLOTS="5",
                        MINT_PLUGINS__PER_PLUGIN=json.dumps(each))
    try:
        system.start()
        for name in ("misbehaving", "echo"):
            system.install(make_bundle(PLUGINS / name, system.place))
        system.install(make_bundle(
            renamed_plugin("misbehaving", "default", system.place),
            system.place))
        yield system
        assert system.stop() == 0, system.text
        assert not system.leftovers()
    finally:
        system.end()


def post(system: MintSystem, path: str, **query: Any) -> httpx.Response:
    with system.client() as client:
        return client.post(f"/api/{NAME}/{path}", params=query, timeout=60)


def watch(system: MintSystem, name: str = NAME) -> dict[str, Any]:
    return system.instance(name)["watch"] or {}


def wait_restarted(system: MintSystem, before: int, timeout: float) -> None:
    wait_for(lambda: system.pid(NAME) not in (0, before)
             and system.plugins()[NAME]["state"] == "ready",
             "the next start", timeout)


def test_a_stopped_process_is_found_and_replaced(watched: MintSystem) -> None:
    """Others go on, and nobody waits for it for ever."""
    before = watched.pid(NAME)
    other = Target("test-default", "/api/test-default/alive", 20)
    with Load(watched.url, [other]) as load:
        os.kill(before, signal.SIGSTOP)
        begin = time.monotonic()
        waiting = threading.Thread(target=post, args=(watched, "count"))
        waiting.start()
        wait_for(lambda: watched.pid(NAME) != before, "its end",
                 DOWN_SEC + SLACK_SEC)
        assert time.monotonic() - begin > 1
        waiting.join(30)
        assert not waiting.is_alive()
        wait_restarted(watched, before, 30)
        seen = len(load.outcomes)
        wait_for(lambda: len(load.outcomes) > seen + 5, "more answers")
    last = watched.instance(NAME)["last_exit"]
    assert last.startswith("killed: did not answer 3 times in a row"), last
    assert "does not answer" in watched.log(NAME)
    assert {str(o) for o in load.outcomes if o.status != 200} == set()


def test_with_the_defaults_it_takes_39_seconds(watched: MintSystem) -> None:
    before = watched.pid("test-default")
    os.kill(before, signal.SIGSTOP)
    begin = time.monotonic()
    wait_for(lambda: watched.pid("test-default") != before, "its end",
             39 + SLACK_SEC)
    assert time.monotonic() - begin > 20
    assert "did not answer" in watched.instance("test-default")["last_exit"]


def test_a_stuck_loop_is_shown_where_it_is_stuck(watched: MintSystem) -> None:
    """And one that goes on in time is left alone."""
    before = watched.pid(NAME)
    blocked = threading.Thread(
        target=post, args=(watched, "block"), kwargs={"seconds": 3})
    blocked.start()
    seen = wait_for(lambda: (w := watch(watched)).get("stuck_ms") and w,
                    "the stack")
    assert "time.sleep(seconds)" in seen["stack"]
    assert "in block" in seen["stack"]
    assert "event loop stuck for" in watched.ctl("top").stdout
    blocked.join(30)
    wait_for(lambda: watch(watched).get("stuck_ms") == 0, "its end")
    assert watched.pid(NAME) == before
    assert "event loop has been stuck" in watched.log(NAME)
    wait_for(lambda: watch(watched)["health"] == "up", "health")


def test_a_loop_stuck_for_good_ends_with_its_place(
    watched: MintSystem,
) -> None:
    before = watched.pid(NAME)
    # its client has the edge's answer once the process is gone
    blocked = threading.Thread(
        target=post, args=(watched, "block"), kwargs={"seconds": 600})
    blocked.start()
    wait_restarted(watched, before, DOWN_SEC + SLACK_SEC + 30)
    blocked.join(30)
    assert not blocked.is_alive()
    text = watched.log(NAME)
    assert "did not answer 3 times in a row" in text
    assert "its event loop was stuck at: File" in text


def test_a_stuck_loop_that_keeps_the_lock_is_shown_too(
    watched: MintSystem,
) -> None:
    """The watchdog's thread cannot run: faulthandler writes the stacks."""
    before = watched.pid(NAME)
    blocked = threading.Thread(target=post, args=(watched, "hold-lock"))
    blocked.start()
    wait_restarted(watched, before, DOWN_SEC + SLACK_SEC + 30)
    blocked.join(30)
    assert "in hold_lock" in watched.log(NAME)


def test_figures_are_those_of_the_tree(watched: MintSystem) -> None:
    wait_for(lambda: watch(watched).get("fds"), "figures")
    first = watch(watched)
    assert first["health"] == "up" and first["fds"] > 5
    assert first["processes"] == 1 and first["threads"] >= 2
    assert 20 << 20 < first["memory_bytes"] < 1 << 30

    pids = post(watched, "multiply", count=30).json()["pids"]
    post(watched, "hoard", megabytes=100)
    hold = threading.Thread(target=post, args=(watched, "hold"))
    hold.start()            # until the process is ended below

    def grown() -> dict[str, Any]:
        now = watch(watched)
        return now if (
            now.get("processes", 0) > len(pids) and now["requests"]
            and now["memory_bytes"] > first["memory_bytes"] + (90 << 20)
        ) else {}

    wait_for(grown, "larger figures")
    line = next(line for line in watched.ctl("top").stdout.splitlines()
                if line.startswith(f"{NAME} "))
    assert " up " in line and str(watched.pid(NAME)) in line
    before = watched.pid(NAME)
    os.kill(before, signal.SIGKILL)
    hold.join(30)
    wait_restarted(watched, before, 30)


def test_cpu_is_measured(watched: MintSystem) -> None:
    burning = threading.Thread(
        target=post, args=(watched, "burn"), kwargs={"seconds": 6})
    burning.start()
    wait_for(lambda: watch(watched).get("cpu_percent", 0) > 5, "its CPU")
    burning.join(30)


def test_recycled_after_so_many_requests(
    watched: MintSystem,
) -> None:
    """In a planned restart: no request fails of it."""
    before = watched.pid("test-echo")
    target = Target("test-echo", "/api/test-echo/headers", 60)
    with Load(watched.url, [target]) as load:
        wait_for(lambda: watched.pid("test-echo") not in (0, before),
                 "another process", 60)
        seen = len(load.outcomes)
        wait_for(lambda: len(load.outcomes) > seen + 20, "more answers")
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    assert "requests" in watched.log("test-echo")


def test_job_slots_are_shared(watched: MintSystem) -> None:
    """Of a budget of 5; one with a number of its own has that."""
    def slots(name: str) -> str:
        with open(f"/proc/{watched.pid(name)}/environ", "rb") as stream:
            found = [v for v in stream.read().split(b"\0")
                     if v.startswith(b"MINT_JOB_CPU_SLOTS=")]
        assert len(found) == 1
        return found[0].split(b"=")[1].decode()

    assert slots("test-echo") == "3"
    assert slots(NAME) == "5"
