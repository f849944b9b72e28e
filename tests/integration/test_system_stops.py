# SPDX-License-Identifier: MIT
"""Stopped by hand, whatever is under way at that moment."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moves_harness import (
    BASE,
    BROKEN,
    PASSWORD,
    PLUGIN,
    echo_version,
    frozen,
    lab_with,
    move,
    orders_of,
    pid_of,
    reach,
    settle,
    submit,
    version_of,
)
from system_harness import MintSystem, running_system, wait_for
from system_kills import (
    between_supervisors,
    kill_supervisor,
    supervisor_pid,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def hold_of(system: MintSystem) -> Path:
    """While it is there, a process that is started does not become ready."""
    return system.data / "plugin-data" / PLUGIN / "hold"


def install_first(system: MintSystem) -> None:
    hold = hold_of(system)
    system.install(echo_version(
        system.place, "1.0.0",
        f"while os.path.exists({str(hold)!r}): time.sleep(0.1)"))


@pytest.fixture(scope="module")
def lab() -> Iterator[MintSystem]:
    with lab_with("owner", "other") as system:
        install_first(system)
        yield system


@pytest.fixture
def echo(lab: MintSystem) -> MintSystem:
    lab.ctl("start", PLUGIN)
    if move(lab) is not None:           # of a test that has failed
        lab.ctl("restart", PLUGIN, "--now", "--yes")
    settle(lab)
    return lab


@pytest.fixture
def owner(lab: MintSystem) -> Iterator[httpx.Client]:
    with lab.client(lab.login("owner", PASSWORD)) as client:
        yield client


@pytest.fixture
def other(lab: MintSystem) -> Iterator[httpx.Client]:
    with lab.client(lab.login("other", PASSWORD)) as client:
        yield client


@pytest.fixture
def orders(lab: MintSystem) -> Iterator[Any]:
    with orders_of(lab) as give:
        yield give


def record(system: MintSystem) -> dict[str, Any]:
    registry = json.loads((system.data / "registry.json").read_text())
    return next(p for p in registry["plugins"] if p["name"] == PLUGIN)


def moves(system: MintSystem) -> list[dict[str, Any]]:
    """What the history has of them."""
    return [r for r in system.ctl_json("history", PLUGIN)["records"]
            if r["subject"] == "move"]


def states(system: MintSystem) -> list[str]:
    """Of the move, since it began."""
    reached = [r["to"] for r in moves(system)]
    begin = max((i for i, to in enumerate(reached[:-1]) if to == "none"),
                default=-1)
    return reached[begin + 1:]


def wait_stopped(system: MintSystem) -> None:
    wait_for(lambda: system.plugins()[PLUGIN]["state"] == "stopped"
             and system.pid(PLUGIN) == 0 and move(system) is None, "its end")
    assert "by hand" in system.plugins()[PLUGIN]["error"]


def test_it_is_wanted_once_more_meanwhile(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """That is over with the stop."""
    first = pid_of(owner)
    with frozen(first):
        orders("restart", PLUGIN)
        reach(echo, "switching")
        orders("restart", PLUGIN)
        reach(echo, "held")
        assert move(echo)["again"]
        orders("stop", PLUGIN)
        wait_for(lambda: record(echo)["stopped"], "the order")
    wait_stopped(echo)


def test_it_is_stopped_once_more_while_it_ends(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """What was wanted between the two orders is over with the second one."""
    first = pid_of(owner)
    with frozen(first):
        orders("stop", PLUGIN)
        reach(echo, "held")
        orders("restart", PLUGIN, "--now", "--yes")
        reach(echo, "closing")
        assert move(echo)["again"]
        orders("stop", PLUGIN)
        wait_for(lambda: record(echo)["stopped"]
                 and not (move(echo) or {}).get("again"), "the order")
    wait_stopped(echo)


def test_it_is_wanted_again_before_anybody_knows_whose_work_it_has(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client, orders: Any
) -> None:
    """Others do not wait for the end of that work."""
    first = pid_of(owner)
    submit(owner, 60.0)
    with socket.create_connection(("127.0.0.1", echo.port)) as request:
        request.sendall(            # it lasts, so that is not known at once
            f"GET {BASE}/wait?name=it HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: {owner.headers['authorization']}\r\n\r\n"
            .encode())
        wait_for(lambda: "it" in owner.get(f"{BASE}/left").json(), "it")
        orders("stop", PLUGIN)
        wait_for(lambda: record(echo)["stopped"], "the order")
        orders("start", PLUGIN)
        reach(echo, "draining")
    wait_for(lambda: other.get(f"{BASE}/environment").status_code == 200,
             "the next process")
    assert pid_of(other) != first
    assert pid_of(owner) == first
    assert echo.plugins()[PLUGIN]["state"] == "ready"
    assert not record(echo)["stopped"]


def stop_between_supervisors(system: MintSystem) -> None:
    """One is killed just after it has saved the order."""
    with between_supervisors(system):
        path = system.data / "registry.json"
        registry = json.loads(path.read_text())
        for plugin in registry["plugins"]:
            plugin["stopped"] = True
        path.write_text(json.dumps(registry))


def test_the_supervisor_is_killed_before_it_begins(
    echo: MintSystem, owner: httpx.Client
) -> None:
    assert pid_of(owner)
    stop_between_supervisors(echo)
    wait_stopped(echo)


def test_the_supervisor_is_killed_before_it_may_begin(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client
) -> None:
    """An older process ends first; the order stands."""
    first = pid_of(owner)
    submit(owner, 60.0)
    echo.ctl("restart", PLUGIN)
    reach(echo, "draining")
    second = pid_of(other)
    for supervisor in (1, 2):
        if supervisor == 1:
            stop_between_supervisors(echo)
        else:
            kill_supervisor(echo)
        wait_for(lambda n=supervisor: echo.ctl(
            "logs", "supervisor", "--lines", "1000").stdout.count(
                "it is stopped later") == n, "the order")
        assert record(echo)["stopped"]
        assert (pid_of(owner), pid_of(other)) == (first, second)
    os.kill(first, signal.SIGKILL)
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


def test_at_once_while_it_ends(
    echo: MintSystem, owner: httpx.Client
) -> None:
    """What its work still keeps is not waited for any more."""
    first = pid_of(owner)
    job = submit(owner, 60.0)
    assert "finished" in echo.ctl("stop", PLUGIN).stdout
    reach(echo, "draining")
    assert "finished" in echo.ctl("stop", PLUGIN).stdout    # changes nothing
    assert pid_of(owner) == first
    assert "is stopped" in echo.ctl("stop", PLUGIN, "--now", "--yes").stdout
    assert not Path(f"/proc/{first}").exists()
    wait_stopped(echo)
    echo.ctl("start", PLUGIN)
    assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404


def test_at_once_with_a_websocket(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """It would have 30 s."""
    url = f"ws://127.0.0.1:{echo.port}{BASE}/private-ws"
    headers = {"authorization": owner.headers["authorization"]}
    with connect(url, additional_headers=headers, proxy=None) as websocket:
        websocket.recv(timeout=10)
        stop = orders("stop", PLUGIN)
        reach(echo, "emptying")
        websocket.send("still here")
        assert websocket.recv(timeout=10) == "still here"
        echo.ctl("stop", PLUGIN, "--now", "--yes")
        with pytest.raises(ConnectionClosed):
            websocket.recv(timeout=20)
    wait_stopped(echo)
    assert stop.wait(20) == 0, stop.stderr.read()


def test_at_once_before_it_has_begun_to_end(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """Requests are let finish just then."""
    first = pid_of(owner)
    with frozen(first):
        orders("stop", PLUGIN)
        wait_for(lambda: (m := move(echo)) and m["state"] in (
            "switching", "held"), "its beginning")
        orders("stop", PLUGIN, "--now", "--yes")
        wait_for(lambda: "draining" not in states(echo)
                 and "closing" in states(echo), "the end, at once")
    wait_stopped(echo)
    assert record(echo)["stopped"]


def test_restart_at_once_while_the_older_process_ends(
    echo: MintSystem, owner: httpx.Client
) -> None:
    first = pid_of(owner)
    job = submit(owner, 60.0)
    echo.ctl("restart", PLUGIN)
    reach(echo, "draining")
    saved = (echo.data / "registry.json").stat().st_mtime_ns
    done = echo.ctl("stop", PLUGIN, status=1)
    assert "still ending" in done.stderr
    assert not record(echo)["stopped"]
    assert (echo.data / "registry.json").stat().st_mtime_ns == saved
    echo.ctl("restart", PLUGIN, "--now", "--yes")
    settle(echo)
    assert not Path(f"/proc/{first}").exists()
    assert pid_of(owner) != first
    assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404


@pytest.mark.parametrize("order", [
    ("start",), ("restart",), ("restart", "--now", "--yes"),
], ids=" ".join)
def test_it_is_wanted_again_while_nobody_knows_whether_it_may_end(
    echo: MintSystem, owner: httpx.Client, orders: Any,
    order: tuple[str, ...],
) -> None:
    """The process that does not answer is followed by one that does."""
    supervisor = supervisor_pid(echo)
    first = pid_of(owner)
    with frozen(first):
        orders("stop", PLUGIN)
        reach(echo, "held")
        orders(order[0], PLUGIN, *order[1:])
        wait_for(lambda: echo.pid(PLUGIN) not in (0, first)
                 or len(echo.plugins()[PLUGIN]["instances"]) == 2,
                 "the next process")
    settle(echo)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "ready", "it")
    assert supervisor_pid(echo) == supervisor
    assert pid_of(owner) != first


def test_it_is_wanted_again_before_it_is_held(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """Whether nobody knows turns out only afterwards."""
    first = pid_of(owner)
    with frozen(first):
        orders("stop", PLUGIN)
        reach(echo, "switching")
        orders("start", PLUGIN)
        wait_for(lambda: len(echo.plugins()[PLUGIN]["instances"]) == 2,
                 "the next process")
        assert "held" in states(echo)
    settle(echo)
    assert pid_of(owner) != first


def test_restart_at_once_while_the_next_process_starts(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    """The process that starts is what is wanted: both orders are done."""
    first = pid_of(owner)
    submit(owner, 60.0)
    hold_of(echo).touch()
    try:
        restart = orders("restart", PLUGIN)
        wait_for(lambda: "starting" in [
            i["state"] for i in echo.plugins()[PLUGIN]["instances"]], "it")
        hurry = orders("restart", PLUGIN, "--now", "--yes")
        wait_for(lambda: moves(echo)[-1].get("note") == "wanted at once",
                 "the order")
    finally:
        hold_of(echo).unlink()
    assert restart.wait(30) == 0
    assert hurry.wait(30) == 0
    assert pid_of(owner) != first


def test_restart_at_once_while_nobody_knows_whose_work_it_has(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    first = pid_of(owner)
    with frozen(first):
        orders("restart", PLUGIN)
        reach(echo, "held")
        assert orders("restart", PLUGIN, "--now", "--yes").wait(30) == 0
    settle(echo)
    assert pid_of(owner) != first


def test_start_says_what_it_waits_for(
    echo: MintSystem, owner: httpx.Client, orders: Any
) -> None:
    first = pid_of(owner)
    with frozen(first):
        orders("stop", PLUGIN)
        reach(echo, "held")
        assert "later: the old process" in echo.ctl("start", PLUGIN).stdout
    settle(echo)
    assert pid_of(owner) != first


def test_a_restart_ends_the_order(
    echo: MintSystem, owner: httpx.Client
) -> None:
    echo.ctl("stop", PLUGIN)
    echo.ctl("restart", PLUGIN)
    first = pid_of(owner)
    kill_supervisor(echo)
    settle(echo)
    assert echo.plugins()[PLUGIN]["state"] == "ready"
    assert pid_of(owner) == first


def test_a_process_that_was_given_up_is_none_that_ends(
    echo: MintSystem, owner: httpx.Client
) -> None:
    """On the other seat; the end of the one that served is told."""
    echo.install(echo_version(echo.place, "3.0.0", BROKEN))
    assert echo.plugins()[PLUGIN]["state"] == "resisting"
    hold_of(echo).touch()
    try:
        os.kill(pid_of(owner), signal.SIGKILL)
        wait_for(lambda: echo.instance(PLUGIN)["state"] == "starting", "it")
        said = echo.ctl("stop", PLUGIN, "--timeout", "30").stdout
        assert "is stopped" in said
        assert len(echo.plugins()[PLUGIN]["instances"]) == 1
    finally:
        hold_of(echo).unlink()
    install_first(echo)


def test_next_version_does_not_start(
    echo: MintSystem, owner: httpx.Client
) -> None:
    """The version that served until the stop is not forgotten."""
    echo.ctl("stop", PLUGIN)
    echo.install(echo_version(echo.place, "2.0.0", BROKEN))
    wait_stopped(echo)
    assert "stopped by hand" in echo.ctl("plugins").stdout
    assert "stopped by hand" in echo.ctl("history", PLUGIN).stdout
    kill_supervisor(echo)
    wait_stopped(echo)
    echo.ctl("start", PLUGIN, status=1)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "resisting", "1.0.0")
    assert version_of(owner) == "1.0.0"


def test_what_is_to_end_is_not_replaced(tmp_path: Path) -> None:
    """Because it has served as many requests as one process may."""
    limits = {"probeIntervalSeconds": 1, "recycleRequests": 100}
    with running_system(
        MINT_PLUGINS__PER_PLUGIN=json.dumps({PLUGIN: limits})
    ) as system:
        system.create_user("owner", PASSWORD)
        system.install(echo_version(tmp_path, "1.0.0"))
        with system.client(system.login("owner", PASSWORD)) as owner:
            first = pid_of(owner)
            submit(owner, 60.0)
            system.ctl("stop", PLUGIN)
            reach(system, "draining")
            for _ in range(100):
                assert pid_of(owner) == first
            wait_for(lambda: "to be replaced" in system.log(PLUGIN), "that")
            assert len(system.plugins()[PLUGIN]["instances"]) == 1
            assert pid_of(owner) == first
            os.kill(first, signal.SIGKILL)
            wait_stopped(system)
