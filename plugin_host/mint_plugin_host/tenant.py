# SPDX-License-Identifier: MIT
"""One plugin of several: its import, its server on the common loop, its end.

What goes wrong here is this plugin's failure alone, and is said by its name.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from mint_plugin_host import plugin as plugins
from mint_plugin_host import serve, tenancy
from mint_plugin_host.clashes import Census, Clash
from mint_plugin_host.report import Reporter, failed, one_line, trace
from mint_plugin_host.server import Application, make_config
from mint_plugin_host.settings import Place, Settings


class NotInTime(Exception):
    """It has not become ready."""


class TenantServer(uvicorn.Server):
    """Leaves signals and the clock to whoever runs all of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.end.wait()


class Tenant:
    def __init__(
        self,
        place: Place,
        settings: Settings,
        reporter: Reporter,
        census: Census,
        ready_sec: int,
    ) -> None:
        self.name = place.name
        self.app: Any = None
        self.server: TenantServer | None = None     # once it is ready
        self.context = contextvars.copy_context()
        self.error: str | None = None       # why it is not there
        self.settled = asyncio.Event()      # ready, or failed
        self._place = place
        self._settings = settings
        self._reporter = reporter
        self._census = census
        self._ready_sec = ready_sec
        self._tenancy = tenancy.Tenant(place.name, place.environ)
        self._server: TenantServer | None = None
        self._import_ms = 0

    @property
    def is_ready(self) -> bool:
        return self.server is not None

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._server.end.set()

    def load(self) -> None:
        """Before there is an event loop, as in a process of its own."""
        self.context.run(self._load)

    def _load(self) -> None:
        self._tenancy.enter()
        begin = time.monotonic()
        self._reporter.send({"event": "starting", "plugin": self.name})
        try:
            self._server = self._import()
        except serve.StartRefused as exc:
            self._fail("start", exc)
        except BaseException as exc:        # also sys.exit() at import
            self._fail("import", exc)
        self._import_ms = round((time.monotonic() - begin) * 1000)

    def _import(self) -> TenantServer:
        os.makedirs(os.environ["TMPDIR"], mode=0o700, exist_ok=True)
        self._census.check_installed(self.name)
        try:
            plugin = plugins.load_plugin()
        except Exception as exc:
            raise self._census.explain(exc) from exc
        self._census.check_module(self.name, plugin)
        self._census.note_tables(self.name)
        self.app = serve.create_app(plugin)
        self._application = Application(self.app, self._tenancy)
        return TenantServer(make_config(
            self._application,
            self._settings,
            self._place.listen_fd,
            serve.LOG_CONFIG,
        ))

    async def run(self) -> None:
        """A task in the plugin's context."""
        if self._server is None:
            self.settled.set()
            return
        begin = time.monotonic()
        running = asyncio.create_task(_serve(self._server))
        try:
            await self._wait_started(self._server, running)
        except BaseException as exc:
            self._fail("start", self._application.failure or exc)
            self.settled.set()
            return
        self.server = self._server
        self._reporter.send({
            "event": "ready",
            "plugin": self.name,
            "import_ms": self._import_ms,
            "start_ms": round((time.monotonic() - begin) * 1000),
        })
        self.settled.set()
        await running

    async def _wait_started(
        self, server: TenantServer, running: asyncio.Task[Any]
    ) -> None:
        deadline = time.monotonic() + self._ready_sec
        while not server.started:
            if running.done():
                raise running.exception() or NotInTime("was told to end")
            if time.monotonic() > deadline:
                running.cancel()
                if self._application.lifespan is not None:
                    self._application.lifespan.cancel()
                raise NotInTime(f"was not ready within {self._ready_sec} s")
            await asyncio.wait({running}, timeout=0.02)

    def _fail(self, stage: str, exc: BaseException) -> None:
        known = isinstance(exc, (Clash, NotInTime, serve.StartRefused))
        self.error = str(exc) if known else one_line(exc)
        text = "" if known else trace(exc)
        print(f"plugin host: {stage} failed: {self.error}", file=sys.stderr)
        if text:
            print(text, end="", file=sys.stderr)
        self._server = None
        report = failed(stage, self.error, text)
        self._reporter.send_last({**report, "plugin": self.name})


async def _serve(server: TenantServer) -> None:
    try:
        await server.serve()
    except SystemExit as exc:       # uvicorn's word for a failed start
        raise RuntimeError(f"its server ended: {exc}") from exc
