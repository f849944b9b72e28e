# SPDX-License-Identifier: MIT
"""What goes wrong with plugins in laboratories, each under a name.

Troubles of the start are named by the file "trouble" in the data directory,
which a test writes between two starts; the others begin by a request.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

CHILDREN = 500
LEAK_STEP = 4 << 20
FLOOD_LINE = b"the detector is saturated " * 40 + b"\n"

_hoard: list[bytes] = []


def of_the_start() -> str:
    directory = os.environ.get("MINT_PLUGIN_DATA_DIR", "")
    try:
        return (Path(directory) / "trouble").read_text("utf-8").strip()
    except OSError:
        return ""


def at_import() -> None:
    match of_the_start():
        case "exit":
            print("the licence server does not answer", file=sys.stderr)
            sys.exit(1)
        case "hang":
            print("waiting for the licence server", file=sys.stderr)
            time.sleep(3600)


async def at_initialize() -> None:
    if of_the_start() == "never-ready":
        print("waiting for the instrument", file=sys.stderr)
        await asyncio.Event().wait()


def begin(name: str, seconds: float) -> None:
    _troubles[name](seconds)


def _deaf(_: float) -> None:
    """SIGTERM is ignored from now on."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _fork(_: float) -> None:
    """Children in sessions of their own; nobody waits for them."""
    null = os.open(os.devnull, os.O_RDWR)
    for _number in range(CHILDREN):
        os.posix_spawn(
            "/bin/sleep", ["mint-test-child", "3600"], dict(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)],
            setsid=True,
        )
    os.close(null)


def _flood(seconds: float) -> None:
    """As much output as it can write, then a line without an end."""
    def write() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.write(1, FLOOD_LINE * 32)
        os.write(1, b"x" * 200_000)

    threading.Thread(target=write, daemon=True).start()


def _leak(_: float) -> None:
    def grow() -> None:
        while True:
            _hoard.append(b"\1" * LEAK_STEP)
            time.sleep(0.02)

    threading.Thread(target=grow, daemon=True).start()


_troubles: dict[str, Callable[[float], None]] = {
    "deaf": _deaf,
    "fork": _fork,
    "flood": _flood,
    "leak": _leak,
}
