# SPDX-License-Identifier: MIT
"""The control pipe: JSON lines from the supervisor, read from the loop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mint_plugin_host.report import LINE_MAX

Command = Callable[[dict[str, Any]], object]


class Control:
    """Calls what the table has for a command; what it does not know, or what
    is malformed, is said and ignored."""

    def __init__(self, fd: int, table: Mapping[str, Command]) -> None:
        self._fd = fd               # -1: nobody says anything
        self._table = table
        self._line = b""
        self._line_is_skipped = False

    def start(self) -> None:
        if self._fd >= 0:
            os.set_blocking(self._fd, False)
            asyncio.get_running_loop().add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, LINE_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # says nothing, see contract/mint_host.h; only stop looking
            asyncio.get_running_loop().remove_reader(self._fd)
            return
        *lines, rest = (self._line + data).split(b"\n")
        for line in lines:
            if self._line_is_skipped:
                self._line_is_skipped = False
                continue
            self._obey(line)
        if len(rest) > LINE_MAX:
            rest = b""
            self._line_is_skipped = True
        self._line = rest

    def _obey(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            command = self._table.get(message["command"])
            if command is None:
                raise ValueError("unknown command")
            command(message)
        except (ValueError, KeyError, TypeError) as exc:
            print(
                f"plugin host: ignored a malformed command: {exc}",
                file=sys.stderr,
            )
