# SPDX-License-Identifier: MIT
"""What is wanted of a plugin while a new supervisor still prepares: it does not
have the sockets of both seats yet."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moves_harness import (
    BASE,
    PASSWORD,
    PLUGIN,
    echo_version,
    frozen,
    lab_with,
    orders_of,
    pid_of,
    reach,
    settle,
    submit,
)
from system_harness import (
    PLUGINS,
    MintSystem,
    make_bundle,
    running_system,
    wait_for,
)
from system_kills import between_supervisors, is_gone, kill_supervisor


@pytest.fixture(scope="module")
def lab() -> Iterator[MintSystem]:
    with lab_with("owner") as system:
        system.install(echo_version(system.place, "1.0.0"))
        yield system


@pytest.fixture
def echo(lab: MintSystem) -> MintSystem:
    lab.ctl("start", PLUGIN)
    settle(lab)
    return lab


@pytest.fixture
def owner(lab: MintSystem) -> Iterator[httpx.Client]:
    with lab.client(lab.login("owner", PASSWORD)) as client:
        yield client


@pytest.fixture
def orders(lab: MintSystem) -> Iterator[Any]:
    with orders_of(lab) as give:
        yield give


@contextlib.contextmanager
def preparing(system: MintSystem) -> Iterator[None]:
    """The next supervisor resolves the platform's packages until the end of
    the block, with a uv that waits."""
    program = system.var.resolve() / "program" / "bin"
    uv, real, hold = program / "uv", program / "uv-real", program / "hold"
    hold.touch()
    try:
        with between_supervisors(system):
            uv.rename(real)
            uv.write_text(f"#!/bin/sh\nwhile [ -e {hold} ]; do sleep 0.05; "
                          f'done\nexec {real} "$@"\n')
            uv.chmod(0o755)
            (system.data / "locks" / "core.lock").unlink()
        assert "resolving" in system.status()["step"]
        yield
    finally:
        hold.unlink()
        wait_for(lambda: system.status()["environment"]["state"] == "ready",
                 "the environment")
        real.rename(uv)


def count(system: MintSystem) -> int:
    return len(system.plugins()[PLUGIN]["instances"])


def test_it_is_wanted_again_while_nobody_knows_whether_it_may_end(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    first = pid_of(owner)
    with frozen(first):
        with preparing(echo):
            orders("stop", PLUGIN)
            reach(echo, "held")
            echo.ctl("start", PLUGIN)
            assert count(echo) == 1
        wait_for(lambda: count(echo) == 2, "the next process")
    settle(echo)
    assert pid_of(owner) != first


def test_it_is_uninstalled_before_it_has_its_sockets(
    echo: MintSystem, orders: Any
) -> None:
    """Its turn comes right after all plugins have been started, which asks for
    the sockets of this one, too."""
    first = echo.pid(PLUGIN)
    with preparing(echo):
        supervisor = echo.status()["supervisor_pid"]
        uninstall = orders("uninstall", PLUGIN)
        wait_for(lambda: is_gone(first), "its end")
        assert PLUGIN in echo.plugins()
    assert uninstall.wait(60) == 0
    assert echo.status()["supervisor_pid"] == supervisor
    assert PLUGIN not in echo.plugins()
    echo.install(echo_version(echo.place, "1.0.0"))


def removal(system: MintSystem) -> Any:
    saved = json.loads((system.data / "registry.json").read_text())
    return next(p.get("removal") for p in saved["plugins"]
                if p["name"] == PLUGIN)


def test_the_last_order_decides_what_becomes_of_the_data(
    echo: MintSystem
) -> None:
    """And both calls are told."""
    data = echo.data / "plugin-data" / PLUGIN
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with preparing(echo):
            orders = []
            for mode in ("purge", "keep"):
                orders.append(pool.submit(echo.ctl_json, "uninstall", PLUGIN,
                                          "--mode", mode, "--yes"))
                wait_for(lambda mode=mode: removal(echo) == mode, mode)
        answers = [order.result() for order in orders]
    assert [a["mode"] for a in answers] == ["keep", "keep"]
    assert data.exists() and PLUGIN not in echo.plugins()
    echo.install(echo_version(echo.place, "1.0.0"))


def test_restart_at_once(echo: MintSystem, owner: httpx.Client) -> None:
    """It does not wait for a second socket: in place, with what it costs."""
    first = pid_of(owner)
    job = submit(owner, 60.0)
    with preparing(echo):
        echo.ctl("restart", PLUGIN, "--now", "--yes", "--timeout", "30")
        assert pid_of(owner) != first
        assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404


def test_restart_says_what_it_waits_for(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    first = pid_of(owner)
    with preparing(echo):
        restart = orders("restart", PLUGIN)
        os.set_blocking(restart.stderr.fileno(), False)
        said = b""

        def says() -> bool:
            nonlocal said
            said += restart.stderr.read() or b""
            return b"once the supervisor has prepared" in said

        wait_for(says, "why")
        assert pid_of(owner) == first
    assert restart.wait(60) == 0
    assert pid_of(owner) != first


def test_a_shared_process_at_once(tmp_path: Path) -> None:
    """All of it, as it was: its sockets are the keeper's."""
    with running_system({"MINT_PLUGINS__SHARED_PROCESS": "true"}) as system:
        for name in ("echo", "mirror"):
            system.install(make_bundle(PLUGINS / name, tmp_path))
        first = system.pid(PLUGIN)
        with preparing(system):
            system.ctl("restart", PLUGIN, "--now", "--yes", "--timeout", "30")
            assert system.pid(PLUGIN) not in (0, first)
            states = {p["state"] for p in system.plugins().values()}
            assert states == {"ready"}


def test_a_shared_process_keeps_an_order_to_stop(tmp_path: Path) -> None:
    """Of the last one that is to run, with a process that does not say what
    its users have: the next supervisor stops it."""
    with running_system({"MINT_PLUGINS__SHARED_PROCESS": "true"}) as system:
        system.install(make_bundle(PLUGINS / "echo", tmp_path))
        first = system.pid(PLUGIN)
        with orders_of(system) as orders, frozen(first):
            orders("stop", PLUGIN)
            reach(system, "held")
            kill_supervisor(system)
        wait_for(lambda: is_gone(first), "its end", 60)
        assert system.plugins()[PLUGIN]["state"] == "stopped"
