# SPDX-License-Identifier: MIT
"""The ledger itself: it must not call anything fine that is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_ledger import (
    Attempt, Execution, Fault, Kind, Ledger, Outage, Verdict, judge)

NAME = "test-ledger1"
KILLED = Outage(NAME, 9.0, 11.0)
STOPPED = Outage(NAME, 9.0, 12.0, Fault.STOPPED)
EDGE = Outage("", 9.0, 11.0, Fault.EDGE)
PROBLEM = {"content-type": "application/problem+json"}
RESTARTED = Outage(NAME, 9.0, 11.0, Fault.RESTARTED)
TO_COME_AGAIN = "closed: received 1012 (service restart); then sent 1012"
REFUSED = json.dumps({"plugin": NAME, "cause": "crashed"}).encode()
TOLD = json.dumps({"plugin": NAME}).encode()
ONCE = [Execution("x", 7, 1.0, 10.1)]
TWICE = ONCE + [Execution("x", 8, 10.0, 10.9)]
LATER = [Execution("x", 8, 10.6, 10.9)]


def attempt(status: int = 0, kind: Kind = Kind.POST, body: bytes = b"",
            error: str = "", plugin: str = NAME, **headers: str) -> Attempt:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return Attempt("x", plugin, kind, 10.0, 10.5, 3.0, status, named, body,
                   error)


def refusal(body: bytes = REFUSED, retry_after: str = "1",
            **more: object) -> Attempt:
    return attempt(503, body=body, retry_after=retry_after,
                   content_type=PROBLEM["content-type"], **more)


def told(body: bytes = TOLD, **more: object) -> Attempt:
    return attempt(502, body=body, content_type=PROBLEM["content-type"],
                   **more)


@pytest.mark.short
@pytest.mark.parametrize("what, runs, outages, verdict", [
    (attempt(200), ONCE, [], Verdict.DONE),
    (attempt(200), TWICE, [], Verdict.DOUBLED),
    (attempt(200), [], [], Verdict.LOST),
    (attempt(200, Kind.GET), [], [], Verdict.DONE),
    (attempt(200, error="another request's answer"), ONCE, [], Verdict.LOST),
    (attempt(101, Kind.OPEN), [], [], Verdict.DONE),
    (refusal(), [], [], Verdict.REFUSED),
    (refusal(), ONCE, [], Verdict.DOUBLED),
    (refusal(retry_after=""), [], [], Verdict.LOST),
    (refusal(body=b"{}"), [], [], Verdict.LOST),
    (attempt(503, retry_after="1"), [], [], Verdict.LOST),
    (told(), ONCE, [KILLED], Verdict.TOLD),
    (told(), [], [KILLED], Verdict.TOLD),
    (told(), TWICE, [KILLED], Verdict.DOUBLED),
    (told(), ONCE, [], Verdict.LOST),
    (told(), ONCE, [STOPPED], Verdict.LOST),
    (told(body=b"{}"), ONCE, [KILLED], Verdict.LOST),
    (told(plugin="another"), ONCE, [KILLED], Verdict.LOST),
    (attempt(500), ONCE, [KILLED], Verdict.LOST),
    (attempt(504), ONCE, [KILLED], Verdict.LOST),
    (attempt(error="closed"), ONCE, [KILLED], Verdict.LOST),
    (attempt(error="closed: after b''"), ONCE, [EDGE], Verdict.TOLD),
    (attempt(error="closed: after b''"), TWICE, [EDGE], Verdict.DOUBLED),
    (attempt(error="no answer"), [], [EDGE], Verdict.LOST),
    (told(), ONCE, [EDGE], Verdict.LOST),
    (attempt(kind=Kind.MESSAGE, error="closed: 1006"), ONCE, [KILLED],
     Verdict.TOLD),
    (attempt(kind=Kind.MESSAGE, error="closed: 1006"), ONCE, [],
     Verdict.LOST),
    (attempt(kind=Kind.MESSAGE, error=TO_COME_AGAIN), ONCE, [RESTARTED],
     Verdict.TOLD),
    (attempt(kind=Kind.MESSAGE, error=TO_COME_AGAIN), [], [], Verdict.LOST),
    (attempt(kind=Kind.MESSAGE, error=TO_COME_AGAIN), TWICE, [RESTARTED],
     Verdict.DOUBLED),
    (attempt(kind=Kind.MESSAGE, error="closed: 1006"), ONCE, [RESTARTED],
     Verdict.LOST),
    (attempt(error="closed: 1012"), ONCE, [RESTARTED], Verdict.LOST),
    (told(), ONCE, [RESTARTED], Verdict.LOST),
    (attempt(kind=Kind.MESSAGE, error="no echo"), ONCE, [KILLED],
     Verdict.LOST),
    (attempt(kind=Kind.LEAVE), [], [], Verdict.LEFT),
    (attempt(kind=Kind.LEAVE), ONCE, [KILLED], Verdict.LEFT),
    (attempt(kind=Kind.LEAVE), TWICE, [], Verdict.DOUBLED),
    (attempt(kind=Kind.LEAVE), LATER, [KILLED], Verdict.GHOST),
    (attempt(kind=Kind.LEAVE), ONCE, [STOPPED], Verdict.GHOST),
])
def test_verdict(
    what: Attempt, runs: list[Execution], outages: list[Outage],
    verdict: Verdict,
) -> None:
    assert judge(what, runs, outages)[0] is verdict


@pytest.mark.short
def test_journals_and_attempts_meet(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("x 7 1.0 10.1\n")
    second.write_text("x 8 10.0 10.9\n")
    ledger = Ledger()
    ledger.add(attempt(200))
    assert ledger.judge([first]).count(Verdict.DONE) == 1
    with pytest.raises(AssertionError, match="executed 2 times"):
        ledger.judge([first, second]).check()
    second.write_text("y 8 10.0 10.9\n")
    with pytest.raises(AssertionError, match="never sent"):
        ledger.judge([first, second])


@pytest.mark.short
def test_waiting_too_long_is_found() -> None:
    ledger = Ledger()
    ledger.add(Attempt("x", NAME, Kind.GET, 10.0, 13.5, 3.0, 200))
    report = ledger.judge([])
    assert report.count(Verdict.DONE) == 1
    with pytest.raises(AssertionError, match="late"):
        report.check()
