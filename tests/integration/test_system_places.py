# SPDX-License-Identifier: MIT
"""plugins.sharedProcess: a plugin goes out of the shared process into one of
its own, and back, by a list of the configuration."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moves_harness import (
    PASSWORD,
    frozen,
    is_in_its_environment,
    orders_of,
    reach,
    result,
    submit,
)
from system_harness import (
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    wait_for,
)
from system_kills import kill_supervisor
from system_load import Load, Target
from test_system_shared import ON, hosts

ECHO, OTHER = "test-echo", "test-other"


def system_with(*names: str) -> Iterator[MintSystem]:
    system = MintSystem(make_place(), **ON)
    try:
        system.start()
        system.create_user("member", PASSWORD)
        with tempfile.TemporaryDirectory(prefix="mint-b-") as folder:
            for name in names:
                plugin = name.removeprefix("test-")
                source = (PLUGINS / "echo" if name == ECHO else
                          renamed_plugin("echo", plugin, Path(folder)))
                system.install(make_bundle(source, Path(folder)))
        yield system
    finally:
        system.end()


@pytest.fixture(scope="module")
def lab() -> Iterator[MintSystem]:
    yield from system_with(ECHO, OTHER)


@pytest.fixture
def alone() -> Iterator[MintSystem]:
    yield from system_with(ECHO)


@pytest.fixture
def both(lab: MintSystem) -> Iterator[MintSystem]:
    """Both in the shared process, before and after."""
    calm(lab)
    yield lab
    calm(lab)


@pytest.fixture
def member(both: MintSystem) -> Iterator[httpx.Client]:
    with both.client(both.login("member", PASSWORD)) as client:
        yield client


def force(system: MintSystem, *isolated: str) -> Any:
    path = system.var.resolve() / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    config["plugins"] = {"forceIsolated": list(isolated)}
    path.write_text(json.dumps(config))
    return system.ctl_json("reload")


def calm(system: MintSystem) -> None:
    """Also what a test that has failed has left."""
    for name, plugin in system.plugins().items():
        if plugin["move"] is not None:
            system.ctl("restart", name, "--now", "--yes")
        system.ctl("start", name)
    force(system)
    settled(system, 1)


def settled(system: MintSystem, processes: int) -> None:
    """All are ready where they belong, and nothing is under way."""

    def done() -> bool:
        plugins = system.plugins().values()
        return all(
            p["state"] == "ready" and p["move"] is None
            and len(p["instances"]) == 1 for p in plugins
        ) and len(hosts(system)) == processes

    wait_for(done, "all are ready where they belong", 60)
    for name, plugin in system.plugins().items():
        assert is_in_its_environment(system, name)
        assert system.pid(name) == plugin["instances"][0]["pid"]


def load_on(system: MintSystem, *names: str) -> Load:
    headers = {"authorization":
               f"Bearer {system.login('member', PASSWORD)}"}
    return Load(system.url, [
        Target(name, f"/api/{name}/whoami", 10, headers=headers)
        for name in names])


def served(load: Load) -> None:
    wanted = len(load.outcomes) + 40
    wait_for(lambda: len(load.outcomes) > wanted, "answers")


def lost(load: Load) -> set[str]:
    return {str(o) for o in load.outcomes if o.status != 200}


def test_one_leaves_and_comes_back(both: MintSystem) -> None:
    """No request is lost on either way."""
    with load_on(both, ECHO, OTHER) as load:
        served(load)
        for _ in range(2):
            force(both, ECHO)
            settled(both, 2)
            assert both.pid(ECHO) != both.pid(OTHER)
            served(load)
            force(both)
            settled(both, 1)
            served(load)
    assert lost(load) == set()


def test_the_only_one_leaves_and_comes_back_at_once(
    alone: MintSystem
) -> None:
    """The shared process may still be ending."""
    with load_on(alone, ECHO) as load:
        served(load)
        for _ in range(2):
            force(alone, ECHO)
            force(alone)
            settled(alone, 1)
        served(load)
    assert lost(load) == set()


def test_killed_while_one_is_to_leave(
    both: MintSystem, member: httpx.Client
) -> None:
    """An older process has work, so it cannot yet; the next supervisor knows
    that the shared process has it."""
    job = submit(member, 8.0)
    old = both.pid(ECHO)
    both.ctl("restart", ECHO)
    reach(both, "draining")
    force(both, ECHO)
    assert both.plugins()[ECHO]["mode"] == "isolated"
    with load_on(both, OTHER) as load:
        served(load)
        kill_supervisor(both)
        served(load)
        assert len(hosts(both)) == 2 and old in hosts(both)
        assert f'/{ECHO}"' in json.dumps(result(member, job))
        both.ctl("restart", ECHO, "--now", "--yes")
        wait_for(lambda: old not in hosts(both), "its end")
        settled(both, 2)
        served(load)
    assert lost(load) == set()


def test_killed_while_one_enters(
    both: MintSystem, member: httpx.Client
) -> None:
    """Its own process is told to end, and does not at once."""
    force(both, ECHO)
    settled(both, 2)
    own = both.pid(ECHO)
    with member.stream(
        "GET", f"/api/{ECHO}/events?count=300&gap_ms=50"
    ) as reply:
        assert reply.status_code == 200
        lines = reply.iter_lines()
        heard = [next(lines)]
        force(both)
        assert own in hosts(both)
        kill_supervisor(both)
        assert own in hosts(both)
        heard += list(lines)
    assert len([line for line in heard if line.startswith("data:")]) == 300
    settled(both, 1)
    assert own not in hosts(both)


def test_uninstalled_while_the_shared_process_has_it_yet(
    both: MintSystem, member: httpx.Client, tmp_path: Path
) -> None:
    """It has left, but work of its users has not ended."""
    submit(member, 30.0)
    old = both.pid(ECHO)
    data = both.data / "plugin-data" / ECHO
    force(both, ECHO)
    wait_for(lambda: both.pid(ECHO) != old
             and both.plugins()[ECHO]["state"] == "ready", "its own")
    own = both.pid(ECHO)
    with orders_of(both) as give:
        gone = give("uninstall", ECHO, "--mode", "purge", "--yes", "--now")
        wait_for(lambda: own not in hosts(both), "its end")
        with load_on(both, OTHER) as load:
            served(load)
        assert lost(load) == set()
        assert old in hosts(both) and data.exists() and gone.poll() is None
        both.ctl("restart", OTHER, "--now", "--yes")
        wait_for(lambda: old not in hosts(both), "the end of the older one")
        assert gone.wait(60) == 0
    assert not data.exists()
    both.install(make_bundle(PLUGINS / "echo", tmp_path))


def test_last_one_stopped_while_the_process_is_prepared(
    both: MintSystem
) -> None:
    """The keeper takes its time; meanwhile the supervisor has nothing to do,
    and does nothing."""
    keeper = int(both.status()["keeper_pid"])
    both.ctl("stop", OTHER)
    both.ctl("stop", ECHO)
    wait_for(lambda: hosts(both) == [], "no process")
    with orders_of(both) as give, frozen(keeper):
        give("start", ECHO)
        wait_for(lambda: "preparing" in states(both), "the next process")
        give("stop", ECHO)
        wait_for(lambda: both.plugins()[ECHO]["state"] == "stopped", "stopped")
        before = said(both)
        for _ in range(20):
            both.status()
        assert said(both) - before < 100
        os.kill(keeper, signal.SIGCONT)
        wait_for(lambda: states(both) == {"down"}, "nothing under way")
    assert hosts(both) == []


def left_with_work(system: MintSystem, client: httpx.Client) -> int:
    """It has left the shared process, which has a job of it; that one's
    pid."""
    submit(client, 60.0)
    old = system.pid(ECHO)
    force(system, ECHO)
    wait_for(lambda: system.pid(ECHO) != old
             and system.plugins()[ECHO]["state"] == "ready", "its own")
    return old


def answering(system: MintSystem, name: str) -> set[int]:
    """Who takes requests; each comes on a connection of its own."""
    token = system.login("member", PASSWORD)
    found = set()
    for _ in range(40):
        with system.client(token) as client:
            found.add(int(client.get(f"/api/{name}/headers").json()["pid"]))
    return found


def test_restarted_while_the_shared_process_has_its_seat(
    both: MintSystem, member: httpx.Client
) -> None:
    """The next process waits for the seat, or has to take the current one's
    place."""
    old = left_with_work(both, member)
    own = both.pid(ECHO)
    with orders_of(both) as give:
        order = give("restart", ECHO)
        for _ in range(3):
            assert answering(both, ECHO) == {own} and old in hosts(both)
        assert order.poll() is None
        give("restart", ECHO, "--now", "--yes")
        wait_for(lambda: both.pid(ECHO) not in (own, 0), "the next")
        wait_for(lambda: both.plugins()[ECHO]["state"] == "ready", "ready")
        assert answering(both, ECHO) == {both.pid(ECHO)}
        both.ctl("restart", OTHER, "--now", "--yes")
        wait_for(lambda: old not in hosts(both), "the end of the older one")


@pytest.mark.parametrize("between", ["killed", "back"])
def test_purged_while_an_older_process_has_its_work(
    both: MintSystem, member: httpx.Client, tmp_path: Path, between: str
) -> None:
    """Whatever has happened since it has left."""
    old = left_with_work(both, member)
    data = both.data / "plugin-data" / ECHO
    if between == "killed":
        kill_supervisor(both)
    else:
        force(both)
    assert old in hosts(both)
    with orders_of(both) as give:
        gone = give("uninstall", ECHO, "--mode", "purge", "--yes", "--now")
        with load_on(both, OTHER) as load:
            served(load)
            served(load)
        assert data.exists() or old not in hosts(both)
        both.ctl("restart", OTHER, "--now", "--yes")
        wait_for(lambda: old not in hosts(both), "the end of the older one")
        assert gone.wait(60) == 0
    wait_for(lambda: not data.exists(), "the purge")
    both.install(make_bundle(PLUGINS / "echo", tmp_path))


def test_back_while_an_older_process_has_work(
    both: MintSystem, member: httpx.Client
) -> None:
    """Until that has ended it stays where it is."""
    old = left_with_work(both, member)
    own = both.pid(ECHO)
    with load_on(both, ECHO, OTHER) as load:
        force(both)
        served(load)
        served(load)
        assert old in hosts(both) and own in hosts(both)
        both.ctl("restart", OTHER, "--now", "--yes")
        settled(both, 1)
        served(load)
    assert {o.split(":")[0] for o in lost(load)} <= {OTHER}


def test_killed_with_a_shared_process_that_nobody_is_in(
    alone: MintSystem
) -> None:
    """It has a job, and the plugin that has left is on its way back."""
    with alone.client(alone.login("member", PASSWORD)) as client:
        old = left_with_work(alone, client)
        own = alone.pid(ECHO)
        with client.stream(
            "GET", f"/api/{ECHO}/events?count=200&gap_ms=50"
        ) as reply:
            lines = reply.iter_lines()
            next(lines)
            force(alone)
            kill_supervisor(alone)
            assert {old, own} <= set(hosts(alone))
            list(lines)
        wait_for(lambda: own not in hosts(alone), "its end")
        wait_for(lambda: alone.plugins()[ECHO]["state"] == "ready", "back")
        assert len(hosts(alone)) == 2 and old in hosts(alone)
        assert answering(alone, ECHO) == {alone.pid(ECHO)}
        assert alone.pid(ECHO) not in (old, own)
        alone.ctl("restart", ECHO, "--now", "--yes")
        wait_for(lambda: old not in hosts(alone), "the end of the older one")
        settled(alone, 1)


def states(system: MintSystem) -> set[str]:
    return {i["state"] for p in system.plugins().values()
            for i in p["instances"]}


def said(system: MintSystem) -> int:
    """Lines of the supervisor's log."""
    return len((system.data / "logs" / "supervisor.log").read_bytes()
               .splitlines())
