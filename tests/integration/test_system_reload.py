# SPDX-License-Identifier: MIT
"""plugins.forceIsolated and plugins.forceShared change while the system runs,
or between two supervisors: the plugins concerned move, nobody notices, and the
others do not move at all."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moves_harness import PASSWORD, is_in_its_environment, lab_with
from system_harness import (
    PLUGINS, MintSystem, make_bundle, renamed_plugin, wait_for)
from system_kills import between_supervisors
from system_load import Load, Target

FITS = "test-echo"
OTHER = "test-other"
CLASHES = "test-clashing"
PICKY = "test-picky"
ALL = (FITS, OTHER, CLASHES, PICKY)
FUTURE = "from __future__ import annotations\n"
NEEDS_OLD = FUTURE + """
from importlib.metadata import version as version_of
if int(version_of("click").split(".")[0]) >= 8:
    raise ImportError("click is too new for this")
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[MintSystem]:
    with (
        tempfile.TemporaryDirectory(prefix="mint-l-") as name,
        lab_with("member") as system,
    ):
        folder = Path(name)
        system.install(make_bundle(PLUGINS / "echo", folder))
        system.install(make_bundle(renamed_plugin("echo", "other", folder),
                                   folder))
        system.install(make_bundle(renamed_plugin("echo", "clashing", folder),
                                   folder, requires=["click<8"]))
        system.install(make_bundle(renamed_plugin("echo", "picky", folder),
                                   folder, requires=["click<8"],
                                   replace={FUTURE: NEEDS_OLD}))
        yield system


@pytest.fixture
def free(lab: MintSystem) -> Iterator[MintSystem]:
    """Everything where it wants to be, before and after."""
    assert modes(lab) == dict(zip(ALL, ["shared"] * 2 + ["isolated"] * 2,
                                  strict=True))
    was = configuration(lab).read_text()
    yield lab
    configuration(lab).write_text(was)
    lab.ctl("reload")
    settle(lab)


def configuration(system: MintSystem) -> Path:
    return system.var.resolve() / "config.json"


def configure(system: MintSystem, **lists: Any) -> None:
    """With these keys of "plugins", and all others as they were."""
    path = configuration(system)
    path.write_text(json.dumps(json.loads(path.read_text())
                               | {"plugins": lists}))


def modes(system: MintSystem) -> dict[str, str]:
    return {name: p["mode"] for name, p in system.plugins().items()}


def settle(system: MintSystem) -> None:
    wait_for(lambda: all(p["move"] is None and p["state"] == "ready"
                         for p in system.plugins().values()), "all moves")


def pids(system: MintSystem) -> dict[str, int]:
    return {name: system.pid(name) for name in ALL}


def moves_only(
    system: MintSystem, names: set[str], act: Callable[[], None]
) -> None:
    """No request fails meanwhile, no other process is touched."""
    token = system.login("member", PASSWORD)
    before = pids(system)
    headers = {"authorization": f"Bearer {token}"}
    targets = [Target(name, f"/api/{name}/whoami", 15, headers=headers)
               for name in ALL]
    with Load(system.url, targets) as load:
        wait_for(lambda: len(load.outcomes) > 20, "answers")
        act()
        settle(system)
        wanted = len(load.outcomes) + 40
        wait_for(lambda: len(load.outcomes) > wanted, "answers")
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    after = pids(system)
    assert {n for n in ALL if before[n] != after[n]} == names
    assert all(is_in_its_environment(system, name) for name in names)


def decided(answer: dict[str, Any]) -> dict[str, str]:
    assert [p for p in answer["plugins"] if p["error"]] == []
    return {p["plugin"]: p["mode"] for p in answer["plugins"]}


def test_one_is_isolated_and_comes_back(free: MintSystem) -> None:
    installed = free.plugins()[FITS]["installed_at"]

    def isolate() -> None:
        configure(free, forceIsolated=[FITS, CLASHES])
        answer = free.ctl_json("reload")
        assert decided(answer) == {FITS: "isolated"}
        assert answer["restart"] == []

    moves_only(free, {FITS}, isolate)
    now = free.plugins()[FITS]
    assert now["mode"] == "isolated"
    assert now["reason"] == "isolated because plugins.forceIsolated names it"
    assert now["installed_at"] == installed

    def again() -> None:
        assert decided(free.ctl_json("reload")) == {}

    moves_only(free, set(), again)

    def release() -> None:
        configure(free)
        assert "test-echo is shared because" in free.ctl("reload").stdout

    moves_only(free, {FITS}, release)
    assert free.plugins()[FITS]["mode"] == "shared"


def test_one_is_shared_against_its_wish(free: MintSystem) -> None:
    def share() -> None:
        configure(free, forceShared=[FITS, "Mint_Test.clashing"])
        assert decided(free.ctl_json("reload")) == {CLASHES: "shared"}

    moves_only(free, {CLASHES}, share)
    reason = free.plugins()[CLASHES]["reason"]
    assert reason.startswith("shared because plugins.forceShared names it, "
                             "although test-clashing 1.0.0 needs click<8")

    def release() -> None:
        configure(free)
        assert decided(free.ctl_json("reload")) == {CLASHES: "isolated"}

    moves_only(free, {CLASHES}, release)


def test_what_cannot_be_shared_stays(free: MintSystem) -> None:
    def share() -> None:
        configure(free, forceShared=[PICKY])
        done = free.ctl("reload", status=1)
        assert f"{PICKY} stays as it is: " in done.stdout
        assert re.search(r"plugins\.forceShared names it, although test-picky "
                         r"1\.0\.0 needs click<8; the platform's core has "
                         r"click \S+, required ", done.stdout), done.stdout
        assert "click is too new for this" in done.stdout
        for text in (free.ctl("explain", PICKY).stdout,
                     free.ctl("doctor").stdout):
            assert "plugins.forceShared" in text
            assert "click is too new for this" in text, text

    moves_only(free, set(), share)
    configure(free)
    free.ctl("reload")
    assert free.plugins()[PICKY]["list_error"] is None
    assert free.plugins()[PICKY]["mode"] == "isolated"


def test_a_newcomer_that_cannot_be_shared(
    free: MintSystem, tmp_path: Path
) -> None:
    """Its error says what it clashes with; nothing of it is installed."""
    before = pids(free)
    bundle = make_bundle(renamed_plugin("echo", "newcomer", tmp_path),
                         tmp_path, requires=["click<8"],
                         replace={FUTURE: NEEDS_OLD})
    configure(free, forceShared=["test-newcomer"])
    assert free.ctl_json("reload")["plugins"] == []
    answer = free.upload(bundle)
    assert answer["success"] is False, answer
    text = json.dumps(answer)
    assert ("plugins.forceShared names it, although test-newcomer 1.0.0 needs "
            "click<8" in text), text
    assert "click is too new for this" in text, text
    assert set(free.plugins()) == set(ALL)
    assert pids(free) == before


@pytest.mark.parametrize("text, complaint", [
    ('{"plugins": {"forceIsolated": ["test-echo"], "forceShared": '
     '["Test_Echo"]}}', "plugins.forceIsolated and plugins.forceShared both"),
    ('{"plugins": {"forceIsolated": ["test-echo"]}, "server": {"prot": 1}}',
     "server.prot: unknown key"),
    ('{"plugins": {"forceIsolated": 3}}', "plugins.forceIsolated: expected"),
    ('{"plugins": {"forceIsolated": ["test-echo"]', "config.json: line 1"),
])
def test_bad_configuration_changes_nothing(
    free: MintSystem, text: str, complaint: str
) -> None:
    before = free.settled_plugins()
    path = configuration(free)
    was = path.read_text()
    path.write_text(text)
    done = free.ctl("reload", status=1)
    assert complaint in done.stderr
    assert {n: p["instances"][0]["pid"] for n, p in before.items()
            } == pids(free)
    assert modes(free) == {n: p["mode"] for n, p in before.items()}

    # nor does it later: nothing of it was remembered

    path.write_text(was)
    assert decided(free.ctl_json("reload")) == {}


def test_other_keys_need_a_restart(free: MintSystem) -> None:
    configure(free, stopGraceSeconds=7, readPaths=["/srv"])
    assert sorted(free.ctl_json("reload")["restart"]) == [
        "plugins.readPaths", "plugins.stopGraceSeconds"]
    assert ("plugins.stopGraceSeconds has changed: stop and start MINT"
            in free.ctl("reload").stdout)
    configure(free)
    assert free.ctl_json("reload")["restart"] == []


def test_signal(free: MintSystem) -> None:
    supervisor = int(free.status()["supervisor_pid"])

    def hang_up() -> None:
        configure(free, forceIsolated=["TEST_other"])
        os.kill(supervisor, signal.SIGHUP)
        wait_for(lambda: modes(free)[OTHER] == "isolated", "the move")

    moves_only(free, {OTHER}, hang_up)
    assert int(free.status()["supervisor_pid"]) == supervisor


def test_changed_between_supervisors(free: MintSystem) -> None:
    """What was forced is remembered: the next one knows that the list does not
    name it any more."""
    for lists, mode in (({"forceIsolated": [FITS]}, "isolated"),
                        ({}, "shared")):
        def succeed(
            lists: dict[str, list[str]] = lists, mode: str = mode
        ) -> None:
            with between_supervisors(free):
                configure(free, **lists)
            wait_for(lambda: free.status()["state"] == "running", "the next")
            wait_for(lambda: modes(free)[FITS] == mode, "the move")

        moves_only(free, {FITS}, succeed)
