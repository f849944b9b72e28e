# SPDX-License-Identifier: MIT
"""uvicorn, with reports, commands, a drain and a look at who still waits."""

from __future__ import annotations

import asyncio
import json
import os
import select
import sys
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mint_plugin_host import collector, lines
from mint_plugin_host.activity import (
    connection_activity,
    is_idle,
    is_websocket,
    job_activity,
)
from mint_plugin_host.report import LINE_MAX, LineTooLong, Reporter
from mint_plugin_host.settings import Settings
from mint_plugin_host.watchdog import Watchdog
from mint_plugin_host.whole import JoiningTransport, Whole

BEAT_SEC = 0.1
LAG_REPORT_SEC = 0.25           # reported from here on


class SeatProtocol(AutoHTTPProtocol):
    """Does not begin a request whose sender has already gone.

    Requests wait in the backlog while a plugin starts or blocks its loop;
    the client of an expired one was told that it failed, so a POST must not
    run later after all.  A half-closed peer still reads and is served.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(JoiningTransport(transport))

    def data_received(self, data: bytes) -> None:
        if is_idle(self) and peer_is_gone(self.transport):
            self.transport.abort()
            return
        super().data_received(data)


def peer_is_gone(transport: Any) -> bool:
    sock = transport.get_extra_info("socket")
    fd = sock.fileno() if sock is not None else -1
    if fd < 0:
        return True
    poll = select.poll()
    poll.register(fd, 0)        # POLLHUP and POLLERR need not be asked for
    return bool(poll.poll(0))


class Application:
    """Passes everything to the plugin; keeps why its start failed."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.failure: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            number = lines.id_of(scope)
            lines.request_id.set(number)
            if scope["type"] == "http":
                send = Whole(send)
            try:
                await self.app(scope, receive, send)
            finally:
                lines.end_request(number)
            return
        try:
            await self.app(scope, receive, send)
        except BaseException as exc:
            self.failure = exc
            raise


def create_server(
    application: Application,
    settings: Settings,
    reporter: Reporter,
    import_ms: int,
    log_config: dict[str, Any],
) -> HostServer:
    config = uvicorn.Config(
        application,
        interface="asgi3",
        lifespan="on",
        http=SeatProtocol,
        fd=settings.listen_fd,
        backlog=settings.backlog,
        timeout_keep_alive=settings.keepalive_sec,
        timeout_graceful_shutdown=settings.graceful_sec,
        forwarded_allow_ips="*",
        server_header=False,
        access_log=False,
        log_config=log_config,
    )
    return HostServer(
        config,
        application.app,
        reporter,
        control_fd=settings.control_fd,
        import_ms=import_ms,
        stuck_sec=settings.stuck_sec,
    )


class HostServer(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        app: Any,
        reporter: Reporter,
        *,
        control_fd: int,
        import_ms: int,
        stuck_sec: int,
    ) -> None:
        super().__init__(config)
        self.is_draining = False
        self.is_drained = False
        self._app = app
        self._reporter = reporter
        self._control_fd = control_fd
        self._import_ms = import_ms
        self._line = b""
        self._line_is_skipped = False
        self._beat_due = 0.0
        self._lag = 0.0                 # the greatest since it was asked for
        self._watchdog = Watchdog(reporter.send, stuck_sec)

    async def startup(self, sockets: Any = None) -> None:
        begin = time.monotonic()
        loop = asyncio.get_running_loop()
        if self._control_fd >= 0:
            os.set_blocking(self._control_fd, False)
            loop.add_reader(self._control_fd, self._read_commands)

        await super().startup(sockets)
        if not self.started or self.should_exit:
            return

        collector.resume()
        self._beat_due = loop.time() + BEAT_SEC
        loop.call_at(self._beat_due, self._beat, loop)
        self._watchdog.start()
        if self.is_draining:
            self._stop_accepting()
            return
        self._reporter.send({
            "event": "ready",
            "import_ms": self._import_ms,
            "start_ms": round((time.monotonic() - begin) * 1000),
        })

    # ---- once in 100 ms ------------------------------------------------

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        late = loop.time() - self._beat_due
        self._lag = max(self._lag, late)
        self._watchdog.beat()
        if late > LAG_REPORT_SEC:
            self._reporter.send({"event": "lag", "ms": round(late * 1000)})
        self._reporter.flush()
        if self.is_draining and not self.is_drained:
            self._finish_drain()
        self._beat_due = loop.time() + BEAT_SEC
        loop.call_at(self._beat_due, self._beat, loop)

    # ---- commands --------------------------------------------------------

    def _read_commands(self) -> None:
        try:
            data = os.read(self._control_fd, LINE_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # says nothing, see contract/mint_host.h; only stop looking
            asyncio.get_running_loop().remove_reader(self._control_fd)
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
            command = message["command"]
            if command == "drain":
                self._drain()
            elif command == "figures":
                self._report_figures()
            elif command == "activity":
                self._report_activity(int(message["serial"]))
            else:
                raise ValueError("unknown command")
        except (ValueError, KeyError, TypeError) as exc:
            print(
                f"plugin host: ignored a malformed command: {exc}",
                file=sys.stderr,
            )

    def _report_activity(self, serial: int) -> None:
        connections = connection_activity(self.server_state)
        jobs = job_activity(self._app)
        report = {
            "event": "activity",
            "serial": serial,
            "known": jobs.known,
            "requests": connections.requests,
            "websockets": connections.websockets,
            "jobs": jobs.unfinished,
            "results": jobs.results,
            "sessions": jobs.sessions,
            "uploads": jobs.uploads,
            "owners": sorted(jobs.owners),
        }
        try:
            self._reporter.send(report)
        except LineTooLong:
            report.update(known=False, owners=[])
            self._reporter.send(report)

    def _report_figures(self) -> None:
        connections = connection_activity(self.server_state)
        try:
            fds = len(os.listdir("/proc/self/fd"))
        except OSError:
            fds = -1
        self._reporter.send({
            "event": "figures",
            "fds": fds,
            "requests": connections.requests,
            "websockets": connections.websockets,
            "jobs": job_activity(self._app).going_on,
            "served": self.server_state.total_requests,
            "lag_ms": round(self._lag * 1000),
        })
        self._lag = 0.0

    async def shutdown(self, sockets: Any = None) -> None:
        # what ends may take its time on the loop
        self._watchdog.close()
        await super().shutdown(sockets)

    # ---- drain -------------------------------------------------------------

    def _drain(self) -> None:
        if self.is_draining:
            return
        self.is_draining = True
        if self.started:
            self._stop_accepting()

    def _stop_accepting(self) -> None:
        """The socket stays open elsewhere: new connections wait in it."""
        for server in self.servers:
            server.close()
        for connection in tuple(self.server_state.connections):
            if not is_websocket(connection):
                connection.shutdown()

    def _finish_drain(self) -> None:
        state = self.server_state
        if state.connections or state.tasks:
            return
        if job_activity(self._app).going_on:
            return
        self.is_drained = True
        self._reporter.send_last({"event": "drained"})
        self.should_exit = True
