# SPDX-License-Identifier: MIT
"""Killing parts of a system, and what must be the same afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from system_harness import BUILD, MintSystem, wait_for

# the keeper starts one that has lived that long again at once, others after a
# delay that doubles
HEALTHY_SEC = 1.0


def supervisor_pid(system: MintSystem) -> int:
    """0 while it does not answer."""
    done = subprocess.run(
        [str(BUILD / "mintctl"), "status", "--json"],
        env={**os.environ, "MINT_VAR": str(system.var)},
        capture_output=True, text=True, timeout=20, check=False,
    )
    if done.returncode != 0:
        return 0
    status = json.loads(done.stdout)
    return status["supervisor_pid"] if status["state"] == "running" else 0


def kill_supervisor(system: MintSystem) -> int:
    """The pid of the next one, once that runs."""
    old = wait_for(lambda: supervisor_pid(system), "a supervisor")
    os.kill(old, signal.SIGKILL)
    return wait_next_supervisor(system, old)


def wait_next_supervisor(system: MintSystem, old: int) -> int:
    return wait_for(
        lambda: (new := supervisor_pid(system)) not in (0, old) and new,
        "the next supervisor",
    )


@contextlib.contextmanager
def between_supervisors(system: MintSystem) -> Iterator[None]:
    """One is killed, whatever is under way; the next one begins after the
    block."""
    status = system.status()
    keeper, old = int(status["keeper_pid"]), int(status["supervisor_pid"])
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: is_gone(old), "its end")
        yield
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_for(lambda: int(system.status()["supervisor_pid"]) != old,
             "the next supervisor")


def starting_supervisor(keeper: int, killed: list[int]) -> int:
    """The next one, wherever it is in its start.  One that was killed before
    may still be there for a moment."""

    def started() -> int:
        for path in Path(f"/proc/{keeper}/task").glob("*/children"):
            for pid in map(int, path.read_text().split()):
                with contextlib.suppress(OSError):
                    # the keeper's own arguments name the supervisor, too, and
                    # what it has forked shows them until its exec
                    program = Path(f"/proc/{pid}/exe").readlink().name
                    if program == "mint-supervisor" and pid not in killed:
                        return pid
        return 0

    return wait_for(started, "the next supervisor")


def instances(system: MintSystem) -> dict[str, Any]:
    return {
        name: [(i["pid"], i["generation"], i["started_at"])
               for i in plugin["instances"]]
        for name, plugin in system.plugins().items()
    }


def core_pids(system: MintSystem) -> dict[str, int]:
    status = system.status()
    return {
        "nginx": status["nginx"]["pid"],
        "platform": status["platform"]["pid"],
        "keeper": status["keeper_pid"],
    }


def is_gone(pid: int) -> bool:
    """Its descriptors are closed: it is a zombie, or not even that."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"
