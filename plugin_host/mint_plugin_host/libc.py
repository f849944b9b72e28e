# SPDX-License-Identifier: MIT
"""System calls that Python has no function for, and the memory in which the
kernel shows a process's command line and environment."""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass

PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    arguments = [ctypes.c_ulong(n) for n in (value, 0, 0, 0)]
    if _libc.prctl(ctypes.c_int(option), *arguments) == -1:
        _fail("prctl")


def set_name(name: str) -> None:
    text = ctypes.create_string_buffer(os.fsencode(name)[:15])
    _libc.prctl(ctypes.c_int(PR_SET_NAME), text)


def drop_capabilities() -> None:
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, (ctypes.c_uint32 * 6)()) == -1:
        _fail("capset")


def _fail(call: str) -> None:
    number = ctypes.get_errno() or errno.EINVAL
    raise OSError(number, f"{call}: {os.strerror(number)}")


@dataclass(frozen=True)
class Region:
    """Strings of this process in which /proc shows who it is."""

    start: int
    size: int

    def write(self, items: list[bytes]) -> None:
        """As many of the items, from the first, as there is room for."""
        text = b""
        for item in items:
            if len(text) + len(item) + 1 > self.size:
                break
            text += item + b"\0"
        ctypes.memmove(self.start, text, len(text))
        ctypes.memset(self.start + len(text), 0, self.size - len(text))


def shown_regions() -> tuple[Region, Region]:
    """Command line and environment."""
    with open("/proc/self/stat", "rb") as stream:
        # what follows the name: the first is field 3
        fields = stream.read().rpartition(b")")[2].split()
    numbers = [int(fields[n - 3]) for n in (48, 49, 50, 51)]
    arguments = Region(numbers[0], numbers[1] - numbers[0])
    environment = Region(numbers[2], numbers[3] - numbers[2])
    return arguments, environment
