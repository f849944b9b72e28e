# SPDX-License-Identifier: MIT
"""The "warm" command: an interpreter that plugin processes are forked from.

Everything of the web stack and of mint-sdk is imported, a plugin of our own
has been run once and thrown away.  No plugin's code is ever loaded here, no
plugin's token or socket ever read: the process that is forked reads them.
"""

from __future__ import annotations

import array
import os
import socket
import sys
import threading
import time
from pathlib import Path

from mint_plugin_host import birth, immortal, libc
from mint_plugin_host import plugin as plugins
from mint_plugin_host.report import Reporter, failed, one_line, trace
from mint_plugin_host.settings import (
    SettingsError,
    forget_variables,
    read_report_fd,
    read_warm_fd,
)

FORK = b"f"
PADDING = "MINT_HOST_PADDING"
EXIT_FAILED = 3
THREADS_END_SEC = 5.0


class NotWarm(Exception):
    """Something is left of the warm-up that a fork would copy."""


def warm() -> list[str] | None:
    """Returns the command line in each process that was forked, and None in
    the interpreter itself when nobody wants more of them."""
    begin = time.monotonic()
    reporter = Reporter(-1)
    try:
        reporter = Reporter(read_report_fd())
        warm_fd = read_warm_fd()
    except SettingsError as exc:
        _fail(reporter, exc)
    forget_variables()
    fds = _open_fds()
    regions = libc.shown_regions()
    _drop_padding(regions)

    reporter.send({
        "event": "starting",
        "pid": os.getpid(),
        "python": plugins.python_version(),
        "sdk": plugins.sdk_version(),
    })
    try:
        from mint_plugin_host import rehearsal

        import_ms = round((time.monotonic() - begin) * 1000)
        rehearsal.rehearse()
        _check_nothing_is_left(fds)
    except BaseException as exc:
        _fail(reporter, exc)

    immortal.freeze()
    total_ms = round((time.monotonic() - begin) * 1000)
    reporter.send({
        "event": "ready",
        "import_ms": import_ms,
        "start_ms": total_ms - import_ms,
    })
    return _fork_on_request(warm_fd, regions)


def _fail(reporter: Reporter, exc: BaseException) -> None:
    print(f"plugin host: warm-up failed: {one_line(exc)}", file=sys.stderr)
    print(trace(exc), end="", file=sys.stderr)
    reporter.send_last(failed("start", one_line(exc), trace(exc)))
    sys.stderr.flush()
    os._exit(EXIT_FAILED)


def _drop_padding(regions: tuple[libc.Region, libc.Region]) -> None:
    """It has made room for others' names and is not to be seen in ps."""
    os.environ.pop(PADDING, None)
    regions[0].write([os.fsencode(text) for text in sys.orig_argv[:3]])
    regions[1].write([
        name + b"=" + value for name, value in os.environb.items()
    ])


def _open_fds() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            pass                # the one that has listed them
    return found


def _remaining_threads() -> list[str]:
    """Those that were told to end get the time to do so."""
    deadline = time.monotonic() + THREADS_END_SEC
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    while True:
        tasks = os.listdir("/proc/self/task")
        if len(tasks) == 1 or time.monotonic() > deadline:
            return tasks
        time.sleep(0.001)


def _check_nothing_is_left(fds_before: set[str]) -> None:
    """A fork copies one thread, and every descriptor."""
    tasks = _remaining_threads()
    if len(tasks) != 1:
        names = [thread.name for thread in threading.enumerate()]
        raise NotWarm(f"{len(tasks)} threads are left: {names}")
    children = Path(f"/proc/self/task/{tasks[0]}/children").read_text()
    if children:
        raise NotWarm(f"processes are left: {children}")
    fds = _open_fds()
    if fds - fds_before:
        raise NotWarm(f"descriptors are left: {sorted(fds - fds_before)}")


def _fork_on_request(
    warm_fd: int, regions: tuple[libc.Region, libc.Region]
) -> list[str] | None:
    keeper = socket.socket(fileno=warm_fd)
    while True:
        birth_fd = _next_request(keeper)
        if birth_fd is None:
            return None
        sys.stdout.flush()
        sys.stderr.flush()
        if _fork_twice(birth_fd):
            keeper.detach()     # closed with all others
            return birth.be_born(birth_fd, regions)
        os.close(birth_fd)


def _next_request(keeper: socket.socket) -> int | None:
    """A birth socket; None: the keeper is gone."""
    while True:
        fds = array.array("i")
        data, ancillary, _, _ = keeper.recvmsg(
            1, socket.CMSG_SPACE(fds.itemsize)
        )
        if not data:
            return None
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[:fds.itemsize])
        if data == FORK and fds:
            return fds[0]


def _fork_twice(birth_fd: int) -> bool:
    """True in the new process, which the keeper is the parent of.

    Forked twice, for it is the keeper that must reap it; a subreaper in
    between this process must not be.
    """
    try:
        between = os.fork()
    except OSError as exc:
        _refuse(birth_fd, exc)
        return False
    if between:
        os.waitpid(between, 0)
        return False
    try:
        if os.fork() == 0:
            return True
    except OSError as exc:
        _refuse(birth_fd, exc)
    os._exit(0)


def _refuse(birth_fd: int, exc: OSError) -> None:
    with socket.socket(fileno=os.dup(birth_fd)) as sock:
        birth.report_failure(sock, exc)

