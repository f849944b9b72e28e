# SPDX-License-Identifier: MIT
"""Installations that fail in the middle, of a plugin that runs.  The old
version serves, from a whole environment, and the same command converges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from install_harness import (
    PART,
    Index,
    Lab,
    Upgrade,
    cached,
    fails_in_supervisor,
    fails_in_uv,
    offline,
    room,
)
from system_harness import wait_for
from system_kills import kill_supervisor, supervisor_pid

LONE = "test-lone"          # isolated
JOINT = "test-joint"        # shared

KIB = 1024
MIB = 1024 * KIB


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    server = Index()
    yield server
    server.end()


@pytest.fixture(scope="module")
def lab(index: Index) -> Iterator[Lab]:
    system = Lab(index)
    try:
        system.start()
        for name in (LONE, JOINT):
            version = system.next_version()
            index.put(version)
            system.install(system.bundle(name.removeprefix("test-"), version,
                                         version))
            wait_for(lambda n=name: system.is_settled(n), "its process")
        modes = {n: p["mode"] for n, p in system.plugins().items()}
        assert modes == {LONE: "isolated", JOINT: "shared"}
        yield system
        assert system.stop() == 0, system.text
    finally:
        system.end()


@pytest.mark.parametrize("name", [LONE, JOINT])
def test_disk_full(lab: Lab, name: str) -> None:
    """In whatever it is doing; the package takes 3 MiB."""
    with Upgrade(lab, name, 3 * MIB) as upgrade:
        for leave in (0, 8 * KIB, 64 * KIB, 256 * KIB, 1 * MIB):
            with room(lab, leave):
                said = upgrade.refused()
            assert "No space left on device" in said \
                or "the disk is full" in said, (leave, said)
        upgrade.done()


def test_registry_is_not_written(lab: Lab) -> None:
    """All has been built then; what is on disk is what runs, also for the next
    supervisor.  What has been fetched is in the cache, so the same again needs
    no network at all."""
    with Upgrade(lab, LONE) as upgrade:
        path = f"{lab.data}/registry.json.tmp-{supervisor_pid(lab)}"
        with fails_in_supervisor(
            lab, "-P", path, "-e", "trace=write",
            "-e", "inject=write:error=EIO:when=1",
        ) as hit:
            upgrade.refused("Input/output error")
        assert len(hit) == 1 and path in hit[0], hit
        kill_supervisor(lab)
        upgrade.check_old()
        with offline(lab):
            upgrade.done()


def test_directory_cannot_be_synced(lab: Lab) -> None:
    """The registry is written all the same, and that is what holds; also for
    the next supervisor."""
    with Upgrade(lab, LONE) as upgrade:
        with fails_in_supervisor(
            lab, "-P", str(lab.data), "-e", "trace=fsync",
            "-e", "inject=fsync:error=EIO",
        ) as hit:
            upgrade.done()
        assert hit
        kill_supervisor(lab)
        upgrade.check_new()


@pytest.mark.parametrize(("calls", "number"), [
    ("mkdir,mkdirat", 20), ("link,linkat,openat", 300)])
def test_uv_fails(lab: Lab, calls: str, number: int) -> None:
    """In the middle of the environment, whatever it is then: a thread of uv
    fails from so many calls on."""
    with Upgrade(lab, LONE) as upgrade:
        with fails_in_uv(
            lab, "-e", f"trace={calls}",
            "-e", f"inject={calls}:error=EIO:when={number}+",
        ) as hit:
            upgrade.refused("its packages could not be installed",
                            "Input/output error (os error 5)")
        assert hit
        upgrade.done()


def test_no_network(lab: Lab) -> None:
    """And a package that is not in the cache."""
    with Upgrade(lab, LONE) as upgrade:
        with offline(lab):
            upgrade.refused("the package index cannot be reached")
        upgrade.done()


@pytest.mark.parametrize("name", [LONE, JOINT])
def test_wrong_hash(lab: Lab, index: Index, name: str) -> None:
    """The index has another file than it says."""
    with Upgrade(lab, name) as upgrade:
        digest, right = index.wheels[upgrade.wheel]
        name_of, wrong = index.wheels[index.put(upgrade.new, 2000)]
        assert name_of != digest
        index.wheels[upgrade.wheel] = digest, wrong
        upgrade.refused("ash mismatch")
        index.wheels[upgrade.wheel] = digest, right
        upgrade.done()


def other_contents(path: Path) -> None:
    path.write_bytes(b"#" * path.stat().st_size)


def cut_off(path: Path) -> None:
    with open(path, "r+b") as stream:
        stream.truncate(10)


@pytest.mark.parametrize(("damage", "name"), [
    (other_contents, LONE), (cut_off, JOINT), (Path.unlink, LONE)])
def test_damaged_cache(
    lab: Lab, damage: Callable[[Path], None], name: str
) -> None:
    """No environment has what is not of its packages: they are fetched anew,
    or nothing is installed."""
    anew = "its packages are fetched anew"

    def times() -> int:
        log = lab.ctl("logs", "supervisor", "--lines", "5000").stdout
        return log.count(anew)

    before = times()
    with Upgrade(lab, name) as upgrade:
        code, _ = cached(lab, upgrade.new)
        assert code.name == "__init__.py"
        damage(code)
        with offline(lab):
            upgrade.refused("uv's cache is damaged", f"{PART}/__init__.py",
                            "--force")
        upgrade.done()
    # without the network and with it
    assert times() == before + 2


def test_damaged_metadata_in_the_cache(lab: Lab) -> None:
    """What the index has said, as uv keeps it."""
    with Upgrade(lab, LONE) as upgrade:
        cached(lab, upgrade.new)
        files = [path for kind in ("simple-v*", "wheels-v*")
                 for path in lab.cache.glob(f"{kind}/**/*") if path.is_file()
                 and "mint-test-part" in str(path)]
        assert files
        for path in files:
            other_contents(path)
        upgrade.done()
