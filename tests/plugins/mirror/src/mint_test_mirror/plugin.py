# SPDX-License-Identifier: MIT
"""Shows its process from within: what must not depend on how it was started
(a plugin for tests only)."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import locale
import logging
import multiprocessing
import os
import random
import resource
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

from mint_sdk import AnalysisPlugin, endpoint, job, mint_plugin
from pydantic import BaseModel, Field

PR_GET_DUMPABLE, PR_GET_CHILD_SUBREAPER = 3, 37
STATUS = (
    "Uid", "Gid", "Groups", "Umask", "CapInh", "CapPrm", "CapEff", "CapAmb",
    "NoNewPrivs", "SigBlk", "SigIgn", "SigCgt",
)


def _loop_at_import() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError as exc:
            return str(exc)
        loop.close()
        asyncio.set_event_loop(None)
        return "made"


# as plugins do that look at the world when they are imported
AT_IMPORT = {
    "loop": _loop_at_import(),
    "token": hashlib.sha256(
        os.environ.get("MINT_PLUGIN_TOKEN", "").encode()
    ).hexdigest(),
    "argv": list(sys.argv),
    "threads": threading.active_count(),
    "tempdir": tempfile.gettempdir(),
}


class Settings(BaseModel):
    number: float = Field(default=1.5, title="A number")


def _fds() -> dict[str, str]:
    """{number: kind}; numbers of pipes and sockets differ by process."""
    found = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            mode = os.fstat(int(name)).st_mode
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        kind = "socket" if stat.S_ISSOCK(mode) else target
        kind = "pipe" if stat.S_ISFIFO(mode) else kind
        found[name] = kind
    return found


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: fields[name].strip() for name in STATUS}


def _words(name: str) -> list[str]:
    data = Path(f"/proc/self/{name}").read_bytes()
    return [word.decode() for word in data.split(b"\0") if word]


def _same() -> dict[str, Any]:
    """Must be equal however the process was started."""
    libc = ctypes.CDLL(None, use_errno=True)
    subreaper = ctypes.c_int()
    libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(subreaper), 0, 0, 0)
    main = sys.modules["__main__"]
    own = Path("/proc/self").stat()
    return {
        "at_import": AT_IMPORT,
        "status": _status(),
        "fds": _fds(),
        "environment": dict(os.environ),
        "shown_environment": sorted(_words("environ")),
        "shown_command": _words("cmdline"),
        "name": Path("/proc/self/comm").read_text().strip(),
        "executable": [sys.executable, os.readlink("/proc/self/exe")],
        "cwd": os.getcwd(),
        "leads_session": os.getsid(0) == os.getpid() == os.getpgid(0),
        "subreaper": subreaper.value,
        "dumpable": libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
        "own_proc_files": [own.st_uid, own.st_gid],
        "limits": {
            name: list(resource.getrlimit(getattr(resource, name)))
            for name in dir(resource) if name.startswith("RLIMIT_")
        },
        "nice": os.nice(0),
        "path": sys.path,
        "prefix": [sys.prefix, sys.exec_prefix, sys.base_prefix],
        "flags": str(sys.flags),
        "orig_argv": sys.orig_argv,
        "streams": [
            [s.fileno(), s.line_buffering, s.errors, s.encoding]
            for s in (sys.stdout, sys.stderr)
        ],
        "locale": locale.setlocale(locale.LC_ALL),
        "timezone": time.tzname,
        "signals": {
            int(n): repr(signal.getsignal(n))
            for n in (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1,
                      signal.SIGCHLD)
        },
        "collector": [gc.isenabled(), list(gc.get_threshold())],
        "main": [main.__name__, getattr(main, "__file__", None)],
        "start_method": multiprocessing.get_start_method(),
        "log_handlers": [str(h) for h in logging.getLogger().handlers],
        "tempdir": tempfile.gettempdir(),
        "helper": subprocess.run(
            [sys.executable, "-c", "import os; print(sorted(os.environ))"],
            capture_output=True, text=True, check=True,
        ).stdout,
    }


def _different() -> dict[str, Any]:
    """Must differ between any two processes."""
    authkey = bytes(multiprocessing.current_process().authkey)
    with tempfile.NamedTemporaryFile() as file:
        name = os.path.basename(file.name)
    return {
        "random": random.random(),
        "secret": secrets.token_hex(8),
        "uuid": str(uuid.uuid4()),
        "authkey": hashlib.sha256(authkey).hexdigest(),
        "tempfile": name,
        "pid": os.getpid(),
    }


@mint_plugin(
    analysis_type="custom", routes_prefix="/test-mirror", config=Settings
)
class MirrorPlugin(AnalysisPlugin):
    @endpoint.get("/mirror", auth=False)
    async def mirror(self) -> dict[str, Any]:
        return {
            "same": _same(),
            "different": _different(),
            "parent": os.getppid(),
            "threads": threading.active_count(),
        }

    @endpoint.get("/collect", auth=False)
    async def collect(self) -> dict[str, Any]:
        return {"unreachable": gc.collect()}

    @endpoint.post("/leave", auth=False)
    async def leave(self) -> dict[str, Any]:
        """A grandchild in a session of its own, forked, not exec'ed."""
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            os.write(write_end, str(os.getpid()).encode())
            time.sleep(3600)
            os._exit(0)
        pid = int(os.read(read_end, 32))
        return {"pid": pid}

    @endpoint.post("/search", auth=False)
    async def search(self, needle: str) -> dict[str, Any]:
        """Is this anywhere in the memory of the process, but in the question?
        The needle comes reversed."""
        return {"found": _in_memory(needle.encode())}

    @job
    def reflect(self, value: float = 0.0) -> dict[str, Any]:
        return {
            "environment": dict(os.environ),
            "cwd": os.getcwd(),
            "status": _status(),
            "path": sys.path,
            "main": getattr(sys.modules["__main__"], "__file__", None),
            "value": value,
        }


def _in_memory(reversed_needle: bytes) -> int:
    count = 0
    with (
        open("/proc/self/maps") as maps,
        open("/proc/self/mem", "rb", buffering=0) as memory,
    ):
        for line in maps:
            area, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            start, end = (int(number, 16) for number in area.split("-"))
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError):
                continue
            count += data[::-1].count(reversed_needle)
            del data
    return count
