# SPDX-License-Identifier: MIT
"""A whole system with ledger plugins, and what is done to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_ledger import Ledger, Outage, Report, Verdict
from fault_load import MixedLoad, Stream
from system_harness import (
    BUILD, MintSystem, make_bundle, renamed_plugin, running_system,
    wait_for)
from system_kills import core_pids, instances, is_gone

# nginx and the kernel need a moment for the sockets of a process that is gone
TEARDOWN_SEC = 0.25

# what a process that ends leaves to its WebSockets
DRAIN_SEC = 30.0


class Scenario:
    """What one scenario did and found; conftest.py reports it."""

    def __init__(self, record: Callable[[str, object], None],
                 scale: float) -> None:
        self._record = record
        self.scale = scale
        self.report: Report | None = None

    def count(self, full: int) -> int:
        """How often, with --scale."""
        return max(1, round(full * self.scale))

    def figure(self, text: str) -> None:
        self._record("figure", text)

    def judge(self, field: Field) -> Report:
        """Once the load has ended."""
        report = field.ledger.judge(field.journals())
        self.figure(report.figures())
        self._record("lost", report.count(Verdict.LOST))
        self._record("doubled", report.count(Verdict.DOUBLED))
        return report

    def not_built(self, what: str) -> None:
        """Asked for, but the system has no such thing: does not hold."""
        self._record("not built", what)
        pytest.fail(f"not built: {what}", pytrace=False)


class Field:
    """The system of a scenario, its ledger plugins and its ledger."""

    def __init__(self, system: MintSystem, names: list[str]) -> None:
        self.system = system
        self.names = names
        self.ledger = Ledger()

    def load(self, streams: Iterable[Stream]) -> MixedLoad:
        return MixedLoad(self.system.port, self.ledger, streams)

    def data(self, name: str) -> Path:
        return self.system.data / "plugin-data" / name

    def journals(self) -> list[Path]:
        paths = [self.data(name) / "journal" for name in self.names]
        return [path for path in paths if path.exists()]

    def make_trouble(self, name: str, trouble: str) -> None:
        """From the plugin's next start on; "" ends it."""
        path = self.data(name) / "trouble"
        path.write_text(trouble)
        path.chmod(0o644)

    def begin_trouble(self, name: str, trouble: str, seconds: float = 0
                      ) -> None:
        with self.system.client() as client:
            reply = client.post(
                f"/api/{name}/trouble",
                params={"name": trouble, "seconds": seconds})
        assert reply.status_code == 200, reply.text

    def kill(self, name: str) -> int:
        """kill -9; returns the pid once it is gone, and is in the ledger."""
        pid = self.system.pid(name)
        assert pid > 0, f"{name} does not run"
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.add_death(name, pid, begin)
        return pid

    def add_death(self, name: str, pid: int, begin: float) -> None:
        """Waits for it, and has it in the ledger."""
        wait_for(lambda: is_gone(pid), f"the end of {name}")
        self.ledger.add_outage(
            Outage(name, begin, time.monotonic() + TEARDOWN_SEC))

    def state(self) -> dict[str, Any]:
        """What a fault elsewhere must not change."""
        return {
            "plugins": {
                name: (p["state"], p["mode"], p["version"], p["environment"])
                for name, p in self.system.plugins().items()},
            "instances": instances(self.system),
            "core": core_pids(self.system),
        }

    @contextlib.contextmanager
    def same_tables(self) -> Iterator[None]:
        """The run files say the same at the end as at the beginning."""
        with tempfile.TemporaryDirectory(prefix="mint-f-") as folder:
            for name in ("routes", "seats", "identity", "workers"):
                shutil.copy(self.system.run_directory / name, folder)
            yield
            done = subprocess.run(
                [str(BUILD / "mintctl"), "table", "diff", folder,
                 str(self.system.run_directory)],
                capture_output=True, text=True, timeout=20, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    def is_ready(self, name: str) -> bool:
        return self.system.plugins()[name]["state"] == "ready"

    def wait_ready(self, timeout: float = 90) -> None:
        def ready() -> bool:
            states = {p["state"] for p in self.system.plugins().values()}
            return states == {"ready"}

        wait_for(ready, "all plugins ready", timeout)


def pause(seconds: float) -> None:
    """Time that has to pass: part of what a scenario does."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end, "time", seconds + 10)


@contextlib.contextmanager
def field_of(count: int, **settings: str) -> Iterator[Field]:
    """A system of its own with so many ledger plugins, all ready."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="mint-f-")))
        system = stack.enter_context(running_system(settings))
        names = []
        for number in range(1, count + 1):
            new = f"ledger{number}"
            source = renamed_plugin("ledger", new, folder)
            system.install(make_bundle(source, folder))
            names.append(f"test-{new}")
        field = Field(system, names)
        field.wait_ready()
        yield field
        run_directory = system.run_directory
        assert system.stop() == 0, system.text
        wait_for(lambda: not system.leftovers(), "the end of all processes")
        assert not run_directory.exists()




# ---- moves ------------------------------------------------------------------


def is_settled(field: Field, name: str) -> bool:
    """It is ready, with one process, and no move is under way."""
    plugin = field.system.plugins()[name]
    return (plugin["state"] == "ready" and len(plugin["instances"]) == 1
            and plugin["move"] is None)


def need_moves(field: Field, scenario: Scenario) -> None:
    """A planned restart that stays on its seat interrupts everybody."""
    name = field.names[0]
    seat = field.system.instance(name)["seat"]
    field.system.ctl("restart", name)
    if field.system.instance(name)["seat"] == seat:
        scenario.not_built("moves to the other seat: a restart stops the "
                           "plugin before it starts it")
    wait_for(lambda: is_settled(field, name), "the end of the move", 60)
