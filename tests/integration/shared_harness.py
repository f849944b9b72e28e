# SPDX-License-Identifier: MIT
"""One plugin host process for several plugins, as the supervisor runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_harness import (
    DEADLINE_SEC,
    HOST,
    PYTHON,
    HostProcess,
    ask,
    user_headers,
    wait_for,
)


# what matters of it: the tables, and what is raised for the second one
SQLMODEL = """
class SQLModel:
    class metadata:
        tables = {}


def table(name):
    if name in SQLModel.metadata.tables:
        raise ValueError(f"Table '{name}' is already defined for this "
                         "MetaData instance.")
    SQLModel.metadata.tables[name] = name
"""


@dataclass
class Member:
    name: str
    distribution: str
    token: str
    socket_path: str
    listener: socket.socket
    environment: dict[str, str]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEADLINE_SEC,
    ) -> tuple[int, Any]:
        sent = {**user_headers(), "x-mint-internal-token": self.token}
        sent.update(headers or {})
        return ask(self.socket_path, method, path, body, sent, timeout)


class SharedProcess(HostProcess):
    """A "share" process: one seat socket a plugin, reports by name."""

    def __init__(
        self,
        folder: Path,
        site: str,
        members: list[tuple[str, str]],
        platform_url: str,
        *,
        environments: Mapping[str, Mapping[str, str]] | None = None,
        ready_sec: int = 20,
    ) -> None:
        self.members: dict[str, Member] = {}
        super().__init__(folder, Path(site), "shared", platform_url,
                         start=False)
        for name, distribution in members:
            self._add(name, distribution, platform_url,
                      (environments or {}).get(name, {}))
        environment = self._environment
        for key in [k for k in environment if k.startswith("MINT_P")]:
            del environment[key]
        del environment["MINT_HOST_LISTEN_FD"]
        environment["MINT_HOST_READY_SEC"] = str(ready_sec)
        environment["MINT_HOST_PLUGINS"] = json.dumps([
            {"fd": m.listener.fileno(), "environment": m.environment}
            for m in self.members.values()
        ])

    def _add(
        self, name: str, distribution: str, url: str,
        more: Mapping[str, str],
    ) -> None:
        data = self.folder / f"data-{name}"
        data.mkdir()
        path = str(self.folder / f"{name}.sock")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(100)
        token = f"token-of-{name}"
        self.members[name] = Member(
            name, distribution, token, path, listener, {
                "PATH": os.environ["PATH"],
                "HOME": str(data),
                "TMPDIR": str(self.tmp / name),
                "MINT_PLATFORM_URL": url,
                "MINT_PLATFORM_API_VERSION": "1",
                "MINT_PLUGIN_TOKEN": token,
                "MINT_PLUGIN_NAME": name,
                "MINT_PLUGIN_ENTRY_POINT": name,
                "MINT_PLUGIN_DISTRIBUTION": distribution,
                "MINT_PLUGIN_DATA_DIR": str(data),
                **more,
            },
        )

    def start(self, read_reports: bool = True) -> None:
        fds = [m.listener.fileno() for m in self.members.values()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PYTHON, str(HOST), "share"],
                cwd=self.cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(*fds, self.report_write, self.control_read),
            )
        if read_reports:
            self.read_reports()

    def of(self, name: str, event: str) -> dict[str, Any] | None:
        return next((
            r for r in list(self.reports)
            if r["event"] == event and r.get("plugin") == name
        ), None)

    def wait_all(self) -> dict[str, str | None]:
        """What became of each, once all are ready or have failed."""

        def find() -> Any:
            ready = [r for r in list(self.reports)
                     if r["event"] == "ready" and "plugins" in r]
            return ready or self._has_ended()

        found = wait_for(find, "report about all")
        assert found is not True, f"{self.reports}\n{self.log_text()}"
        return found[0]["plugins"]

    def close(self) -> None:
        super().close()
        for member in self.members.values():
            member.listener.close()
