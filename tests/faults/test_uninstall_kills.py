# SPDX-License-Identifier: MIT
"""The supervisor is killed while it uninstalls a plugin: that is there and
serves afterwards, or is gone with all it had, and nobody else notices."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pytest
from fault_load import mixed
from fault_system import Field, Scenario, field_of
from system_harness import (
    BUILD, PLUGINS, make_bundle, raw_request, wait_for)
from test_supervisor_calls import calls_of, killed_at

PLUGIN = "test-echo"
KILLS = 40


def left_of(field: Field, number: int) -> list[Path]:
    """What must not be there any more."""
    data = field.system.data
    places = [
        data / "plugin-data" / PLUGIN, data / "history" / f"{PLUGIN}.jsonl",
        data / "logs" / f"{PLUGIN}.log",
        *(data / "bundles").glob("mint-test-echo-*"),
        *(field.system.run_directory / "s").glob(f"{number}-*.sock"),
    ]
    return [place for place in places if place.exists()]


def departed(field: Field) -> list[object]:
    text = (field.system.data / "registry.json").read_text()
    return list(json.loads(text).get("departed", []))


@pytest.mark.scenario
@pytest.mark.timeout(2400)
def test_killed_during_an_uninstallation(scenario: Scenario) -> None:
    """At calls spread over all that it takes; the next supervisor ends what
    has begun, without being asked again."""
    with field_of(1) as field, tempfile.TemporaryDirectory() as folder:
        system = field.system
        bundle = make_bundle(PLUGINS / "echo", Path(folder))
        numbers: list[int] = []
        ended = {"kept": 0, "gone": 0}

        def install() -> None:
            if PLUGIN not in system.plugins():
                system.install(bundle)
            numbers.append(system.plugins()[PLUGIN]["id"])

        def change() -> None:
            # killed, or done; what became of it is looked at below
            subprocess.run(
                [str(BUILD / "mintctl"), "uninstall", PLUGIN, "--mode",
                 "purge", "--yes", "--socket",
                 str(system.run_directory / "supervisor.sock")],
                capture_output=True, timeout=60, check=False)

        def is_over() -> bool:
            plugin = system.plugins().get(PLUGIN)
            return plugin["state"] == "ready" if plugin else not departed(
                field)

        def check(call: str) -> None:
            wait_for(is_over, f"an end after {call}", 60)
            is_kept = PLUGIN in system.plugins()
            ended["kept" if is_kept else "gone"] += 1
            status = raw_request(
                system.port, "GET", f"/api/{PLUGIN}/headers")[0]
            assert status == (200 if is_kept else 404), call
            if not is_kept:
                wait_for(lambda: not left_of(field, numbers[-1]),
                         f"nothing left after {call}")
            install()

        install()
        before = field.state()["instances"][field.names[0]]
        with field.load(mixed(field.names, 10.0)) as load:
            wait_for(lambda: len(load.done()) > 50, "answers")
            calls = calls_of(field, change, check)
            ended.update(kept=0, gone=0)
            step = max(1, len(calls) // scenario.count(KILLS))
            reached = 0
            for call in calls[::step]:
                reached += killed_at(field, change, call)
                check(call)
        scenario.figure(f"killed at {reached} of {len(calls[::step])} system "
                        f"calls: {ended['gone']} gone, {ended['kept']} kept")
        scenario.judge(field).check()
        assert field.state()["instances"][field.names[0]] == before
        assert reached >= len(calls[::step]) // 2
