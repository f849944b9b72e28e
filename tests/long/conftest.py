# SPDX-License-Identifier: MIT
"""The long test: how much of it, and what it says at its end."""

from __future__ import annotations

import collections
import os
import pathlib
import sys
from typing import Any

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "integration"))

from long_record import Record  # noqa: E402

RECORDS = pytest.StashKey[list[Record]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("long")
    group.addoption("--seed", type=int, default=1, metavar="N",
                    help="the first seed (default: 1)")
    group.addoption("--seeds", type=int, default=5, metavar="N",
                    help="so many seeds, each in a system of its own")
    group.addoption("--steps", type=int, default=20, metavar="N",
                    help="steps of each seed")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECORDS] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--seed")
        metafunc.parametrize(
            "seed", range(first, first + metafunc.config.getoption("--seeds")))


@pytest.fixture
def steps(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--steps"))


@pytest.fixture
def record(pytestconfig: pytest.Config, seed: int) -> Record:
    """Of one seed; a file a seed stays in the build directory."""
    folder = pathlib.Path(os.environ["MINT_BUILD"]) / "long"
    folder.mkdir(exist_ok=True)
    made = Record(folder / f"{seed}.jsonl")
    pytestconfig.stash[RECORDS].append(made)
    return made


def pytest_unconfigure(config: pytest.Config) -> None:
    """After everything that pytest says itself: it is the last line."""
    records = config.stash.get(RECORDS, [])
    if records:
        for line in _summary(records):
            print(line, flush=True)


def _summary(records: list[Record]) -> list[str]:
    decisions: list[Any] = [d for r in records for d in r.decisions()]
    agree = sum(d["engine"] == d["resolver"] for d in decisions)
    wrong = sum(d["engine"] == "fits" and d["resolver"] == "clashes"
                for d in decisions)
    other = sum(d["engine"] == "clashes" and d["resolver"] == "fits"
                for d in decisions)
    doubts = collections.Counter(
        (d["doubt"], d["resolver"]) for d in decisions
        if d["engine"] == "unknown")
    steps = collections.Counter(s["kind"] for r in records for s in r.steps)
    share = 100 * agree / len(decisions) if decisions else 0.0
    lines = [
        "",
        "steps     " + ", ".join(f"{n} {kind}"
                                 for kind, n in sorted(steps.items())),
        f"engine    {len(decisions) - sum(doubts.values())} decided, "
        f"{sum(doubts.values())} unknown, {wrong} \"fits\" against "
        f"\"clashes\", {other} \"clashes\" against \"fits\"",
        "unknown because                                   "
        "resolver: fits  clashes",
    ]
    for doubt in sorted({d for d, _ in doubts},
                        key=lambda d: -doubts[d, "fits"]
                        - doubts[d, "clashes"]):
        lines.append(f"  {doubt:<48} {doubts[doubt, 'fits']:14} "
                     f"{doubts[doubt, 'clashes']:8}")
    lines.append(
        f"long: {sum(steps.values())} steps, "
        f"{sum(len(r.broken) for r in records)} broken, engine and resolver "
        f"agree in {agree} of {len(decisions)} ({share:.1f} %), {wrong} "
        "shared against the resolver")
    return lines
