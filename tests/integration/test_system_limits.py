# SPDX-License-Identifier: MIT
"""Plugins at their limits, and what they leave behind, through the front
door."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from system_harness import (
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    wait_for,
)
from system_load import Load, Target

NAME = "test-misbehaving"
CLEAN_UP_SEC = 10               # of the tree, after the main process's end
LIMITS = {NAME: {"memoryMegabytes": 400, "maxProcesses": 700}}


@pytest.fixture(scope="module", params=["cgroups", "without"])
def held(request: pytest.FixtureRequest) -> Iterator[MintSystem]:
    """A system with a limited plugin; "without": no cgroup may be used."""
    settings = {"MINT_PLUGINS__PER_PLUGIN": json.dumps(LIMITS)}
    if request.param == "without":
        settings["MINT_CGROUP"] = "off"
    system = MintSystem(make_place(), **settings)
    try:
        system.start()
        for name in ("misbehaving", "echo"):
            system.install(make_bundle(PLUGINS / name, system.place))
        yield system
        assert system.stop() == 0, system.text
        assert not system.leftovers()
    finally:
        system.end()


def post(system: MintSystem, path: str, **query: Any) -> httpx.Response:
    with system.client() as client:
        return client.post(f"/api/{NAME}/{path}", params=query)


def is_there(pid: int) -> bool:
    """Also as a zombie."""
    return Path(f"/proc/{pid}").exists()


def wait_ready(system: MintSystem, other_than: int) -> None:
    wait_for(lambda: system.plugins()[NAME]["state"] == "ready"
             and system.pid(NAME) not in (0, other_than), "the next start")


def test_out_of_memory_is_said(held: MintSystem) -> None:
    """It ends alone, with the reason in words, and is started again."""
    before = held.instance(NAME)
    watched = Target("test-echo", "/api/test-echo/headers", 25)
    with Load(held.url, [watched]) as load:
        wait_for(lambda: len(load.outcomes) > 5, "answers")
        reply = post(held, "eat")
        if held.status()["limits"]["memory"] == "resource limits":
            # Python is told, and the plugin decides
            assert reply.status_code == 200
            assert 10 < reply.json()["pieces"] < 25
            assert held.pid(NAME) == before["pid"]
            return
        assert reply.status_code == 502
        assert reply.json()["plugin"] == NAME
        wait_ready(held, before["pid"])
        seen = len(load.outcomes)
        wait_for(lambda: len(load.outcomes) > seen + 5, "more answers")
    after = held.instance(NAME)
    assert after["last_exit"] == "out of memory: killed at its limit of 400 MiB"
    assert "out of memory" in held.log(NAME)
    assert {str(o) for o in load.outcomes if o.status != 200} == set()


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_a_crowd_goes_with_its_plugin(held: MintSystem, how: str) -> None:
    """500 descendants: orphans, own sessions, stopped, deaf to SIGTERM."""
    main = held.pid(NAME)
    pids = post(held, "multiply", count=500).json()["pids"]
    folder = Path(post(held, "litter").json()["folder"])
    assert len(pids) == 500 and all(is_there(p) for p in pids)
    assert folder.is_dir()

    begin = time.monotonic()
    if how == "killed":
        os.kill(main, signal.SIGKILL)
    else:
        held.ctl("restart", NAME)
    wait_for(lambda: not is_there(main), "the end of the plugin", 30)
    wait_for(lambda: not [p for p in pids if is_there(p)], "the crowd's end",
             CLEAN_UP_SEC)
    assert time.monotonic() - begin < 30
    wait_ready(held, main)
    wait_for(lambda: not folder.exists(), "the end of what it wrote")
    assert zombies() == []


def zombies() -> list[str]:
    """Of this system or of whoever: none may hang below a mint-keeper."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (entry / "stat").read_text().rpartition(")")
            parent = (Path("/proc") / rest.split()[1] / "comm").read_text()
        except OSError:
            continue
        if rest.split()[0] == "Z" and parent == "mint-keeper\n":
            found.append(name)
    return found


def test_too_many_processes_are_refused(held: MintSystem) -> None:
    """The limit is the plugin's own trouble, and ends with it."""
    if held.status()["limits"]["processes"] == "nothing":
        pytest.skip("nothing limits processes here")
    main = held.pid(NAME)
    with held.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post(f"/api/{NAME}/multiply", params={"count": 2000},
                    timeout=3)
    with held.client() as client:
        reply = client.get("/api/test-echo/headers")
    assert reply.status_code == 200
    held.ctl("restart", NAME)
    wait_for(lambda: not is_there(main), "the end of the plugin", 30)


def test_status_says_by_what_limits_are_kept(
    held: MintSystem, request: pytest.FixtureRequest
) -> None:
    limits = held.status()["limits"]
    text = held.ctl("status").stdout
    assert f"memory by {limits['memory']}" in text
    assert f"processes by {limits['processes']}" in text
    if "without" in request.node.name:
        assert limits["tree"] == "/proc"
    log = (held.var / "mint.log").read_text()
    assert log.count("plugins are held: ") == 1
