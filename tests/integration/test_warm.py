# SPDX-License-Identifier: MIT
"""Plugins forked from the warm interpreter, by a real keeper: they are what
exec'ed ones are, and whatever fails is answered."""

import errno
import json
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from host_harness import (
    FakePlatform, UnixConnection, fake_platform, install, user_headers,
)
from keeper_harness import SAME, Keeper, is_alive, until
from warm_harness import (
    Reports, log_of, plugin_environment, spawn_plugin, start_warm,
)

IS_ROOT = os.geteuid() == 0
FIRST, LAST = 60706, 60716
MINT = 60790                    # runs the warm interpreter, when root
NAME = "test-mirror"
USER = {"content-type": "application/json", **user_headers()}


class World:
    """A keeper, a warm interpreter, and a place for each plugin."""

    def __init__(self, keeper: Keeper, site: Path, platform: FakePlatform):
        self.keeper = keeper
        self.supervisor = keeper.supervisor()
        self.supervisor.attach()
        self.site = site
        self.platform = platform
        self.warm = None
        self.ident = 100

    def start_and_leave(self):
        """Asks for a fork, does not wait for the answer."""
        wait = self.supervisor.wait

        def leave(*_):
            raise InterruptedError

        def listening(want):
            self.supervisor.wait = leave
            return wait(want)

        self.supervisor.wait = listening
        with pytest.raises(InterruptedError):
            self.start(self.warm.id)

    def start_warm(self, ident: int = 1):
        tmp = self.make_place(f"warm-{ident}", MINT if IS_ROOT else None)
        self.warm = start_warm(
            self.supervisor, ident, self.site, tmp,
            uid=MINT if IS_ROOT else SAME, gid=MINT if IS_ROOT else SAME)
        assert self.warm.status == 0, os.strerror(self.warm.status)
        reports = Reports(self.warm.report)
        try:
            reports.wait("ready")
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{log_of(self.warm)}") from None

    def make_place(self, name: str, uid: int | None) -> Path:
        place = self.keeper.directory / name
        place.mkdir(mode=0o700, exist_ok=True)
        if uid is not None:
            os.chown(place, uid, uid)
        return place

    def start(self, warm_id: int = 0, uid: int = FIRST, seat: str = "a",
              **environment: str):
        """{child, address}; the place is the same for the same uid."""
        self.ident += 1
        place = self.make_place(f"place-{uid}", uid if IS_ROOT else None)
        address = str(self.keeper.directory / f"{uid}{seat}.sock")
        ids = {"uid": uid, "gid": uid} if IS_ROOT else {}
        self.supervisor.listen(uid * 2 + (seat == "b"), address)
        child = spawn_plugin(
            self.supervisor, self.ident, NAME,
            plugin_environment(NAME, self.ident, self.site, place,
                               self.platform.url, **environment),
            uid * 2 + (seat == "b"), place, warm_id, **ids)
        child.address = address
        return child

    def ready(self, child):
        assert child.status == 0, os.strerror(child.status)
        try:
            return Reports(child.report).wait("ready")
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{log_of(child)}") from None

    def ask(self, child, path, method="GET", body=None,
            expected=(200, 201, 202)):
        connection = UnixConnection(child.address)
        try:
            connection.request(method, f"/api/{NAME}/{path}",
                               json.dumps(body) if body else None, USER)
            response = connection.getresponse()
            data = response.read()
            assert response.status in expected, data
            return json.loads(data)
        finally:
            connection.close()

    def run_job(self, child):
        """What the job worker says of itself."""
        session = self.ask(child, "jobs/sessions", "POST", {"tab_id": "tab"})
        job = self.ask(child, "jobs", "POST", {
            "definition_id": "reflect", "inputs": {"value": 2.0},
            "session_id": session.get("session_id") or session["id"],
            "client_request_id": "request-1",
        })
        path = f"jobs/{job.get('job_id') or job['id']}/result"
        return until(lambda: self.ask(child, path, expected=(200, 409)).get(
            "value"), "result of the job", 60)

    def end(self, child):
        self.supervisor.signal(child.id, signal.SIGKILL)
        self.supervisor.wait_exit(child.id)
        assert self.supervisor.drained(child.id) == 0


@pytest.fixture(scope="module")
def site():
    folder = Path(tempfile.mkdtemp(prefix="mint-w-"))
    folder.chmod(0o755)         # plugin users must get there
    yield install(Path(__file__).parents[1] / "plugins" / "mirror",
                  folder / "site")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(site):
    options = ["--identity", f"{MINT}:{MINT}",
               "--uid-range", f"{FIRST}-{LAST}"] if IS_ROOT else []
    with fake_platform() as platform, Keeper(
        *options, "--tmp-root", "{dir}", directory_mode=0o755
    ) as keeper:
        yield World(keeper, site, platform)


def test_forked_plugin_is_as_an_execed_one(world):
    world.start_warm()
    execed = world.start()
    imported = world.ready(execed)["import_ms"]
    expected = world.ask(execed, "mirror")
    world.end(execed)

    forked = world.start(world.warm.id)
    ready = world.ready(forked)
    seen = world.ask(forked, "mirror")

    # the generation is part of each
    old, new = f"{NAME}.0a.{execed.id}", f"{NAME}.0a.{forked.id}"
    text = json.dumps(expected["same"], sort_keys=True).replace(old, new)
    assert seen["same"] == json.loads(text)
    for name, value in seen["different"].items():
        assert value != expected["different"][name], name
    assert seen["threads"] == expected["threads"]
    assert seen["parent"] == world.keeper.process.pid
    assert seen["different"]["pid"] == forked.pid
    assert ready["import_ms"] < imported


def test_siblings_differ_in_what_is_random(world):
    world.start_warm()
    seen = []
    for uid in (FIRST, FIRST + 1, FIRST + 2):
        child = world.start(world.warm.id, uid)
        world.ready(child)
        seen.append(world.ask(child, "mirror"))
    for name in seen[0]["different"]:
        values = {s["different"][name] for s in seen}
        assert len(values) == len(seen), name
    if IS_ROOT:
        uids = [s["same"]["status"]["Uid"].split()[0] for s in seen]
        assert uids == [str(FIRST + n) for n in range(3)]


def test_nothing_of_a_sibling_is_in_memory(world):
    """No token of another plugin; nor in the warm interpreter's."""
    world.start_warm()
    token = "token-of-the-sibling-0123456789"
    sibling = world.start(world.warm.id, MINT_SECRET=token)
    world.ready(sibling)
    child = world.start(world.warm.id, FIRST + 1)
    world.ready(child)
    query = f"search?needle={token[::-1]}"
    assert world.ask(sibling, query, "POST")["found"] > 0
    assert world.ask(child, query, "POST")["found"] == 0
    if IS_ROOT:
        assert not _memory_of(world.warm.pid, token.encode())


def _memory_of(pid: int, needle: bytes) -> bool:
    with (
        open(f"/proc/{pid}/maps") as maps,
        open(f"/proc/{pid}/mem", "rb", buffering=0) as memory,
    ):
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                start, end = (int(number, 16) for number in found.groups())
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
    return False


def test_job_workers_are_as_those_of_an_execed_plugin(world):
    world.start_warm()
    execed = world.start()
    world.ready(execed)
    expected = world.run_job(execed)
    world.end(execed)
    forked = world.start(world.warm.id)
    world.ready(forked)
    seen = world.run_job(forked)
    old, new = f"{NAME}.0a.{execed.id}", f"{NAME}.0a.{forked.id}"
    text = json.dumps(expected, sort_keys=True).replace(old, new)
    text = re.sub("mint-[a-z0-9_-]+", "", text)
    seen = re.sub("mint-[a-z0-9_-]+", "", json.dumps(seen, sort_keys=True))
    assert seen == text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL,
                                    signal.SIGSEGV])
def test_its_end_is_reported_as_of_any_child(world, number):
    world.start_warm()
    child = world.start(world.warm.id)
    world.ready(child)
    world.supervisor.signal(child.id, number)
    exited = world.supervisor.wait_exit(child.id)
    assert exited.pid == child.pid
    assert os.WTERMSIG(exited.wait_status) == number, log_of(child)
    if number == signal.SIGSEGV:
        assert "Segmentation fault" in log_of(child)
    assert world.supervisor.drained(child.id) == 0


def test_what_it_leaves_dies_with_it(world):
    world.start_warm()
    child = world.start(world.warm.id)
    world.ready(child)
    left = world.ask(child, "leave", "POST")["pid"]
    assert is_alive(left)
    os.kill(child.pid, signal.SIGKILL)
    exited = world.supervisor.wait_exit(child.id)
    assert exited.tree_killed >= 1
    until(lambda: not is_alive(left), "end of what it left")


def test_what_one_leaves_is_not_taken_for_a_siblings(world):
    """Two seats of one plugin: same uid, told apart by MINT_INSTANCE."""
    world.start_warm()
    first = world.start(world.warm.id)
    second = world.start(world.warm.id, seat="b")
    world.ready(first)
    world.ready(second)
    stays = world.ask(second, "leave", "POST")["pid"]
    goes = world.ask(first, "leave", "POST")["pid"]
    os.kill(first.pid, signal.SIGKILL)
    world.supervisor.wait_exit(first.id)
    until(lambda: not is_alive(goes), "end of what it left")
    assert is_alive(stays)
    assert world.ask(second, "mirror")["same"]["name"] == NAME


def test_a_plugin_that_cannot_start_says_so(world):
    world.start_warm()
    child = world.start(world.warm.id, MINT_PLUGIN_ENTRY_POINT="no-such")
    assert child.status == 0
    reports = Reports(child.report)
    assert reports.wait("failed")["stage"] == "import"
    exited = world.supervisor.wait_exit(child.id)
    assert os.WEXITSTATUS(exited.wait_status) == 1
    assert "RuntimeError" in log_of(child)


def test_the_warm_interpreters_death_is_nobody_elses(world):
    world.start_warm()
    child = world.start(world.warm.id)
    world.ready(child)
    os.kill(world.warm.pid, signal.SIGKILL)
    world.supervisor.wait_exit(world.warm.id)
    assert world.ask(child, "mirror")["parent"] == world.keeper.process.pid
    assert world.start(world.warm.id).status == errno.ESRCH
    again = world.start()
    assert again.status == 0        # the way out: exec
    world.start_warm(2)
    world.end(child)
    world.end(again)
    forked = world.start(2)
    world.ready(forked)


def test_a_stopped_warm_interpreter_is_not_waited_for(world):
    """The keeper answers after five seconds, and what is forked too late
    does not run."""
    world.start_warm()
    os.kill(world.warm.pid, signal.SIGSTOP)
    begin = time.monotonic()
    child = world.start(world.warm.id)
    assert child.status == errno.ETIMEDOUT
    assert 4.5 < time.monotonic() - begin < 8
    os.kill(world.warm.pid, signal.SIGCONT)
    forked = world.start(world.warm.id)
    world.ready(forked)
    until(lambda: sorted(world.keeper.children()) == sorted(
        [world.supervisor.pid, world.warm.pid, forked.pid]), "no late one")


def test_a_dead_supervisors_wish_is_not_fulfilled(world):
    world.start_warm()
    os.kill(world.warm.pid, signal.SIGSTOP)
    world.start_and_leave()
    world.supervisor.kill()
    supervisor = world.keeper.supervisor()
    _, children = supervisor.attach()
    assert list(children) == [world.warm.id]
    os.kill(world.warm.pid, signal.SIGCONT)
    until(lambda: sorted(world.keeper.children()) == sorted(
        [supervisor.pid, world.warm.pid]), "no orphan")


def test_a_new_supervisor_adopts_warm_and_forked(world):
    world.start_warm()
    child = world.start(world.warm.id)
    world.ready(child)
    world.supervisor.kill()
    world.supervisor = world.keeper.supervisor()
    _, children = world.supervisor.attach()
    assert {c.id: c.pid for c in children.values()} == {
        world.warm.id: world.warm.pid, child.id: child.pid}
    assert children[child.id].start_ticks == child.start_ticks
    another = world.start(world.warm.id, FIRST + 1)
    world.ready(another)
    os.kill(child.pid, signal.SIGKILL)
    exited = world.supervisor.wait_exit(child.id)
    assert os.WTERMSIG(exited.wait_status) == signal.SIGKILL


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_rights_of_warm_and_forked(world):
    world.start_warm()
    lines = Path(f"/proc/{world.warm.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    both = f"{1 << 6 | 1 << 7:016x}"    # CAP_SETGID, CAP_SETUID
    assert status["Uid"].split() == [str(MINT)] * 4
    assert status["CapPrm"] == status["CapEff"] == both
    assert status["CapBnd"] == both
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    child = world.start(world.warm.id)
    world.ready(child)
    seen = world.ask(child, "mirror")["same"]["status"]
    assert {seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")
            } == {"0" * 16}
    assert seen["Uid"].split() == seen["Gid"].split() == [str(FIRST)] * 4
    assert seen["Groups"] == ""
    # an identity outside the range is refused before anything is forked
    assert world.start(world.warm.id, uid=LAST + 1).status == errno.EPERM


def test_what_is_seen_in_ps(world):
    world.start_warm()
    shown = Path(f"/proc/{world.warm.pid}/cmdline").read_bytes()
    assert shown.rstrip(b"\0").endswith(b"__main__.py\0warm")
    shown = Path(f"/proc/{world.warm.pid}/environ").read_bytes()
    assert b"PADDING" not in shown
    child = world.start(world.warm.id)
    world.ready(child)
    shown = Path(f"/proc/{child.pid}/cmdline").read_bytes()
    assert shown.rstrip(b"\0").endswith(f"serve\0{NAME}".encode())


def test_memory_is_shared(world):
    """A third of it is its own; docs/performance.md says what twenty take."""
    world.start_warm()
    sizes = []
    for warm_id in (0, world.warm.id):
        child = world.start(warm_id)
        world.ready(child)
        world.ask(child, "collect")
        sizes.append(_private_kib(child.pid))
        world.end(child)
    assert sizes[1] < 0.45 * sizes[0], sizes


def _private_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"Private_\w+:\s+(\d+)", text))
