# SPDX-License-Identifier: MIT
"""What mint-keeper holds its children to: limits, sandbox, and that nothing of
them is left; with cgroups where they can be written, and without."""

import errno
import glob
import os
import pathlib
import signal
import time

import pytest
from keeper_harness import (
    CGROUP1, CGROUP2, NO_NEW_PRIVS, NONE, PLAIN_ENV, RLIMIT, SANDBOX,
    SUBREAPER, WALK, Keeper, is_alive, read_line, until)

IS_ROOT = os.geteuid() == 0
# the kernel counts processes by uid: such as no system of another test has
FIRST, LAST = 60906, 60916
MIB = 1024 * 1024
GROUP = f"mint-test-{os.getpid()}"

# n children that do their worst to stay: own sessions, orphaned, deaf to
# SIGTERM, stopped; each says its pid
STAY = """
import os, signal, sys, time
n = int(sys.argv[1])
says = os.pipe()
for i in range(n):
    if os.fork() == 0:
        if i % 2:
            os.setsid()
        if i % 3 == 0 and os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(says[1], str(os.getpid()).encode() + b" ")
        if i % 5 == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)
        os._exit(0)
pids = b""
while pids.count(b" ") < n:
    pids += os.read(says[0], 65536)
print(pids.decode(), flush=True)
time.sleep(600)
"""

# forks as fast as it can, each of them too
BOMB = """
import os, sys, time
os.write(1, b"go\\n")
end = time.monotonic() + 20
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        time.sleep(1)
"""

EAT = """
import os, sys, time
hoard = []
try:
    for i in range(int(sys.argv[1])):
        hoard.append(bytearray(os.urandom(1)) * (1 << 20))
    print("ate all", flush=True)
except MemoryError:
    print("MemoryError", flush=True)
time.sleep(600)
"""

FORK = """
import os, time
made = 0
try:
    while made < 60:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        made += 1
    print(made, flush=True)
except BlockingIOError:
    print(made, "EAGAIN", flush=True)
time.sleep(600)
"""

TRY = """
import os, sys
def attempt(act, thing):
    try:
        act(thing)
    except OSError as exc:
        return type(exc).__name__
    return "open"
acts = {"read": lambda p: open(p, "rb").read(1), "list": os.listdir,
        "write": lambda p: open(p, "ab").close(),
        "signal": lambda p: os.kill(int(p), 18),
        "environ": lambda p: open(f"/proc/{p}/environ", "rb").read(),
        "move": lambda p: os.rename(*p.split(":")),
        "run": lambda p: os.posix_spawn(p, [p], {})}
print(*[attempt(acts[a.split("=", 1)[0]], a.split("=", 1)[1])
        for a in sys.argv[1:]], flush=True)
"""


def open_keeper(*more):
    ids = ["--uid-range", f"{FIRST}-{LAST}"] if IS_ROOT else []
    return Keeper("--tmp-root", "{dir}", *ids, *more, directory_mode=0o755)


@pytest.fixture(params=["cgroups", "without"])
def keeper(request):
    more = ["--cgroup", GROUP] if request.param == "cgroups" else []
    with open_keeper(*more) as k:
        yield k
    assert groups() == []


@pytest.fixture
def supervisor(keeper):
    s = keeper.supervisor()
    assert s.attach() == ({}, {})
    return s


def groups():
    return [p for depth in ("/*", "/*/*", "/*/*/*", "/*/*/*/*", "/*/*/*/*/*")
            for p in glob.glob(f"/sys/fs/cgroup{depth}/{GROUP}*")]


def own_uid(n=0):
    return {"uid": FIRST + n, "gid": FIRST + n} if IS_ROOT else {}


def test_it_says_what_is_in_force(keeper, supervisor):
    facts = supervisor.facts
    assert facts.landlock == landlock_abi()
    if "--cgroup" not in keeper.process.args:
        assert (facts.memory, facts.cpu, facts.tree) == (RLIMIT, NONE, WALK)
        assert facts.pids == (RLIMIT if IS_ROOT else NONE)
        assert facts.cgroup == "not asked for"
    elif facts.tree == WALK:
        assert "failed" in facts.cgroup or "mounted" in facts.cgroup
        assert groups() == []
    else:
        assert facts.cgroup in groups()
        assert facts.tree in (CGROUP1, CGROUP2)


def landlock_abi():
    import ctypes
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


def test_memory_limit(supervisor):
    child = supervisor.python(1, EAT, "400", memory=200 * MIB, **own_uid())
    if supervisor.facts.memory == RLIMIT:
        assert child.memory_group == ""
        assert read_line(child.log) == "MemoryError"
        assert supervisor.signal(1, signal.SIGKILL) == 0
        assert supervisor.wait_exit(1).oom_kills == 0
        return
    assert os.path.isdir(child.memory_group)
    end = supervisor.wait_exit(1)
    assert os.WTERMSIG(end.wait_status) == signal.SIGKILL
    assert end.oom_kills == 1
    assert not os.path.exists(child.memory_group)


def test_oom_kill_is_told_to_the_next_supervisor(keeper, supervisor):
    if supervisor.facts.memory == RLIMIT:
        pytest.skip("no memory cgroup")
    child = supervisor.python(1, EAT, "400", memory=100 * MIB)
    supervisor.kill()
    until(lambda: not is_alive(child.pid), "the end of the child")
    following = keeper.supervisor()
    until(lambda: not os.path.exists(child.memory_group), "its burial")
    _, children = following.attach()
    seen = children[1]
    if not seen.exited:
        seen = following.wait_exit(1)
    assert os.WTERMSIG(seen.wait_status) == signal.SIGKILL
    assert seen.oom_kills == 1


def test_process_limit(supervisor):
    child = supervisor.python(1, FORK, pids=20, **own_uid())
    if supervisor.facts.pids == NONE:
        assert read_line(child.log) == "60"
    else:
        made, error = read_line(child.log).split()
        assert 15 <= int(made) < 20 and error == "EAGAIN"
    assert supervisor.signal(1, signal.SIGKILL) == 0
    supervisor.wait_exit(1)


def test_process_limit_beside_another(supervisor):
    """Whoever is to follow one that has used it up can start, and has the limit
    once that one is gone."""
    first = supervisor.python(1, FORK, pids=20, **own_uid())
    if supervisor.facts.pids != RLIMIT or not IS_ROOT:
        pytest.skip("each has a limit of its own")
    assert read_line(first.log).endswith("EAGAIN")
    second = supervisor.python(2, FORK, pids=20, **own_uid())
    assert read_line(second.log) == "60"
    limits = f"/proc/{second.pid}/limits"
    assert nproc(limits).split()[2] != "20"
    assert supervisor.signal(1, signal.SIGKILL) == 0
    supervisor.wait_exit(1)
    assert nproc(limits).split()[2:4] == ["20", "20"]
    assert supervisor.signal(2, signal.SIGKILL) == 0
    supervisor.wait_exit(2)


def nproc(path):
    with open(path, encoding="ascii") as file:
        return next(x for x in file if x.startswith("Max processes"))


def test_cpu_limit(supervisor):
    if supervisor.facts.cpu == NONE:
        pytest.skip("nothing limits the CPU here")
    child = supervisor.python(
        1, "import time\nwhile time.monotonic_ns(): pass", cpu=20)
    stat = pathlib.Path(f"/proc/{child.pid}/stat")

    def used():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    until(lambda: used() > 0.1, "the first tenth of a second")
    begin, first = time.monotonic(), used()
    until(lambda: used() > first + 0.4, "0.4 s of CPU", 60)
    assert time.monotonic() - begin > 1.2     # 2 s, give or take a period


@pytest.mark.parametrize("count", [5, 500])
def test_nothing_of_a_tree_is_left(supervisor, count):
    """Whoever ends the main process, and whatever the others do."""
    child = supervisor.python(
        1, STAY, str(count), env=(*PLAIN_ENV, "MINT_INSTANCE=a.0a.1"),
        **own_uid())
    pids = [int(p) for p in read_line(child.log, 60).split()]
    other = supervisor.spawn(2, ["/bin/sleep", "600"], **own_uid(1))
    os.kill(child.pid, signal.SIGKILL)
    begin = time.monotonic()
    end = supervisor.wait_exit(1)
    assert time.monotonic() - begin < 5
    assert not [p for p in pids if is_alive(p)]
    assert len(pids) == count and end.tree_killed >= count * 0.9
    assert is_alive(other.pid)


def test_fork_bomb(keeper, supervisor):
    """As many as its limit lets it, and none of them a moment later."""
    if supervisor.facts.pids == NONE:
        pytest.skip("nothing limits processes here")
    child = supervisor.python(
        1, BOMB, pids=500, env=(*PLAIN_ENV, "MINT_INSTANCE=a.0a.1"),
        **own_uid())
    assert read_line(child.log) == "go"
    marker = b"MINT_INSTANCE=a.0a.1"
    until(lambda: len(carriers(marker)) > 400, "a crowd")
    assert supervisor.signal(1, signal.SIGKILL) == 0
    begin = time.monotonic()
    supervisor.wait_exit(1)
    assert time.monotonic() - begin < 5
    assert carriers(marker) == []
    until(lambda: keeper.children() == [supervisor.pid], "no zombie")


def carriers(marker):
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and marker in pathlib.Path(
                    f"/proc/{entry}/environ").read_bytes():
                found.append(int(entry))
        except OSError:
            continue
    return found


def test_groups_left_by_a_killed_keeper_are_in_nobodys_way():
    first = open_keeper("--cgroup", GROUP)
    with first:
        supervisor = first.supervisor()
        supervisor.attach()
        if supervisor.facts.tree == WALK:
            pytest.skip("no cgroup can be written")
        child = supervisor.spawn(1, ["/bin/sleep", "600"])
        first.process.kill()
        first.process.wait()
        os.kill(supervisor.pid, signal.SIGKILL)
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: not is_alive(child.pid), "its end")
    assert groups() != []
    with open_keeper("--cgroup", GROUP) as second:
        supervisor = second.supervisor()
        supervisor.attach()
        assert supervisor.spawn(1, ["/bin/true"]).status == 0
        supervisor.wait_exit(1)
    assert groups() == []


def test_a_bad_group_name_is_refused():
    for name in ("", ".", "..", "a/b", "x" * 65):
        with open_keeper("--cgroup", name) as keeper:
            assert keeper.process.wait(10) == 1


# ---- sandbox ---------------------------------------------------------


def sandboxed(supervisor, keeper, allow, *tries, **options):
    system = [f"r{p}" for p in ("/usr", "/bin", "/lib", "/lib64", "/etc",
                                "/proc", "/nowhere")]
    child = supervisor.python(
        1, TRY, *tries, allow=[*system, "d/dev/null", "d/dev/urandom",
                               *allow],
        flags=SUBREAPER | NO_NEW_PRIVS | SANDBOX, **options)
    assert child.status == 0, os.strerror(child.status)
    answer = read_line(child.log).split()
    supervisor.wait_exit(1)
    assert supervisor.drained(1) == 0
    return answer


def test_sandbox_leaves_open_what_is_asked_for(keeper, supervisor):
    if supervisor.facts.landlock == 0:
        pytest.skip("this kernel has no Landlock")
    top = keeper.directory
    for name in ("mine", "shown", "other"):
        (top / name).mkdir()
        (top / name).chmod(0o777)
        (top / name / "file").write_text("x")
        (top / name / "file").chmod(0o666)
    allow = [f"w{top}/mine", f"r{top}/shown"]
    for uid in ({}, own_uid()):
        answer = sandboxed(
            supervisor, keeper, allow,
            f"read={top}/mine/file", f"write={top}/mine/file",
            f"list={top}/mine", f"read={top}/shown/file", f"list={top}/shown",
            "run=/bin/true", "read=/etc/passwd",
            f"move={top}/mine/file:{top}/mine/file2",
            f"move={top}/mine/file2:{top}/mine/file", **uid)
        assert answer == ["open"] * 9
        answer = sandboxed(
            supervisor, keeper, allow,
            f"write={top}/shown/file", f"read={top}/other/file",
            f"write={top}/other/file", f"list={top}/other", f"list={top}",
            f"write={top}/shown/new", "list=/", "list=/dev", **uid)
        assert answer == ["PermissionError"] * 8


def test_sandbox_ends_at_other_processes(keeper, supervisor):
    if supervisor.facts.landlock == 0:
        pytest.skip("this kernel has no Landlock")
    # the same uid, which without Landlock would be enough
    other = supervisor.spawn(2, ["/bin/sleep", "600"], **own_uid())
    answer = sandboxed(supervisor, keeper, [], f"environ={other.pid}",
                       f"environ={keeper.process.pid}", **own_uid())
    assert answer == ["PermissionError"] * 2
    if supervisor.facts.landlock >= 6:
        answer = sandboxed(supervisor, keeper, [], f"signal={other.pid}",
                           f"signal={supervisor.pid}", **own_uid())
        assert answer == ["PermissionError"] * 2


def test_what_the_sandbox_hides_cannot_be_run(supervisor):
    if supervisor.facts.landlock == 0:
        pytest.skip("this kernel has no Landlock")
    flags = SUBREAPER | NO_NEW_PRIVS | SANDBOX
    assert supervisor.spawn(1, ["/bin/true"], flags=flags,
                            allow=["r/etc"]).status == errno.EACCES
    assert supervisor.spawn(1, ["/bin/true"], flags=flags
                            ).status == errno.EACCES
