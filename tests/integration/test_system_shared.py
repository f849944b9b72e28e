# SPDX-License-Identifier: MIT
"""plugins.sharedProcess: one process for all plugins, through the gateway."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moves_harness import (
    BASE,
    BROKEN,
    echo_version,
    frozen,
    orders_of,
    reach,
    result,
    settle,
    submit,
)
from shared_harness import SQLMODEL
from system_harness import (
    DEADLINE_SEC,
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    running_system,
    wait_for,
)
from system_load import Load, Target
from websockets.sync.client import connect

PASSWORD = "a password of theirs"
ECHO, MIRROR, MISBEHAVING, LEDGER = (
    "test-echo", "test-mirror", "test-misbehaving", "test-ledger"
)
ALL = (ECHO, MIRROR, MISBEHAVING, LEDGER)
ON = {"MINT_PLUGINS__SHARED_PROCESS": "true"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mint-b-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[MintSystem]:
    """Four plugins in one process, and a user."""
    system = MintSystem(make_place(), **ON)
    try:
        system.start()
        system.create_user("owner", PASSWORD)
        for name in ("echo", "mirror", "misbehaving", "ledger"):
            system.install(make_bundle(PLUGINS / name, folder))
        yield system
    finally:
        system.end()


@pytest.fixture
def owner(lab: MintSystem) -> Iterator[httpx.Client]:
    with lab.client(lab.login("owner", PASSWORD)) as client:
        yield client


def pids(system: MintSystem) -> set[int]:
    """Of the processes of all plugins that are said to run."""
    return {
        i["pid"] for p in system.plugins().values() for i in p["instances"]
    }


def hosts(system: MintSystem) -> list[int]:
    """Of the plugin hosts that do run, whatever is said."""
    return [
        pid for pid, command in system.leftovers().items()
        if "plugin_host" in command and "spawn_main" not in command
        and "__main__.py warm" not in command       # forks others, serves none
    ]


def settled(system: MintSystem) -> None:
    """All are ready, in one process, and nothing is under way."""
    def all_ready() -> bool:
        plugins = system.plugins().values()
        return all(
            p["state"] == "ready" and p["move"] is None for p in plugins
        ) and len(hosts(system)) == 1

    wait_for(all_ready, "all are ready", 60)


def test_each_is_itself_in_one_process(
    lab: MintSystem, owner: httpx.Client
) -> None:
    settled(lab)
    assert len(pids(lab)) == 1
    assert hosts(lab) == list(pids(lab))
    seen = owner.get(f"{BASE}/environment").json()
    assert {seen["pid"]} == pids(lab)
    environment = seen["environment"]
    assert environment["MINT_PLUGIN_DATA_DIR"].endswith("/test-echo")
    assert re.search(r"/\+shared\.0[ab]/test-echo$", environment["TMPDIR"])
    same = owner.get("/api/test-mirror/mirror").json()["same"]
    own = same["environment"]
    assert own["MINT_PLUGIN_NAME"] == MIRROR
    assert own["MINT_PLUGIN_DATA_DIR"].endswith("/test-mirror")
    assert same["tempdir"].endswith("/test-mirror")
    registry = json.loads((lab.data / "registry.json").read_text())
    tokens = {p["name"]: p["token"] for p in registry["plugins"]}
    assert own["MINT_PLUGIN_TOKEN"] == tokens[MIRROR]
    assert owner.get(f"{BASE}/whoami").json()["username"] == "owner"
    job = submit(owner, 0.0)
    assert '"plugin": "test-echo"' in json.dumps(result(owner, job))
    top = lab.ctl("top").stdout
    (pid,) = pids(lab)
    assert len([x for x in top.splitlines() if str(pid) in x.split()]) == 4


def test_logs_and_doctor_tell_them_apart(
    lab: MintSystem, owner: httpx.Client
) -> None:
    settled(lab)
    reply = owner.post(f"/api/{MISBEHAVING}/say?text=of-one-alone")
    assert reply.status_code == 200, reply.text
    wait_for(lambda: "of-one-alone" in lab.log(MISBEHAVING), "the line")
    assert "of-one-alone" not in lab.log(ECHO)
    assert "of-one-alone" in lab.log("+shared")
    found = [f for f in json.loads(
        lab.ctl("doctor", "--json", status=None).stdout)["findings"]
             if f["check"] == "sharing"]
    assert [f["level"] for f in found] == ["note"]


def test_websocket(lab: MintSystem, owner: httpx.Client) -> None:
    settled(lab)
    with connect(
        f"ws://127.0.0.1:{lab.port}{BASE}/ws",
        additional_headers={"authorization": owner.headers["authorization"]},
    ) as client:
        json.loads(client.recv())
        client.send("hello")
        assert client.recv() == "hello"


def test_a_crash_takes_all_and_all_come_back(
    lab: MintSystem, owner: httpx.Client
) -> None:
    settled(lab)
    (old,) = pids(lab)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: old not in hosts(lab), "its end")
    for name in (ECHO, MIRROR, MISBEHAVING):
        def served(name: str = name) -> bool:
            reply = owner.get(f"/api/{name}/_mint/runtime")
            assert reply.status_code in (200, 502, 503), reply.text
            return reply.status_code == 200

        wait_for(served, name)
    settled(lab)
    (new,) = pids(lab)
    assert new != old
    for name in ALL:
        records = lab.ctl_json("history", name)["records"]
        assert "ready" in [
            r["to"] for r in records if r["subject"] == "process"
        ], name


def test_a_restart_moves_all_and_loses_no_request(
    lab: MintSystem, owner: httpx.Client
) -> None:
    settled(lab)
    (old,) = pids(lab)
    headers = {"authorization": owner.headers["authorization"]}
    targets = [
        Target("echo", f"{BASE}/any/thing", 40, "POST", headers),
        Target("mirror", "/api/test-mirror/_mint/runtime", 20,
               headers=headers),
    ]
    with Load(lab.url, targets) as load:
        for _ in range(2):
            wanted = len(load.outcomes) + 20
            wait_for(lambda n=wanted: len(load.outcomes) > n, "answers")
            lab.ctl("restart", MIRROR)
            settle(lab, MIRROR)
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    settled(lab)
    assert old not in pids(lab)
    assert all(
        p["moves"]["defects"] == 0 for p in lab.plugins().values()
    )


def test_work_in_one_keeps_its_owner_there_with_all(
    lab: MintSystem, owner: httpx.Client
) -> None:
    settled(lab)
    (old,) = pids(lab)
    job = submit(owner, 3.0)
    lab.ctl("restart", MISBEHAVING)
    # the restarted process serves, but not the one whose job runs
    assert owner.get(f"{BASE}/environment").json()["pid"] == old
    assert "test-echo" in json.dumps(result(owner, job))
    lab.ctl("restart", MIRROR, "--now", "--yes")
    settled(lab)


def test_one_that_fails_alone(lab: MintSystem, folder: Path) -> None:
    """As a new plugin, as an upgrade, and taken out by hand."""
    settled(lab)
    (old,) = pids(lab)
    broken = lab.upload(echo_version(
        folder, "2.0.0", 'raise ValueError("told to fail")'
    ))
    assert "does not run" in broken["message"], broken
    assert "told to fail" in lab.plugins()[ECHO]["error"]
    # the process that lacks one is none: all stay where they were
    wait_for(lambda: hosts(lab) == [old], "one process")
    with lab.client(lab.login("owner", PASSWORD)) as client:
        for name in (ECHO, MIRROR, MISBEHAVING):
            reply = client.get(f"/api/{name}/_mint/runtime")
            assert reply.status_code == 200, (name, reply.text)

    lab.ctl("stop", ECHO, "--now", "--yes", status=None)
    wait_for(lambda: lab.plugins()[ECHO]["state"] == "stopped"
             and len(hosts(lab)) == 1, "stopped alone", 60)
    with lab.client(lab.login("owner", PASSWORD)) as client:
        assert client.get(f"{BASE}/_mint/runtime").status_code == 503
        for name in (MIRROR, MISBEHAVING):
            reply = client.get(f"/api/{name}/_mint/runtime")
            assert reply.status_code == 200, (name, reply.text)
    assert lab.install(echo_version(folder, "3.0.0"))
    lab.ctl("start", ECHO)
    settled(lab)


def test_supervisor_adopts_the_process(lab: MintSystem) -> None:
    settled(lab)
    before = pids(lab)
    old = lab.status()["supervisor_pid"]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: lab.status()["supervisor_pid"] != old, "the next one")
    settled(lab)
    assert pids(lab) == before
    with lab.client(lab.login("owner", PASSWORD)) as client:
        for name in (ECHO, MIRROR, MISBEHAVING):
            reply = client.get(f"/api/{name}/_mint/runtime")
            assert reply.status_code == 200, (name, reply.text)


def test_a_clash_is_named(folder: Path) -> None:
    """Tables of one name, as SQLModel keeps them: once for a process."""
    with running_system(ON) as system:
        for name in ("echo", "misbehaving"):
            system.upload(make_bundle(with_table(name, folder), folder))
        system.install(make_bundle(PLUGINS / "mirror", folder))
        plugins = system.plugins()
        assert plugins[MISBEHAVING]["state"] == "failed"
        error = plugins[MISBEHAVING]["error"]
        assert "'samples' is also that of plugin 'test-echo'" in error
        assert "plugins.sharedProcess" in error
        assert "plugins.forceIsolated" in error
        with system.client(session(system)) as client:
            for name, status in ((ECHO, 200), (MIRROR, 200),
                                 (MISBEHAVING, 503)):
                reply = client.get(f"/api/{name}/_mint/runtime")
                assert reply.status_code == status, (name, reply.text)


def with_table(name: str, folder: Path) -> Path:
    copy = folder / f"{name}-with-table"
    shutil.copytree(PLUGINS / name, copy)
    path = copy / "src" / f"mint_test_{name}" / "plugin.py"
    path.write_text(path.read_text().replace(
        "from __future__ import annotations\n",
        "from __future__ import annotations\n"
        "import sqlmodel; sqlmodel.table('samples')\n"))
    # what matters of it; the same file in both
    (copy / "src" / "sqlmodel.py").write_text(SQLMODEL)
    return copy


def session(system: MintSystem) -> str:
    system.create_user("owner", PASSWORD)
    return system.login("owner", PASSWORD)


def test_the_key_changes_with_a_restart_of_the_supervisor(
    folder: Path,
) -> None:
    with running_system() as system:
        for name in ("echo", "mirror"):
            system.install(make_bundle(PLUGINS / name, folder))
        token = session(system)
        assert len(hosts(system)) == len(pids(system)) == 2
        for on in (True, False):
            configure(system, on)
            before = hosts(system)
            os.kill(system.status()["supervisor_pid"], signal.SIGKILL)
            wait_for(lambda n=1 if on else 2, b=before: len(hosts(system))
                     == n and not set(hosts(system)) & set(b),
                     "processes as configured", 60)
            wait_for(lambda: all(p["state"] == "ready"
                                 for p in system.plugins().values()),
                     "all are ready", DEADLINE_SEC)
            assert sorted(pids(system)) == sorted(hosts(system))
            with system.client(token) as client:
                for name in (ECHO, MIRROR):
                    reply = client.get(f"/api/{name}/_mint/runtime")
                    assert reply.status_code == 200, (name, reply.text)


def test_what_was_wanted_ends_with_a_stop(folder: Path) -> None:
    """Of the last one that is to run: nobody waits for it any more."""
    with running_system(ON) as system, orders_of(system) as orders:
        system.install(make_bundle(PLUGINS / "echo", folder))
        with frozen(system.pid(ECHO)):
            orders("stop", ECHO)
            reach(system, "held")
            restart = orders("restart", ECHO, "--now", "--yes")
            reach(system, "closing")
            orders("stop", ECHO)
            assert restart.wait(20) == 1
            assert b"stopped by hand since" in restart.stderr.read()
        wait_for(lambda: not hosts(system), "its end")


def test_one_that_is_stopped_and_started_at_once(lab: MintSystem) -> None:
    """The next process was to be without it."""
    settled(lab)
    with orders_of(lab) as orders, frozen(lab.pid(ECHO)):
        stop = orders("stop", MIRROR)
        wait_for(lambda: lab.plugins()[MIRROR]["move"], "the move")
        lab.ctl("start", MIRROR, "--timeout", "60")
        assert stop.wait(20) == 1
        assert b"started by hand since" in stop.stderr.read()
    settled(lab)
    with lab.client(lab.login("owner", PASSWORD)) as client:
        assert client.get(
            f"/api/{MIRROR}/_mint/runtime").status_code == 200


@pytest.mark.parametrize("others", [(), ("mirror",)])
def test_one_that_leaves_waits_for_work(
    folder: Path, others: tuple[str, ...]
) -> None:
    """Its next process takes the seat of the older one, which has a job yet;
    the shared process ends with the last one that was in it."""
    with running_system(ON) as system:
        system.create_user("owner", PASSWORD)
        for name in (*others, "echo"):
            system.install(make_bundle(PLUGINS / name, folder))
        with system.client(system.login("owner", PASSWORD)) as client:
            job = submit(client, 20.0)
            old = system.pid(ECHO)
            system.ctl("restart", ECHO)
            reach(system, "draining")
            answer = system.upload(make_bundle(
                PLUGINS / "echo", folder / "2", version="2.0.0",
                requires=["click<8"]))
            assert answer["success"], answer
            assert system.plugins()[ECHO]["mode"] == "isolated"
            assert old in hosts(system)
            assert '"plugin": "test-echo"' in json.dumps(result(client, job))
            system.ctl("restart", ECHO, "--now", "--yes")
            wait_for(lambda: old not in hosts(system)
                     and len(hosts(system)) == 1 + len(others)
                     and system.plugins()[ECHO]["move"] is None, "its own")
            own = client.get(f"{BASE}/environment").json()["pid"]
            assert own == system.pid(ECHO)
            for name in others:
                assert client.get(
                    f"/api/test-{name}/_mint/runtime").status_code == 200
                assert system.pid(f"test-{name}") != own


def test_the_key_ends_the_way_back(folder: Path) -> None:
    """All of one process is of the newest versions."""
    with running_system() as system:
        for name in ("mirror", "echo"):
            system.install(make_bundle(PLUGINS / name, folder))
        system.install(echo_version(folder, "4.0.0", BROKEN))
        assert system.plugins()[ECHO]["state"] == "resisting"
        assert with_former(system) == {ECHO}
        configure(system, True)
        os.kill(system.status()["supervisor_pid"], signal.SIGKILL)
        wait_for(lambda: system.plugins()[ECHO]["state"] == "failed",
                 "the newest version")
        assert with_former(system) == set()


def with_former(system: MintSystem) -> set[str]:
    """Plugins of which an earlier version is kept to go back to."""
    registry = json.loads((system.data / "registry.json").read_text())
    return {p["name"] for p in registry["plugins"] if "former" in p}


def configure(system: MintSystem, on: bool) -> Any:
    path = system.var.resolve() / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    config.setdefault("plugins", {})["sharedProcess"] = on
    path.write_text(json.dumps(config))
