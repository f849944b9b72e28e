# SPDX-License-Identifier: MIT
"""Runs a plugin of our own once, as any plugin is run, and ends it.

With a platform of its own on a loopback socket, that knows nobody: what the
SDK and the web stack do for the first time in a process is done then.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import shutil
import socket
import tempfile
import warnings
from typing import Any

import mint_sdk.app

from mint_plugin_host import serve, throwaway
from mint_plugin_host.report import Reporter
from mint_plugin_host.server import Application, HostServer, create_server
from mint_plugin_host.settings import Settings

LIMIT_SEC = 30.0
BODY_MAX = 65536

# what finds a plugin, the clients of its tests, and what jobs and uploads ask
# for first
LATER = (
    "concurrent.futures.thread",
    "email.parser",
    "mint_sdk.runtime",
    "multiprocessing.popen_spawn_posix",
    "multiprocessing.resource_tracker",
    "multiprocessing.spawn",
)

QUIET = copy.deepcopy(serve.LOG_CONFIG)
QUIET["loggers"]["uvicorn"]["level"] = "ERROR"

REQUESTS = (
    ("GET", f"/api{throwaway.PREFIX}/_mint/runtime", None),
    ("GET", f"/api{throwaway.PREFIX}/ping", None),
    ("POST", f"/api{throwaway.PREFIX}/echo", {"text": "", "number": 1}),
    ("POST", f"/api{throwaway.PREFIX}/echo", {"number": "not one"}),
    ("GET", f"/api{throwaway.PREFIX}/settings", None),
    ("GET", f"{throwaway.PREFIX}/", None),
)


def rehearse() -> None:
    for name in LATER:
        with contextlib.suppress(ImportError):
            __import__(name)

    environment = dict(os.environ)
    folder = tempfile.mkdtemp(prefix="mint-warm-")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.path.join(folder, "s"))
        listener.listen(16)
        _run(listener, os.path.join(folder, "s"))
    finally:
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.clear()
        os.environ.update(environment)
    _forget_loops()


def _run(listener: socket.socket, path: str) -> None:
    settings = Settings(
        listen_fd=listener.fileno(),
        control_fd=-1,
        backlog=16,
        keepalive_sec=5,
        graceful_sec=1,
        stuck_sec=0,            # no thread that watches: none may be left
    )

    async def play() -> None:
        platform = await asyncio.start_server(_answer, sock=own)
        address = platform.sockets[0].getsockname()
        os.environ.update(
            MINT_PLATFORM_URL=f"http://127.0.0.1:{address[1]}",
            MINT_PLATFORM_API_VERSION="1",
            MINT_PLUGIN_NAME="mint-throw-away",
            MINT_PLUGIN_TOKEN="none",
        )
        async with platform:
            running = asyncio.create_task(server.serve())
            await _ask(server, running, path)
            server.should_exit = True
            await running

    own = socket.create_server(("127.0.0.1", 0))
    app = Application(mint_sdk.app.create_standalone_app(throwaway.ThrowAway))
    server = create_server(app, settings, Reporter(-1), 0, QUIET)
    server.config.get_loop_factory()        # imports uvloop, if it is there

    # not uvloop's: once it has had a loop, libuv keeps descriptors, and
    # threads if a name was resolved, that no fork survives whole
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(asyncio.wait_for(play(), LIMIT_SEC))


async def _ask(
    server: HostServer, running: asyncio.Task[None], path: str
) -> None:
    while not server.started:
        if running.done():
            running.result()
            raise RuntimeError("the rehearsal's server has not started")
        await asyncio.sleep(0.001)
    for method, target, body in REQUESTS:
        data = b"" if body is None else json.dumps(body).encode()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(
            f"{method} {target} HTTP/1.1\r\nhost: localhost\r\n"
            "content-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode() + data
        )
        await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """The internal API as far as a plugin's start asks for it."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = 0
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = min(int(value), BODY_MAX)
            await reader.readexactly(length)
            target = head.split(" ", 2)[1]
            data = json.dumps(_document(target)).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n" % len(data) + data
            )
    writer.close()


def _document(target: str) -> dict[str, Any]:
    if target.endswith("/platform"):
        from mint_sdk.remote_context import PLATFORM_API_VERSION, sdk_version

        return {
            "api_version": PLATFORM_API_VERSION,
            "platform_version": sdk_version(),
            "min_sdk_version": "1.0.0",
        }
    return {"settings": {}} if target.endswith("/snapshot") else {}


def _forget_loops() -> None:
    """As in a process that has never run one.

    Once a loop was set and taken away, asyncio.get_event_loop() refuses to
    make another; plugins that call it at import would fail in forks alone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(None)
