# SPDX-License-Identifier: MIT
"""Plugins that nobody uses are stopped, and started by the next request."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from system_harness import (
    ADMIN,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    wait_for,
)
from websockets.sync.client import connect

LIMIT_SEC = 60

# plugins of which nobody wants anything, by what starts them again
IDLE = ("idle", "idlekill", "idlesocket", "idlerestart")
# and those that have a reason to stay
BUSY = ("socket", "events", "result")
ALWAYS = "always"


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MintSystem]:
    folder = tmp_path_factory.mktemp("idle")
    system = MintSystem(
        make_place(),
        MINT_PLUGINS__IDLE_STOP_MINUTES="1",
        MINT_PLUGINS__PER_PLUGIN=json.dumps(
            {f"test-{ALWAYS}": {"idleStopMinutes": 0}}),
    )
    try:
        system.start()
        for kind, names in (("nosy", (*IDLE, ALWAYS)), ("echo", BUSY)):
            for name in names:
                project = renamed_plugin(kind, name, folder)
                system.install(make_bundle(project, folder))
        yield system
    finally:
        system.end()


def states(system: MintSystem) -> dict[str, str]:
    return {n.removeprefix("test-"): p["state"]
            for n, p in system.plugins().items()}


@functools.cache
def headers(system: MintSystem) -> dict[str, str]:
    return {"authorization": f"Bearer {system.login(*ADMIN)}"}


def try_nothing(system: MintSystem, name: str) -> httpx.Response:
    """A POST that the nosy plugin answers at once."""
    return httpx.post(f"{system.url}/api/test-{name}/try", json={},
                      headers=headers(system), timeout=60, trust_env=False)


def result_of_a_job(system: MintSystem, name: str) -> str:
    """Path of a result that nobody fetches."""
    base = f"/api/test-{name}/jobs"
    with httpx.Client(base_url=system.url, headers=headers(system),
                      timeout=30, trust_env=False) as client:
        session = client.post(f"{base}/sessions", json={"tab_id": "tab"})
        reply = client.post(base, json={
            "definition_id": "sleep-for",
            "inputs": {"seconds": 0.1},
            "session_id": session.json()["id"],
            "client_request_id": str(uuid.uuid4()),
        })
        assert reply.status_code == 200, reply.text
        job = reply.json()["job_id"]
        wait_for(lambda: client.get(f"{base}/{job}").json()["status"]
                 == "completed", "the end of the job")
    return f"{base}/{job}/result"


class Stream:
    """An event stream that is open until closed."""

    def __init__(self, system: MintSystem, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", system.port))
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"200 OK" in self.socket.recv(4096)

    def close(self) -> None:
        self.socket.close()


@pytest.mark.timeout(420)
def test_idle_plugins_rest_and_start_on_demand(resting: MintSystem) -> None:
    system = resting
    result_of_a_job(system, "result")
    stream = Stream(system, "/api/test-events/events?count=10000&gap_ms=1000")
    url = f"ws://127.0.0.1:{system.port}/api/test-socket/ws"
    with connect(url, proxy=None) as peer:
        peer.recv(timeout=10)
        begin = time.monotonic()
        for name in IDLE:
            assert try_nothing(system, name).status_code == 200
        wait_for(lambda: all(states(system)[n] == "stopped" for n in IDLE),
                 "the end of idle plugins", LIMIT_SEC * 2)
        assert time.monotonic() - begin >= LIMIT_SEC

        # used without a request, or not to be stopped
        found = states(system)
        assert [found[n] for n in (*BUSY, ALWAYS)] == ["ready"] * 4, found
        peer.send("still there")
        assert peer.recv(timeout=10) == "still there"
    stream.close()

    told = system.plugins()["test-idle"]
    assert told["instances"][0]["pid"] == 0
    assert told["instances"][0]["restarts"] == 0
    assert "next request starts it" in told["error"]
    assert system.status()["state"] == "running"
    assert system.ctl("wait").returncode == 0

    _many_requests_start_one_process(system)
    _survives_the_supervisor(system)
    _socket_is_demand(system)
    _restart_of_all_lets_it_rest(system)


def _many_requests_start_one_process(system: MintSystem) -> None:
    before = system.instance("test-idle")
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(
            lambda _: try_nothing(system, "idle"), range(20)))
    assert [r.status_code for r in replies] == [200] * 20
    after = system.instance("test-idle")
    assert after["generation"] == before["generation"] + 1
    assert after["state"] == "ready"
    assert "started on demand: a request waits" in system.log("test-idle")


def _survives_the_supervisor(system: MintSystem) -> None:
    """A new one leaves it at rest, and knows what starts it."""
    generation = system.instance("test-idlekill")["generation"]
    old = system.status()["supervisor_pid"]
    os.kill(old, signal.SIGKILL)
    replies: list[httpx.Response] = []
    wait_for(lambda: _is_next(system, old), "the next supervisor")
    wait_for(lambda: states(system)["idlekill"] == "stopped", "rest")
    assert system.instance("test-idlekill")["generation"] == generation

    # one that comes while there is no supervisor at all waits for the next
    old = system.status()["supervisor_pid"]
    os.kill(old, signal.SIGSTOP)
    thread = threading.Thread(
        target=lambda: replies.append(try_nothing(system, "idlekill")))
    thread.start()
    time.sleep(0.3)
    assert not replies
    os.kill(old, signal.SIGKILL)
    thread.join(timeout=60)
    assert [r.status_code for r in replies] == [200]
    assert system.instance("test-idlekill")["generation"] == generation + 1


def _is_next(system: MintSystem, old: int) -> bool:
    try:
        return system.status()["supervisor_pid"] != old
    except AssertionError:
        return False


def _socket_is_demand(system: MintSystem) -> None:
    """Somebody who does not come by the edge."""
    plugin = system.plugins()["test-idlesocket"]
    assert plugin["state"] == "stopped"
    path = system.run_directory / "s" / f"{plugin['id']}-0a.sock"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(str(path))
        peer.sendall(b"GET /api/test-idlesocket/_mint/runtime HTTP/1.1\r\n"
                     b"Host: localhost\r\nConnection: close\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 ")
    wait_for(lambda: states(system)["idlesocket"] == "ready", "its start")
    assert "a connection waits" in system.log("test-idlesocket")


def _restart_of_all_lets_it_rest(system: MintSystem) -> None:
    assert states(system)["idlerestart"] == "stopped"
    system.ctl("restart", "--all")
    assert states(system)["idlerestart"] == "stopped"
    system.ctl("restart", "test-idlerestart")
    assert states(system)["idlerestart"] == "ready"


# ---- by hand ----------------------------------------------------------------


def supervisor_restarts(system: MintSystem) -> None:
    old = system.status()["supervisor_pid"]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: _is_next(system, old), "the next supervisor")
    wait_for(lambda: system.status()["state"] == "running", "it to run")


def test_stopped_by_hand_until_started(
    system: MintSystem, member: httpx.Client
) -> None:
    name = "test-nosy"
    path = "/api/test-nosy/try"
    done = system.ctl("stop", name)
    assert f"mintctl start {name}" in done.stdout
    plugin = system.plugins()[name]
    assert plugin["state"] == "stopped"
    assert plugin["instances"][0]["pid"] == 0
    assert "by hand" in plugin["error"]

    reply = member.post(path, json={})
    assert reply.status_code == 503
    assert "retry-after" in reply.headers
    assert member.get("/api/test-echo/headers").status_code == 200

    supervisor_restarts(system)
    system.ctl("restart", "--all")
    assert system.plugins()[name]["state"] == "stopped"
    assert member.post(path, json={}).status_code == 503
    assert system.ctl("wait").returncode == 0

    assert system.ctl("start", name).stdout == f"{name} is ready\n"
    assert member.post(path, json={}).status_code == 200
    pid = system.pid(name)
    assert system.ctl("start", name).stdout == f"{name} is ready\n"
    assert system.pid(name) == pid


def test_stop_and_start_of_what_is_not_there(system: MintSystem) -> None:
    for order in ("stop", "start"):
        done = system.ctl(order, "not-there", status=1)
        assert "no plugin" in done.stderr


def test_start_by_hand_forgets_the_back_off(system: MintSystem) -> None:
    name = "test-misbehaving"

    def die() -> bool:
        instance = system.instance(name)
        if instance["state"] == "ready":
            os.kill(instance["pid"], signal.SIGKILL)
        return system.plugins()[name]["state"] == "failed"

    wait_for(die, "five deaths", 60)
    begin = time.monotonic()
    system.ctl("start", name)
    assert system.plugins()[name]["state"] == "ready"
    assert time.monotonic() - begin < 30

    # and the next death is the first one again: restarted at once
    pid = system.pid(name)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: system.pid(name) not in (0, pid), "a new process", 5)
    wait_for(lambda: system.plugins()[name]["state"] == "ready", "it")


def test_stop_ends_a_plugin_that_is_failing(system: MintSystem) -> None:
    name = "test-misbehaving"
    pid = system.pid(name)
    os.kill(pid, signal.SIGSTOP)
    system.ctl("stop", name, "--now", "--yes")
    assert not Path(f"/proc/{pid}").exists()
    assert system.plugins()[name]["state"] == "stopped"
    system.ctl("start", name)
    assert system.plugins()[name]["state"] == "ready"
