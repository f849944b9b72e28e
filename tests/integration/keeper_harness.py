# SPDX-License-Identifier: MIT
"""A mint-keeper under test, and its protocol (contract/mint_keeper.h).

The supervisor it starts is a few lines of Python that hand their end of the
socketpair to the test and wait, so the test itself speaks to the keeper.
"""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MINT_BUILD", ROOT / "build"))
DEADLINE = 20

LISTEN, UNLISTEN, SPAWN, SIGNAL, DRAINED, WIPE, OWN, GOODBYE = range(1, 9)
CUSTODY, GIVEN = 9, 10
LISTENER, CHILD, EXITED, ATTACHED, DONE, STOP, FACTS, HELLO = range(64, 72)
REPORT, CONTROL, SUBREAPER, NO_NEW_PRIVS, LIGHT_TREE, SANDBOX, WARM = (
    1, 2, 4, 8, 16, 32, 64)
NONE, CGROUP2, CGROUP1, RLIMIT, WALK = range(5)
VERSION = 4
UNKNOWN = -1                    # wait status of another keeper's child
UNIX, TCP = 1, 2
SAME = 0xFFFFFFFF
MESSAGE_MAX = 131072

HEADER = struct.Struct("=HHIiI")
PLAIN_ENV = ("PATH=/usr/bin:/bin",)

# says hello with its pid, the keeper's socket, and the one on which it waits
# for the next keeper; exits with the status that comes back, or when the test
# goes away
SUPERVISOR = """
import array, os, socket, struct, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
    s.connect(sys.argv[1])
    fds = [int(os.environ["MINT_KEEPER_FD"])]
    if "MINT_KEEPER_SOCKET" in os.environ:
        next = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.path.exists(os.environ["MINT_KEEPER_SOCKET"]):
            os.unlink(os.environ["MINT_KEEPER_SOCKET"])
        next.bind(os.environ["MINT_KEEPER_SOCKET"])
        next.listen(1)
        fds.append(next.detach())
    s.sendmsg([struct.pack("=iiii", os.getpid(), os.getuid(), os.getgid(),
                           os.getsid(0))],
              [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                array.array("i", fds))])
    for fd in fds[1:]:
        os.close(fd)
    word = s.recv(4)
    os._exit(struct.unpack("=i", word)[0] if word else 0)
"""


class Message:
    """One message of the keeper, unpacked by its type."""

    def __init__(self, data, fds):
        _, self.type, self.serial, self.status, self.id = HEADER.unpack_from(
            data)
        self.data = data
        self.fds = fds
        rest = data[HEADER.size:]
        if self.status != 0 or self.type in (DONE, ATTACHED, STOP,
                                               HELLO):
            assert rest == b"" and not fds
        elif self.type == LISTENER:
            self.family, _ = struct.unpack_from("=II", rest)
            self.address, self.label, self.asked = self.strings(rest[8:], 3)
        elif self.type == CHILD:
            (self.start_ticks, self.started_ms, self.pid, self.flags,
             self.exited, self.wait_status, self.tree_killed,
             self.oom_kills, self.child_uid, _) = struct.unpack_from(
                 "=QQiIIiIIII", rest)
            (self.label, self.memory_group, self.instance,
             *self.cgroups) = self.strings(rest[48:], 7)
        elif self.type == EXITED:
            (self.pid, self.wait_status, self.tree_killed,
             self.oom_kills) = struct.unpack("=iiII", rest)
        elif self.type == FACTS:
            (self.memory, self.pids, self.cpu, self.tree, self.landlock,
             _) = struct.unpack_from("=6I", rest)
            self.cgroup, self.custody = self.strings(rest[24:], 2)

    @staticmethod
    def strings(data, count):
        texts = data.split(b"\0")
        assert texts.pop() == b"" and len(texts) == count
        return [t.decode(errors="surrogateescape") for t in texts]

    # both ends of each pipe: log, report, control, as far as there are any

    @property
    def log(self):
        return self.fds[0]

    @property
    def report(self):
        assert self.flags & REPORT
        return self.fds[2]

    @property
    def control(self):
        assert self.flags & CONTROL
        return self.fds[-1]


class Supervisor:
    """The keeper's socket as one supervisor process holds it."""

    def __init__(self, control):
        data, fds, _, _ = socket.recv_fds(control, 64, 2)
        self.pid, self.uid, self.gid, self.sid = struct.unpack("=iiii", data)
        self.control = control
        self.socket = socket.socket(fileno=fds[0])
        self.next = socket.socket(fileno=fds[1]) if fds[1:] else None
        self.serial = 0
        self.waiting = []
        self.fds = []
        self.facts = None

    def receive(self, deadline=DEADLINE):
        self.socket.settimeout(deadline)
        data, fds, flags, _ = socket.recv_fds(self.socket, MESSAGE_MAX, 8)
        assert not flags & socket.MSG_CTRUNC
        self.fds += fds
        if not data:
            raise EOFError
        return Message(data, fds)

    def wait(self, want, deadline=DEADLINE):
        """The next message for which want(message) is true; others wait."""
        for i, message in enumerate(self.waiting):
            if want(message):
                return self.waiting.pop(i)
        end = time.monotonic() + deadline
        while True:
            message = self.receive(max(0.001, end - time.monotonic()))
            if want(message):
                return message
            self.waiting.append(message)

    def wait_type(self, kind, deadline=DEADLINE):
        return self.wait(lambda m: m.type == kind, deadline)

    def wait_exit(self, ident, deadline=DEADLINE):
        return self.wait(lambda m: m.type == EXITED and m.id == ident,
                         deadline)

    def attach(self):
        """What the keeper tells at the start: listeners, children."""
        listeners, children = {}, {}
        while True:
            message = self.receive()
            if message.type == ATTACHED:
                return listeners, children
            if message.type == FACTS:
                self.facts = message
                continue
            kept = listeners if message.type == LISTENER else children
            kept[message.id] = message

    def send(self, data):
        self.socket.settimeout(DEADLINE)
        self.socket.send(data)

    def ask(self, kind, ident, body=b"", status=0):
        self.serial += 1
        serial = self.serial
        self.send(HEADER.pack(VERSION, kind, serial, status, ident) + body)
        return self.wait(lambda m: m.serial == serial)

    def listen(self, ident, address, family=UNIX, mode=0o600, uid=SAME,
               gid=SAME, label="seat", backlog=0):
        body = struct.pack("=6I", family, backlog, mode, uid, gid, 0)
        return self.ask(LISTEN, ident, body + text(address, label))

    def spawn(self, ident, argv, env=PLAIN_ENV, flags=SUBREAPER, uid=SAME,
              gid=SAME, extra_gid=0, umask=0o22, nofile=0, listeners=(),
              cwd="/", label="child", allow=(), memory=0, pids=0, cpu=0,
              warm_id=0):
        ids = list(listeners) + [0] * (64 - len(listeners))
        body = struct.pack("=74IQ4I", flags, uid, gid, umask, len(argv),
                           len(env), nofile, len(listeners), *ids, extra_gid,
                           len(allow), memory, pids, cpu, warm_id, 0)
        return self.ask(SPAWN, ident,
                        body + text(label, cwd, *argv, *env, *allow))

    def python(self, ident, code, *args, **options):
        return self.spawn(ident, [test_python(), "-c", code, *args],
                          **options)

    def signal(self, ident, number):
        return self.ask(SIGNAL, ident, struct.pack("=iI", number, 0)).status

    def drained(self, ident):
        return self.ask(DRAINED, ident).status

    def path(self, kind, path, mode=0o700, uid=SAME, gid=SAME):
        body = struct.pack("=4I", mode, uid, gid, 0)
        return self.ask(kind, 0, body + text(path)).status

    def exit(self, status):
        self.control.send(struct.pack("=i", status))

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def close(self):
        for fd in self.fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.fds = []
        self.socket.close()
        if self.next:
            self.next.close()
        self.control.close()

    # ---- the next keeper ----------------------------------------------

    def meet(self, deadline=DEADLINE):
        """The next keeper's connection, and what it says first."""
        self.next.settimeout(deadline)
        self.socket.close()
        self.socket, _ = self.next.accept()
        hello = self.receive()
        assert (hello.type, hello.fds) == (HELLO, [])

    def give(self, *messages, custody=None):
        """What an earlier keeper has said, to the next one; a message is
        (data, fds)."""
        self.send(HEADER.pack(VERSION, CUSTODY, 0, 0, 0)
                  + text(custody or self.facts.custody))
        for data, fds in messages:
            socket.send_fds(self.socket, [data], fds)
        self.send(HEADER.pack(VERSION, GIVEN, 0, 0, 0))


class Keeper:
    """A running mint-keeper in a directory of its own."""

    def __init__(self, *options, directory_mode=0o700, owner=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mint-keeper-"))
        self.directory.chmod(directory_mode)
        if owner:
            os.chown(self.directory, *owner)
        script = self.directory / "supervisor.py"
        script.write_text(SUPERVISOR)
        script.chmod(0o644)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.directory / "test.sock"))
        os.chmod(self.directory / "test.sock", 0o666)
        self.listener.listen(16)
        self.log_path = self.directory / "keeper.log"
        self.supervisors = []
        self.log_path.touch()
        self.command = [
            str(BUILD / "mint-keeper"),
            *(o.format(dir=self.directory) for o in options), "--",
            test_python(), str(script), str(self.directory / "test.sock")]
        self.start()

    def start(self):
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)

    def replace(self):
        """kill -9, and the next one."""
        self.process.kill()
        self.process.wait()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for supervisor in self.supervisors:
            supervisor.close()
        self.listener.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory)

    def supervisor(self, deadline=DEADLINE):
        """The next supervisor that the keeper starts."""
        self.listener.settimeout(deadline)
        control, _ = self.listener.accept()
        self.supervisors.append(Supervisor(control))
        return self.supervisors[-1]

    def log(self):
        return self.log_path.read_text()

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(p) for p in pathlib.Path(path).read_text().split()]

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def text(*strings):
    return b"".join(s.encode() + b"\0" for s in strings)


def test_python():
    """An interpreter that any user can run."""
    for path in ("/usr/bin/python3", sys.executable):
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError("python3")


def until(condition, what, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"no {what} within {deadline} s"
        time.sleep(0.005)


def read_until(fd, want, deadline=DEADLINE):
    """Reads a pipe until want(bytes so far) holds."""
    data, end = b"", time.monotonic() + deadline
    while not want(data):
        left = end - time.monotonic()
        assert left > 0, f"only {data[-500:]!r} within {deadline} s"
        if select.select([fd], [], [], left)[0]:
            data += os.read(fd, 65536)
    return data


def read_line(fd, deadline=DEADLINE):
    return read_until(fd, lambda d: d.endswith(b"\n"),
                      deadline).decode().strip()


def is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"
