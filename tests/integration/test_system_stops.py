# SPDX-License-Identifier: MIT
"""Stopped by hand, whatever is under way at that moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from moves_harness import (
    BROKEN,
    PASSWORD,
    PLUGIN,
    echo_version,
    lab_with,
    move,
    pid_of,
    reach,
    settle,
    submit,
    version_of,
)
from system_harness import BUILD, MintSystem, wait_for
from system_kills import between_supervisors, kill_supervisor


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
    """Gives orders that are not waited for."""
    given = []

    def give(*words: str) -> None:
        given.append(subprocess.Popen(
            [str(BUILD / "mintctl"), *words],
            env={**os.environ, "MINT_VAR": str(lab.var)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ))

    yield give
    for order in given:
        order.wait(timeout=60)


def record(system: MintSystem) -> dict[str, Any]:
    registry = json.loads((system.data / "registry.json").read_text())
    return next(p for p in registry["plugins"] if p["name"] == PLUGIN)


def wait_stopped(system: MintSystem) -> None:
    wait_for(lambda: system.plugins()[PLUGIN]["state"] == "stopped"
             and system.pid(PLUGIN) == 0 and move(system) is None, "its end")
    assert "by hand" in system.plugins()[PLUGIN]["error"]


def test_it_is_wanted_once_more_meanwhile(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """That is over with the stop."""
    first = pid_of(owner)
    os.kill(first, signal.SIGSTOP)          # does not say whose work it has
    try:
        orders("restart", PLUGIN)
        reach(echo, "switching")
        orders("restart", PLUGIN)
        reach(echo, "held")
        assert move(echo)["again"]
        orders("stop", PLUGIN)
        wait_for(lambda: record(echo)["stopped"], "the order")
    finally:
        os.kill(first, signal.SIGCONT)
    wait_stopped(echo)


def test_the_supervisor_is_killed_before_it_begins(
    echo: MintSystem, owner: httpx.Client
) -> None:
    assert pid_of(owner)
    with between_supervisors(echo):
        path = echo.data / "registry.json"
        registry = json.loads(path.read_text())
        for plugin in registry["plugins"]:
            plugin["stopped"] = True
        path.write_text(json.dumps(registry))
    wait_stopped(echo)


def test_the_supervisor_is_killed_before_the_end(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    first = pid_of(owner)
    submit(owner, 60.0)
    orders("stop", PLUGIN)
    reach(echo, "draining")
    kill_supervisor(echo)
    reach(echo, "draining")
    echo.ctl("restart", "--all")
    assert len(echo.plugins()[PLUGIN]["instances"]) == 1
    os.kill(first, signal.SIGKILL)
    wait_stopped(echo)


def test_next_version_does_not_start(
    echo: MintSystem, owner: httpx.Client
) -> None:
    """The version that served until the stop is not forgotten."""
    echo.ctl("stop", PLUGIN)
    echo.install(echo_version(echo.place, "2.0.0", BROKEN))
    assert echo.plugins()[PLUGIN]["state"] == "stopped"
    echo.ctl("start", PLUGIN, status=1)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "resisting", "1.0.0")
    assert version_of(owner) == "1.0.0"
