# SPDX-License-Identifier: MIT
"""The file that says what was executed: one line at the beginning of each
execution, in one write, so that a kill leaves a line whole or not at all.

    <id> <pid> <when this process began> <now>

Times are CLOCK_MONOTONIC, as the clients' are.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

BORN = time.monotonic()


class Journal:
    def __init__(self) -> None:
        path = Path(os.environ["MINT_PLUGIN_DATA_DIR"]) / "journal"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)

    def write(self, ident: str) -> None:
        assert ident and not ident.split()[1:]
        line = f"{ident} {os.getpid()} {BORN:.6f} {time.monotonic():.6f}\n"
        os.write(self._fd, line.encode())
