# SPDX-License-Identifier: MIT
"""Planned restarts and upgrades: nobody notices, no work is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
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
    lab_with,
    move,
    pid_of,
    reach,
    result,
    settle,
    submit,
    version_of,
)
from system_harness import BUILD, PLUGINS, MintSystem, make_bundle, wait_for
from system_kills import between_supervisors
from system_load import Load, Target
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def lab() -> Iterator[MintSystem]:
    with lab_with("owner", "other") as system:
        yield system


@pytest.fixture(scope="module")
def tokens(lab: MintSystem) -> dict[str, str]:
    return {name: lab.login(name, PASSWORD) for name in ("owner", "other")}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mint-b-") as name:
        yield Path(name)


@pytest.fixture
def owner(lab: MintSystem, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with lab.client(tokens["owner"]) as client:
        yield client


@pytest.fixture
def other(lab: MintSystem, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with lab.client(tokens["other"]) as client:
        yield client


@pytest.fixture
def echo(lab: MintSystem, folder: Path) -> MintSystem:
    """One process of version 1.0.0, without anybody's work in it."""
    lab.install(echo_version(folder, "1.0.0"))
    plugin = lab.plugins()[PLUGIN]
    if plugin["move"] is not None or plugin["state"] != "ready":
        lab.ctl("restart", PLUGIN, "--now", "--yes")
    settle(lab)
    lab.ctl("restart", PLUGIN, "--now", "--yes")
    settle(lab)
    return lab


def supervisor_pid(system: MintSystem) -> int:
    return int(system.status()["supervisor_pid"])


def kill_supervisor(system: MintSystem) -> None:
    old = supervisor_pid(system)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: supervisor_pid(system) != old, "the next supervisor")


def history(system: MintSystem) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = system.ctl_json(
        "history", PLUGIN)["records"]
    return records


def states(system: MintSystem, subject: str) -> list[str]:
    return [r["to"] for r in history(system) if r["subject"] == subject]


def test_planned_restarts_lose_no_request(
    system: MintSystem, member_token: str
) -> None:
    headers = {"authorization": f"Bearer {member_token}"}
    targets = [
        Target("post", f"{BASE}/any/thing", 60, "POST", headers),
        Target("get", f"{BASE}/whoami", 30, headers=headers),
    ]
    before = system.instance(PLUGIN)
    with Load(system.url, targets) as load:
        for _ in range(6):
            wanted = len(load.outcomes) + 20
            wait_for(lambda n=wanted: len(load.outcomes) > n, "answers")
            system.ctl("restart", PLUGIN)
            settle(system)
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    after = system.plugins()[PLUGIN]
    assert after["state"] == "ready"
    assert len(after["instances"]) == 1
    assert after["instances"][0]["pid"] != before["pid"]


def test_job_ends_where_it_began_while_others_get_the_new_version(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client, folder: Path
) -> None:
    """The owner knows nothing but a bearer token and the job's id."""
    assert version_of(owner) == version_of(other) == "1.0.0"
    first = pid_of(owner)
    job = submit(owner, 6.0)
    owner.cookies.clear()

    echo.install(echo_version(folder, "1.1.0"))
    assert version_of(other) == "1.1.0"
    assert (version_of(owner), pid_of(owner)) == ("1.0.0", first)
    now = move(echo)
    assert now["state"] == "draining"
    assert now["activity"]["owners"] == [echo.users["owner"]]
    roles = {i["role"] for i in echo.plugins()[PLUGIN]["instances"]}
    assert roles == {"current", "old"}

    kill_supervisor(echo)       # the next one goes on with it
    assert move(echo)["state"] == "draining"

    answer = result(owner, job, lambda: owner.cookies.clear())
    assert f'"plugin": "{PLUGIN}"' in json.dumps(answer)
    assert pid_of(owner) == first
    assert version_of(other) == "1.1.0"

    # one more upgrade would end it: it waits, and says for what
    wait_for(lambda: move(echo)["activity"]["results"] == 1, "the result")
    said = echo.ctl("restart", PLUGIN).stdout
    assert "later" in said and "1 unfetched result" in said
    assert str(echo.users["owner"]) in said
    assert result(owner, job) == answer

    # at once: named, and only with a word
    done = echo.ctl("restart", PLUGIN, "--now", status=1)
    assert "1 unfetched result" in done.stderr and "--yes" in done.stderr
    assert result(owner, job) == answer
    echo.ctl("restart", PLUGIN, "--now", "--yes")
    settle(echo)
    assert version_of(owner) == "1.1.0"
    assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404
    assert not Path(f"/proc/{first}").exists()


def test_next_version_that_does_not_start(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    first = pid_of(owner)
    answer = echo.install(echo_version(folder, "2.0.0", BROKEN))
    plugin = echo.plugins()[PLUGIN]
    assert plugin["state"] == "resisting", answer
    assert "not with this data" in plugin["error"]
    assert "Traceback" in plugin["move"]["traceback"]
    assert (version_of(owner), pid_of(owner)) == ("1.0.0", first)
    said = echo.ctl("plugins").stdout
    assert "version 1.0.0 serves, version 2.0.0 was refused" in said
    assert "not with this data" in said and "Traceback" not in said
    said = echo.ctl("explain", PLUGIN).stdout
    assert "Traceback" in said and "not with this data" in said

    kill_supervisor(echo)
    plugin = echo.plugins()[PLUGIN]
    assert plugin["state"] == "resisting"
    assert "not with this data" in plugin["error"]
    assert "Traceback" in plugin["move"]["traceback"]
    assert pid_of(owner) == first

    echo.ctl("restart", PLUGIN, status=1)
    assert pid_of(owner) == first
    echo.install(echo_version(folder, "2.0.1"))
    assert echo.plugins()[PLUGIN]["state"] == "ready"
    assert version_of(owner) == "2.0.1"


def crash(system: MintSystem, client: httpx.Client, pid: int) -> int:
    """Ends the plugin's process; the pid of what is started for it."""
    os.kill(pid, signal.SIGKILL)

    def other() -> int:
        now = system.instance(PLUGIN)
        return now["pid"] if now["state"] == "ready" else 0

    wait_for(lambda: other() not in (0, pid), "another process")
    return pid_of(client)


def former(system: MintSystem) -> str | None:
    """The version that is kept to go back to."""
    registry = json.loads((system.data / "registry.json").read_text())
    record = next(p for p in registry["plugins"] if p["name"] == PLUGIN)
    return str(record["former"]["version"]) if "former" in record else None


def test_version_that_works_is_started_again(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """... after each crash, for as long as the next one does not start."""
    first = pid_of(owner)
    echo.install(echo_version(folder, "2.0.0", BROKEN))
    second = crash(echo, owner, first)
    assert (version_of(owner), former(echo)) == ("1.0.0", "1.0.0")
    plugin = echo.plugins()[PLUGIN]
    assert plugin["state"] == "resisting"
    assert "not with this data" in plugin["error"]

    kill_supervisor(echo)
    third = crash(echo, owner, second)
    assert version_of(owner) == "1.0.0"
    assert echo.plugins()[PLUGIN]["state"] == "resisting"

    # another one that does not start changes nothing, one that does ends it
    echo.install(echo_version(folder, "2.0.1", BROKEN))
    crash(echo, owner, third)
    assert (version_of(owner), former(echo)) == ("1.0.0", "1.0.0")
    echo.install(echo_version(folder, "2.0.2"))
    settle(echo)
    assert (version_of(owner), former(echo)) == ("2.0.2", None)
    crash(echo, owner, pid_of(owner))
    assert version_of(owner) == "2.0.2"


def test_next_version_has_another_prefix(folder: Path) -> None:
    """Only one of two prefixes is routed: it takes a stop in between."""
    bundle = make_bundle(
        PLUGINS / "echo", folder / "moved", version="2.0.0",
        replace={'"/test-echo"': '"/test-moved"'})
    with lab_with("owner") as system:
        system.install(echo_version(folder, "1.0.0"))
        token = system.login("owner", PASSWORD)
        with system.client(token) as client:
            answer = system.upload(bundle)
            assert answer["success"] is False
            assert f"mintctl stop {PLUGIN}" in json.dumps(answer)
            assert version_of(client) == "1.0.0"

            # nor while it still has somebody's work
            first = pid_of(client)
            job = submit(client, 60.0)
            system.ctl("stop", PLUGIN)
            answer = system.upload(bundle)
            assert answer["success"] is False
            assert "once it has ended" in json.dumps(answer)
            reply = client.get(f"{BASE}/jobs/{job}/result")
            assert reply.status_code in (200, 409), reply.text     # not 404
            os.kill(first, signal.SIGKILL)
            wait_for(lambda: system.instance(PLUGIN)["state"] == "down",
                     "its end")
            system.install(bundle)
            system.ctl("start", PLUGIN)
            reply = client.get("/api/test-moved/headers")
            assert reply.status_code == 200, reply.text
            assert former(system) is None


def test_old_process_dies_while_a_version_is_tried_that_does_not_start(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    first = pid_of(owner)
    bundle = echo_version(folder, "2.1.0", f"time.sleep(3); {BROKEN}")
    with ThreadPoolExecutor() as pool:
        installing = pool.submit(echo.install, bundle)
        reach(echo, "starting")
        os.kill(first, signal.SIGKILL)
        installing.result()
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "resisting", "1.0.0")
    assert version_of(owner) == "1.0.0"
    assert "not with this data" in echo.plugins()[PLUGIN]["error"]

    # by hand the newest one is tried, in place while nothing else runs
    os.kill(pid_of(owner), signal.SIGKILL)
    echo.ctl("restart", PLUGIN, status=1)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "resisting", "1.0.0")
    assert version_of(owner) == "1.0.0"


def test_version_that_works_is_started_after_all_has_ended(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    echo.install(echo_version(folder, "2.2.0", BROKEN))
    echo.stop()
    echo.start()
    wait_for(lambda: echo.instance(PLUGIN)["state"] == "ready", "a process")
    plugin = echo.plugins()[PLUGIN]
    assert plugin["state"] == "resisting"
    assert "not with this data" in plugin["error"]
    assert version_of(owner) == "1.0.0"


def test_version_that_works_is_lost(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """Its environment is: it is not tried for ever, and that is said."""
    echo.install(echo_version(folder, "2.7.0", BROKEN))
    assert echo.plugins()[PLUGIN]["state"] == "resisting"
    registry = json.loads((echo.data / "registry.json").read_text())
    record = next(p for p in registry["plugins"] if p["name"] == PLUGIN)
    shutil.rmtree(record["former"]["environment"])
    os.kill(pid_of(owner), signal.SIGKILL)

    def is_lost() -> bool:
        plugin = echo.plugins()[PLUGIN]
        return (plugin["state"] == "failed"
                and "version 1.0.0" in plugin["error"]
                and "has lost its environment" in plugin["error"]
                and f"mintctl start {PLUGIN}" in plugin["error"])

    wait_for(is_lost, "the reason")
    assert echo.log(PLUGIN).count("could not be started") == 1
    assert "has lost its environment" in echo.ctl("plugins").stdout
    assert owner.get(f"{BASE}/headers").status_code == 503
    kill_supervisor(echo)
    wait_for(is_lost, "the reason")
    done = echo.ctl("start", PLUGIN, status=1)      # the newest one, again
    assert "not with this data" in done.stderr
    wait_for(is_lost, "the reason")
    echo.install(echo_version(folder, "2.7.1"))
    assert version_of(owner) == "2.7.1"


def test_version_that_works_is_started_while_the_old_process_drains(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client, folder: Path
) -> None:
    """Nobody waits for the end of somebody's job."""
    first = pid_of(owner)
    submit(owner, 60.0)
    echo.install(echo_version(folder, "2.3.0", BROKEN))
    echo.ctl("drain", PLUGIN)
    reach(echo, "draining")
    echo.ctl("restart", PLUGIN, status=1)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "resisting", "1.0.0")
    assert move(echo)["state"] == "draining"
    second = pid_of(other)
    assert (version_of(other), pid_of(owner)) == ("1.0.0", first)
    assert second != first
    assert "not with this data" in echo.plugins()[PLUGIN]["error"]

    seen = history(echo)[-1]["time"]
    kill_supervisor(echo)
    assert move(echo)["state"] == "draining"
    plugin = echo.plugins()[PLUGIN]
    assert plugin["state"] == "resisting"
    assert "not with this data" in plugin["error"]
    said = echo.ctl("restart", PLUGIN).stdout       # waits for the job
    assert str(echo.users["owner"]) in said
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: echo.plugins()[PLUGIN]["moves"]["resisted"] == 1
             and move(echo)["state"] == "resisting", "its one try")
    assert (version_of(owner), pid_of(other)) == ("1.0.0", second)
    assert "not with this data" in echo.plugins()[PLUGIN]["error"]
    wishes = {r.get("again") for r in history(echo) if r["time"] > seen}
    assert wishes == {None, "restart"}      # and no upgrade that nobody wants


def test_installation_while_an_older_process_drains(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client, folder: Path
) -> None:
    """Its version has not been given up: what serves does not resist."""
    def look() -> None:
        plugin = echo.plugins()[PLUGIN]
        assert (plugin["state"], plugin["error"]) == ("ready", None)
        assert plugin["move"]["state"] == "draining"
        assert plugin["move"]["again"] is True
        assert version_of(other) == "2.7.0"

    first = pid_of(owner)
    submit(owner, 60.0)
    echo.install(echo_version(folder, "2.7.0"))
    answer = echo.install(echo_version(folder, "2.7.1"))
    assert "resisting" not in json.dumps(answer)
    look()
    kill_supervisor(echo)
    look()
    os.kill(first, signal.SIGKILL)
    settle(echo)
    assert version_of(other) == version_of(owner) == "2.7.1"
    moves = echo.plugins()[PLUGIN]["moves"]
    assert (moves["done"], moves["resisted"]) == (2, 0)


@pytest.mark.parametrize("seconds", [0, 2])
def test_supervisor_is_killed_while_the_next_one_starts(
    echo: MintSystem, tokens: dict[str, str], folder: Path, seconds: int
) -> None:
    """Killed by nobody's plan: the move goes on, no request fails."""
    echo.install(echo_version(folder, "1.0.5", f"time.sleep({seconds})"))
    settle(echo)
    before = echo.instance(PLUGIN)
    headers = {"authorization": f"Bearer {tokens['owner']}"}
    target = Target("post", f"{BASE}/any/thing", 50, "POST", headers)
    with Load(echo.url, [target]) as load:
        wait_for(lambda: len(load.outcomes) > 20, "answers")
        restart = _start_restart(echo)
        reach(echo, "starting")
        kill_supervisor(echo)
        wait_for(lambda: echo.instance(PLUGIN)["pid"] != before["pid"]
                 and move(echo) is None, "the next process")
        restart.wait(30)
        wait_for(lambda: len(load.outcomes) > 50, "answers all the time")
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    assert not Path(f"/proc/{before['pid']}").exists()


def test_old_process_dies_while_it_drains(
    echo: MintSystem, owner: httpx.Client
) -> None:
    first = pid_of(owner)
    job = submit(owner, 60.0)
    echo.ctl("restart", PLUGIN)
    assert pid_of(owner) == first
    os.kill(first, signal.SIGKILL)
    settle(echo)
    assert pid_of(owner) not in (0, first)
    assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404
    assert "killed by signal 9" in json.dumps(
        echo.ctl_json("history", PLUGIN)
    )


def test_crash_outside_of_a_move_stays_in_place(
    echo: MintSystem, owner: httpx.Client
) -> None:
    before = echo.instance(PLUGIN)
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: echo.instance(PLUGIN)["pid"] not in (0, before["pid"])
             and echo.plugins()[PLUGIN]["state"] == "ready", "a new process")
    after = echo.instance(PLUGIN)
    assert (after["seat"], after["role"]) == (before["seat"], "current")
    assert pid_of(owner) == after["pid"]


def test_websocket_gets_its_time(
    echo: MintSystem, tokens: dict[str, str], owner: httpx.Client
) -> None:
    """An open one stays with the old process for 30 s; --now ends it."""
    url = f"ws://127.0.0.1:{echo.port}{BASE}/private-ws"
    headers = {"authorization": f"Bearer {tokens['owner']}"}
    first = pid_of(owner)
    with connect(url, additional_headers=headers, proxy=None) as socket:
        socket.recv(timeout=10)
        echo.ctl("restart", PLUGIN)
        assert pid_of(owner) != first
        socket.send("still here")
        assert socket.recv(timeout=10) == "still here"
        done = echo.ctl("restart", PLUGIN, "--now", status=1)
        assert "1 WebSocket" in done.stderr
        socket.send("and now")
        assert socket.recv(timeout=10) == "and now"
        echo.ctl("restart", PLUGIN, "--now", "--yes")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
    settle(echo)


def test_drain_stops_when_the_work_is_done(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client
) -> None:
    first = pid_of(owner)
    job = submit(owner, 2.0)
    echo.ctl("drain", PLUGIN)
    wait_for(lambda: other.get(f"{BASE}/headers").status_code == 503,
             "nobody else is let in")
    result(owner, job)
    assert pid_of(owner) == first
    assert echo.plugins()[PLUGIN]["state"] == "stopped"

    echo.ctl("restart", PLUGIN)         # beside what is kept
    assert pid_of(other) != first
    assert pid_of(owner) == first
    echo.ctl("restart", PLUGIN, "--now", "--yes")
    settle(echo)

    echo.ctl("drain", PLUGIN, "--now", "--yes")
    wait_for(lambda: echo.instance(PLUGIN)["state"] == "down", "its end")
    kill_supervisor(echo)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "stopped", "it stays")
    assert other.get(f"{BASE}/headers").status_code == 503
    echo.ctl("restart", PLUGIN)
    assert other.get(f"{BASE}/headers").status_code == 200


def test_history_outlives_the_supervisor(echo: MintSystem) -> None:
    echo.ctl("restart", PLUGIN)
    settle(echo)
    before = echo.ctl_json("history", PLUGIN)["records"]
    assert 20 <= len(before) <= 100
    assert {"plugin", "move", "process"} >= {r["subject"] for r in before}
    wanted = ["starting", "switching", "draining", "emptying", "closing",
              "none"]
    assert states(echo, "move")[-6:] == wanted
    kill_supervisor(echo)
    after = echo.ctl_json("history", PLUGIN)["records"]
    kept = [r for r in after if r in before]
    assert kept == before[-len(kept):] and len(kept) >= 15
    text = echo.ctl("history", PLUGIN, "--lines", "5").stdout
    assert len(text.splitlines()) == 5


def test_back_off_outlives_the_supervisor(echo: MintSystem) -> None:
    def die() -> None:
        pid = wait_for(lambda: echo.instance(PLUGIN)["pid"], "a process")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: echo.instance(PLUGIN)["pid"] != pid, "its end")

    before = echo.instance(PLUGIN)["restarts"]
    for _ in range(4):          # at once, after 1 s, 2 s, 4 s
        die()
    assert echo.instance(PLUGIN)["state"] == "backoff"
    kill_supervisor(echo)
    wait_for(lambda: echo.instance(PLUGIN)["restarts"] == before + 4,
             "its count", timeout=10)
    # deaths of the tests before count, too: by hand it starts at once
    echo.ctl("start", PLUGIN)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "ready", "the next")


def _start_restart(
    system: MintSystem, *options: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(BUILD / "mintctl"), "restart", PLUGIN, *options],
        env={**os.environ, "MINT_VAR": str(system.var)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def test_new_supervisor_finds_an_old_process_draining(
    echo: MintSystem
) -> None:
    """A WebSocket keeps it: the plugin is ready all the same, also when the
    old process has gone."""
    url = f"ws://127.0.0.1:{echo.port}{BASE}/ws"
    with connect(url, proxy=None) as socket:
        socket.recv(timeout=10)
        echo.ctl("restart", PLUGIN)
        wait_for(lambda: move(echo), "the old process")
        kill_supervisor(echo)
        wait_for(lambda: len(echo.plugins()[PLUGIN]["instances"]) == 2,
                 "both processes")
        assert echo.plugins()[PLUGIN]["state"] == "ready"
        socket.send("still there")
        assert socket.recv(timeout=10) == "still there"
    settle(echo)
    assert echo.plugins()[PLUGIN]["state"] == "ready"
    assert len(echo.plugins()[PLUGIN]["instances"]) == 1


def test_a_waiting_restart_outlives_the_supervisor(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client
) -> None:
    """It is done when the older process has ended, once."""
    first = pid_of(owner)
    submit(owner, 60.0)
    echo.ctl("restart", PLUGIN)
    second = pid_of(other)
    done = echo.ctl("restart", PLUGIN)
    assert "later" in done.stdout
    kill_supervisor(echo)
    assert move(echo)["again"] is True
    assert pid_of(other) == second
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: pid_of(other) != second, "the next process")
    settle(echo)
    third = pid_of(other)
    kill_supervisor(echo)
    assert move(echo) is None
    assert pid_of(other) == third


def test_a_waiting_restart_is_a_move_when_the_supervisor_begins(
    echo: MintSystem, owner: httpx.Client, other: httpx.Client
) -> None:
    """What it waited for has ended meanwhile: who has work in the process
    that serves keeps it."""
    first = pid_of(owner)
    submit(owner, 60.0)
    echo.ctl("restart", PLUGIN)
    second = pid_of(other)
    job = submit(other, 8.0)
    assert "later" in echo.ctl("restart", PLUGIN).stdout
    with between_supervisors(echo):
        os.kill(first, signal.SIGKILL)
    wait_for(lambda: pid_of(owner) not in (first, second), "the restart")
    result(other, job)
    assert pid_of(other) == second


def test_at_once_outlives_the_supervisor(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """Wanted while the next process starts: the old one is not asked whose
    work it has."""
    echo.install(echo_version(folder, "1.5.0", "time.sleep(3)"))
    settle(echo)
    first = pid_of(owner)
    job = submit(owner, 60.0)
    orders = [_start_restart(echo)]
    try:
        reach(echo, "starting")
        orders.append(_start_restart(echo, "--now", "--yes"))
        wait_for(lambda: history(echo)[-1].get("note") == "wanted at once",
                 "the order")
        kill_supervisor(echo)
        settle(echo)
    finally:
        for order in orders:
            order.wait(timeout=60)
    assert pid_of(owner) != first
    assert owner.get(f"{BASE}/jobs/{job}/result").status_code == 404


def leave(system: MintSystem, record: dict[str, object]) -> None:
    """The supervisor is killed just after it has written the record."""
    line = {"subject": "move", "cause": "restart", "now": False,
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", **record}
    with between_supervisors(system):
        path = system.data / "history" / f"{PLUGIN}.jsonl"
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
    wait_for(lambda: system.status()["state"] == "running", "all of it")


AGAIN = {"again": "restart", "again_now": False}


@pytest.mark.parametrize("record", [
    {"from": "closing", "to": "none", **AGAIN},
    {"from": "emptying", "to": "closing", **AGAIN},
    {"from": "starting", "to": "resisting", **AGAIN},
    {"from": "none", "to": "starting", "old": "0a", "fresh": "0b"},
], ids=lambda record: record["to"])
def test_restart_that_is_wanted_outlives_the_supervisor(
    echo: MintSystem, owner: httpx.Client, record: dict[str, object]
) -> None:
    """... wherever it was killed between two records."""
    first = pid_of(owner)
    leave(echo, record)
    wait_for(lambda: pid_of(owner) != first, "the restart")
    settle(echo)
    second = pid_of(owner)
    kill_supervisor(echo)
    assert echo.plugins()[PLUGIN]["move"] is None
    assert pid_of(owner) == second


def install_between_supervisors(system: MintSystem) -> None:
    """One is killed just after it has saved what it has installed: the same
    version again."""
    with between_supervisors(system):
        path = system.data / "registry.json"
        registry = json.loads(path.read_text())
        record = next(p for p in registry["plugins"] if p["name"] == PLUGIN)
        record["registered_unix_ms"] = time.time_ns() // 1_000_000
        path.write_text(json.dumps(registry))


def test_installation_outlives_the_supervisor_where_one_resists(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """What is newer than the version that was given up is tried."""
    first = pid_of(owner)
    echo.install(echo_version(folder, "2.5.0", BROKEN))
    install_between_supervisors(echo)
    wait_for(lambda: echo.plugins()[PLUGIN]["moves"]["resisted"] == 1,
             "its try")
    assert (version_of(owner), pid_of(owner)) == ("1.0.0", first)
    assert echo.plugins()[PLUGIN]["state"] == "resisting"


WHILE = "while os.path.exists({!r}): time.sleep(0.1)"


def hold_of(system: MintSystem) -> Path:
    """A version that begins with WHILE is not ready while it is there."""
    return system.data / "plugin-data" / PLUGIN / "hold"


def trial_of(system: MintSystem) -> int:
    """The pid of the process that is tried beside the one that serves."""
    return next((int(i["pid"]) for i in system.plugins()[PLUGIN]["instances"]
                 if i["role"] == "trial"), 0)


def test_installation_outlives_the_supervisor_where_one_starts(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """What starts is older: it is started anew."""
    hold = hold_of(echo)
    bundle = echo_version(folder, "2.5.1", WHILE.format(str(hold)))
    hold.touch()
    try:
        with ThreadPoolExecutor() as pool:
            pool.submit(echo.upload, bundle)
            reach(echo, "starting")
            trial = wait_for(lambda: trial_of(echo), "a process")
            install_between_supervisors(echo)
            wait_for(lambda: trial_of(echo) not in (0, trial), "the next one")
    finally:
        hold.unlink()
    settle(echo)
    assert version_of(owner) == "2.5.1"
    assert pid_of(owner) != trial
    assert former(echo) is None


def test_installation_outlives_the_supervisor_where_one_was_given_up(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """... while an older process drains: it is tried after that."""
    first = pid_of(owner)
    submit(owner, 60.0)
    echo.install(echo_version(folder, "2.5.2", BROKEN))
    echo.ctl("drain", PLUGIN)
    reach(echo, "draining")
    echo.ctl("restart", PLUGIN, status=1)
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "resisting", "1.0.0")
    install_between_supervisors(echo)
    wait_for(lambda: move(echo)["again"], "the order")
    wait_for(lambda: echo.plugins()[PLUGIN]["state"] == "ready", "1.0.0")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: echo.plugins()[PLUGIN]["moves"]["resisted"] == 1
             and move(echo)["state"] == "resisting", "its try")
    assert version_of(owner) == "1.0.0"


def test_installation_while_a_restart_starts(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """The process that starts is of the version before: not that serves."""
    hold = hold_of(echo)
    echo.install(echo_version(folder, "2.6.0", WHILE.format(str(hold))))
    settle(echo)
    hold.touch()
    try:
        restart = _start_restart(echo)
        reach(echo, "starting")
        echo.install(echo_version(folder, "2.6.1"))
    finally:
        hold.unlink()
    restart.wait(30)
    settle(echo)
    assert (version_of(owner), former(echo)) == ("2.6.1", None)


def test_restart_of_one_that_resists_outlives_the_supervisor(
    echo: MintSystem, owner: httpx.Client, folder: Path
) -> None:
    """... which was killed between the end of one try and the next one."""
    first = pid_of(owner)
    echo.install(echo_version(folder, "2.4.0", BROKEN))
    leave(echo, {"from": "starting", "to": "resisting", **AGAIN})
    wait_for(lambda: echo.plugins()[PLUGIN]["moves"]["resisted"] == 1,
             "the next try")
    assert (version_of(owner), pid_of(owner)) == ("1.0.0", first)
    assert echo.plugins()[PLUGIN]["state"] == "resisting"


@pytest.mark.parametrize("record", [
    {"from": "closing", "to": "none"},
    {"from": "none", "to": "starting", "fresh": "0b",
     "time": "2026-01-01T00:00:00.000Z"},
    {"from": "none", "to": "switching", "old": "0a"},
], ids=["done", "before its start", "a drain"])
def test_restart_that_nobody_waits_for_is_not_made(
    echo: MintSystem, owner: httpx.Client, record: dict[str, object]
) -> None:
    first = pid_of(owner)
    leave(echo, record)
    assert echo.plugins()[PLUGIN]["move"] is None
    assert pid_of(owner) == first
