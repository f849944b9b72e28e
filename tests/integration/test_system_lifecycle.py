# SPDX-License-Identifier: MIT
""""make run" as the README promises it: on a terminal, with the examples,
stopped by Ctrl-C, and up again at once."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from system_harness import (
    ROOT,
    START_DEADLINE_SEC,
    MintSystem,
    environment,
    make_place,
    wait_for,
)

EXAMPLES = ("peak-table", "legacy-report")

# what takes time, and that a later start need not do again
ONLY_AT_FIRST = ("Resolving", "Making", "Installing", "Compiling", "Building")


class Terminal:
    """"make run" on a terminal of its own."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvpe("make", ["make", "--no-print-directory", "run"],
                       variables)

    def read_until(self, words: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"no '{words}' within {seconds} s: {self.text}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode()
                except OSError:
                    pytest.fail(f"ended without '{words}': {self.text}")

    def ctrl_c(self) -> int:
        """The exit status of make."""
        os.write(self.fd, b"\x03")
        return self.wait(60)

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                while select.select([self.fd], [], [], 0.05)[0]:
                    data = os.read(self.fd, 65536)
                    if not data:
                        break
                    self.text += data.decode()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"still runs: {self.text}"

    def close(self) -> None:
        if self.pid:
            with contextlib.suppress(AssertionError):
                os.kill(self.pid, signal.SIGTERM)
                self.wait(30)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@contextlib.contextmanager
def make_run(system: MintSystem) -> Iterator[Terminal]:
    variables = environment(
        MINT_VAR=str(system.var), MINT_PORT=str(system.port)
    )
    for name in ("MINT_EXAMPLES", "ADMIN_USERNAME", "ADMIN_PASSWORD"):
        del variables[name]
    terminal = Terminal(variables)
    try:
        yield terminal
    finally:
        terminal.close()


def assert_nothing_left(system: MintSystem, run_directory: Path) -> None:
    wait_for(lambda: not system.leftovers(), "the end of all processes", 5)
    assert not run_directory.exists()
    assert not (system.var / "run").exists()


def assert_same_plugins(
    system: MintSystem, token: str, before: dict[str, Any]
) -> None:
    """Ready means that they answer; nothing was installed again."""
    with system.client(token) as client:
        for name in EXAMPLES:
            reply = client.get(f"/api/{name}/whoami")
            assert reply.status_code == 200, reply.text
    after = system.plugins()
    assert set(after) == set(before)
    for name in EXAMPLES:
        assert after[name]["state"] == "ready"
        for key in ("version", "environment", "installed_at", "id"):
            assert after[name][key] == before[name][key]


def test_make_run_as_the_readme_promises() -> None:
    system = MintSystem(make_place())
    try:
        with make_run(system) as terminal:
            terminal.read_until("Ctrl-C stops", START_DEADLINE_SEC)
            run_directory = system.run_directory
            for words in (system.url, "admin", "password", *EXAMPLES):
                assert words in terminal.text
            password = re.search(r"password  (\S+)", terminal.text)
            assert password
            plugins = system.plugins()
            assert {n: p["mode"] for n, p in plugins.items()} \
                == {"peak-table": "shared", "legacy-report": "isolated"}
            token = system.login("admin", password.group(1))
            with system.client(token) as client:
                for name in EXAMPLES:
                    assert client.get(f"/{name}/").status_code == 200
                    assert client.get(f"/api/{name}/whoami").json()[
                        "username"] == "admin"
            begin = time.monotonic()
            assert terminal.ctrl_c() == 0, terminal.text
            assert time.monotonic() - begin < 15
            assert "Stopped" in terminal.text
        assert_nothing_left(system, run_directory)

        with make_run(system) as terminal:
            terminal.read_until("Ctrl-C stops", START_DEADLINE_SEC)
            for words in ONLY_AT_FIRST:
                assert words not in terminal.text
            assert_same_plugins(system, token, plugins)
            run_directory = system.run_directory
            assert terminal.ctrl_c() == 0, terminal.text
        assert_nothing_left(system, run_directory)
    finally:
        system.end()
