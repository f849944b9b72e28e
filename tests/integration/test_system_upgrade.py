# SPDX-License-Identifier: MIT
"""Another supervisor in the place of the running one, and beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from system_harness import MintSystem, wait_for
from system_kills import instances, kill_supervisor, supervisor_pid
from system_load import Load, Target


def program(system: MintSystem) -> Path:
    return system.var.resolve() / "program" / "bin" / "mint-supervisor"


def put(path: Path, text: str) -> None:
    """As an installation does: a new file under the old name."""
    aside = path.with_name(".new")
    aside.write_text(text)
    aside.chmod(0o755)
    aside.rename(path)


def test_upgrade_of_the_supervisor_under_load(
    system: MintSystem, member_token: str, tmp_path: Path
) -> None:
    headers = {"authorization": f"Bearer {member_token}"}
    targets = [
        Target("peak-table", "/api/peak-table/whoami", 30, headers=headers),
        Target("prints", "/api/test-misbehaving/print?lines=3", 30, "POST",
               headers),
    ]
    before = instances(system)
    keeper = system.status()["keeper_pid"]
    old = supervisor_pid(system)
    with Load(system.url, targets) as load:
        wait_for(lambda: len(load.outcomes) > 20, "answers")
        # another file in its place, as an installation puts it there
        aside = program(system).with_name(".new")
        shutil.copy2(program(system), aside)
        aside.rename(program(system))
        done = system.ctl("upgrade-supervisor")
        new = supervisor_pid(system)
        assert done.stdout.endswith(f"runs, pid {new}\n")
        assert new != old
        enough = len(load.outcomes) + 20
        wait_for(lambda: len(load.outcomes) > enough, "answers")
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    assert Path(f"/proc/{new}/exe").stat().st_ino \
        == program(system).stat().st_ino
    assert instances(system) == before
    assert system.status()["keeper_pid"] == keeper
    assert "makes way for: mint-supervisor " \
        in (system.var / "mint.log").read_text()


@pytest.mark.parametrize("text, reason", [
    ("#!/bin/sh\necho 'server.port: expected something else' >&2\nexit 1\n",
     "expected something else"),
    ("#!/bin/sh\necho mint-supervisor 9 speaks keeper protocol 99\n",
     "needs another mint-keeper"),
    ("#!/no/such/interpreter\n", "mint-supervisor"),
    ("#!/bin/sh\nkill -SEGV $$\n", "cannot be used, this one goes on"),
])
def test_a_supervisor_that_cannot_start_is_refused(
    system: MintSystem, text: str, reason: str
) -> None:
    old = supervisor_pid(system)
    before = instances(system)
    real = program(system).with_name("mint-supervisor.real")
    shutil.copy2(program(system), real)
    try:
        put(program(system), text)
        done = system.ctl("upgrade-supervisor", status=1)
        assert reason in done.stderr
        assert supervisor_pid(system) == old
        assert instances(system) == before
    finally:
        real.chmod(0o755)
        real.rename(program(system))


def test_two_on_one_directory_are_impossible(system: MintSystem) -> None:
    """Neither a second keeper nor a supervisor without the first one's."""
    state = system.var.resolve()
    config = str(state / "config.json")
    binaries = state / "program" / "bin"
    run = {"MINT_SERVER__RUN_DIRECTORY": str(system.run_directory)}

    def second(*options: str) -> str:
        done = subprocess.run(
            [str(binaries / "mint-keeper"), "--state-root",
             str(state / "data"), "--tmp-root", str(state / "tmp"), *options,
             "--", str(binaries / "mint-supervisor"), "--config", config],
            env={**os.environ, **run}, capture_output=True, text=True,
            timeout=30, check=False, cwd=state,
        )
        assert done.returncode != 0
        return done.stdout + done.stderr

    before = instances(system)
    text = second("--pid-file", str(state / "keeper.pid"))
    assert f"another mint-keeper (pid {system.status()['keeper_pid']})" in text

    # without its pid file the keeper starts, the supervisor does not
    text = second()
    assert "is in use by another mint-supervisor (pid " \
        f"{supervisor_pid(system)})" in text
    assert "server.dataPath" in text
    assert instances(system) == before


def test_back_off_goes_on_in_the_next_supervisor(system: MintSystem) -> None:
    name = "test-misbehaving"

    def die() -> bool:
        instance = system.instance(name)
        if instance["state"] == "ready":
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance["pid"], signal.SIGKILL)
        return system.plugins()[name]["state"] == "failed"

    system.ctl("start", name)
    wait_for(die, "five deaths", 60)
    restarts = system.instance(name)["restarts"]
    kill_supervisor(system)
    plugin = system.plugins()[name]
    assert plugin["state"] == "failed"
    assert plugin["instances"][0]["restarts"] == restarts
    assert "signal 9" in plugin["instances"][0]["last_exit"]
    system.ctl("start", name)
    assert system.plugins()[name]["state"] == "ready"
