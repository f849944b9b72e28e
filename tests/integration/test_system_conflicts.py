# SPDX-License-Identifier: MIT
"""Plugins whose packages bring the same file, or the same library in another
version: both work, and none has changed what the other has in use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from system_harness import MintSystem, running_system
from wheel_harness import elf, vendoring


@pytest.fixture(scope="module")
def conflicting() -> Iterator[MintSystem]:
    with running_system(
            {"MINT_PLUGINS__FORCE_SHARED": "test-forced"}) as system:
        yield system


def site_of(system: MintSystem, name: str) -> Path:
    environment = Path(system.plugins()[name]["environment"])
    site, = environment.glob("lib/python*/site-packages")
    return site


def check_works(system: MintSystem, name: str) -> None:
    plugin = system.plugins()[name]
    assert plugin["state"] == "ready", plugin


def test_one_file_of_two_packages(
        conflicting: MintSystem, tmp_path: Path) -> None:
    """Each finds its own."""
    system = conflicting
    mine, his = ({"shared_tool/x.py": f"OWNER = {who!r}\n".encode(),
                  f"shared_tool/{who}.py": b""} for who in ("mine", "his"))
    imports = "import shared_tool.x; assert shared_tool.x.OWNER == '{}'\n"
    system.install(vendoring("first", tmp_path, {"mint_test_mine": mine},
                             imports=imports.format("mine")))
    assert system.plugins()["test-first"]["mode"] == "shared"
    before = system.plugins()["test-first"]
    file = site_of(system, "test-first") / "shared_tool" / "x.py"
    status = file.stat()

    system.install(vendoring("second", tmp_path, {"mint_test_his": his},
                             imports=imports.format("his")))
    answer = system.ctl_json("explain", "test-second")
    sentence = ("mint_test_his 1.0, which comes with it, brings "
                "shared_tool/x.py, which mint_test_mine 1.0 in the shared "
                "environment has, too")
    assert answer["mode"] == "isolated"
    assert answer["reason"] == f"isolated because {sentence}"
    assert answer["verdict"]["resolver"] == "fits"
    assert answer["verdict"]["conflicts"] == [{
        "sentence": sentence, "environment": "shared", "kind": "file",
        "path": "shared_tool/x.py", "count": 1,
        "packages": [{"name": "mint_test_his", "version": "1.0"},
                     {"name": "mint_test_mine", "version": "1.0"}],
    }]
    text = system.ctl("explain", "test-second").stdout
    assert text.count(sentence) == 1

    for name in ("test-first", "test-second"):
        check_works(system, name)
    after = system.plugins()["test-first"]
    assert after["environment"] == before["environment"]
    assert after["instances"][0]["pid"] == before["instances"][0]["pid"]
    assert file.read_bytes() == mine["shared_tool/x.py"]
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert (site_of(system, "test-second") / "shared_tool" / "x.py"
            ).read_bytes() == his["shared_tool/x.py"]
    system.ctl("verify-env")

    # what another brings in just the same way is no harm
    system.install(vendoring("third", tmp_path, {"mint_test_same": {
        "shared_tool/x.py": mine["shared_tool/x.py"]}},
        imports=imports.format("mine")))
    assert system.plugins()["test-third"]["mode"] == "shared"

    # and a version that does without may share
    system.install(vendoring("second", tmp_path, {}, version="2.0.0"))
    assert system.plugins()["test-second"]["mode"] == "shared"
    check_works(system, "test-second")


def test_one_library_in_two_versions(
        conflicting: MintSystem, tmp_path: Path) -> None:
    system = conflicting
    system.install(vendoring("lib1", tmp_path, {"mint_test_one": {
        "one.libs/libpeak.so.3": elf()}}))
    system.install(vendoring("lib2", tmp_path, {"mint_test_two": {
        "two/lib/libpeak.so.3": elf(content=b"2")}}))
    assert system.plugins()["test-lib1"]["mode"] == "shared"
    answer = system.ctl_json("explain", "test-lib2")
    assert answer["reason"] == (
        "isolated because mint_test_two 1.0, which comes with it, brings "
        "libpeak.so.3, which mint_test_one 1.0 in the shared environment has "
        "in another version")
    for name in ("test-lib1", "test-lib2"):
        check_works(system, name)


def test_in_its_own_environment_it_is_only_told(
        conflicting: MintSystem, tmp_path: Path) -> None:
    """A plugin both of whose packages are its own."""
    system = conflicting
    system.install(vendoring("odd", tmp_path, {
        "mint_test_odd1": {"odd_tool.py": b"1"},
        "mint_test_odd2": {"odd_tool.py": b"2"}}))
    answer = system.ctl_json("explain", "test-odd")
    assert answer["mode"] == "isolated"
    shared, own = answer["verdict"]["conflicts"]
    assert shared["sentence"] == (
        "mint_test_odd1 1.0, which comes with it, brings odd_tool.py, which "
        "mint_test_odd2 1.0 brings, too")
    assert (shared["environment"], own["environment"]) == ("shared", "own")
    assert own["sentence"] == (
        "mint_test_odd1 1.0 and mint_test_odd2 1.0 both bring odd_tool.py")
    text = system.ctl("explain", "test-odd").stdout
    assert f"  {own['sentence']}\n" in text
    check_works(system, "test-odd")


def test_forced_shared(conflicting: MintSystem, tmp_path: Path) -> None:
    """What the platform itself has in use stays its own."""
    system = conflicting
    before = system.settled_plugins()
    answer = system.upload(vendoring("forced", tmp_path, {
        "mint_test_idea": {"mint_sdk/__init__.py": b"raise SystemExit\n"}}))
    assert answer["success"] is False
    assert (
        "it cannot be forced into the shared environment: mint_test_idea 1.0, "
        "which comes with it, brings mint_sdk/__init__.py, which mint-sdk "
    ) in json.dumps(answer)
    assert system.settled_plugins() == before
