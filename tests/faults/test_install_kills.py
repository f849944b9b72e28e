# SPDX-License-Identifier: MIT
"""The supervisor, or uv, is killed while a plugin is upgraded: the old version
serves, asked again it is done, and nobody uses what is half there."""

from __future__ import annotations

import contextlib
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_ledger import Kind
from fault_load import Stream, mixed
from fault_system import Field, Scenario, field_of
from fault_upgrades import Upgrades
from fault_uv import Uv
from system_harness import wait_for
from test_supervisor_calls import calls_of, killed_at

PLUGIN = "test-ledger1"
MODES = {"isolated": {"MINT_PLUGINS__FORCE_ISOLATED": PLUGIN}, "shared": {}}
KILLS = {"isolated": 24, "shared": 16}
UV_KILLS = 50
SEED = 20261201

# between these a kill may leave something that is half there
FILES = {
    "fchmod", "fsync", "link", "mkdir", "rename", "renameat", "symlinkat",
    "unlink", "unlinkat"}
# what others are told: the keeper, who waits, the history
WORDS = {"sendto", "write", "writev"}
# one after the other, and nothing in between
READS = {"fcntl", "lseek", "read"}

KILLED = re.compile(r"uv [\w -]+ was killed by signal 9")


@contextlib.contextmanager
def upgrades(**settings: str) -> Iterator[Upgrades]:
    with (field_of(2, **settings) as field,
          tempfile.TemporaryDirectory(prefix="mint-f-") as folder):
        yield Upgrades(field, PLUGIN, Path(folder))


def streams(field: Field) -> list[Stream]:
    """A WebSocket keeps the old process for as long as it may drain."""
    return [s for s in mixed(field.names, 5.0)
            if s.plugin != PLUGIN or s.kind is not Kind.MESSAGE]


def spread(calls: list[str], count: int) -> list[str]:
    """So many of them in their order: half of files, a quarter each of words
    and of all others."""
    kinds: list[list[str]] = [[], [], [], []]
    for call in calls:
        name = call.partition(":")[0]
        kinds[0 if name in FILES else 1 if name in WORDS
              else 3 if name in READS else 2].append(call)
    quarter = count // 4
    wanted: set[str] = set()
    for some, share in zip(kinds, (count - 2 * quarter, quarter, quarter)):
        wanted |= {some[i * len(some) // share] for i in range(share)}
    return [call for call in calls if call in wanted]


@pytest.mark.scenario
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("mode", MODES)
def test_killed_during_an_installation(scenario: Scenario, mode: str) -> None:
    """At calls spread over all that an upgrade takes."""
    with upgrades(**MODES[mode]) as upgrade:
        field = upgrade.field
        neighbour = field.names[1]
        assert upgrade.registered()[PLUGIN]["mode"] == mode

        def change() -> None:
            upgrade.next()
            upgrade.install()

        before = field.state()["instances"][neighbour]
        served = {"old": 0, "new": 0}
        reached = 0
        with field.load(streams(field)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            calls = calls_of(field, change, upgrade.check_serves)
            wanted = spread(calls, scenario.count(KILLS[mode]))
            for call in wanted:
                reached += killed_at(field, change, call)
                upgrade.check_serves(call)
                is_old = upgrade.version() == upgrade.old
                served["old" if is_old else "new"] += 1
                upgrade.check_converges(call)
        scenario.figure(
            f"killed at {reached} of {len(wanted)} system calls of "
            f"{len(calls)}: {served['old']} x the old version served, "
            f"{served['new']} x the new one, all converged")
        scenario.judge(field).check()
        assert field.state()["instances"][neighbour] == before
        upgrade.check_end()
        assert reached >= 0.9 * len(wanted)


@pytest.mark.scenario
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", [0, 1])
def test_uv_killed_during_an_installation(
    scenario: Scenario, part: int
) -> None:
    """At points inside uv; what is tried again by itself may have gone well,
    anything else is told."""
    with contextlib.ExitStack() as stack:
        uv = Uv()
        stack.callback(uv.end)
        uv.fill_cache()
        upgrade = stack.enter_context(upgrades(
            **MODES["isolated"], **uv.settings()))
        field = upgrade.field
        uv.trace(True)
        for _ in range(2):
            upgrade.next()
            assert upgrade.install(), upgrade.answer
        uv.trace(False)
        points = uv.points(scenario.count(UV_KILLS // 2),
                           random.Random(f"{SEED}/{part}"))
        before = field.state()["instances"][field.names[1]]
        told = reached = 0
        with field.load(streams(field)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            for point in points:
                upgrade.next()
                uv.arm(point)
                is_done = upgrade.install()
                killed = uv.disarm()
                reached += killed > 0
                told += not is_done
                check_told(upgrade, point, is_done, killed)
                upgrade.check_serves(str(point))
                upgrade.check_converges(str(point))
        scenario.figure(
            f"uv killed at {reached} of {len(points)} points: {told} told, "
            f"{len(points) - told} done by a second run, all converged")
        scenario.judge(field).check()
        assert field.state()["instances"][field.names[1]] == before
        upgrade.check_end()
        assert reached >= 0.9 * len(points)


def check_told(
    upgrade: Upgrades, point: object, is_done: bool, killed: int
) -> None:
    said = f"{point}: {upgrade.answer}"
    if is_done:
        return
    assert killed, said
    assert KILLED.search(upgrade.answer.stderr), said
    assert upgrade.version() == upgrade.old, said
