# SPDX-License-Identifier: MIT
"""mint-keeper through its front door: the test plays the supervisor."""

import errno
import json
import os
import pathlib
import random
import select
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest

from keeper_harness import (
    BUILD, CHILD, CONTROL, DONE, DRAINED, EXITED, GOODBYE, HEADER, LIGHT_TREE,
    LISTEN, LISTENER, MESSAGE_MAX, NO_NEW_PRIVS, OWN, PLAIN_ENV, REPORT,
    SANDBOX, SIGNAL, SPAWN, STOP, SUBREAPER, TCP, UNLISTEN, VERSION, WARM,
    WIPE, Keeper, is_alive, read_line, read_until, until)

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")
FIRST, LAST = 60706, 60716

# a child that says what it is, then sleeps
LOOK = """
import json, os, resource, stat, sys, time
def kind(fd):
    mode = os.fstat(fd).st_mode
    return ("socket" if stat.S_ISSOCK(mode) else "pipe"
            if stat.S_ISFIFO(mode) else os.readlink("/proc/self/fd/%d" % fd))
status = dict(l.split(":", 1) for l in open("/proc/self/status"))
fds = [fd for fd in range(64) if os.path.exists("/proc/self/fd/%d" % fd)]
print(json.dumps({
    "fds": {fd: kind(fd) for fd in fds}, "cwd": os.getcwd(),
    "uids": os.getresuid(), "gids": os.getresgid(),
    "groups": os.getgroups(), "umask": os.umask(0), "env": dict(os.environ),
    "argv": sys.argv[1:], "sid": os.getsid(0), "pid": os.getpid(),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "no_new_privs": status["NoNewPrivs"].strip(),
    "blocked": status["SigBlk"].strip(), "ignored": status["SigIgn"].strip(),
}), flush=True)
time.sleep(600)
"""

# leaves grandchildren behind: plain, own session, double-forked with an empty
# environment
FAMILY = """
import os, subprocess, sys, time
def start(code, **options):
    return subprocess.Popen([sys.executable, "-c", code],
                            stdout=subprocess.PIPE, **options)
say = "import os,time; print(os.getpid(), flush=True); time.sleep(600)"
twice = ("import os,sys,time\\nif os.fork(): os._exit(0)\\nos.setsid()\\n"
         "if os.fork(): os._exit(0)\\n" + say.replace("; ", "\\n"))
pids = [start(say).stdout.readline(),
        start(say, start_new_session=True).stdout.readline(),
        start(twice).stdout.readline(),
        start(say, env={}).stdout.readline()]
print(*[int(p) for p in pids], flush=True)
time.sleep(600)
"""


@pytest.fixture
def keeper():
    with Keeper("--tmp-root", "{dir}", "--pid-file", "{dir}/keeper.pid",
                *(["--uid-range", f"{FIRST}-{LAST}"] if IS_ROOT else []),
                directory_mode=0o755) as k:
        yield k


@pytest.fixture
def supervisor(keeper):
    s = keeper.supervisor()
    assert s.attach() == ({}, {})
    return s


def look(supervisor, ident, *args, **options):
    child = supervisor.python(ident, LOOK, *args, **options)
    assert child.status == 0, os.strerror(child.status)
    return child, json.loads(read_line(child.log))


def instance(name):
    return (*PLAIN_ENV, f"MINT_INSTANCE={name}")


# ---- children --------------------------------------------------------


def test_child_gets_what_was_asked_for(keeper, supervisor):
    address = str(keeper.directory / "a.sock")
    seat = supervisor.listen(7, address)
    assert seat.status == 0 and seat.address == address
    child, seen = look(
        supervisor, 1, "one", "two words", "", env=(*PLAIN_ENV, "A=b=c", "E="),
        flags=REPORT | CONTROL | SUBREAPER | NO_NEW_PRIVS, umask=0o137,
        listeners=[7], cwd=str(keeper.directory), nofile=77,
        label="shiny.0a.1")
    assert (child.pid, child.label) == (seen["pid"], "shiny.0a.1")
    assert seen["fds"] == {"0": "/dev/null", "1": "pipe", "2": "pipe",
                           "3": "socket", "4": "pipe", "5": "pipe"}
    assert seen["argv"] == ["one", "two words", ""]
    assert seen["cwd"] == str(keeper.directory)
    assert seen["env"].pop("LC_CTYPE", "") is not None
    assert seen["env"].pop("MINT_KEEPER") == str(
        keeper.directory / "keeper.pid")
    assert seen["env"] == {"PATH": "/usr/bin:/bin", "A": "b=c", "E": ""}
    assert seen["umask"] == 0o137 and seen["nofile"] == 77
    assert seen["sid"] == seen["pid"] and seen["no_new_privs"] == "1"
    assert int(seen["blocked"], 16) == 0
    # of its own Python ignores two: SIGPIPE and SIGXFSZ
    assert int(seen["ignored"], 16) & ~0x1001000 == 0
    assert abs(child.started_ms / 1000 - time.time()) < 60
    fields = pathlib.Path(f"/proc/{child.pid}/stat").read_text()
    assert child.start_ticks == int(fields.rpartition(")")[2].split()[19])
    assert len(child.fds) == 6
    assert not any(os.get_blocking(fd)
                   for fd in (child.log, child.report, child.control))


def test_report_and_control_pipes(supervisor):
    child = supervisor.python(
        1, "import os\nos.write(3, b'got ' + os.read(4, 64))\nos._exit(5)",
        flags=REPORT | CONTROL)
    os.write(child.control, b"drain\n")
    assert read_until(child.report, lambda d: len(d) >= 10) == b"got drain\n"
    end = supervisor.wait_exit(1)
    assert os.waitstatus_to_exitcode(end.wait_status) == 5
    assert end.tree_killed == 0


def test_without_report_the_control_pipe_is_first(supervisor):
    child = supervisor.python(
        1, "import os; print(os.read(3, 64).decode(), flush=True)",
        flags=CONTROL)
    assert len(child.fds) == 4
    os.write(child.control, b"hello")
    assert read_line(child.log) == "hello"


@pytest.mark.parametrize("flags", [SUBREAPER, LIGHT_TREE])
def test_exit_status(supervisor, flags):
    assert supervisor.python(1, "raise SystemExit(3)", flags=flags).status == 0
    end = supervisor.wait_exit(1)
    assert os.WEXITSTATUS(end.wait_status) == 3
    child = supervisor.python(2, "import time; time.sleep(600)", flags=flags)
    assert supervisor.signal(2, signal.SIGTERM) == 0
    end = supervisor.wait_exit(2)
    assert os.WTERMSIG(end.wait_status) == signal.SIGTERM
    assert end.pid == child.pid
    assert supervisor.signal(2, signal.SIGTERM) == errno.ESRCH
    assert supervisor.spawn(2, ["/bin/true"]).status == errno.EEXIST
    assert supervisor.drained(2) == 0
    assert supervisor.drained(2) == errno.ENOENT
    assert supervisor.signal(2, signal.SIGTERM) == errno.ENOENT
    assert supervisor.spawn(2, ["/bin/true"]).status == 0


def test_failures_before_exec_leave_nothing(keeper, supervisor):
    before = keeper.fd_count()
    assert supervisor.spawn(1, ["/nonexistent"]).status == errno.ENOENT
    assert supervisor.spawn(1, ["/etc/passwd"]).status == errno.EACCES
    assert supervisor.spawn(1, ["/bin/true"], cwd="/nonexistent"
                            ).status == errno.ENOENT
    assert supervisor.spawn(1, ["/bin/true"], listeners=[5]
                            ).status == errno.ENOENT
    assert supervisor.spawn(1, ["/bin/true"]).status == 0
    supervisor.wait_exit(1)
    assert supervisor.drained(1) == 0
    assert keeper.fd_count() == before
    assert keeper.children() == [supervisor.pid]


def test_a_living_child_is_not_forgotten(supervisor):
    child = supervisor.spawn(1, ["/bin/sleep", "600"])
    assert supervisor.drained(1) == errno.EBUSY
    assert is_alive(child.pid)


# ---- trees -----------------------------------------------------------


@pytest.mark.parametrize("how", ["keeper", "outside"])
def test_a_death_takes_the_tree_along(keeper, supervisor, how):
    other = supervisor.python(2, FAMILY, env=instance("other.0a.1"))
    others = [int(p) for p in read_line(other.log).split()]
    child = supervisor.python(1, FAMILY, env=instance("shiny.0a.1"))
    family = [int(p) for p in read_line(child.log).split()]
    assert all(is_alive(p) for p in family)
    if how == "keeper":
        assert supervisor.signal(1, signal.SIGKILL) == 0
    else:
        os.kill(child.pid, signal.SIGKILL)
    end = supervisor.wait_exit(1)
    assert os.WTERMSIG(end.wait_status) == signal.SIGKILL
    assert [p for p in family if is_alive(p)] == []
    assert end.tree_killed == 4
    assert all(is_alive(p) for p in [other.pid, *others])
    until(lambda: set(keeper.children()) == {supervisor.pid, other.pid},
          "reaping of the tree")


def test_a_light_tree_is_left_alone(keeper, supervisor):
    child = supervisor.python(1, FAMILY, flags=LIGHT_TREE,
                              env=instance("nginx"))
    family = [int(p) for p in read_line(child.log).split()]
    os.kill(child.pid, signal.SIGKILL)
    assert supervisor.wait_exit(1).tree_killed == 0
    assert all(is_alive(p) for p in family)


@needs_root
def test_a_uid_of_its_own_is_recognised(keeper, supervisor):
    """Own session, empty environment, parent gone: only the uid is left."""
    code = ("import os,sys,time\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        os.execve('/bin/sleep', ['sleep', '600'], {})\n"
            "    os._exit(0)\n"
            "os.wait()\nprint('ready', flush=True)\ntime.sleep(600)")
    child = supervisor.python(1, code, uid=FIRST, gid=FIRST,
                              env=instance("shiny.0a.1"))
    assert read_line(child.log) == "ready"
    stray = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children")
    stray = [int(p) for p in stray.read_text().split()]
    assert len(stray) == 1
    until(lambda: b"sleep" in pathlib.Path(f"/proc/{stray[0]}/cmdline"
                                           ).read_bytes(), "exec")
    os.kill(child.pid, signal.SIGKILL)
    assert supervisor.wait_exit(1).tree_killed == 1
    assert not is_alive(stray[0])


# ---- supervisors come and go -----------------------------------------


def test_a_killed_supervisor_loses_nothing(keeper, supervisor):
    address = str(keeper.directory / "a.sock")
    supervisor.listen(7, address, label="seat a")
    tcp = supervisor.listen(8, "127.0.0.1:0", family=TCP, label="callbacks")
    alive = supervisor.python(1, "import os,time\nprint('one', flush=True)\n"
                              "os.read(4, 1)\nprint('two', flush=True)\n"
                              "time.sleep(600)", flags=REPORT | CONTROL,
                              label="alive")
    dies = supervisor.python(2, "import os; os.read(3, 1); print('bye', "
                             "flush=True); os._exit(7)", flags=CONTROL,
                             label="dies")
    assert read_line(alive.log) == "one"
    go = os.dup(dies.control)
    os.kill(supervisor.pid, signal.SIGSTOP)
    os.write(go, b"x")
    os.close(go)
    until(lambda: not is_alive(dies.pid), "death of the child")
    supervisor.kill()

    second = keeper.supervisor()
    listeners, children = second.attach()
    assert {i: (m.address, m.label) for i, m in listeners.items()} == {
        7: (address, "seat a"), 8: (tcp.address, "callbacks")}
    assert sorted(children) == [1, 2]
    assert (children[1].pid, children[1].start_ticks, children[1].exited) == (
        alive.pid, alive.start_ticks, 0)
    assert (children[2].pid, children[2].exited) == (dies.pid, 1)
    assert os.waitstatus_to_exitcode(children[2].wait_status) == 7
    assert read_line(children[2].log) == "bye"
    assert [len(children[i].fds) for i in (1, 2)] == [6, 4]
    os.write(children[1].control, b"x")
    assert read_line(children[1].log) == "two"
    assert second.drained(2) == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        served = socket.socket(fileno=os.dup(listeners[7].fds[0]))
        served.setblocking(True)
        served.accept()[0].close()
        served.close()
    assert "signal 9" in keeper.log()
    os.kill(alive.pid, signal.SIGKILL)
    assert os.WTERMSIG(second.wait_exit(1).wait_status) == signal.SIGKILL


def test_many_supervisors(keeper, supervisor):
    """Those that live for less than a second come back ever later."""
    child = supervisor.spawn(1, ["/bin/sleep", "600"])
    fds = keeper.fd_count()
    for delay in (0, 0.1, 0.2, 0.4, 0.8):
        started = time.monotonic()
        supervisor.kill()
        supervisor = keeper.supervisor()
        _, children = supervisor.attach()
        assert children[1].pid == child.pid and not children[1].exited
        # the keeper counts in milliseconds
        assert time.monotonic() - started >= delay - 0.02
    assert keeper.fd_count() == fds
    assert keeper.children() == sorted([child.pid, supervisor.pid])


def test_a_supervisor_that_exits_is_started_again(keeper, supervisor):
    supervisor.exit(4)
    keeper.supervisor().attach()
    assert "exit status 4" in keeper.log()


def test_a_supervisor_that_does_not_read_is_replaced(keeper, supervisor):
    child = supervisor.spawn(1, ["/bin/sleep", "600"])
    supervisor.socket.settimeout(20)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for serial in range(200000):
            supervisor.socket.send(HEADER.pack(VERSION, SIGNAL, serial, 0, 999)
                                   + struct.pack("=iI", 10, 0))
    _, children = keeper.supervisor().attach()
    assert children[1].pid == child.pid
    assert "does not read" in keeper.log()


def test_a_printing_child_goes_on_without_a_supervisor(keeper, supervisor):
    """No supervisor that lives: three pipes full pass, nothing is killed."""
    code = ("import os\nline = b'x' * 99 + b'\\n'\nfor i in range(31000):\n"
            "    os.write(1, line)\nos.write(3, b'printed')\n"
            "import time\ntime.sleep(600)")
    supervisor.exit(0)          # first of those that live for a short time
    supervisor = keeper.supervisor()
    supervisor.attach()
    child = supervisor.python(1, "import os; os.read(4, 1)\n" + code,
                              flags=REPORT | CONTROL)
    report = os.dup(child.report)
    os.write(child.control, b"x")
    end = time.monotonic() + 20
    while not readable(report):
        assert time.monotonic() < end, "the child is blocked"
        supervisor.kill()
        supervisor = keeper.supervisor()
    os.close(report)
    _, children = supervisor.attach()
    assert children[1].pid == child.pid and not children[1].exited


def readable(fd):
    return bool(select.select([fd], [], [], 0)[0])


def test_nothing_is_discarded_while_one_is_attached(supervisor):
    code = ("import os\nos.set_blocking(1, False)\nn = 0\ntry:\n"
            "    while True: n += os.write(1, b'x' * 4096)\n"
            "except BlockingIOError: pass\nos.write(3, b'%d\\n' % n)\n"
            "os.set_blocking(1, True)\nos.write(1, b'end')\n")
    child = supervisor.python(1, code, flags=REPORT)
    count = int(read_line(child.report))
    with pytest.raises(TimeoutError):
        supervisor.wait_exit(1, 1.5)
    data = read_until(child.log, lambda d: d.endswith(b"end"))
    assert len(data) == count + 3
    supervisor.wait_exit(1)


# ---- listeners -------------------------------------------------------


def test_listeners(keeper, supervisor):
    address = str(keeper.directory / "a.sock")
    first = supervisor.listen(1, address, mode=0o620)
    mode = os.lstat(address).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o620
    again = supervisor.listen(1, address, mode=0o600)
    assert os.path.sameopenfile(first.fds[0], again.fds[0])
    assert supervisor.listen(1, address + "x").status == errno.EEXIST
    assert supervisor.listen(2, address).status == errno.EADDRINUSE
    assert supervisor.ask(UNLISTEN, 1).status == 0
    assert not os.path.exists(address)
    assert supervisor.ask(UNLISTEN, 1).status == errno.ENOENT


def test_a_stale_socket_is_replaced_and_nothing_else(keeper, supervisor):
    stale = keeper.directory / "stale.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(stale))
    assert supervisor.listen(1, str(stale)).status == 0
    plain = keeper.directory / "file"
    plain.write_text("kept")
    assert supervisor.listen(2, str(plain)).status == errno.EADDRINUSE
    assert plain.read_text() == "kept"
    link = keeper.directory / "link"
    link.symlink_to(stale)
    assert supervisor.listen(3, str(link)).status == errno.EADDRINUSE
    assert link.is_symlink()


def test_tcp_is_loopback_only(supervisor):
    got = supervisor.listen(1, "127.0.0.1:0", family=TCP)
    port = int(got.address.rpartition(":")[2])
    assert got.address == f"127.0.0.1:{port}" and port > 0
    socket.create_connection(("127.0.0.1", port), 5).close()
    assert supervisor.listen(2, got.address, family=TCP
                             ).status == errno.EADDRINUSE
    for address in ("0.0.0.0:0", "10.0.0.1:80", "128.0.0.1:0"):
        assert supervisor.listen(3, address, family=TCP
                                 ).status == errno.EPERM, address
    for address in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "localhost:0",
                    "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 1",
                    "[::]:0", "127.1:0", ":0", "", "127.0.0.1:0x", "255" * 99 + ":1"):
        assert supervisor.listen(3, address, family=TCP
                                 ).status == errno.EINVAL, address


def test_long_and_relative_paths_are_refused(keeper, supervisor):
    assert supervisor.listen(1, "/" + "x" * 107).status == errno.ENAMETOOLONG
    assert supervisor.listen(1, "a.sock").status == errno.EINVAL
    assert supervisor.listen(1, "").status == errno.EINVAL
    path = str(keeper.directory / "y")
    path += "y" * (107 - len(path))
    assert supervisor.listen(1, path).status == 0


# ---- who may be asked for --------------------------------------------


def test_other_users_are_refused(keeper, supervisor):
    before = keeper.fd_count()
    for uid, gid, extra in ((LAST + 1, FIRST, 0), (FIRST, LAST + 1, 0),
                            (FIRST, FIRST, 4)):
        assert supervisor.spawn(1, ["/bin/true"], uid=uid, gid=gid,
                                extra_gid=extra).status == errno.EPERM
        if extra == 0:
            assert supervisor.listen(1, str(keeper.directory / "s"), uid=uid,
                                     gid=gid).status == errno.EPERM
            assert supervisor.path(OWN, str(keeper.directory / "d"), uid=uid,
                                   gid=gid) == errno.EPERM
    assert keeper.fd_count() == before
    assert not (keeper.directory / "d").exists()


@needs_root
def test_child_runs_as_asked(supervisor):
    child, seen = look(supervisor, 1, uid=FIRST, gid=FIRST + 1,
                       extra_gid=LAST)
    assert seen["uids"] == [FIRST] * 3 and seen["gids"] == [FIRST + 1] * 3
    assert seen["groups"] == [LAST]
    child, seen = look(supervisor, 2, uid=FIRST, gid=FIRST)
    assert seen["groups"] == []
    # what it prints to, it can open as itself
    child = supervisor.python(3, "open('/dev/stderr', 'w').write('hello\\n')",
                              uid=FIRST, gid=FIRST)
    assert read_line(child.log) == "hello"


@needs_root
def test_a_supervisor_without_rights():
    """It cannot have what it could not do itself, except what is granted."""
    uid, gid, extra = LAST + 10, LAST + 11, LAST + 12
    with Keeper("--supervisor-identity", f"{uid}:{gid}:{extra}",
                "--identity", f"{uid + 5}:{gid + 5}",
                "--uid-range", f"{FIRST}-{LAST}", "--state-root", "{dir}",
                directory_mode=0o755, owner=(uid, gid)) as keeper:
        s = keeper.supervisor()
        s.attach()
        assert (s.uid, s.gid) == (uid, gid)
        status = pathlib.Path(f"/proc/{s.pid}/status").read_text()
        assert f"Groups:\t{extra} \n" in status
        assert "NoNewPrivs:\t1\n" in status
        for ident, root_uid in ((1, 0), (2, 0xFFFFFFFF)):
            assert s.spawn(ident, ["/bin/true"], uid=root_uid, gid=gid
                           ).status == errno.EPERM
        assert s.spawn(1, ["/bin/true"], uid=uid, gid=0).status == errno.EPERM
        assert s.spawn(1, ["/bin/true"], uid=uid + 5, gid=gid + 5,
                       extra_gid=extra).status == 0
        path = keeper.directory / "a.sock"
        assert s.listen(1, str(path), uid=FIRST, gid=extra).status == 0
        assert (path.stat().st_uid, path.stat().st_gid) == (FIRST, extra)
        private = keeper.directory / "private"
        private.mkdir(mode=0o700)
        assert s.listen(2, str(private / "a.sock")).status == errno.EACCES
        assert s.listen(2, "/a.sock").status == errno.EACCES
        os.chown(private, uid, gid)
        assert s.listen(2, str(private / "a.sock")).status == 0
        assert (private / "a.sock").stat().st_uid == uid


# ---- directories -----------------------------------------------------


def test_own_makes_a_directory(keeper, supervisor):
    path = keeper.directory / "data"
    uid = FIRST if IS_ROOT else os.getuid()
    gid = FIRST if IS_ROOT else os.getgid()
    for mode in (0o750, 0o700):
        assert supervisor.path(OWN, str(path), mode, uid, gid) == 0
        st = path.stat()
        assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (
            uid, gid, mode)
    assert supervisor.path(OWN, str(path / "a" / "b")) == errno.ENOENT


@needs_root
def test_own_hands_over_what_was_the_others(keeper, supervisor):
    top = keeper.directory / "data"
    outside = keeper.directory / "outside"
    outside.write_text("x")
    assert supervisor.path(OWN, str(top), 0o700, FIRST, FIRST) == 0
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("x")
    (top / "link").symlink_to(outside)
    os.link(outside, top / "roots")
    for path in (top / "a", top / "a" / "b", top / "a" / "b" / "file"):
        os.chown(path, FIRST, FIRST)
    assert supervisor.path(OWN, str(top), 0o700, FIRST + 1, FIRST + 1) == 0
    for path in (top, top / "a", top / "a" / "b", top / "a" / "b" / "file"):
        st = path.stat()
        assert (st.st_uid, st.st_gid) == (FIRST + 1, FIRST + 1), path
    # what is somebody else's stays that, however it got there
    assert outside.stat().st_uid == 0
    assert (top / "roots").stat().st_uid == 0


def test_wipe_empties_and_keeps(keeper, supervisor):
    top = keeper.directory / "tmp"
    outside = keeper.directory / "outside"
    for directory in (top, outside, top / "a" / "b"):
        directory.mkdir(parents=True)
    (outside / "kept").write_text("x")
    (top / "a" / "file").write_text("x")
    (top / "link").symlink_to(outside)
    (top / "a" / "b" / "up").symlink_to("../../../outside")
    (top / "a" / "b").chmod(0)
    deep = os.open(top, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 60, dir_fd=deep)
        below = os.open("d" * 60, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    assert supervisor.path(WIPE, str(top)) == 0
    assert list(top.iterdir()) == []
    assert (outside / "kept").exists()
    until(lambda: keeper.children() == [supervisor.pid], "end of the wiper")


def test_wipe_of_much_does_not_hold_up_others(keeper, supervisor):
    top = keeper.directory / "tmp"
    for i in range(60):
        directory = top / str(i)
        directory.mkdir(parents=True)
        for j in range(100):
            (directory / str(j)).touch()
    body = struct.pack("=4I", 0, 0, 0, 0) + str(top).encode() + b"\0"
    supervisor.send(HEADER.pack(VERSION, WIPE, 4711, 0, 0) + body)
    assert supervisor.spawn(1, ["/bin/true"]).status == 0
    assert supervisor.wait(lambda m: m.serial == 4711).status == 0
    assert list(top.iterdir()) == []


def test_paths_outside_are_refused(keeper, supervisor):
    inside = keeper.directory / "inside"
    inside.mkdir()
    (inside / "kept").touch()
    (keeper.directory / "link").symlink_to(inside)
    (keeper.directory / "out").symlink_to("/tmp")
    base = str(keeper.directory)
    for kind in (WIPE, OWN):
        for path in ("/tmp", "/", base, base + "/", base + "/.", base + "/..",
                     base + "/inside/..", base + "/inside/../inside",
                     base + "//inside", base + "/inside/", base + "x/inside",
                     base + "/./inside", base + "/link", base + "/out",
                     base + "/link/x", "inside", ""):
            assert supervisor.path(kind, path) == errno.EPERM, path
    assert (inside / "kept").exists()
    assert supervisor.path(WIPE, base + "/none") == errno.ENOENT
    assert supervisor.path(WIPE, str(inside / "kept")) == errno.ENOTDIR


def test_a_state_root_is_not_wiped():
    with Keeper("--state-root", "{dir}") as keeper:
        s = keeper.supervisor()
        s.attach()
        path = str(keeper.directory / "data")
        assert s.path(OWN, path) == 0
        assert s.path(WIPE, path) == errno.EPERM


# ---- the end ---------------------------------------------------------


def test_ordered_stop(keeper, supervisor):
    path = keeper.directory / "a.sock"
    supervisor.listen(1, str(path))
    child = supervisor.python(1, FAMILY, env=instance("shiny.0a.1"))
    family = [int(p) for p in read_line(child.log).split()]
    pid_file = keeper.directory / "keeper.pid"
    assert pid_file.read_text() == f"{keeper.process.pid}\n"
    keeper.process.send_signal(signal.SIGTERM)
    supervisor.wait_type(STOP)
    assert is_alive(child.pid)
    assert supervisor.ask(GOODBYE, 0, status=9).status == 0
    supervisor.exit(0)
    assert keeper.process.wait(10) == 9
    assert [p for p in [child.pid, *family] if is_alive(p)] == []
    assert not path.exists() and not pid_file.exists()


def test_goodbye_counts_even_from_one_that_is_gone(keeper, supervisor):
    supervisor.send(HEADER.pack(VERSION, GOODBYE, 1, 0, 0))
    os.kill(supervisor.pid, signal.SIGKILL)
    assert keeper.process.wait(10) == 0


def test_goodbye_waits_for_the_supervisor(keeper, supervisor):
    assert supervisor.ask(GOODBYE, 0).status == 0
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.process.wait(0.5)
    supervisor.exit(0)
    assert keeper.process.wait(10) == 0


def test_second_signal_kills_all(keeper, supervisor):
    child = supervisor.python(1, FAMILY, env=instance("shiny.0a.1"))
    family = [int(p) for p in read_line(child.log).split()]
    keeper.process.send_signal(signal.SIGINT)
    supervisor.wait_type(STOP)
    keeper.process.send_signal(signal.SIGINT)
    assert keeper.process.wait(10) == 1
    assert [p for p in [child.pid, supervisor.pid, *family]
            if is_alive(p)] == []


def test_stop_has_a_deadline():
    with Keeper("--stop-timeout", "1") as keeper:
        s = keeper.supervisor()
        s.attach()
        child = s.spawn(1, ["/bin/sleep", "600"])
        keeper.process.send_signal(signal.SIGTERM)
        s.wait_type(STOP)
        assert keeper.process.wait(10) == 1
        assert not is_alive(child.pid)


def test_hangup_is_ignored(keeper, supervisor):
    keeper.process.send_signal(signal.SIGHUP)
    assert supervisor.spawn(1, ["/bin/true"]).status == 0


def test_children_survive_the_keeper(keeper, supervisor):
    child = supervisor.python(1, "print('x')\nimport time; time.sleep(600)")
    keeper.process.kill()
    keeper.process.wait()
    with pytest.raises((EOFError, ConnectionResetError)):
        while True:
            supervisor.receive()
    assert is_alive(child.pid)
    os.kill(child.pid, signal.SIGKILL)


# ---- hostile messages ------------------------------------------------


def spawn_body(argc=1, envc=0, flags=0, umask=0, listeners=0, allow=0, cpu=0,
               warm_id=0, strings=b"l\0/\0/bin/true\0"):
    return struct.pack("=74IQ4I", flags, 0xFFFFFFFF, 0xFFFFFFFF, umask, argc,
                       envc, 0, listeners, *[0] * 64, 0, allow, 0, 0,
                       cpu, warm_id, 0) + strings


@pytest.mark.parametrize("kind, ident, body", [
    (0, 1, b""), (9, 1, b""), (63, 1, b""), (65535, 1, b""),
    (CHILD, 1, b""), (EXITED, 1, b""),
    (SPAWN, 1, b""), (SPAWN, 1, b"\0" * 87), (SPAWN, 1, b"\xff" * 88),
    (SPAWN, 1, spawn_body(strings=b"")),
    (SPAWN, 1, spawn_body(strings=b"l\0/\0/bin/true")),
    (SPAWN, 1, spawn_body(strings=b"l\0/\0/bin/true\0extra\0")),
    (SPAWN, 1, spawn_body(strings=b"l\0/\0bin/true\0")),
    (SPAWN, 1, spawn_body(strings=b"l\0tmp\0/bin/true\0")),
    (SPAWN, 1, spawn_body(strings=b"l" * 256 + b"\0/\0/bin/true\0")),
    (SPAWN, 0, spawn_body()), (SPAWN, 1, spawn_body(argc=0)),
    (SPAWN, 1, spawn_body(argc=2)), (SPAWN, 1, spawn_body(envc=1)),
    (SPAWN, 1, spawn_body(argc=0xFFFFFFFF)),
    (SPAWN, 1, spawn_body(envc=0xFFFFFFFF)),
    (SPAWN, 1, spawn_body(argc=131072, envc=131072)),
    (SPAWN, 1, spawn_body(listeners=65)),
    (SPAWN, 1, spawn_body(listeners=0xFFFFFFFF)),
    (SPAWN, 1, spawn_body(flags=128)), (SPAWN, 1, spawn_body(umask=0o1000)),
    (SPAWN, 1, spawn_body(allow=1)), (SPAWN, 1, spawn_body(cpu=100001)),
    (SPAWN, 1, spawn_body(flags=SANDBOX, allow=1)),
    (SPAWN, 1, spawn_body(flags=SANDBOX, allow=0xFFFFFFFF)),
    (SPAWN, 1, spawn_body(flags=SANDBOX, allow=1,
                          strings=b"l\0/\0/bin/true\0x/usr\0")),
    (SPAWN, 1, spawn_body(flags=SANDBOX, allow=1,
                          strings=b"l\0/\0/bin/true\0rusr\0")),
    (SPAWN, 1, spawn_body(flags=SANDBOX, allow=1,
                          strings=b"l\0/\0/bin/true\0\0")),
    (SPAWN, 1, spawn_body(flags=WARM, warm_id=1)),
    (LISTEN, 1, b""), (LISTEN, 1, b"\0" * 24),
    (LISTEN, 1, struct.pack("=6I", 1, 0, 0o600, 0xFFFFFFFF, 0xFFFFFFFF, 0)
     + b"/tmp/x"),
    (LISTEN, 1, struct.pack("=6I", 3, 0, 0o600, 0xFFFFFFFF, 0xFFFFFFFF, 0)
     + b"/tmp/x\0l\0"),
    (LISTEN, 1, struct.pack("=6I", 1, 0, 0o4755, 0xFFFFFFFF, 0xFFFFFFFF, 0)
     + b"/tmp/x\0l\0"),
    (SIGNAL, 1, b""), (SIGNAL, 1, struct.pack("=iI", 0, 0)),
    (SIGNAL, 1, struct.pack("=iI", -9, 0)),
    (SIGNAL, 1, struct.pack("=iI", 65, 0)),
    (SIGNAL, 1, struct.pack("=iI", 15, 0) + b"x"),
    (UNLISTEN, 1, b"x"), (DRAINED, 1, b"x"), (WIPE, 0, b""),
    (WIPE, 0, b"\0" * 16), (OWN, 0, b"\0" * 16 + b"/tmp"),
    (OWN, 0, struct.pack("=4I", 0o4755, 0xFFFFFFFF, 0xFFFFFFFF, 0)
     + b"/tmp/x\0"), (GOODBYE, 0, b"x"),
])
def test_malformed_requests(keeper, supervisor, kind, ident, body):
    before = keeper.fd_count()
    assert supervisor.ask(kind, ident, body).status == errno.EINVAL
    assert supervisor.ask(GOODBYE, 0, status=-1).status == errno.EINVAL
    assert supervisor.ask(GOODBYE, 0, status=126).status == errno.EINVAL
    assert keeper.fd_count() == before
    assert keeper.process.poll() is None


def test_hostile_framing(keeper, supervisor):
    before = keeper.fd_count()
    for data in (b"x", b"\1\0", b"\0" * 15,
                 HEADER.pack(VERSION + 1, SPAWN, 5, 0, 1), b"\xff" * MESSAGE_MAX,
                 b"\xff" * (MESSAGE_MAX + 100)):
        supervisor.send(data)
        assert supervisor.wait_type(DONE).status == errno.EINVAL
    # fds sent along are not kept
    with open("/dev/null", "rb") as null:
        socket.send_fds(supervisor.socket, [HEADER.pack(VERSION, 99, 9, 0, 0)],
                        [null.fileno()] * 50)
    assert supervisor.wait(lambda m: m.serial == 9).status == errno.EINVAL
    assert keeper.fd_count() == before
    assert supervisor.spawn(1, ["/bin/true"]).status == 0


def test_random_bytes(keeper, supervisor):
    rng = random.Random(20240607)
    shapes = [HEADER.pack(VERSION, SPAWN, 0, 0, 1) + spawn_body(),
              HEADER.pack(VERSION, LISTEN, 0, 0, 1)
              + struct.pack("=6I", 2, 0, 0, 0, 0, 0) + b"127.0.0.1:0\0l\0"]
    for serial in range(1, 3000):
        data = bytearray(rng.choice(shapes))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(16, len(data))] = rng.randrange(256)
        data[4:8] = struct.pack("=I", serial)
        supervisor.send(bytes(data[:rng.randrange(16, len(data) + 1)]))
        answer = supervisor.wait(lambda m, s=serial: m.serial == s)
        if answer.type == CHILD and answer.status == 0:
            supervisor.wait_exit(answer.id)
            assert supervisor.drained(answer.id) == 0
        elif answer.type == LISTENER and answer.status == 0:
            assert supervisor.ask(UNLISTEN, answer.id).status == 0
        for fd in supervisor.fds:
            os.close(fd)
        supervisor.fds = []
    assert keeper.process.poll() is None


def test_a_large_request(supervisor):
    env = [f"V{i}=" + "x" * 1000 for i in range(120)]
    child, seen = look(supervisor, 1, env=(*PLAIN_ENV, *env))
    assert len(seen["env"]) >= 121


def test_many_children(keeper, supervisor):
    before = keeper.fd_count()
    for ident in range(1, 101):
        assert supervisor.spawn(ident, ["/bin/true"]).status == 0
    for ident in range(1, 101):
        assert supervisor.wait_exit(ident).wait_status == 0
        assert supervisor.drained(ident) == 0
    assert keeper.fd_count() == before


# ---- options ---------------------------------------------------------


def run(*args):
    return subprocess.run([str(BUILD / "mint-keeper"), *args], text=True,
                          capture_output=True, timeout=20, check=False)


def test_help_and_version():
    assert "--supervisor-identity" in run("--help").stdout
    assert run("--version").stdout.startswith("mint-keeper ")


@pytest.mark.parametrize("args", [
    [], ["--"], ["--nonsense"], ["--identity", "x", "--", "/bin/true"],
    ["--identity", "0:5", "--", "/bin/true"],
    ["--identity", "5:0", "--", "/bin/true"],
    ["--identity", "5", "--", "/bin/true"],
    ["--identity", "5:", "--", "/bin/true"],
    ["--identity", "5:-6", "--", "/bin/true"],
    ["--uid-range", "0-5", "--", "/bin/true"],
    ["--uid-range", "9-5", "--", "/bin/true"],
    ["--uid-range", "5-4294967295", "--", "/bin/true"],
    ["--tmp-root", "/nonexistent", "--", "/bin/true"],
    ["--stop-timeout", "soon", "--", "/bin/true"],
    ["--pid-file", "/nonexistent/pid", "--", "/bin/true"],
    ["--", "/nonexistent"],
])
def test_bad_options(args):
    done = run(*args)
    assert done.returncode == 1 and done.stderr.strip() != ""


def test_second_keeper_is_refused(keeper, supervisor):
    done = run("--pid-file", str(keeper.directory / "keeper.pid"), "--",
               "/bin/true")
    assert done.returncode == 1 and "keeper.pid" in done.stderr
    assert (keeper.directory / "keeper.pid").read_text() == (
        f"{keeper.process.pid}\n")
