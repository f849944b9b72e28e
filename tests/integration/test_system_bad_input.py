# SPDX-License-Identifier: MIT
"""Bad bundles, bad settings and a full disk: a clear error, and nothing has
changed."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from system_harness import (
    ADMIN,
    PLUGINS,
    RUN,
    MintSystem,
    environment,
    example_bundles,
    free_port,
    make_bundle,
    make_place,
    wait_for,
)

ECHO = PLUGINS / "echo"
TARGET = "mint_test_echo.plugin:EchoPlugin"


# ---- bundles ----------------------------------------------------------------


def rewritten(
    bundle: Path, change: Callable[[dict[str, bytes]], None]
) -> Path:
    """The bundle with other entries."""
    with zipfile.ZipFile(bundle) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return bundle


def manifest(bundle: Path, **changes: object) -> Path:
    def change(entries: dict[str, bytes]) -> None:
        document = json.loads(entries["manifest.json"])
        document.update(changes)
        entries["manifest.json"] = json.dumps(document).encode()

    return rewritten(bundle, change)


def in_wheel(bundle: Path, name: str) -> Path:
    """The wheel inside has one more entry."""
    def change(entries: dict[str, bytes]) -> None:
        wheel = next(n for n in entries if n.endswith(".whl"))
        path = bundle.with_suffix(".whl")
        path.write_bytes(entries[wheel])
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"escaped")
        entries[wheel] = path.read_bytes()

    return rewritten(bundle, change)


def claims_to_be_huge(bundle: Path) -> Path:
    """3 GiB unpacked, as its directory says."""
    data = bytearray(bundle.read_bytes())
    for magic, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.rindex(magic)
        data[at + offset:at + offset + 4] = (3 << 30).to_bytes(4, "little")
    bundle.write_bytes(data)
    return bundle


def cut(bundle: Path) -> Path:
    bundle.write_bytes(bundle.read_bytes()[:-200])
    return bundle


def text(bundle: Path) -> Path:
    bundle.write_bytes(b"this is not a ZIP archive\n" * 100)
    return bundle


def empty(bundle: Path) -> Path:
    bundle.write_bytes(b"")
    return bundle


def add(name: str, data: bytes = b"x") -> Callable[[Path], Path]:
    return lambda bundle: rewritten(
        bundle, lambda entries: entries.update({name: data})
    )


def without_manifest(bundle: Path) -> Path:
    return rewritten(bundle, lambda entries: entries.pop("manifest.json"))


def two_entry_points(bundle: Path) -> Path:
    return make_bundle(ECHO, bundle.parent, version="9.0", entry_points={
        "mint.plugins": {"test-echo": TARGET, "test-other": TARGET}})


def no_entry_point(bundle: Path) -> Path:
    return make_bundle(ECHO, bundle.parent, version="9.0", entry_points={})


def newer_platform(bundle: Path) -> Path:
    return make_bundle(
        ECHO, bundle.parent, version="9.0", requires_mint=">=99.1"
    )


def impossible_requirement(bundle: Path) -> Path:
    return make_bundle(
        ECHO, bundle.parent, version="9.0", requires=["prettytable==999"]
    )


def fails_at_import(bundle: Path) -> Path:
    return make_bundle(ECHO, bundle.parent, version="9.0", replace={
        "METHODS = [": "raise RuntimeError('broken on purpose')\nMETHODS = ["})


def prefix_of_another(bundle: Path) -> Path:
    return make_bundle(ECHO, bundle.parent, version="9.0", replace={
        '"/test-echo"': '"/peak-table"'})


BUNDLES: dict[Callable[[Path], Path], list[str]] = {
    text: ["Invalid .mint bundle", "ZIP"],
    empty: ["Invalid .mint bundle"],
    cut: ["Invalid .mint bundle"],
    without_manifest: ["Invalid .mint bundle", "no manifest.json"],
    two_entry_points: ["2 entry points", "test-echo", "test-other"],
    no_entry_point: ["no entry point", "mint.plugins"],
    newer_platform: ["99.1"],
    impossible_requirement: ["prettytable", "999"],
    fails_at_import: ["broken on purpose"],
    prefix_of_another: ["/peak-table", "peak-table"],
    claims_to_be_huge: ["Invalid .mint bundle"],
}
NAMED = {
    "dots": (add("../escaped"), ["../escaped"]),
    "dots-inside": (add("a/../../escaped"), ["escaped"]),
    "absolute": (add("/tmp/escaped"), ["/tmp/escaped"]),
    "backslash": (add("..\\escaped"), ["escaped"]),
    "folder": (add("folder/file"), ["folder"]),
    "wheel-dots": (lambda b: in_wheel(b, "../../escaped"), ["escaped"]),
    "manifest-text": (
        add("manifest.json", b"{"), ["manifest.json"]),
    "format-version": (
        lambda b: manifest(b, format_version=2), ["format_version"]),
    "no-wheels": (lambda b: manifest(b, wheels={}), ["wheels"]),
    "wheel-missing": (
        lambda b: manifest(b, wheels={
            "main": "absent-1.0-py3-none-any.whl", "dependencies": []}),
        ["absent-1.0-py3-none-any.whl"]),
    "wheel-elsewhere": (
        lambda b: manifest(b, wheels={
            "main": "../x-1.0-py3-none-any.whl", "dependencies": []}),
        ["wheel"]),
}
CASES = {f.__name__.replace("_", "-"): (f, w) for f, w in BUNDLES.items()} \
    | NAMED


def state_of(system: MintSystem) -> tuple:
    """Everything that an installation may change."""
    names = []
    for folder in ("bundles", "environments", "locks", "plugin-data",
                   "uploads"):
        top = system.data / folder
        names += sorted(str(path.relative_to(top)) for path in top.glob("*"))
    names += sorted(p.name for p in (system.var / "tmp").resolve().glob("*"))
    names += sorted(p.name for p in (system.run_directory / "s").glob("*"))
    registry = (system.data / "registry.json").read_bytes()
    return names, registry, system.settled_plugins()


@pytest.mark.parametrize("case", CASES)
def test_bad_bundle(system: MintSystem, tmp_path: Path, case: str) -> None:
    spoil, words = CASES[case]
    bundle = spoil(make_bundle(ECHO, tmp_path, version="9.0"))
    # what is no longer needed is removed in the background
    wait_for(lambda: state_of(system) == state_of(system), "quiet")
    before = state_of(system)
    answer = system.upload(bundle)
    assert answer["success"] is False
    for word in words:
        assert word in answer["message"], answer
    assert answer["restart_required"] is False
    assert answer["request_id"]
    assert "Traceback" not in answer["message"]
    wait_for(lambda: state_of(system) == before,
             f"as before: {before} now: {state_of(system)}")
    assert not list(Path("/tmp").glob("escaped"))
    with system.client() as client:
        reply = client.get("/api/test-echo/headers")
    assert reply.json()["pid"] == before[2]["test-echo"]["instances"][0]["pid"]


@pytest.mark.parametrize("name", ["bundle.zip", "bundle", "x.mint.txt"])
def test_bad_file_name(
    system: MintSystem, bundles: dict[str, Path], name: str
) -> None:
    wait_for(lambda: state_of(system) == state_of(system), "quiet")
    before = state_of(system)
    answer = system.upload(bundles["test-echo"], name)
    assert answer["success"] is False
    assert ".mint" in answer["message"]
    # the uploaded file goes with the request, just after its answer
    wait_for(lambda: state_of(system) == before, "as before")


# ---- settings ---------------------------------------------------------------


@pytest.mark.parametrize("config, variables, words", [
    ({"plugins": {"capacty": 3}}, {}, ["plugins.capacty", "unknown key",
                                       "plugins.capacity"]),
    ({"plugins": {"capacity": "many"}}, {},
     ["plugins.capacity", "integer", "many"]),
    ({"nginx": {"managed": 3}}, {}, ["nginx.managed", "true or false"]),
    ({"plugins": []}, {}, ["plugins", "object"]),
    ({}, {"MINT_PLUGINS__CAPACITY": "0"},
     ["MINT_PLUGINS__CAPACITY", "plugins.capacity", "from 1 to 16384"]),
    ({}, {"MINT_PLUGINS__CAPACTY": "3"}, ["MINT_PLUGINS__CAPACTY"]),
])
def test_bad_setting_ends_the_start(
    config: dict, variables: dict[str, str], words: list[str]
) -> None:
    place = make_place()
    file = place / "config.json"
    # complete, so that only the supervisor has something to say
    run = place / "run-directory"
    document = {"server": {"runDirectory": str(run)}} | config
    file.write_text(json.dumps(document))
    shutil.copy(file, place / "copy")
    try:
        done = subprocess.run(
            [RUN, "--no-setup", "--no-build"], capture_output=True, text=True,
            env=environment(MINT_VAR=str(place), MINT_PORT=str(free_port()),
                            **variables),
            timeout=60, check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 1, output
        for word in words:
            assert word in output
        if config:
            assert "config.json" in output
        assert file.read_bytes() == (place / "copy").read_bytes()
        assert list((place / "data").iterdir()) == []
        assert "Traceback" not in output
    finally:
        shutil.rmtree(place)


# ---- disk full --------------------------------------------------------------

MS_NOSUID, MS_NODEV = 2, 4


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    """A directory with room for one environment and a little more."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = make_place()
    data = place / "var" / "data"
    data.mkdir(parents=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", bytes(data), b"tmpfs", MS_NOSUID | MS_NODEV,
                  b"size=400m,mode=0711") != 0:
        shutil.rmtree(place)
        pytest.skip(f"mount: {os.strerror(ctypes.get_errno())}")
    yield place
    wait_for(lambda: libc.umount2(bytes(data), 0) == 0, "umount")
    shutil.rmtree(place, ignore_errors=True)


def test_disk_full(small_disk: Path) -> None:
    """The first start, then an installation, each without and with room."""
    data = small_disk / "var" / "data"
    ballast = data / "ballast"
    full = "the disk is full"
    system = MintSystem(small_disk)
    examples = example_bundles()
    try:
        fill(data, ballast, leave=20 << 20)
        system.start()
        assert full in system.text, "the start says it"
        assert full in system.ctl("status").stdout
        assert system.status()["environment"]["state"] == "failed"
        assert not list((data / "environments").glob("platform-*"))
        wait_for(lambda: not list((data / "environments").glob(".tmp-*")),
                 "the removal of what was begun")
        answer = system.upload(examples["peak-table"])
        assert answer["success"] is False and full in answer["message"]
        assert system.plugins() == {}

        ballast.unlink()
        system.install(examples["peak-table"])
        assert full not in system.ctl("status").stdout

        wait_for(lambda: state_of(system) == state_of(system), "quiet")
        fill(data, ballast, leave=2 << 20)
        before = state_of(system)
        answer = system.upload(examples["legacy-report"])
        assert answer["success"] is False, answer
        assert full in answer["message"]
        wait_for(lambda: state_of(system) == before, "as before")
        with system.client(system.login(*ADMIN)) as client:
            assert client.get("/api/peak-table/whoami").status_code == 200

        ballast.unlink()
        system.install(examples["legacy-report"])
        assert system.plugins()["legacy-report"]["state"] == "ready"
        assert system.stop() == 0, system.text
    finally:
        if system.process is not None and system.process.poll() is None:
            system.stop()


def fill(folder: Path, ballast: Path, leave: int) -> None:
    with open(ballast, "wb") as stream:
        room = os.statvfs(folder)
        os.posix_fallocate(
            stream.fileno(), 0, room.f_bavail * room.f_frsize - leave
        )
