# SPDX-License-Identifier: MIT
"""Another supervisor in the place of the running one, and beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from system_harness import (
    BUILD,
    PLUGINS,
    RUN,
    MintSystem,
    make_bundle,
    running_system,
    wait_for,
)
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


def upgrade_by_run(
    system: MintSystem, build: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(RUN), "--no-setup", "--no-build", "--upgrade"],
        env={**system.environment, "MINT_BUILD": str(build)},
        capture_output=True, text=True, timeout=120, check=False)


def test_run_puts_new_programs_in_place(
    system: MintSystem, tmp_path: Path
) -> None:
    """What somebody does who has built anew while the system runs."""
    build = tmp_path / "build"
    shutil.copytree(BUILD, build, ignore=shutil.ignore_patterns(
        "obj", "tests", "*venv*", "nginx-src", "*.a"))
    with (build / "mint-supervisor").open("ab") as file:
        file.write(b"another build")
    before = instances(system)
    old = supervisor_pid(system)
    done = upgrade_by_run(system, build)
    assert done.returncode == 0, done.stdout + done.stderr
    new = supervisor_pid(system)
    assert new != old
    assert f"runs, pid {new};" in done.stdout
    assert Path(f"/proc/{new}/exe").read_bytes().endswith(b"another build")
    assert instances(system) == before

    # a build that is of no use changes nothing
    put(build / "mint-supervisor", "#!/bin/sh\necho it is broken >&2\nexit 1")
    done = upgrade_by_run(system, build)
    assert done.returncode == 1
    assert "it is broken. Nothing was changed" in done.stderr
    assert program(system).read_bytes().endswith(b"another build")
    assert supervisor_pid(system) == new


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


# ---- the keeper as process 1 -------------------------------------------------


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


@contextlib.contextmanager
def keeper_as_process_1(system: MintSystem) -> Iterator[int]:
    """The system of a stopped launcher, under a keeper that is process 1 of a
    pid namespace, as in a container; its pid outside."""
    keeper = Path(f"/proc/{system.status()['keeper_pid']}")
    command = keeper.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
    environment = dict(
        entry.split(b"=", 1)
        for entry in keeper.joinpath("environ").read_bytes().split(b"\0")
        if b"=" in entry)
    state = system.var.resolve()
    run = system.run_directory
    owner = run.stat()
    assert system.stop() == 0, system.text
    run.mkdir(mode=0o750, parents=True, exist_ok=True)
    run.chmod(0o750)
    os.chown(run, owner.st_uid, owner.st_gid)
    if run != state / "run":
        (state / "run").symlink_to(run)
    with (state / "mint.log").open("ab") as log:
        outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
             "--", *command],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=state)
    try:
        yield wait_for(lambda: children(outer.pid), "the keeper")[0]
    finally:
        if outer.poll() is None:
            outer.kill()
            outer.wait()
        shutil.rmtree(run, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a pid namespace")
def test_the_same_as_process_1() -> None:
    with running_system() as system:
        folder = system.place / "bundles"
        system.install(make_bundle(PLUGINS / "nosy", folder))

        def plugin() -> tuple[int, int]:
            instance = system.instance("test-nosy")
            return instance["pid"], instance["generation"]

        with keeper_as_process_1(system) as keeper:
            system.ctl("wait")
            assert system.status()["keeper_pid"] == 1
            before = plugin()
            with system.client() as client:
                assert client.get("/api/test-nosy/fds").status_code == 200

                # the next program, and a supervisor that is killed
                for number in range(2):
                    old = supervisor_pid(system)
                    if number == 0:
                        system.ctl("upgrade-supervisor")
                    else:
                        os.kill(_outside(keeper, old), signal.SIGKILL)
                    wait_for(lambda o=old: supervisor_pid(system)
                             not in (0, o), "the next supervisor")
                    assert plugin() == before
                    assert client.get("/api/test-nosy/fds").status_code == 200

            system.ctl("stop")
            wait_for(lambda: not Path(f"/proc/{keeper}").exists(), "its end")


def _outside(keeper: int, inside: int) -> int:
    """A child's pid, outside of the keeper's namespace."""
    for pid in children(keeper):
        status = Path(f"/proc/{pid}/status").read_text()
        numbers = status.split("NSpid:")[1].splitlines()[0].split()
        if int(numbers[-1]) == inside:
            return pid
    raise AssertionError(f"no child {inside} of keeper {keeper}")
