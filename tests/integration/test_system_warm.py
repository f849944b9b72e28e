# SPDX-License-Identifier: MIT
"""Plugins forked from the warm interpreter, through the front door; and
whatever becomes of that, they start and go on."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moves_harness import BROKEN, echo_version
from system_harness import (
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    running_system,
    wait_for,
)
from system_kills import kill_supervisor, supervisor_pid

SHARED = ("test-echo", "test-misbehaving")
ALONE = "test-nosy"
PROVEN_SEC = 10                 # a younger interpreter is not adopted
FORK_SEC = 5                    # within which one has to fork


@pytest.fixture(scope="module")
def warm_system() -> Iterator[MintSystem]:
    """Two plugins of the shared environment, and one of its own."""
    system = MintSystem(make_place(), MINT_PLUGINS__FORCE_ISOLATED=ALONE)
    try:
        system.start()
        for name in (*SHARED, ALONE):
            system.install(make_bundle(
                PLUGINS / name.removeprefix("test-"), system.place))
        # the first one was forked before there was the second's environment
        interpreter(system)
        system.ctl("restart", SHARED[0])
        yield system
        assert system.stop() == 0, system.text
        wait_for(lambda: not system.leftovers(), "the end of all processes")
    finally:
        system.end()


@pytest.fixture
def warm(warm_system: MintSystem) -> MintSystem:
    """With every plugin and the interpreter ready."""
    warm_system.settle()
    interpreter(warm_system)
    return warm_system


def interpreter(system: MintSystem, other_than: int = 0) -> int:
    """Its pid, once it is ready."""

    def ready() -> int:
        status = system.status()["warm"]
        found = status["state"] == "ready" and status["pid"] != other_than
        return status["pid"] if found else 0

    return wait_for(ready, "the warm interpreter", 60)


def layout(pid: int) -> str:
    """Where the kernel has put things: anew at each exec, kept by a fork."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return "".join(re.findall(r"^([0-9a-f]+)-.*\[(?:vdso|stack)\]$", maps,
                              re.MULTILINE))


def is_forked(system: MintSystem, name: str) -> bool:
    return layout(system.pid(name)) == layout(interpreter(system))


def restart(system: MintSystem, name: str) -> float:
    begin = time.monotonic()
    system.ctl("restart", name)
    assert system.plugins()[name]["state"] == "ready"
    return time.monotonic() - begin


def kill(system: MintSystem, name: str) -> int:
    """Its pid then."""
    pid = system.pid(name)
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_next(system: MintSystem, name: str, other_than: int) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        instance = system.instance(name)
        found = (instance["state"] == "ready"
                 and instance["pid"] not in (0, other_than))
        return instance if found else None

    return wait_for(ready, f"the next process of {name}")


def answer(system: MintSystem) -> int:
    with system.client() as client:
        return client.get("/api/test-echo/headers").status_code


def test_the_shared_plugins_are_forked(warm: MintSystem) -> None:
    for name in SHARED:
        assert is_forked(warm, name), name
        process = Path("/proc") / str(warm.pid(name))
        status = (process / "status").read_text()
        keeper = warm.status()["keeper_pid"]
        assert re.search(rf"^PPid:\s+{keeper}$", status, re.MULTILINE)
        assert process.joinpath("comm").read_text().strip() == name[:15]
        shown = process.joinpath("cmdline").read_bytes().rstrip(b"\0")
        assert shown.endswith(b"\0serve\0" + name.encode())
    assert not is_forked(warm, ALONE)
    assert answer(warm) == 200
    assert "warm" in warm.ctl("status").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_it_is_not_the_systems_user(warm: MintSystem) -> None:
    """Code of the environment runs in it: that must not read the store."""
    pid = interpreter(warm)
    uid = os.stat(f"/proc/{pid}").st_uid
    others = {plugin["uid"] for plugin in warm.plugins().values()}
    assert uid not in {*others, 0, os.stat(warm.data / "mint.db").st_uid}
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"TOKEN" not in environment


def test_its_death_is_nobody_elses(warm: MintSystem) -> None:
    before = {name: warm.instance(name)["pid"] for name in (*SHARED, ALONE)}
    first = interpreter(warm)
    os.kill(first, signal.SIGKILL)
    interpreter(warm, first)
    assert {name: warm.pid(name) for name in before} == before
    assert answer(warm) == 200
    restart(warm, "test-echo")
    assert is_forked(warm, "test-echo")


def test_a_stopped_one_costs_one_start_its_time(warm: MintSystem) -> None:
    """The keeper waits for it; the start goes on without, and without a
    death counted; the next one finds another interpreter."""
    first = interpreter(warm)
    other = warm.pid(SHARED[1])
    restarts = warm.instance("test-echo")["restarts"]
    os.kill(first, signal.SIGSTOP)
    died = kill(warm, "test-echo")
    instance = wait_next(warm, "test-echo", died)
    assert instance["restarts"] == restarts + 1
    interpreter(warm, first)
    assert not is_forked(warm, "test-echo")
    assert "not forked from the warm interpreter" in warm.log("supervisor")
    assert warm.pid(SHARED[1]) == other
    assert answer(warm) == 200
    assert restart(warm, "test-echo") < FORK_SEC
    assert is_forked(warm, "test-echo")


def test_killed_while_it_is_asked_to_fork(warm: MintSystem) -> None:
    first = interpreter(warm)
    os.kill(first, signal.SIGSTOP)
    died = kill(warm, "test-echo")
    wait_for(lambda: warm.instance("test-echo")["state"] == "starting",
             "the next start")
    begin = time.monotonic()
    os.kill(first, signal.SIGKILL)
    wait_next(warm, "test-echo", died)
    assert time.monotonic() - begin < FORK_SEC
    assert answer(warm) == 200
    interpreter(warm, first)


def test_the_next_supervisor_takes_it_over(warm: MintSystem) -> None:
    first = interpreter(warm)
    born = os.stat(f"/proc/{first}").st_ctime
    wait_for(lambda: time.time() - born > PROVEN_SEC + 1, "a proven age")
    before = supervisor_pid(warm)
    kill_supervisor(warm)
    wait_for(lambda: supervisor_pid(warm) != before, "the next supervisor")
    assert interpreter(warm) == first
    restart(warm, "test-echo")
    assert is_forked(warm, "test-echo")
    assert not is_forked(warm, ALONE)


def test_a_new_environment_has_its_own(warm: MintSystem) -> None:
    """What runs goes on; whatever starts from now on is forked from it."""
    before = {name: warm.pid(name) for name in SHARED}
    first = interpreter(warm)
    warm.install(make_bundle(
        renamed_plugin("echo", "added", warm.place), warm.place))
    second = interpreter(warm, first)
    assert is_forked(warm, "test-added")
    assert {name: warm.pid(name) for name in SHARED} == before
    assert not Path(f"/proc/{first}").exists()
    restart(warm, "test-echo")
    assert is_forked(warm, "test-echo")
    assert interpreter(warm) == second


def test_switched_off() -> None:
    with running_system({"MINT_PLUGINS__WARM_START": "false"}) as system:
        system.install(make_bundle(PLUGINS / "echo", system.place))
        assert answer(system) == 200
        status = system.status()["warm"]
        assert (status["state"], status["pid"]) == ("down", 0)
        assert not status["wanted"]
        assert "warm" not in system.ctl("status").stdout


def test_a_former_version_is_started_without_it() -> None:
    """Its places are not in reach: the newest version is not a shared one."""
    name, other = SHARED
    with running_system() as system:
        system.install(echo_version(system.place, "1.0.0"))
        system.install(make_bundle(PLUGINS / "misbehaving", system.place))
        assert system.stop() == 0, system.text
        system.environment["MINT_PLUGINS__FORCE_ISOLATED"] = name
        system.start()
        system.install(echo_version(system.place, "2.0.0", BROKEN))
        interpreter(system)
        before = kill(system, name)
        wait_next(system, name, before)
        assert system.plugins()[name]["state"] == "resisting"
        assert answer(system) == 200
        assert not is_forked(system, name)
        restart(system, other)
        assert is_forked(system, other)


def test_at_boot_plugins_wait_for_it() -> None:
    """Not each of them is exec'ed because it is not ready yet."""
    with running_system() as system:
        for name in ("echo", "misbehaving"):
            system.install(make_bundle(PLUGINS / name, system.place))
        assert system.stop() == 0, system.text
        system.start()
        for name in SHARED:
            assert is_forked(system, name), name
