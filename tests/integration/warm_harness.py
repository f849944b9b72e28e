# SPDX-License-Identifier: MIT
"""A warm interpreter under a real mint-keeper, and plugins forked from it;
the test plays the supervisor."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from host_harness import HOST, TOKEN
from keeper_harness import (
    CONTROL, NO_NEW_PRIVS, REPORT, SUBREAPER, WARM, Keeper, Message,
    Supervisor,
)

PADDING = 8192


def plugin_python() -> str:
    """Of the tests' environment: it has mint-sdk with the web stack."""
    return os.environ.get("MINT_TEST_PLUGIN_PYTHON", sys.executable)


def start_warm(
    supervisor: Supervisor, ident: int, site: Path, tmp: Path, **options: Any
) -> Message:
    """The answer to its SPAWN; it is ready when it has reported so."""
    return supervisor.spawn(
        ident,
        [plugin_python(), str(HOST), "warm", "-" * 200],
        env=[
            "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1",
            f"PYTHONPATH={site}", f"TMPDIR={tmp}", "MINT_INSTANCE=warm.1",
            "SSL_CERT_DIR=/etc/ssl/certs",
            "MINT_HOST_REPORT_FD=3", "MINT_HOST_WARM_FD=4",
            "MINT_HOST_PADDING=" + "-" * PADDING,
        ],
        flags=REPORT | NO_NEW_PRIVS | WARM,
        cwd=str(tmp), label=f"warm/{ident}", **options,
    )


def plugin_environment(
    name: str, generation: int, site: Path, place: Path, platform_url: str,
    **more: str,
) -> list[str]:
    variables = {
        "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(site), "TMPDIR": str(place), "HOME": str(place),
        "SSL_CERT_DIR": "/etc/ssl/certs",
        "MINT_PLATFORM_URL": platform_url,
        "MINT_PLATFORM_API_VERSION": "1",
        "MINT_PLUGIN_TOKEN": TOKEN,
        "MINT_PLUGIN_NAME": name,
        "MINT_PLUGIN_ENTRY_POINT": name,
        "MINT_PLUGIN_DISTRIBUTION": f"mint-{name}",
        "MINT_PLUGIN_DATA_DIR": str(place),
        "MINT_INSTANCE": f"{name}.0a.{generation}",
        "MINT_HOST_LISTEN_FD": "3", "MINT_HOST_REPORT_FD": "4",
        "MINT_HOST_CONTROL_FD": "5", "MINT_HOST_BACKLOG": "100",
        **more,
    }
    return [f"{name}={value}" for name, value in variables.items()]


def spawn_plugin(
    supervisor: Supervisor, ident: int, name: str, environment: list[str],
    listener: int, place: Path, warm_id: int = 0, **options: Any,
) -> Message:
    return supervisor.spawn(
        ident,
        [plugin_python(), str(HOST), "serve", name],
        env=environment,
        flags=REPORT | CONTROL | NO_NEW_PRIVS | SUBREAPER,
        umask=0o77, nofile=4096, listeners=[listener], cwd=str(place),
        label=f"plugin/{name}/{ident}", warm_id=warm_id, **options,
    )


class Reports:
    """The JSON lines of one report pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.text = b""
        self.seen: list[dict[str, Any]] = []

    def wait(self, event: str, seconds: float = 30.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            for report in self.seen:
                if report["event"] == event:
                    return report
                assert report["event"] != "failed", report
            left = deadline - time.monotonic()
            assert left > 0, f"no report {event!r}, only {self.seen}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 65536)
                *lines, self.text = self.text.split(b"\n")
                self.seen += [json.loads(line) for line in lines]


def log_of(child: Message) -> str:
    text = b""
    while select.select([child.log], [], [], 0)[0]:
        text += os.read(child.log, 65536)
    return text.decode("utf-8", "replace")


__all__ = [
    "Keeper", "Reports", "log_of", "plugin_environment", "plugin_python",
    "spawn_plugin", "start_warm",
]
