# SPDX-License-Identifier: MIT
"""uvicorn, with reports, commands, a drain and a look at who still waits."""

from __future__ import annotations

import asyncio
import os
import select
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mint_plugin_host import collector, lines
from mint_plugin_host.activity import (
    ConnectionActivity,
    JobActivity,
    connection_activity,
    is_idle,
    is_websocket,
    job_activity,
)
from mint_plugin_host.control import Control
from mint_plugin_host.pulse import Pulse
from mint_plugin_host.report import LineTooLong, Reporter
from mint_plugin_host.settings import Settings
from mint_plugin_host.whole import JoiningTransport, Whole

if TYPE_CHECKING:
    from mint_plugin_host.tenancy import Tenant


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

    def __init__(self, app: Any, tenant: Tenant | None = None) -> None:
        self.app = app
        self.tenant = tenant
        self.failure: BaseException | None = None
        self.lifespan: asyncio.Task[Any] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.tenant is not None:     # each call is a task of its own
            self.tenant.enter()
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
        self.lifespan = asyncio.current_task()
        try:
            await self.app(scope, receive, send)
        except BaseException as exc:
            self.failure = exc
            raise


def make_config(
    application: Application,
    settings: Settings,
    listen_fd: int,
    log_config: dict[str, Any],
) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        interface="asgi3",
        lifespan="on",
        http=SeatProtocol,
        fd=listen_fd,
        backlog=settings.backlog,
        timeout_keep_alive=settings.keepalive_sec,
        timeout_graceful_shutdown=settings.graceful_sec,
        forwarded_allow_ips="*",
        server_header=False,
        access_log=False,
        log_config=log_config,
    )


def create_server(
    application: Application,
    settings: Settings,
    reporter: Reporter,
    import_ms: int,
    log_config: dict[str, Any],
) -> HostServer:
    return HostServer(
        make_config(application, settings, settings.listen_fd, log_config),
        application.app,
        reporter,
        control_fd=settings.control_fd,
        import_ms=import_ms,
        stuck_sec=settings.stuck_sec,
    )


def stop_accepting(server: uvicorn.Server) -> None:
    """The socket stays open elsewhere: new connections wait in it."""
    for listening in server.servers:
        listening.close()
    for connection in tuple(server.server_state.connections):
        if not is_websocket(connection):
            connection.shutdown()


def is_drained(server: uvicorn.Server, app: Any) -> bool:
    state = server.server_state
    if state.connections or state.tasks:
        return False
    return not job_activity(app).going_on


def count_fds() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return -1


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
        self._import_ms = import_ms
        self._pulse = Pulse(reporter, stuck_sec, self._on_beat)
        self._control = Control(control_fd, {
            "drain": lambda message: self._drain(),
            "figures": lambda message: self._report_figures(),
            "activity": self._report_activity,
        })

    async def startup(self, sockets: Any = None) -> None:
        begin = time.monotonic()
        self._control.start()

        await super().startup(sockets)
        if not self.started or self.should_exit:
            return

        collector.resume()
        self._pulse.start()
        if self.is_draining:
            stop_accepting(self)
            return
        self._reporter.send({
            "event": "ready",
            "import_ms": self._import_ms,
            "start_ms": round((time.monotonic() - begin) * 1000),
        })

    def _on_beat(self) -> None:
        if self.is_draining and not self.is_drained:
            self._finish_drain()

    # ---- commands --------------------------------------------------------

    def _report_activity(self, message: dict[str, Any]) -> None:
        report = activity_report(
            int(message["serial"]),
            connection_activity(self.server_state),
            job_activity(self._app),
        )
        send_activity(self._reporter, report)

    def _report_figures(self) -> None:
        connections = connection_activity(self.server_state)
        self._reporter.send({
            "event": "figures",
            "fds": count_fds(),
            "requests": connections.requests,
            "websockets": connections.websockets,
            "jobs": job_activity(self._app).going_on,
            "served": self.server_state.total_requests,
            "lag_ms": self._pulse.take_lag_ms(),
        })

    async def shutdown(self, sockets: Any = None) -> None:
        self._pulse.close()
        await super().shutdown(sockets)

    # ---- drain -------------------------------------------------------------

    def _drain(self) -> None:
        if self.is_draining:
            return
        self.is_draining = True
        if self.started:
            stop_accepting(self)

    def _finish_drain(self) -> None:
        if not is_drained(self, self._app):
            return
        self.is_drained = True
        self._reporter.send_last({"event": "drained"})
        self.should_exit = True


def activity_report(
    serial: int, connections: ConnectionActivity, jobs: JobActivity
) -> dict[str, Any]:
    return {
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


def send_activity(reporter: Reporter, report: dict[str, Any]) -> None:
    try:
        reporter.send(report)
    except LineTooLong:
        report.update(known=False, owners=[])
        reporter.send(report)
