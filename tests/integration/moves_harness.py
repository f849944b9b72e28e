# SPDX-License-Identifier: MIT
"""Planned changes of a plugin's process: versions of the echo plugin that
differ in how they start, jobs and who gets which process."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from system_harness import (
    BUILD, PLUGINS, MintSystem, make_bundle, make_place, wait_for)

PLUGIN = "test-echo"
BASE = "/api/test-echo"
BROKEN = "raise RuntimeError('not with this data')"
PASSWORD = "a password of theirs"

_HOOK = "    def get_routers(self) -> list[Any]:\n"
_ANSWER = '        return {"headers": _headers(request), "pid": os.getpid()}\n'
_serial = itertools.count()


@contextlib.contextmanager
def lab_with(*users: str) -> Iterator[MintSystem]:
    """A system without plugins, and these users."""
    system = MintSystem(make_place())
    try:
        system.start()
        for name in users:
            system.create_user(name, PASSWORD)
        yield system
    finally:
        system.end()


def echo_version(folder: Path, version: str, begin: str = "pass") -> Path:
    """A bundle whose /headers tells its version; begin: what it does when it
    is started (not when it is looked at for installation)."""
    return make_bundle(
        PLUGINS / "echo", folder / version, version=version,
        replace={
            _ANSWER: _ANSWER.replace("{", f'{{"version": "{version}", ', 1),
            _HOOK: "    async def initialize(self, context=None) -> None:\n"
                   "        await super().initialize(context)\n"
                   f"        {begin}\n\n" + _HOOK,
        },
    )


def version_of(client: httpx.Client) -> str:
    reply = client.get(f"{BASE}/headers")
    assert reply.status_code == 200, reply.text
    return str(reply.json()["version"])


def pid_of(client: httpx.Client) -> int:
    reply = client.get(f"{BASE}/environment")
    assert reply.status_code == 200, reply.text
    return int(reply.json()["pid"])


def is_in_its_environment(system: MintSystem, plugin: str = PLUGIN) -> bool:
    """What its process imports from, as against what is said of it."""
    token = system.login("member", PASSWORD)
    with system.client(token) as client:
        reply = client.get(f"/api/{plugin}/environment")
    assert reply.status_code == 200, reply.text
    return (Path(reply.json()["prefix"]).resolve()
            == Path(system.plugins()[plugin]["environment"]).resolve())


def move(system: MintSystem, plugin: str = PLUGIN) -> Any:
    return system.plugins()[plugin]["move"]


def settle(system: MintSystem, plugin: str = PLUGIN) -> None:
    wait_for(lambda: move(system, plugin) is None, "the end of the move")


def reach(system: MintSystem, state: str) -> None:
    wait_for(lambda: (m := move(system)) and m["state"] == state, state)


def submit(client: httpx.Client, seconds: float) -> str:
    """A job's id."""
    reply = client.post(f"{BASE}/jobs/sessions", json={"tab_id": "tab"})
    assert reply.status_code in (200, 201), reply.text
    session = reply.json()
    reply = client.post(f"{BASE}/jobs", json={
        "definition_id": "sleep-for",
        "inputs": {"seconds": seconds},
        "session_id": session.get("session_id") or session["id"],
        "client_request_id": f"request-{next(_serial)}",
    })
    assert reply.status_code in (200, 201, 202), reply.text
    job = reply.json()
    return str(job.get("job_id") or job["id"])


def result(
    client: httpx.Client, job: str, each: Callable[[], None] = lambda: None
) -> Any:
    """Polls as a client does; 409 = not finished, all else is a loss."""

    def fetch() -> Any:
        each()
        reply = client.get(f"{BASE}/jobs/{job}/result")
        assert reply.status_code in (200, 409), reply.text
        time.sleep(0.05)
        return reply.json() if reply.status_code == 200 else None

    return wait_for(fetch, "the job's result", 60)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """It does not say whose work it has; it may be ended meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def orders_of(system: MintSystem) -> Iterator[Any]:
    """Gives orders that are not waited for."""
    given: list[subprocess.Popen[bytes]] = []

    def give(*words: str) -> subprocess.Popen[bytes]:
        given.append(subprocess.Popen(
            [str(BUILD / "mintctl"), *words],
            env={**os.environ, "MINT_VAR": str(system.var)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ))
        return given[-1]

    try:
        yield give
        for order in given:
            order.wait(timeout=60)
    finally:
        for order in given:
            order.kill()
            order.communicate()
