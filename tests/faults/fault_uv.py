# SPDX-License-Identifier: MIT
"""A uv that is killed at a system call of its own, by strace: the real one,
behind a program that the configuration names."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from system_harness import make_place

# how often it waits is chance; its first call is that which begins it
CHANCE = {"futex", "epoll_wait", "sched_yield", "execve"}

# of ten kills: resolving, making an environment, putting packages into it
RUNS = ["--version"] + 2 * ["venv"] + 3 * ["compile"] + 4 * ["sync"]

SCRIPT = """#!/bin/sh
word=$1
[ "$word" != pip ] || word=$2
if [ -e {place}/tracing ]; then
    exec {strace} -f -qq -o {place}/traces/$word.$$ {uv} "$@"
fi
if [ -e {place}/point ]; then
    read -r wanted call number times < {place}/point
    if [ "$word" = "$wanted" ]; then
        [ $times = always ] || rm {place}/point
        exec {strace} -f -q -o {place}/hits/$word.$$ \\
            -e trace=$call -e inject=$call:signal=SIGKILL:when=$number \\
            {uv} "$@"
    fi
fi
exec {uv} "$@"
"""


@dataclass(frozen=True)
class Point:
    """Of the runs with this word: which call of a thread is its last.  Once:
    a second run may do what the first one has not."""

    word: str
    call: str
    number: int
    is_once: bool

    def __str__(self) -> str:
        return (f"uv {self.word} {self.call}:{self.number} "
                + ("once" if self.is_once else "always"))


class Uv:
    """In a directory of its own, with a cache of its own, which has what that
    of all tests has."""

    def __init__(self) -> None:
        strace = shutil.which("strace")
        assert strace, "needs strace: apt-get install strace"
        self.place = make_place()
        for path in (self.place, self.traces, self.hits):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
        self.program = self.place / "uv"
        self.program.write_text(SCRIPT.format(
            place=self.place, strace=strace, uv=os.environ["MINT_TEST_UV"]))
        self.program.chmod(0o755)

    @property
    def traces(self) -> Path:
        return self.place / "traces"

    @property
    def hits(self) -> Path:
        return self.place / "hits"

    @property
    def cache(self) -> Path:
        return self.place / "cache"

    def fill_cache(self) -> None:
        shared = Path(os.environ["MINT_CACHE"]) / "uv"
        shutil.copytree(shared, self.cache, symlinks=True,
                        copy_function=_copy)
        owner = shared.stat()
        os.chown(self.cache, owner.st_uid, owner.st_gid)
        for folder, names, files in os.walk(self.cache):
            for name in names + files:
                os.chown(Path(folder) / name, owner.st_uid, owner.st_gid,
                         follow_symlinks=False)

    def settings(self) -> dict[str, str]:
        return {"MINT_ENVIRONMENTS__UV": str(self.program),
                "MINT_ENVIRONMENTS__CACHE_DIRECTORY": str(self.cache)}

    def end(self) -> None:
        shutil.rmtree(self.place)

    # ---- points -----------------------------------------------------------

    def trace(self, on: bool) -> None:
        mark = self.place / "tracing"
        mark.touch() if on else mark.unlink()

    def points(self, count: int, chance: random.Random) -> list[Point]:
        """Each run of what was traced has them."""
        most: dict[str, Counter[str]] = {}
        least: dict[str, Counter[str]] = defaultdict(Counter)
        for path in sorted(self.traces.iterdir()):
            word = path.name.rpartition(".")[0]
            own, others = _calls(path.read_text("utf-8", "replace"))
            most[word] = most.get(word, own) & own
            least[word] |= others
        found = []
        while len(found) < count:
            word = chance.choice(RUNS)
            call = chance.choice(sorted(most[word]))
            first, last = least[word][call] + 1, most[word][call]
            if first <= last:
                found.append(Point(word, call, chance.randint(first, last),
                                   len(found) % 3 > 0))
        return found

    def arm(self, point: Point) -> None:
        for path in self.hits.iterdir():
            path.unlink()
        path = self.place / "point"
        path.write_text(f"{point.word} {point.call} {point.number} "
                        + ("once\n" if point.is_once else "always\n"))

    def disarm(self) -> int:
        """How many of its runs were killed: the leader ends last."""
        (self.place / "point").unlink(missing_ok=True)
        ends = [path.read_text().rpartition(" +++ killed")[2]
                for path in self.hits.iterdir()]
        return sum(end == " by SIGKILL +++\n" for end in ends)


def _calls(trace: str) -> tuple[Counter[str], Counter[str]]:
    """Of the thread that has most of each; the same of programs that uv runs,
    which are counted, too, and must not be killed in its place."""
    numbers: dict[str, Counter[str]] = defaultdict(Counter)
    leader, strangers = "", set()
    for line in trace.splitlines():
        if found := re.match(r"(\d+) +(\w+)\(", line):
            pid, name = found.groups()
            leader = leader or pid
            numbers[pid][name] += 1
            if name == "execve" and pid != leader:
                strangers.add(pid)
    own: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for pid, counts in numbers.items():
        if pid in strangers:
            others |= counts
        else:
            own |= counts
    return Counter({name: number for name, number in own.items()
                    if name not in CHANCE}), others


def _copy(source: str, target: str) -> str:
    """It is written to nowhere: a change takes the place of the old file."""
    os.link(source, target, follow_symlinks=False)
    return target
