# SPDX-License-Identifier: MIT
"""Landlock for a process that is forked, not exec'ed.

The twin of keeper/sandbox.c, which does the same between fork and exec: what
a process may open from now on, and all it starts.  ``allow`` is as in
contract/mint_keeper.h: ``r``, ``w`` or ``d`` and an absolute path.  Nothing
but ctypes, so that it can be called before any plugin code is imported.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446     # system calls
GET_VERSION = 1
PATH_BENEATH = 1
SET_NO_NEW_PRIVS = 38                                       # of prctl(2)
SCOPE_ABSTRACT, SCOPE_SIGNAL = 1 << 0, 1 << 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << n for n in range(4))
CHANGE_DIR = 0x3FF << 4         # remove, make, refer
REFER, TRUNCATE, IOCTL = 1 << 13, 1 << 14, 1 << 15

RIGHTS = {
    "r": EXECUTE | READ_FILE | READ_DIR,
    "w": EXECUTE | READ_FILE | READ_DIR | WRITE_FILE | CHANGE_DIR | TRUNCATE,
    "d": READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL,
}
OF_FILES = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE | IOCTL
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def abi() -> int:
    """The kernel's version of Landlock, 0 = it has none."""
    version = _libc.syscall(
        ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0),
        ctypes.c_uint32(GET_VERSION),
    )
    return max(0, int(version))


def apply(allow: Iterable[str]) -> int:
    """Confines the calling process for good; the version of Landlock.

    0: the kernel has none, and nothing is confined.  OSError: the process
    must not go on.
    """
    version = abi()
    if version == 0:
        return 0
    handled = RIGHTS["w"] | IOCTL
    for needed, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL)):
        if version < needed:
            handled &= ~right
    scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL if version >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped)

    _call(_libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    ruleset = _call(_libc.syscall(
        ctypes.c_long(CREATE_RULESET), attributes,
        ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0),
    ))
    try:
        for entry in allow:
            _allow(ruleset, entry, handled)
        _call(_libc.syscall(
            ctypes.c_long(RESTRICT_SELF), ctypes.c_int(ruleset),
            ctypes.c_uint32(0),
        ))
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, entry: str, handled: int) -> None:
    if entry[:1] not in RIGHTS or entry[1:2] != "/":
        raise ValueError(f"no path to be allowed: {entry!r}")
    try:
        fd = os.open(entry[1:], os.O_PATH | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in EXHAUSTED:
            raise
        return                  # what cannot be reached need not be allowed
    try:
        rights = RIGHTS[entry[0]] & handled
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= OF_FILES
        rule = struct.pack("=Qi", rights, fd)
        _call(_libc.syscall(
            ctypes.c_long(ADD_RULE), ctypes.c_int(ruleset),
            ctypes.c_int(PATH_BENEATH), rule, ctypes.c_uint32(0),
        ))
    finally:
        os.close(fd)


def _call(result: int) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)
