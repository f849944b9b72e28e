# SPDX-License-Identifier: MIT
"""The supervisor is killed under load: nobody notices."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest
from system_harness import MintSystem, wait_for
from system_kills import (
    HEALTHY_SEC,
    core_pids,
    instances,
    is_gone,
    kill_supervisor,
    starting_supervisor,
    supervisor_pid,
    wait_next_supervisor,
)
from system_load import Load, Target
from websockets.sync.client import connect

ROUNDS = 4
KILLS_A_ROUND = 5


def test_killed_twenty_times_under_load(
    system: MintSystem, member_token: str
) -> None:
    headers = {"authorization": f"Bearer {member_token}"}
    targets = [
        Target("peak-table", "/api/peak-table/whoami", 30, headers=headers),
        Target("legacy-report", "/api/legacy-report/whoami", 30,
               headers=headers),
        Target("prints", "/api/test-misbehaving/print?lines=3", 30, "POST",
               headers),
        Target("platform", "/api/experiments", 10, headers=headers),
    ]
    before = instances(system)
    core = core_pids(system)
    keeper = core["keeper"]
    url = f"ws://127.0.0.1:{system.port}/api/test-echo/private-ws"
    with (
        connect(url, additional_headers=headers, proxy=None) as socket,
        Load(system.url, targets) as load,
    ):
        socket.recv(timeout=10)
        wait_for(lambda: len(load.outcomes) > 50, "answers")
        killed: list[int] = []
        for number in range(ROUNDS):
            healthy = time.monotonic() + HEALTHY_SEC
            wait_for(lambda: time.monotonic() > healthy, "a healthy age")
            killed.append(supervisor_pid(system))
            os.kill(killed[-1], signal.SIGKILL)
            for _ in range(KILLS_A_ROUND - 1):
                killed.append(starting_supervisor(keeper, killed))
                os.kill(killed[-1], signal.SIGKILL)
            wait_next_supervisor(system, killed[-1])
            socket.send(f"after round {number}")
            assert socket.recv(timeout=10) == f"after round {number}"
    assert len(set(killed)) == ROUNDS * KILLS_A_ROUND
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    assert min(len(load.of(t.name)) for t in targets) > 20
    assert instances(system) == before
    assert core_pids(system) == core
    assert {p["state"] for p in system.plugins().values()} == {"ready"}


def test_output_goes_on_through_the_kill(system: MintSystem) -> None:
    """What was printed while nobody read is there afterwards, in order."""
    kill_supervisor(system)
    old = supervisor_pid(system)
    path = "/api/test-misbehaving/print?lines=20&length=40&text="
    with system.client() as client:
        os.kill(old, signal.SIGKILL)
        assert client.post(path + "orphan").json() == {"printed": 20}
        wait_for(lambda: supervisor_pid(system) not in (0, old), "the next")
        assert client.post(path + "adopted").json() == {"printed": 20}

    def printed(text: str) -> list[int]:
        lines = system.log("test-misbehaving").splitlines()
        return [int(line.split(f"{text} ")[1].split(" ")[0])
                for line in lines if f"{text} " in line and "..." in line]

    wait_for(lambda: len(printed("adopted")) == 20, "the lines printed")
    assert printed("adopted") == list(range(20))
    assert printed("orphan") == list(range(20))


@pytest.mark.parametrize("number, text", [
    (signal.SIGKILL, "signal 9"), (signal.SIGSEGV, "signal 11"),
])
def test_death_meanwhile_is_reported(
    system: MintSystem, number: int, text: str
) -> None:
    name = "test-misbehaving"
    system.ctl("restart", name)
    others = {n: v for n, v in instances(system).items() if n != name}
    pid = system.pid(name)
    old = supervisor_pid(system)
    # without one: stopped, so that it cannot see the death, then killed
    os.kill(old, signal.SIGSTOP)
    try:
        os.kill(pid, number)
        wait_for(lambda: is_gone(pid), "the plugin's death")
    finally:
        os.kill(old, signal.SIGKILL)
    wait_for(lambda: supervisor_pid(system) not in (0, old), "the next")
    wait_for(lambda: system.plugins()[name]["state"] == "ready",
             "a new process")
    assert text in system.instance(name)["last_exit"]
    assert f"pid {pid}" in system.log(name)
    assert text in system.log(name)
    assert {n: v for n, v in instances(system).items() if n != name} == others


def test_exit_status_meanwhile_is_reported(system: MintSystem) -> None:
    """A process that ends itself while nobody watches."""
    name = "test-misbehaving"
    system.ctl("restart", name)
    old = supervisor_pid(system)
    with system.client() as client:
        os.kill(old, signal.SIGSTOP)
        try:
            reply = client.post("/api/test-misbehaving/os-exit?code=37")
        finally:
            os.kill(old, signal.SIGKILL)
    assert reply.status_code == 502
    assert reply.json()["plugin"] == name
    wait_for(lambda: supervisor_pid(system) not in (0, old), "the next")
    wait_for(lambda: system.instance(name)["last_exit"]
             and system.plugins()[name]["state"] == "ready", "a new process")
    assert "status 37" in system.instance(name)["last_exit"]


def test_requests_go_on_without_any_supervisor(
    system: MintSystem, member_token: str
) -> None:
    """Stopped, it answers nobody; the gateway does not need it."""
    old = supervisor_pid(system)
    headers = {"authorization": f"Bearer {member_token}"}
    targets = [
        Target("peak-table", "/api/peak-table/whoami", 50, headers=headers)
    ]
    os.kill(old, signal.SIGSTOP)
    try:
        with Load(system.url, targets) as load:
            end = time.monotonic() + 1.5
            wait_for(lambda: time.monotonic() > end, "some requests")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(old, signal.SIGCONT)
    assert len(load.outcomes) > 50
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    assert wait_for(lambda: supervisor_pid(system), "it again") == old
