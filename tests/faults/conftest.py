# SPDX-License-Identifier: MIT
"""The fault suite: one scenario is one test with the mark "scenario".  What
they share is here: options, who runs beside whom, and the last line."""

from __future__ import annotations

import fcntl
import os
import pathlib
import sys
import tempfile
from collections.abc import Generator, Iterator
from typing import Any

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "integration"))

from fault_system import Scenario  # noqa: E402

LONG_SEC = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption(
        "--scale", type=float, default=1.0, metavar="X",
        help="so many times the counts that are asked for (default: 1)")
    group.addoption(
        "--short", action="store_true",
        help="only what has the mark short: seconds, for make test")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "scenario: counts in the last line",
        "short: part of make test",
        "alone: measures times, so that nothing runs beside it",
    ):
        config.addinivalue_line("markers", line)
    if not hasattr(config, "workerinput"):
        handle, path = tempfile.mkstemp(prefix="mint-faults-lock-")
        os.close(handle)
        os.environ["MINT_FAULTS_LOCK"] = path
        config.pluginmanager.register(Summary(config), "fault-summary")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        pathlib.Path(os.environ["MINT_FAULTS_LOCK"]).unlink(missing_ok=True)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Short ones alone if so wanted; those that want to be alone at last, and
    of the others those first that may take longest."""
    if config.getoption("--short"):
        unwanted = [i for i in items if not i.get_closest_marker("short")]
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [i for i in items if i not in unwanted]
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SEC))
    items.sort(key=_order)


def _order(item: pytest.Item) -> tuple[bool, float]:
    marker = item.get_closest_marker("timeout")
    assert marker is not None
    return item.get_closest_marker("alone") is not None, -marker.args[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Its time begins when it has the machine."""
    alone = item.get_closest_marker("alone") is not None
    with open(os.environ["MINT_FAULTS_LOCK"], "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        return (yield)


@pytest.fixture
def scenario(
    request: pytest.FixtureRequest, record_property: Any
) -> Iterator[Scenario]:
    assert request.node.get_closest_marker("scenario"), "not marked"
    yield Scenario(record_property, request.config.getoption("--scale"))


class Summary:
    """A line for each scenario as it ends, and the last line."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.held: dict[str, bool] = {}
        self.sums = {"lost": 0, "doubled": 0}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "scenario" not in report.keywords:
            return
        name = report.nodeid.split("::")[-1].removeprefix("test_")
        self.held[name] = self.held.get(name, True) and report.passed
        if report.when != "teardown":
            return
        said = []
        for key, value in report.user_properties:
            if key in self.sums:
                self.sums[key] += value
            elif key == "not built":
                said.append(f"not built: {value}")
            else:
                said.append(value)
        writer = self.config.pluginmanager.get_plugin("terminalreporter")
        word = "holds" if self.held[name] else "DOES NOT HOLD"
        writer.ensure_newline()
        writer.write_line(f"{name}: {word}; {'; '.join(said)}")

    def pytest_unconfigure(self) -> None:
        if not self.held:
            return
        scale = self.config.getoption("--scale")
        print(f"faults: {sum(self.held.values())} of {len(self.held)} "
              f"scenarios hold, {self.sums['lost']} lost, "
              f"{self.sums['doubled']} doubled"
              + ("" if scale == 1 else f" (counts x {scale:g})"))
