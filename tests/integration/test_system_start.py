# SPDX-License-Identifier: MIT
"""The start of many plugins: few at once, in the order they need, told."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from system_harness import (
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    wait_for,
)

# {plugin: what it needs}; one of them is not installed, two need each other
NEEDS = {
    "first": ["test-second", "not-there>=1.0"],
    "second": ["test-third"],
    "third": [],
    "fourth": ["test-fifth"],
    "fifth": ["test-fourth"],
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MintSystem]:
    """A system with these plugins, at most two of which start at once."""
    folder = tmp_path_factory.mktemp("many")
    system = MintSystem(make_place(), MINT_PLUGINS__STARTS_AT_ONCE="2")
    try:
        system.start()
        for name, needs in NEEDS.items():
            system.install(_bundle(folder, name, needs))
        yield system
    finally:
        system.end()


def _bundle(folder: Path, name: str, needs: list[str]) -> Path:
    project = renamed_plugin("nosy", name, folder)
    source = f'routes_prefix="/test-{name}"'
    return make_bundle(project, folder, replace={
        source: f"{source}, dependencies={needs!r}",
    })


class Watch:
    """Looks at the system again and again while it starts."""

    def __init__(self, system: MintSystem) -> None:
        self.system = system
        self.seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self.is_over.is_set():
            try:
                self.seen.append((self.system.status(),
                                  self.system.plugins()))
            except AssertionError:
                time.sleep(0.01)        # it does not listen yet

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.is_over.set()
        self.thread.join()


def test_few_at_once_in_the_order_needed(many: MintSystem) -> None:
    assert many.stop() == 0, many.text
    with Watch(many) as watch:
        many.start()
        wait_for(lambda: many.status()["step"] is None, "the end of the start")

    started = {
        name: datetime.fromisoformat(plugin["instances"][0]["started_at"])
        for name, plugin in many.plugins().items()
    }
    assert started["test-third"] < started["test-second"]
    assert started["test-second"] < started["test-first"]

    # one that is needed is ready before who needs it begins
    for _, plugins in watch.seen:
        states = {n: p["instances"][0]["state"] if p["instances"] else "down"
                  for n, p in plugins.items()}
        busy = [n for n, s in states.items() if s in ("preparing", "starting")]
        assert len(busy) <= 2, states
        if "test-first" in busy:
            assert states["test-second"] == "ready", states
        if "test-second" in busy:
            assert states["test-third"] == "ready", states

    # told by status, on the terminal and in the log
    counts = [status["plugins"] for status, _ in watch.seen]
    assert any(c["waiting"] > 0 and c["ready"] < 5 for c in counts), counts
    for count in counts:
        assert count["total"] == sum(
            count[key] for key in
            ("ready", "starting", "waiting", "failed", "stopped"))
    assert many.status()["plugins"]["ready"] == 5
    steps = {status["step"] for status, _ in watch.seen if status["step"]}
    assert any(re.fullmatch(
        r"starting plugins: \d of 5 ready(, \d (starting|waiting))+", step)
        for step in steps), steps
    assert re.search(r"mint: Starting plugins: \d of 5 ready, ", many.text)
    log = (many.var / "mint.log").read_text()
    assert "plugins: 5 of 5 ready, " in log
