# SPDX-License-Identifier: MIT
"""A forked process becomes what mint-keeper wants (contract/mint_warm.h).

Everything that execve() would have done, and what it would have made anew:
ids, descriptors, limits, directory, environment, and what Python has kept of
the process it was forked from.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import resource
import socket
import struct
import sys
import time

from mint_plugin_host import libc, sandbox

VERSION = 1
BEGIN = b"b"
NO_ID = 2**32 - 1
NO_LIMIT = 2**64 - 1
MESSAGE_MAX = 192 * 1024
FDS_MAX = 16
ASIDE_FD = 64                   # above every final one
PARENT_WAIT_SEC = 5.0
KNOWN_BY = (b"MINT_INSTANCE=", b"MINT_KEEPER=")     # to the keeper

HEAD = struct.Struct("=10I4Q")
BORN = struct.Struct("=i")

SUBREAPER = 4                   # enum mint_keeper_spawn_flag
NO_NEW_PRIVS = 8
SANDBOX = 32


class Birth:
    """What the keeper has said about this process."""

    def __init__(self, data: bytes, fds: list[int]) -> None:
        if len(data) < HEAD.size:
            raise OSError(errno.EPROTO, "too short")
        (
            version, self.flags, self.uid, self.gid, self.umask, argc, envc,
            allows, self.parent, _, self.nofile_soft, self.nofile_hard,
            self.data_bytes, self.processes,
        ) = HEAD.unpack_from(data)
        *texts, rest = data[HEAD.size:].split(b"\0")
        if version != VERSION or rest or len(texts) != 1 + argc + envc + allows:
            raise OSError(errno.EPROTO, "not as agreed")
        self.cwd = texts[0]
        self.argv = texts[1:1 + argc]
        self.env = texts[1 + argc:1 + argc + envc]
        self.allow = [os.fsdecode(t) for t in texts[1 + argc + envc:]]
        self.fds = fds


def be_born(
    birth_fd: int, regions: tuple[libc.Region, libc.Region]
) -> list[str]:
    """Returns the command line once the keeper has taken this process into
    custody; else does not return."""
    sock = socket.socket(fileno=birth_fd)
    try:
        birth = _receive(sock)
        sock = _place_fds(birth, sock)
        _become(birth)
        _show(birth, regions)
        _renew(birth)
        _await_parent(birth.parent)
    except BaseException as exc:
        report_failure(sock, exc)
        os._exit(127)
    try:
        sock.send(BORN.pack(0))
        began = sock.recv(1) == BEGIN
    except OSError:
        began = False
    if not began:
        os._exit(127)
    sock.close()
    return [os.fsdecode(text) for text in birth.argv]


def report_failure(sock: socket.socket, exc: BaseException) -> None:
    number = getattr(exc, "errno", None) or errno.EPROTO
    print(f"plugin host: fork: {exc!r}", file=sys.stderr)
    try:
        sock.send(BORN.pack(number))
    except OSError:
        pass                    # nobody waits for it any more


def _receive(sock: socket.socket) -> Birth:
    fds = array.array("i")
    data, ancillary, flags, _ = sock.recvmsg(
        MESSAGE_MAX, socket.CMSG_SPACE(FDS_MAX * fds.itemsize)
    )
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            size = len(content) - len(content) % fds.itemsize
            fds.frombytes(content[:size])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(fds) < 3:
        raise OSError(errno.EPROTO, "truncated")
    return Birth(data, list(fds))


def _place_fds(birth: Birth, sock: socket.socket) -> socket.socket:
    """First all out of the way, then each to its number, the rest away."""
    aside = [
        fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ASIDE_FD) for fd in birth.fds
    ]
    own = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, ASIDE_FD)
    for number, fd in enumerate(aside):
        os.dup2(fd, number, inheritable=True)
    sock.detach()
    os.closerange(len(aside), own)
    os.closerange(own + 1, os.sysconf("SC_OPEN_MAX"))
    return socket.socket(fileno=own)


def _become(birth: Birth) -> None:
    os.setsid()
    os.umask(birth.umask)
    _limit(resource.RLIMIT_NOFILE, birth.nofile_soft, birth.nofile_hard)
    for kind, most in (
        (resource.RLIMIT_DATA, birth.data_bytes),
        (resource.RLIMIT_NPROC, birth.processes),
    ):
        if most != NO_LIMIT:
            _limit(kind, most, most)
    if birth.uid != NO_ID:
        os.setgroups([])
        os.setresgid(birth.gid, birth.gid, birth.gid)
        os.setresuid(birth.uid, birth.uid, birth.uid)
        libc.drop_capabilities()
        # taken away with the old id: its own files of /proc would be root's
        libc.prctl(libc.PR_SET_DUMPABLE, 1)
        if os.getresuid() != (birth.uid,) * 3 or os.getgroups():
            raise OSError(errno.EPERM, "ids are not as they must be")
    if birth.flags & SUBREAPER:
        libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
    if birth.flags & NO_NEW_PRIVS:
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    os.chdir(birth.cwd)
    if birth.flags & SANDBOX:
        sandbox.apply(birth.allow)


def _limit(kind: int, soft: int, hard: int) -> None:
    """More than may be had is as much as may be had."""
    most = resource.getrlimit(kind)[1]
    numbers = [
        resource.RLIM_INFINITY if n == NO_LIMIT else n
        for n in (soft, max(soft, hard))
    ]
    try:
        resource.setrlimit(kind, (numbers[0], numbers[1]))
    except (OSError, ValueError):
        resource.setrlimit(kind, (most, most))


def _show(birth: Birth, regions: tuple[libc.Region, libc.Region]) -> None:
    """The environment of this process, and what /proc says of it.

    Job workers inherit the C library's copy; the keeper knows descendants by
    what /proc shows of whoever was forked from here.
    """
    os.environ.clear()
    for item in birth.env:
        name, _, value = item.partition(b"=")
        os.environb[name] = value
    first = [i for i in birth.env if i.startswith(KNOWN_BY)]
    rest = [i for i in birth.env if not i.startswith(KNOWN_BY)]
    arguments, environment = regions
    arguments.write(birth.argv)
    environment.write(first + rest)


def _renew(birth: Birth) -> None:
    """What Python remembers of the process this one was forked from.

    random and OpenSSL reseed themselves after a fork (tried); the seed of
    str hashes is the same in all that are forked from one interpreter.
    """
    sys.orig_argv[:] = [os.fsdecode(text) for text in birth.argv]
    time.tzset()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().authkey = os.urandom(32)
        process.current_process()._config.pop("tempdir", None)
        process.ORIGINAL_DIR = os.getcwd()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def _await_parent(keeper: int) -> None:
    """The process between must be gone: then the keeper is the parent."""
    deadline = time.monotonic() + PARENT_WAIT_SEC
    while os.getppid() != keeper:
        if time.monotonic() > deadline:
            raise OSError(errno.ESRCH, "the keeper is not the parent")
        time.sleep(0.0002)
