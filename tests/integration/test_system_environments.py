# SPDX-License-Identifier: MIT
"""Environments of a running system: how they are called, which one is used
again, what a kill in the middle of a build leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from system_harness import (
    BUILD,
    DEADLINE_SEC,
    PLUGINS,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    running_system,
    wait_for,
)
from system_kills import kill_supervisor

KEY = re.compile(r"[0-9a-f]{16}")
CLASHING = "test-clashing"
HOOK = '    @endpoint.get("/headers")\n'


@pytest.fixture(scope="module")
def uv() -> Iterator[Path]:
    """A uv that does not come back from an installation while there is a file
    "wait" beside it; it makes "waits" then."""
    place = make_place()
    place.chmod(0o777)
    program = place / "uv"
    program.write_text(
        "#!/bin/sh\n"
        f'if [ "$2" = sync ] && [ -e "{place}/wait" ]; then\n'
        f'    "{os.environ["MINT_TEST_UV"]}" "$@"\n'
        f'    : > "{place}/waits"\n'
        "    exec sleep 600\n"
        "fi\n"
        f'exec "{os.environ["MINT_TEST_UV"]}" "$@"\n')
    program.chmod(0o755)
    yield program
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def own(uv: Path, tmp_path_factory: pytest.TempPathFactory
        ) -> Iterator[MintSystem]:
    """With an isolated plugin, whose click is older than the core's."""
    with running_system({"MINT_ENVIRONMENTS__UV": str(uv)}) as system:
        system.install(clashing(tmp_path_factory.mktemp("clashing")))
        yield system


def clashing(folder: Path, version: str = "1.0.0",
             begin: str = "pass") -> Path:
    """begin: what it does when it is started."""
    project = renamed_plugin("echo", "clashing", folder / version)
    return make_bundle(
        project, folder / version, version=version, requires=["click<8"],
        replace={HOOK: "    async def initialize(self, context=None) -> None:\n"
                       "        await super().initialize(context)\n"
                       f"        {begin}\n\n" + HOOK})


@pytest.fixture
def bundle(own: MintSystem, tmp_path: Path) -> Path:
    """Again the version that is installed when the test begins."""
    return clashing(tmp_path, str(own.plugins()[CLASHING]["version"]))


def reachable(system: MintSystem, bundle: Path) -> str:
    """Where the supervisor can read it."""
    return str(shutil.copy(bundle, system.place))


def environments(system: MintSystem) -> set[str]:
    return {path.name for path in (system.data / "environments").iterdir()
            if not path.name.startswith(".")}


def environment_of(system: MintSystem, name: str = CLASHING) -> Path:
    return Path(system.plugins()[name]["environment"])


def link_of(system: MintSystem, name: str = CLASHING) -> Path:
    return (system.data / "venvs" / name).readlink()


def begun(system: MintSystem) -> list[Path]:
    """What is being built or removed."""
    return list((system.data / "environments").glob(".tmp-*"))


def marker(environment: Path) -> dict[str, object]:
    return json.loads((environment / "mint-environment.json").read_text())


def test_names(own: MintSystem) -> None:
    """Lock, interpreter and uv; the marker says which they were."""
    found = environments(own)
    assert len(found) == 2, found
    for name, key in (path.rsplit("-", 1) for path in found):
        assert name in ("platform", CLASHING)
        assert KEY.fullmatch(key)
    described = marker(environment_of(own))
    assert re.fullmatch(r"cpython 3\.\d+\.\S+ linux-\S+ cpython-3\S+",
                        str(described["interpreter"]))
    assert re.match(r"uv \d+\.\d+", str(described["uv"]))
    locks = {path.stem for path in (own.data / "locks").glob("*.txt")}
    assert locks == found


def test_links(own: MintSystem) -> None:
    """Beside the plugin's name, the platform's; mended when the system is
    started."""
    links = own.data / "venvs"
    assert {path.name for path in links.iterdir()} == {"platform", CLASHING}
    assert link_of(own) == environment_of(own)
    assert link_of(own, "platform") == Path(
        own.status()["environment"]["path"])
    python = links / CLASHING / "bin" / "python"
    done = subprocess.run(
        [python, "-I", "-c", "import click; print(click.__file__)"],
        capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(links / CLASHING))

    (links / CLASHING).unlink()
    (links / "platform").unlink()
    (links / "platform").symlink_to("/nowhere")
    (links / "test-gone").symlink_to(own.data / "environments" / "test-gone-1")
    (links / "of-somebody").symlink_to("/usr")
    kill_supervisor(own)
    wait_for(lambda: not (links / "test-gone").is_symlink()
             and (links / CLASHING).is_symlink(), "the links to be mended")
    assert link_of(own) == environment_of(own)
    assert link_of(own, "platform") == Path(
        own.status()["environment"]["path"])
    (links / "of-somebody").unlink()


def test_link_of_a_version_that_does_not_start(
    own: MintSystem, tmp_path: Path
) -> None:
    """It goes to the environment that is in use."""
    before = link_of(own)
    own.upload(clashing(tmp_path, "1.0.1", 'raise RuntimeError("not today")'))
    assert own.plugins()[CLASHING]["version"] == "1.0.1"
    assert environment_of(own) != before
    assert link_of(own) == before

    own.install(clashing(tmp_path, "1.0.2"))
    assert own.plugins()[CLASHING]["state"] == "ready"
    wait_for(lambda: link_of(own) == environment_of(own),
             "the link to the new version")


def test_disk(own: MintSystem) -> None:
    """As it was counted when it was built, without what uv's cache has."""
    answer = own.ctl_json("disk")
    entries = {entry["name"]: entry for entry in answer["environments"]
               if entry["name"]}
    assert set(entries) == {"platform", CLASHING}
    entry = entries[CLASHING]
    assert entry["path"] == str(environment_of(own))
    assert entry["plugins"] == [CLASHING]
    assert entry["files"] > 1000
    assert entry["own_bytes"] == entry["bytes"] - entry["linked_bytes"]
    assert entry["own_bytes"] > 1_000_000, "byte code is in no cache"
    assert answer["own_bytes"] >= sum(e["own_bytes"] for e in entries.values())

    du = subprocess.run(["du", "-s", "-B1", entry["path"]], check=True,
                        capture_output=True, text=True).stdout
    assert abs(int(du.split()[0]) - entry["bytes"]) < 100_000
    text = own.ctl("disk").stdout
    assert f"{environment_of(own).name}: {CLASHING}\n" in text


def test_verify(own: MintSystem) -> None:
    done = own.ctl("verify-env")
    assert re.fullmatch(
        r"platform: \d+ packages, \d+ files: as its lock has it\n"
        rf"{CLASHING}: \d+ packages, \d+ files: as its lock has it\n",
        done.stdout)
    [entry] = own.ctl_json("verify-env", "platform")["environments"]
    assert entry["path"] == own.status()["environment"]["path"]
    assert entry["problems"] == [] and entry["bytes"] > 1_000_000
    done = own.ctl("verify-env", "no-such-plugin", status=1)
    assert 'there is no plugin "no-such-plugin"' in done.stderr


def test_verify_finds_what_is_wrong(own: MintSystem, tmp_path: Path) -> None:
    """A file that is changed, one that is missing, one that is additional;
    they are in no other environment, and a build makes it good."""
    environment = environment_of(own)
    [site] = environment.glob("lib/python*/site-packages")
    changed = site / "click" / "core.py"
    text = changed.read_bytes()
    changed.unlink()                    # it is a link into the cache
    changed.write_bytes(text.replace(b"def", b"fed", 1))
    (site / "uvicorn" / "main.py").unlink()
    (site / "more.pth").write_text("")

    done = own.ctl("verify-env", CLASHING, "--json", status=1)
    result = json.loads(done.stdout)
    [entry] = result["environments"]
    assert result["count"] == 3
    place = site.relative_to(environment)
    assert [(p["kind"], p["package"], p["path"], p["text"])
            for p in entry["problems"]] == [
        ("changed", "click", f"{place}/click/core.py", "has other contents"),
        ("missing", "uvicorn", f"{place}/uvicorn/main.py", "is not there"),
        ("extra", "", f"{place}/more.pth", "belongs to no package"),
    ]
    text = own.ctl("verify-env", status=1).stdout
    assert f"{CLASHING}: " in text and "not as its lock has it" in text
    assert re.search(r"platform: .*: as its lock has it\n", text)
    assert re.search(rf"  changed +click +{place}/click/core.py: has other "
                     "contents\n", text)
    assert own.ctl_json("verify-env", "platform")["count"] == 0

    version = own.plugins()[CLASHING]["version"]
    own.ctl("install", reachable(own, clashing(tmp_path, version)), "--force")
    assert environment_of(own) != environment
    assert own.ctl_json("verify-env")["count"] == 0


def test_same_again(own: MintSystem, bundle: Path, tmp_path: Path) -> None:
    """A change that is taken back finds the environment it has left."""
    first = environment_of(own)
    inode, built = first.stat().st_ino, marker(first)["created"]
    own.install(clashing(tmp_path, "1.1.0"))
    second = environment_of(own)
    assert second != first
    assert {first.name, second.name} <= environments(own)

    own.ctl("restart", CLASHING)
    own.install(bundle)
    assert environment_of(own) == first
    assert first.stat().st_ino == inode
    assert marker(first)["created"] == built
    assert not (first / "mint-unused").exists()
    assert own.plugins()[CLASHING]["state"] == "ready"


def test_damaged_is_not_used(own: MintSystem, bundle: Path, tmp_path: Path
                             ) -> None:
    """One that is there and cannot be imported stays as it is; another is
    built."""
    first = environment_of(own)
    own.install(clashing(tmp_path, "1.2.0"))
    [module] = first.glob("lib/python*/site-packages/uvicorn/__init__.py")
    module.unlink()
    own.install(bundle)
    second = environment_of(own)
    assert second != first and KEY.findall(second.name) == KEY.findall(
        first.name)
    assert not module.exists()
    assert own.plugins()[CLASHING]["state"] == "ready"
    wait_for(lambda: not begun(own), "that nothing is under way")


def test_forced_is_built_anew(own: MintSystem, bundle: Path) -> None:
    """Beside the other: who runs there, confined to that directory, goes on
    to find its files."""
    first = environment_of(own)
    inode = first.stat().st_ino
    own.ctl("install", reachable(own, bundle), "--force")
    second = environment_of(own)
    assert second != first and KEY.findall(second.name) == KEY.findall(
        first.name)
    assert first.stat().st_ino == inode
    assert own.plugins()[CLASHING]["state"] == "ready"


def test_forced_shared(own: MintSystem, tmp_path: Path) -> None:
    """Forked from the warm interpreter of the new environment: that of the
    other could not read there."""
    bundle = make_bundle(PLUGINS / "echo", tmp_path)
    own.install(bundle)
    first = environment_of(own, "test-echo")
    own.ctl("install", reachable(own, bundle), "--force")
    assert own.plugins()["test-echo"]["state"] == "ready"
    assert environment_of(own, "test-echo") != first
    wait_for(lambda: link_of(own, "platform") == environment_of(
        own, "test-echo"), "the link to the new one")


def test_removed_after_a_while(own: MintSystem, tmp_path: Path) -> None:
    first = environment_of(own)
    for version in ("1.3.0", "1.4.0"):
        own.install(clashing(tmp_path, version))
    note = first / "mint-unused"
    assert note.exists(), "it may be wanted back"

    hour = time.time() - 3601
    os.utime(note, (hour, hour))
    own.install(clashing(tmp_path, "1.5.0"))
    wait_for(lambda: not first.exists(), "its removal")
    assert not (own.data / "locks" / f"{first.name}.txt").exists()


def test_killed_while_building(own: MintSystem, uv: Path, tmp_path: Path
                               ) -> None:
    """The old version goes on; what was begun is gone after the next start,
    a file that was being written, too, and the installation can be
    repeated."""
    cut = [own.data / name for name in (
        "registry.json.tmp-17", "locks/core.lock.tmp-17",
        "history/x.jsonl.tmp-17", f"locks/{CLASHING}-{16 * '0'}.txt")]
    environment, pid = environment_of(own), own.pid(CLASHING)
    known = environments(own)
    bundle = clashing(tmp_path, "2.0.0")
    path = reachable(own, bundle)
    uv.with_name("wait").touch()
    installing = subprocess.Popen(
        [str(BUILD / "mintctl"), "install", path],
        env={**os.environ, "MINT_VAR": str(own.var)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(uv.with_name("waits").exists, "a build that is half done")
        assert begun(own)
        for path in cut:
            path.touch()
        kill_supervisor(own)
        assert installing.wait(timeout=DEADLINE_SEC) != 0
    finally:
        uv.with_name("wait").unlink()
        installing.kill()
        installing.wait()
    wait_for(lambda: not begun(own), "the removal of what was begun")
    wait_for(lambda: not any(path.exists() for path in cut), "of files")
    assert environment_of(own) == environment
    assert own.pid(CLASHING) == pid
    assert environments(own) == known

    own.install(bundle)
    assert own.plugins()[CLASHING]["version"] == "2.0.0"
    assert environment_of(own) != environment


def test_numbered(own: MintSystem, tmp_path: Path) -> None:
    """As an earlier version has left it: used until the next change."""
    assert own.stop() == 0
    registry = own.data / "registry.json"
    text = registry.read_text()
    [environment] = {
        plugin["environment"] for plugin in json.loads(text)["plugins"]
        if plugin["name"] == CLASHING}
    numbered = Path(environment).with_name(f"{CLASHING}-3")
    Path(environment).rename(numbered)
    registry.write_text(text.replace(environment, str(numbered)))
    own.start()
    plugin = own.plugins()[CLASHING]
    assert plugin["state"] == "ready"
    assert plugin["environment"] == str(numbered)

    own.install(clashing(tmp_path, "3.0.0"))
    assert own.plugins()[CLASHING]["state"] == "ready"
    assert re.match(KEY, environment_of(own).name.removeprefix(f"{CLASHING}-"))
