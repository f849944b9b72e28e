# SPDX-License-Identifier: MIT
"""The keeper is killed: no plugin and no request is lost, and all goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from system_harness import (
    MEMBER, PLUGINS, MintSystem, make_bundle, running_system, wait_for)
from system_kills import (
    core_pids, instances, is_gone, supervisor_pid, wait_next_supervisor)
from system_load import Load, Target
from websockets.sync.client import connect

ECHO, TROUBLE = "test-echo", "test-misbehaving"
UNKNOWN = "exit status unknown: it was started by an earlier keeper"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[MintSystem]:
    """Other tests would find processes whose ends cannot be known."""
    with running_system() as system:
        for name in ("echo", "misbehaving"):
            system.install(make_bundle(PLUGINS / name, tmp_path))
        wait_for(lambda: all_ready(system), "all plugins")
        yield system


def all_ready(system: MintSystem) -> bool:
    return {p["state"] for p in system.plugins().values()} == {"ready"}


def kill_keeper(system: MintSystem) -> int:
    """The pid of the next one, once that has taken over."""
    old = system.status()["keeper_pid"]
    os.kill(old, signal.SIGKILL)
    return wait_next_keeper(system, old)


def wait_next_keeper(system: MintSystem, old: int) -> int:
    return wait_for(
        lambda: (new := system.status()["keeper_pid"]) not in (0, old) and new,
        "the next keeper")


@contextlib.contextmanager
def without_keeper(system: MintSystem) -> Iterator[int]:
    """Nobody starts one meanwhile; gives the pid of the last."""
    assert system.process is not None
    old = system.status()["keeper_pid"]
    system.process.send_signal(signal.SIGSTOP)
    try:
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: system.status()["keeper_pid"] == 0,
                 "a system without a keeper")
        yield old
    finally:
        system.process.send_signal(signal.SIGCONT)


def pids_of(system: MintSystem) -> dict[str, int]:
    return {name: i[0][0] for name, i in instances(system).items()}


def test_everything_goes_on(own: MintSystem) -> None:
    """Killed under load, then a plugin, then the supervisor, then a stop."""
    own.create_user(*MEMBER)
    headers = {"authorization": f"Bearer {own.login(*MEMBER)}"}
    targets = [
        Target("echo", "/api/test-echo/whoami", 30, headers=headers),
        Target("prints", "/api/test-misbehaving/print?lines=3", 30, "POST",
               headers),
        Target("platform", "/api/experiments", 10, headers=headers),
    ]
    before, core = instances(own), core_pids(own)
    supervisor = supervisor_pid(own)
    boot_id = own.status()["boot_id"]
    url = f"ws://127.0.0.1:{own.port}/api/test-echo/private-ws"
    with (
        connect(url, additional_headers=headers, proxy=None) as socket,
        Load(own.url, targets) as load,
    ):
        socket.recv(timeout=10)
        wait_for(lambda: len(load.outcomes) > 50, "answers")
        for number in range(3):
            kill_keeper(own)
            socket.send(f"after kill {number}")
            assert socket.recv(timeout=10) == f"after kill {number}"
            seen = len(load.outcomes)
            wait_for(lambda seen=seen: len(load.outcomes) > seen + 50,
                     "answers")
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    assert instances(own) == before
    after = core_pids(own)
    assert after.pop("keeper") != core.pop("keeper")
    assert after == core and supervisor_pid(own) == supervisor

    # in place, by a keeper that never was its parent
    pid, others = own.pid(ECHO), {n: v for n, v in before.items() if n != ECHO}
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: own.pid(ECHO) not in (0, pid) and all_ready(own),
             "another process of the plugin")
    assert own.instance(ECHO)["seat"] == "a"
    assert own.instance(ECHO)["last_exit"] == UNKNOWN
    assert UNKNOWN in own.ctl("history", ECHO).stdout
    assert UNKNOWN in own.ctl("crashes", ECHO).stdout
    assert {n: v for n, v in instances(own).items() if n != ECHO} == others

    # of which it is the parent
    pid = own.pid(ECHO)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: own.pid(ECHO) not in (0, pid) and all_ready(own),
             "one more")
    assert "signal 9" in own.instance(ECHO)["last_exit"]

    before = instances(own)
    os.kill(supervisor, signal.SIGKILL)
    wait_next_supervisor(own, supervisor)
    wait_for(lambda: all_ready(own), "all plugins")
    assert instances(own) == before
    after = core_pids(own)
    after.pop("keeper")
    assert after == core and own.status()["boot_id"] == boot_id

    own.ctl("restart", TROUBLE)
    assert own.stop() == 0, own.text
    assert own.leftovers() == {}
    assert own.text.count("another one takes over") == 3


def test_what_there_is_without_a_keeper(own: MintSystem) -> None:
    """All but starts, signals and directories; those come later."""
    pids = pids_of(own)
    with without_keeper(own) as old:
        status = own.status()
        assert status["keeper_absent_since"] is not None
        assert "none since" in own.ctl("status").stdout
        with own.client() as client:
            assert client.get("/api/test-echo/whoami").status_code == 401
            own.create_user(*MEMBER)
            token = own.login(*MEMBER)
            reply = client.get("/api/test-echo/whoami",
                               headers={"authorization": f"Bearer {token}"})
            assert reply.status_code == 200, reply.text
        os.kill(pids[TROUBLE], signal.SIGKILL)
        wait_for(lambda: own.plugins()[TROUBLE]["state"] != "ready",
                 "the death to be seen")
        with own.client(token) as client:
            reply = client.post("/api/test-misbehaving/print?lines=1")
            assert reply.status_code == 503, reply.text
            assert reply.json()["plugin"] == TROUBLE
        assert own.plugins()[ECHO]["state"] == "ready"
    wait_next_keeper(own, old)
    wait_for(lambda: all_ready(own), "the plugin that died")
    after = pids_of(own)
    assert after[ECHO] == pids[ECHO] and after[TROUBLE] != pids[TROUBLE]
    assert own.status()["keeper_absent_since"] is None
    assert own.stop() == 0, own.text
    assert own.leftovers() == {}


def test_a_start_that_nobody_knows_of(own: MintSystem) -> None:
    """Killed around starts and moves: never two copies, no move is lost."""
    for number in range(4):
        assert own.process is not None
        own.ctl("restart", ECHO)
        time.sleep(number * 0.15)           # where in the start is chance
        kill_keeper(own)
        wait_for(lambda: settled(own), "the end of the move", 60)
        # of each plugin, and nothing else of them
        running = set(pids_of(own).values())
        wait_for(lambda running=running: hosts(own) == running,
                 "the end of all others")
    assert own.stop() == 0, own.text
    assert own.leftovers() == {}


def settled(system: MintSystem) -> bool:
    return all(p["state"] == "ready" and p["move"] is None
               and len(p["instances"]) == 1
               for p in system.plugins().values())


def hosts(system: MintSystem) -> set[int]:
    """Pids of plugin hosts, without what they have started."""
    return {pid for pid, command in system.leftovers().items()
            if "plugin_host/__main__.py serve" in command}


def test_with_its_supervisor(own: MintSystem) -> None:
    """Both are killed: all begins anew, and nothing runs twice."""
    old = {*pids_of(own).values(), *core_pids(own).values()}
    supervisor = supervisor_pid(own)
    with without_keeper(own) as keeper:
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda: is_gone(supervisor), "the supervisor's end")
    wait_for(lambda: supervisor_pid(own) not in (0, supervisor),
             "another supervisor", 60)
    wait_for(lambda: all_ready(own), "all plugins", 60)
    new = {*pids_of(own).values(), *core_pids(own).values()}
    assert not new & old
    assert all(is_gone(pid) for pid in old | {keeper})
    assert hosts(own) == set(pids_of(own).values())
    assert own.stop() == 0, own.text
    assert own.leftovers() == {}


def test_stop_at_that_moment(own: MintSystem) -> None:
    """Ctrl-C finds no keeper: another one stops everything in order."""
    assert own.process is not None
    with without_keeper(own):
        own.process.send_signal(signal.SIGINT)
    assert own.wait_stopped() == 0, own.text
    assert own.leftovers() == {}
    assert "all stopped" in (own.var / "mint.log").read_text()


def test_killed_while_it_stops(own: MintSystem) -> None:
    with without_keeper(own) as old:
        own.ctl("stop", "--timeout", "1", status=None)
    wait_for(lambda: own.process is not None
             and own.process.poll() is not None, "the end")
    assert own.leftovers() == {}
    assert old > 0
