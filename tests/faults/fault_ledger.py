# SPDX-License-Identifier: MIT
"""What clients were told beside what plugins executed: is anything lost,
doubled, late, or done for a client that had gone?  docs/faults.md has the
words; this file decides and starts nothing.
"""

from __future__ import annotations

import enum
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLES = 5

# how the error of an attempt begins whose connection was ended
CLOSED = "closed"
# and of one that was closed by a process that ends as it was told to
RESTART = CLOSED + ": received 1012"


class Kind(enum.Enum):
    GET = "get"
    POST = "post"
    LEAVE = "leave"             # a POST whose client leaves without an answer
    MESSAGE = "message"         # over a WebSocket
    OPEN = "open"               # the handshake of a WebSocket


class Verdict(enum.Enum):
    DONE = "done"
    REFUSED = "refused"         # 503 with Retry-After: nothing was executed
    TOLD = "told"               # a process that died held it, and that is said
    LEFT = "left"
    LOST = "lost"
    DOUBLED = "doubled"
    GHOST = "ghost"             # taken up after its client had gone


@dataclass(frozen=True)
class Attempt:
    """One request; times are of CLOCK_MONOTONIC.  For Kind.LEAVE end is when
    the client left; status 0: no answer, error says why."""

    ident: str
    plugin: str
    kind: Kind
    start: float
    end: float
    limit_sec: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""

    @property
    def is_late(self) -> bool:
        return self.end - self.start > self.limit_sec

    def problem(self) -> dict[str, object]:
        """The body of an error of the edge's, {} if it is none."""
        kind = self.headers.get("content-type", "")
        if not kind.startswith("application/problem+json"):
            return {}
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True)
class Execution:
    """One line of a plugin's journal."""

    ident: str
    pid: int
    born: float                 # when its process began
    at: float


class Fault(enum.Enum):
    KILLED = "killed"           # what a process of the plugin held is gone
    STOPPED = "stopped"         # it takes nothing up for a while
    EDGE = "edge"               # connections end: a worker of nginx died
    RESTARTED = "restarted"     # WebSockets are told to come again


@dataclass(frozen=True)
class Outage:
    """What a scenario did, from when until when; plugin "" stands for all."""

    plugin: str
    begin: float
    end: float
    fault: Fault = Fault.KILLED

    def holds(self, attempt: Attempt) -> bool:
        return (self.plugin in ("", attempt.plugin)
                and attempt.start <= self.end and attempt.end >= self.begin)


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    why: str
    attempt: Attempt
    executions: tuple[Execution, ...]

    def __str__(self) -> str:
        a = self.attempt
        return (f"{self.verdict.value}: {self.why}: {a.kind.value} {a.ident} "
                f"{a.start:.3f}..{a.end:.3f} status {a.status} {a.error} "
                f"{a.body[:300]!r} {list(self.executions)}")


@dataclass
class Report:
    """Of all attempts of a scenario."""

    findings: list[Finding]

    def count(self, verdict: Verdict) -> int:
        return sum(f.verdict is verdict for f in self.findings)

    def of(self, *verdicts: Verdict) -> list[Finding]:
        return [f for f in self.findings if f.verdict in verdicts]

    @property
    def late(self) -> list[Finding]:
        return [f for f in self.findings
                if f.verdict is not Verdict.LEFT and f.attempt.is_late]

    def about(self, plugins: Iterable[str]) -> Report:
        names = set(plugins)
        return Report([f for f in self.findings if f.attempt.plugin in names])

    def check(self, *allowed: Verdict) -> None:
        """Only what was done, or left, or is allowed; nobody waited long."""
        fine = {Verdict.DONE, Verdict.LEFT, *allowed}
        bad = [f for f in self.findings if f.verdict not in fine]
        assert not bad, self._text(bad)
        assert not self.late, "late: " + self._text(self.late)
        assert self.count(Verdict.DONE) > 0, "nothing was done"

    def figures(self) -> str:
        counts = Counter(f.verdict for f in self.findings)
        words = [f"{len(self.findings)} requests"]
        words += [f"{counts[v]} {v.value}" for v in Verdict
                  if counts[v] or v in (Verdict.LOST, Verdict.DOUBLED)]
        longest = max((f.attempt.end - f.attempt.start for f in self.findings
                       if f.verdict is not Verdict.LEFT), default=0.0)
        return ", ".join(words) + f", {len(self.late)} late, longest wait " \
            f"{longest:.2f} s"

    @staticmethod
    def _text(findings: list[Finding]) -> str:
        return f"{len(findings)}, of them:\n" + "\n".join(
            str(f) for f in findings[:EXAMPLES])


class Ledger:
    """Of one scenario; may be written from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.attempts: list[Attempt] = []
        self.outages: list[Outage] = []

    def add(self, attempt: Attempt) -> None:
        with self._lock:
            self.attempts.append(attempt)

    def add_outage(self, outage: Outage) -> None:
        with self._lock:
            self.outages.append(outage)

    def judge(self, journals: Iterable[Path]) -> Report:
        executed: dict[str, list[Execution]] = defaultdict(list)
        for execution in read_journals(journals):
            executed[execution.ident].append(execution)
        findings = []
        for attempt in self.attempts:
            runs = executed.pop(attempt.ident, [])
            verdict, why = judge(attempt, runs, self.outages)
            findings.append(Finding(verdict, why, attempt, tuple(runs)))
        assert not executed, f"executed, but never sent: {list(executed)[:5]}"
        return Report(findings)


def read_journals(paths: Iterable[Path]) -> list[Execution]:
    found = []
    for path in paths:
        for line in path.read_text("ascii").splitlines():
            ident, pid, born, at = line.split(" ")
            found.append(Execution(ident, int(pid), float(born), float(at)))
    return found


# ---- verdicts ---------------------------------------------------------------


def judge(
    attempt: Attempt, runs: list[Execution], outages: list[Outage]
) -> tuple[Verdict, str]:
    if len(runs) > 1:
        return Verdict.DOUBLED, f"executed {len(runs)} times"
    if attempt.kind is Kind.LEAVE:
        return _judge_left(attempt, runs, outages)
    if 200 <= attempt.status < 300 or attempt.status == 101:
        return _judge_answered(attempt, runs)
    if attempt.status == 503 and _is_refusal(attempt):
        if runs:
            return Verdict.DOUBLED, "refused, but executed: the next try " \
                "makes it two"
        return Verdict.REFUSED, "refused"
    if _is_told(attempt, outages):
        return Verdict.TOLD, "its process died or was told to end"
    return Verdict.LOST, "no answer that says what became of it"


def _judge_answered(
    attempt: Attempt, runs: list[Execution]
) -> tuple[Verdict, str]:
    if attempt.kind in (Kind.POST, Kind.MESSAGE) and not runs:
        return Verdict.LOST, "answered, but not executed"
    if attempt.kind is not Kind.OPEN and attempt.error:
        return Verdict.LOST, attempt.error
    return Verdict.DONE, "done"


def _is_refusal(attempt: Attempt) -> bool:
    problem = attempt.problem()
    return (attempt.headers.get("retry-after", "").isdigit()
            and problem.get("plugin") == attempt.plugin
            and bool(problem.get("cause")))


def _is_told(attempt: Attempt, outages: list[Outage]) -> bool:
    """Said, and true: what may have held it has died."""
    faults = {o.fault for o in outages if o.holds(attempt)}
    if attempt.error.startswith(CLOSED) and Fault.EDGE in faults:
        return True
    if attempt.kind is Kind.MESSAGE:
        if (attempt.error.startswith(RESTART)
                and Fault.RESTARTED in faults):
            return True
        said = attempt.error.startswith(CLOSED)
    else:
        said = (attempt.status == 502
                and attempt.problem().get("plugin") == attempt.plugin)
    return said and Fault.KILLED in faults


def _judge_left(
    attempt: Attempt, runs: list[Execution], outages: list[Outage]
) -> tuple[Verdict, str]:
    for run in runs:
        if run.born > attempt.end:
            return Verdict.GHOST, "executed by a process that began after " \
                "its client had gone"
        if any(o.plugin == attempt.plugin and o.fault is Fault.STOPPED
               and o.begin < attempt.start and attempt.end < o.end
               for o in outages):
            return Verdict.GHOST, "sent to a stopped process and executed " \
                "after its client had gone"
    return Verdict.LEFT, "left"
