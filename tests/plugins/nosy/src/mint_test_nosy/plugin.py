# SPDX-License-Identifier: MIT
"""Tries to open what belongs to others (a plugin for tests only)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mint_sdk import AnalysisPlugin, endpoint, mint_plugin
from pydantic import BaseModel


class Wanted(BaseModel):
    """Where the test has been told that things are."""

    read: list[str] = []        # files
    write: list[str] = []       # files, opened for appending
    folders: list[str] = []     # directories, listed
    connect: list[str] = []     # unix sockets
    signal: list[int] = []      # pids
    environ: list[int] = []     # pids


class Question(BaseModel):
    """A request, byte for byte, and to whom: a unix socket, or a port."""

    to: str | int
    request: str


@mint_plugin(analysis_type="custom", routes_prefix="/test-nosy")
class NosyPlugin(AnalysisPlugin):
    @endpoint.post("/try")
    async def attempt(self, wanted: Wanted) -> dict[str, Any]:
        """Per thing "open" if it could be had, else the error's name."""
        return {
            "uid": os.getuid(),
            "groups": os.getgroups(),
            "results": {
                "read": _each(wanted.read, _read),
                "write": _each(wanted.write, _write),
                "folders": _each(wanted.folders, _list),
                "connect": _each(wanted.connect, _connect),
                "signal": _each(wanted.signal, _signal),
                "environ": _each(wanted.environ, _environ),
            },
        }

    @endpoint.post("/ask")
    def ask(self, question: Question) -> dict[str, Any]:
        """By its own connection, past the edge."""
        return {"reply": _ask(question.to, question.request)}

    @endpoint.get("/own")
    async def own(self) -> dict[str, Any]:
        """What it was given to speak with the platform."""
        return {"platform": os.environ["MINT_PLATFORM_URL"],
                "token": os.environ["MINT_PLUGIN_TOKEN"]}

    @endpoint.get("/fds")
    async def open_files(self) -> dict[str, Any]:
        """What the process holds open, as in /proc/self/fd."""
        found = {}
        for entry in os.listdir("/proc/self/fd"):
            try:
                found[entry] = os.readlink(f"/proc/self/fd/{entry}")
            except OSError:
                continue
        return {"fds": found}

    @endpoint.get("/others")
    async def others(self) -> dict[str, Any]:
        """Processes whose environment it can read, itself apart."""
        readable = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            if _try(_environ, int(entry)) == "open":
                readable.append(int(entry))
        return {"readable": readable}


def _each(things: list[Any], attempt: Callable[[Any], None]) -> dict[str, str]:
    return {str(thing): _try(attempt, thing) for thing in things}


def _try(attempt: Callable[[Any], None], thing: Any) -> str:
    try:
        attempt(thing)
    except OSError as exc:
        return type(exc).__name__
    return "open"


def _read(path: str) -> None:
    with open(path, "rb") as stream:
        stream.read(1)


def _write(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def _list(path: str) -> None:
    os.listdir(path)


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        sock.connect(path)


def _ask(to: str | int, request: str) -> str:
    family = socket.AF_UNIX if isinstance(to, str) else socket.AF_INET
    address = to if isinstance(to, str) else ("127.0.0.1", to)
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(10)
        sock.connect(address)
        sock.sendall(request.encode())
        with sock.makefile("rb") as stream:
            return stream.read().decode()


def _signal(pid: int) -> None:
    os.kill(pid, signal.Signals(signal.SIGCONT))


def _environ(pid: int) -> None:
    Path(f"/proc/{pid}/environ").read_bytes()
