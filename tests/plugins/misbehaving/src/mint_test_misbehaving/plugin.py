# SPDX-License-Identifier: MIT
"""Does what plugins should not do, when asked to (for tests only)."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from fastapi import Request, Response
from mint_sdk import AnalysisPlugin, PlatformContext, endpoint, mint_plugin

IMPORT_FAILURE = "MINT_TEST_FAIL_IMPORT"
START_FAILURE = "MINT_TEST_FAIL_START"

# each third an orphan, each second in a session of its own, each fifth
# stopped, all deaf to SIGTERM
CROWD = """
import os, signal, sys, time
n = int(sys.argv[1])
says = os.pipe()
for i in range(n):
    if os.fork() == 0:
        if i % 2:
            os.setsid()
        if i % 3 == 0 and os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(says[1], str(os.getpid()).encode() + b" ")
        if i % 5 == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(3600)
        os._exit(0)
pids = b""
while pids.count(b" ") < n:
    pids += os.read(says[0], 65536)
print(pids.decode(), flush=True)
time.sleep(3600)
"""

match os.environ.get(IMPORT_FAILURE):
    case "raise":
        raise RuntimeError("the import was told to fail")
    case "exit":
        sys.exit("the import was told to exit")
    case "hang":
        time.sleep(3600)


def write_all(data: bytes) -> int:
    written = 0
    while written < len(data):
        written += os.write(2, data[written:])
    return written


@mint_plugin(analysis_type="custom", routes_prefix="/test-misbehaving")
class MisbehavingPlugin(AnalysisPlugin):
    def __init__(self) -> None:
        super().__init__()
        self.tasks: set[asyncio.Task[None]] = set()
        self.calls = 0
        self.held = 0
        self.hoard: list[bytes] = []

    async def initialize(
        self, context: PlatformContext | None = None
    ) -> None:
        await super().initialize(context)
        match os.environ.get(START_FAILURE):
            case "raise":
                raise ValueError("the start was told to fail")
            case "exit":
                sys.exit("the start was told to exit")
            case "hang":
                await asyncio.Event().wait()
            case str() as text if text:
                await asyncio.sleep(float(text))

    @endpoint.get("/alive")
    async def alive(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "calls": self.calls, "held": self.held}

    @endpoint.post("/count")
    async def count(self) -> dict[str, Any]:
        """A change of state: tells whether a given-up POST has run."""
        self.calls += 1
        return {"calls": self.calls}

    @endpoint.post("/raise")
    async def raise_error(self) -> None:
        raise RuntimeError("the handler was told to raise")

    @endpoint.post("/system-exit")
    async def system_exit(self) -> None:
        raise SystemExit(7)

    @endpoint.post("/exit-in-task")
    async def exit_in_task(self) -> dict[str, Any]:
        async def leave() -> None:
            await asyncio.sleep(0.05)
            sys.exit(9)

        task = asyncio.create_task(leave())
        self.tasks.add(task)
        return {"pid": os.getpid()}

    @endpoint.post("/os-exit")
    async def os_exit(self, code: int = 11) -> None:
        os._exit(code)

    @endpoint.post("/abort")
    async def abort(self) -> None:
        os.abort()

    @endpoint.post("/block")
    async def block(self, seconds: float = 1.0) -> dict[str, Any]:
        """Blocks the event loop."""
        time.sleep(seconds)
        return {"blocked": seconds}

    @endpoint.get("/slow")
    async def slow(self, seconds: float = 1.0) -> dict[str, Any]:
        await asyncio.sleep(seconds)
        return {"slept": seconds, "pid": os.getpid()}

    @endpoint.post("/slow")
    async def slow_post(self, seconds: float = 1.0) -> dict[str, Any]:
        """Not idempotent: nobody may send it a second time."""
        self.calls += 1
        return await self.slow(seconds)

    @endpoint.post("/hold")
    async def hold(self) -> None:
        """Never answers."""
        self.held += 1
        await asyncio.Event().wait()

    @endpoint.get("/slow-sync")
    def slow_sync(self, seconds: float = 1.0) -> dict[str, Any]:
        """Takes a thread of the pool."""
        time.sleep(seconds)
        return {"slept": seconds}

    @endpoint.post("/keep-thread")
    async def keep_thread(self, seconds: float = 3600.0) -> dict[str, Any]:
        """A thread that holds up the interpreter's end."""
        threading.Thread(target=time.sleep, args=(seconds,)).start()
        return {}

    @endpoint.post("/print")
    async def print_lines(
        self, lines: int = 1, length: int = 80, text: str = "line"
    ) -> dict[str, Any]:
        for number in range(lines):
            print(f"{text} {number} ".ljust(length, "."))
        return {"printed": lines}

    @endpoint.post("/say")
    async def say(self, text: str, level: str = "info") -> dict[str, Any]:
        """Logs, prints, and prints as JSON."""
        logging.getLogger("test").log(
            logging.getLevelNamesMapping()[level.upper()], "logged %s", text
        )
        print("printed", text)
        print(json.dumps({"msg": f"json {text}", "level": level, "n": 7}))
        return {}

    @endpoint.post("/write")
    async def write(self, request: Request) -> dict[str, Any]:
        """The body to stderr, as it is: any bytes, with or without ends."""
        data = await request.body()
        return {"written": await asyncio.to_thread(write_all, data)}

    @endpoint.post("/flood")
    async def flood(self, megabytes: int, line: int = 0) -> dict[str, Any]:
        """As fast as it goes; line 0: without any line end."""
        block = b"x" * (1 << 20)
        if line:
            block = (b"x" * (line - 1) + b"\n") * ((1 << 20) // line)
        begin = time.monotonic()
        for _ in range(megabytes):
            await asyncio.to_thread(write_all, block)
        return {"seconds": time.monotonic() - begin}

    @endpoint.post("/spawn")
    async def spawn(self, seconds: int = 3600) -> dict[str, Any]:
        """A child in a session of its own, which nobody waits for."""
        child = subprocess.Popen(
            ["sleep", str(seconds)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        return {"pid": child.pid}

    @endpoint.post("/hoard")
    async def hoard_memory(self, megabytes: int = 1) -> dict[str, Any]:
        self.hoard.append(os.urandom(1 << 20) * megabytes)
        return {"pieces": len(self.hoard)}

    @endpoint.post("/eat")
    async def eat_memory(self) -> dict[str, Any]:
        """Until there is no more, or somebody ends it."""
        piece = os.urandom(1 << 20)
        try:
            while True:
                self.hoard.append(bytearray(piece * 16))
        except MemoryError:
            eaten = len(self.hoard)
            self.hoard.clear()
        return {"pieces": eaten}

    @endpoint.post("/multiply")
    async def multiply(self, count: int = 500) -> dict[str, Any]:
        """Descendants that do their worst to stay (see CROWD)."""
        child = subprocess.Popen(
            [sys.executable, "-c", CROWD, str(count)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        assert child.stdout is not None
        line = await asyncio.to_thread(child.stdout.readline)
        return {"pids": [int(pid) for pid in line.split()]}

    @endpoint.post("/hold-lock")
    async def hold_lock(self) -> None:
        """Blocks the event loop and every other thread."""
        ctypes.PyDLL(None).sleep(3600)

    @endpoint.post("/burn")
    def burn(self, seconds: float = 1.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    @endpoint.post("/ignore-sigterm")
    async def ignore_sigterm(self) -> dict[str, Any]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return {"pid": os.getpid()}

    @endpoint.post("/litter")
    async def litter(self) -> dict[str, Any]:
        """Leaves a directory in TMPDIR that it may not list itself."""
        folder = tempfile.mkdtemp(prefix="litter-")
        with open(os.path.join(folder, "file"), "wb") as stream:
            stream.write(b"x")
        os.chmod(folder, 0)
        return {"folder": folder}

    @endpoint.get("/header-bomb")
    async def header_bomb(self, size: int = 100_000) -> Response:
        return Response("", headers={"x-large": "x" * size})

    @endpoint.get("/takes-names")
    async def takes_names(self) -> Response:
        """Headers that are the platform's to send."""
        response = Response("{}", media_type="application/json")
        response.set_cookie("mint_access_token", "from-the-plugin")
        response.headers["x-accel-redirect"] = "/etc/passwd"
        response.headers["access-control-allow-origin"] = "https://other"
        return response
