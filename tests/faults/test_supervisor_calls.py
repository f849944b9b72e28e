# SPDX-License-Identifier: MIT
"""The supervisor is killed once at each system call that a change takes, by
strace: whatever it was doing, nothing is lost and the next one goes on."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_ledger import Kind
from fault_load import mixed
from fault_system import Field, Scenario, field_of, is_settled, need_moves
from system_harness import ADMIN, BUILD, wait_for
from system_kills import (
    HEALTHY_SEC, is_gone, supervisor_pid, wait_next_supervisor)

Change = Callable[[], None]
TRACED_SEC = 10
TRACES = 3
TRIES = 4


@contextlib.contextmanager
def traced(pid: int, *options: str) -> Iterator[None]:
    strace = shutil.which("strace")
    assert strace, "needs strace: apt-get install strace"
    process = subprocess.Popen(
        [strace, "-qq", *options, "-p", str(pid)], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _is_traced(pid) or process.poll() is not None,
                 "strace", TRACED_SEC)
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(TRACED_SEC)


def _is_traced(pid: int) -> bool:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
        return "\nTracerPid:\t0\n" not in text
    return False


def calls_of(
    field: Field, change: Change, check: Callable[[str], None]
) -> list[str]:
    """"write:3" for the third write, in their order.  How often it wakes up is
    chance: only what it does each time."""
    traces = []
    for _ in range(TRACES):
        traces.append(_traced_calls(field, change))
        check("no kill")
    first, *others = traces
    found = [call for call in first if all(call in calls for calls in others)]
    assert len(found) > 5, found
    return found


def _traced_calls(field: Field, change: Change) -> list[str]:
    path = field.system.place / "trace"
    with traced(supervisor_pid(field.system), "-o", str(path)):
        change()
    numbers: Counter[str] = Counter()
    found = []
    for line in path.read_text("utf-8", "replace").splitlines():
        if name := re.match(r"(\w+)\(", line):
            numbers[name[1]] += 1
            found.append(f"{name[1]}:{numbers[name[1]]}")
    return found


def killed_at(field: Field, change: Change, call: str) -> bool:
    """False if the change took no such call this time."""
    pid = wait_for(lambda: supervisor_pid(field.system), "a supervisor")
    healthy = time.monotonic() + HEALTHY_SEC
    wait_for(lambda: time.monotonic() > healthy, "a healthy age")
    name, number = call.split(":")
    with traced(pid, "-o", "/dev/null",
                "-e", f"inject={name}:signal=SIGKILL:when={number}"):
        change()
    if not is_gone(pid):
        return False
    wait_next_supervisor(field.system, pid)
    return True


def kill_at_each(
    field: Field, scenario: Scenario, change: Change,
    check: Callable[[str], None], part: int = 0, parts: int = 1,
) -> None:
    """All of them, or with --scale as many, spread.  How often it wakes up is
    chance: what does not come again at once is tried again at the end.  A part
    is every second of the same name, so that all parts together are all."""
    calls = [call for call in calls_of(field, change, check)
             if int(call.partition(":")[2]) % parts == part]
    step = max(1, round(len(calls) / scenario.count(len(calls))))
    missed = wanted = calls[::step]
    for _ in range(TRIES):
        missed = [call for call in missed
                  if not _one(field, change, call, check)]
    scenario.figure(f"killed at {len(wanted) - len(missed)} of {len(wanted)} "
                    f"system calls{''.join(f', not at {m}' for m in missed)}")
    assert len(missed) <= 0.05 * len(wanted), missed


def _one(
    field: Field, change: Change, call: str, check: Callable[[str], None]
) -> bool:
    was_reached = killed_at(field, change, call)
    check(call)
    return was_reached


@pytest.mark.scenario
@pytest.mark.timeout(1200)
def test_killed_at_each_call_of_a_publish(scenario: Scenario) -> None:
    """Of a user's deactivation: the answer comes when that is in force, or is
    503 (stored, not yet in force); asked again it is."""
    with field_of(2) as field:
        user = field.system.create_user("gregor", "a password of his own")
        token = field.system.login(*ADMIN)
        actions = itertools.cycle(("deactivate", "activate"))
        wanted = ""

        def change() -> None:
            nonlocal wanted
            wanted = next(actions)
            with field.system.client(token) as client:
                wait_for(lambda: client.post(
                    f"/api/admin/users/{user}/{wanted}").status_code == 200,
                    f"{wanted}: in force")

        def check(call: str) -> None:
            assert is_active(field, user) == (wanted == "activate"), call

        before = field.state()
        with field.load(mixed(field.names, 10.0)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            kill_at_each(field, scenario, change, check)
        scenario.judge(field).check()
        assert field.state() == before


def is_active(field: Field, user: int) -> bool:
    """As the workers of nginx read it."""
    done = subprocess.run(
        [str(BUILD / "mintctl"), "table", "dump",
         str(field.system.run_directory), "--json"],
        capture_output=True, text=True, timeout=20, check=True)
    users = json.loads(done.stdout)["users"]
    return next(u["active"] for u in users if u["id"] == user)


@pytest.mark.scenario
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", [0, 1])
def test_killed_at_each_call_of_a_move(scenario: Scenario, part: int) -> None:
    """A planned restart: the plugin has one process afterwards, the old one or
    the new one, and no request has failed.  Two parts, side by side."""
    with field_of(2) as field:
        name, other = field.names
        need_moves(field, scenario)

        def change() -> None:
            # killed, or done; what became of it is looked at below
            subprocess.run(
                [str(BUILD / "mintctl"), "restart", name, "--socket",
                 str(field.system.run_directory / "supervisor.sock")],
                capture_output=True, timeout=60, check=False)

        def check(call: str) -> None:
            wait_for(lambda: is_settled(field, name),
                     f"one process after {call}", 60)

        # a WebSocket keeps the old process for as long as it may drain
        streams = [s for s in mixed(field.names, 10.0)
                   if s.plugin == other or s.kind is not Kind.MESSAGE]
        before = field.state()["instances"][other]
        with field.load(streams) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            kill_at_each(field, scenario, change, check, part, 2)
        scenario.judge(field).check()
        assert field.state()["instances"][other] == before
