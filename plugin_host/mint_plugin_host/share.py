# SPDX-License-Identifier: MIT
"""The "share" command: many plugins, one process, one event loop.

Each plugin has its own socket and uvicorn server, so nothing decides here
whose request it is.  What they share (modules, tables, loop, threads, death)
is what this saves memory by; see tenancy.py and clashes.py for the rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

from mint_plugin_host import collector, lines, serve, tenancy
from mint_plugin_host import plugin as plugins
from mint_plugin_host.activity import (
    ConnectionActivity,
    JobActivity,
    connection_activity,
    job_activity,
)
from mint_plugin_host.clashes import Census
from mint_plugin_host.control import Control
from mint_plugin_host.pulse import Pulse
from mint_plugin_host.report import LineTooLong, Reporter
from mint_plugin_host.settings import (
    Place,
    Settings,
    SettingsError,
    forget_variables,
    read_report_fd,
    read_shared_settings,
)

ERROR_MAX = 300                 # of a plugin, in the report about all


def share() -> int:
    reporter = Reporter(-1)
    try:
        reporter = Reporter(read_report_fd())
        settings, places, ready_sec = read_shared_settings()
    except SettingsError as exc:
        return serve.fail(reporter, "start", exc)
    forget_variables()
    lines.install()
    tenancy.install()
    serve.show_name("shared-plugins")
    collector.pause()
    reporter.send({
        "event": "starting",
        "pid": os.getpid(),
        "python": plugins.python_version(),
        "sdk": plugins.sdk_version(),
    })
    try:
        from mint_plugin_host.tenant import Tenant

        tenancy.install_in_sdk()
        loop_factory = _loop_factory()
    except BaseException as exc:
        return serve.fail(reporter, "import", exc)

    house = House(settings, reporter)
    census = Census({
        place.name: (
            place.environ["MINT_PLUGIN_DISTRIBUTION"],
            place.environ["MINT_PLUGIN_ENTRY_POINT"],
        )
        for place in places
    })

    house.tenants = [
        Tenant(place, settings, reporter, census, ready_sec)
        for place in places
    ]
    for tenant in house.tenants:
        tenant.load()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        try:
            code = runner.run(house.run())
        except BaseException as exc:
            code = serve.exit_code(exc)
        serve.force_exit_later(code)
    return code


def _loop_factory() -> Any:
    import uvicorn

    return uvicorn.Config(app="none", log_config=None).get_loop_factory()


class House:
    """All tenants of the process, for whom the supervisor has one word."""

    def __init__(self, settings: Settings, reporter: Reporter) -> None:
        self.tenants: list[Any] = []
        self._reporter = reporter
        self._is_draining = False
        self._is_ending = False
        self._ticks = 0
        self._pulse = Pulse(reporter, settings.stuck_sec, self._on_beat)
        self._control = Control(settings.control_fd, {
            "drain": lambda message: self._drain(),
            "figures": lambda message: self._report_figures(),
            "activity": self._report_activity,
            "plugins": lambda message: self._report_plugins("plugins"),
        })

    async def run(self) -> int:
        begin = time.monotonic()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        self._control.start()
        self._pulse.start()
        running = [
            asyncio.create_task(tenant.run(), context=tenant.context)
            for tenant in self.tenants
        ]
        for tenant in self.tenants:
            await tenant.settled.wait()

        if not any(tenant.is_ready for tenant in self.tenants):
            if not self._is_ending:
                first = self.tenants[0]
                serve.fail(self._reporter, "start", serve.StartRefused(
                    f"none of its {len(self.tenants)} plugins could be "
                    f"started; {first.name!r}: {first.error}"
                ))
            return serve.EXIT_START
        collector.resume()
        if not self._is_ending and not self._is_draining:
            self._report_plugins(
                "ready", start_ms=round((time.monotonic() - begin) * 1000)
            )
        if self._is_draining:
            self._stop_accepting()
        await asyncio.gather(*running)
        return 0

    def _end(self) -> None:
        self._is_ending = True
        self._pulse.close()
        for tenant in self.tenants:
            tenant.stop()

    def _servers(self) -> list[Any]:
        return [t.server for t in self.tenants if t.is_ready]

    def _on_beat(self) -> None:
        self._ticks += 1
        if self._ticks % 10 == 0:           # the date of answers
            for server in self._servers():
                asyncio.ensure_future(server.on_tick(self._ticks))
        if self._is_draining and not self._is_ending:
            self._finish_drain()

    # ---- what is asked ------------------------------------------------------

    def _report_plugins(self, event: str, **more: Any) -> None:
        for size in (ERROR_MAX, 30):
            try:
                self._reporter.send({
                    "event": event,
                    "plugins": {
                        tenant.name: None if tenant.error is None
                        else tenant.error[:size]
                        for tenant in self.tenants
                    },
                    **more,
                })
                return
            except LineTooLong:
                continue

    def _connections(self) -> ConnectionActivity:
        total = ConnectionActivity()
        for server in self._servers():
            one = connection_activity(server.server_state)
            total.requests += one.requests
            total.websockets += one.websockets
            total.idle += one.idle
        return total

    def _jobs(self) -> JobActivity:
        """Of all; who has work in one plugin has work in the process."""
        total = JobActivity()
        for tenant in self.tenants:
            if not tenant.is_ready:
                continue
            one = job_activity(tenant.app)
            total.known = total.known and one.known
            total.unfinished += one.unfinished
            total.going_on += one.going_on
            total.results += one.results
            total.sessions += one.sessions
            total.uploads += one.uploads
            total.owners |= one.owners
        return total

    def _report_activity(self, message: dict[str, Any]) -> None:
        from mint_plugin_host.server import activity_report, send_activity

        send_activity(self._reporter, activity_report(
            int(message["serial"]), self._connections(), self._jobs()
        ))

    def _report_figures(self) -> None:
        from mint_plugin_host.server import count_fds

        connections = self._connections()
        self._reporter.send({
            "event": "figures",
            "fds": count_fds(),
            "requests": connections.requests,
            "websockets": connections.websockets,
            "jobs": self._jobs().going_on,
            "served": sum(
                s.server_state.total_requests for s in self._servers()
            ),
            "lag_ms": self._pulse.take_lag_ms(),
        })

    # ---- drain ----------------------------------------------------------------

    def _drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            self._stop_accepting()

    def _stop_accepting(self) -> None:
        from mint_plugin_host.server import stop_accepting

        for server in self._servers():
            stop_accepting(server)

    def _finish_drain(self) -> None:
        from mint_plugin_host.server import is_drained

        if all(tenant.settled.is_set() for tenant in self.tenants) and all(
            is_drained(tenant.server, tenant.app)
            for tenant in self.tenants if tenant.is_ready
        ):
            self._reporter.send_last({"event": "drained"})
            self._end()
