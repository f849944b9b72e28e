# SPDX-License-Identifier: MIT
"""Each death leaves a report: how, what was in its hands, what came next."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

import httpx
import pytest
from system_harness import MintSystem, wait_for

NAME = "test-misbehaving"
PATH = "/api/test-misbehaving"


def reports(system: MintSystem, name: str = NAME) -> list[dict[str, Any]]:
    return system.ctl_json("crashes", name)["crashes"]


def report_of(system: MintSystem, pid: int, **wanted: Any) -> dict[str, Any]:
    """The whole report of that process, once it is finished."""

    def finished() -> dict[str, Any] | None:
        for short in reports(system):
            if short["pid"] == pid and short["requests"] is not None \
                    and short["next"][-1]["state"] in ("ready", "failed"):
                return short
        return None

    short = wait_for(finished, f"the report of {pid}")
    return system.ctl_json("crashes", NAME, str(short["number"]))


@pytest.fixture
def victim(system: MintSystem) -> int:
    system.ctl("restart", NAME)
    return system.pid(NAME)


def test_killed_with_requests_in_its_hands(
    system: MintSystem, member: httpx.Client, victim: int
) -> None:
    member.post(PATH + "/say", params={
        "text": "password=hunter22 of https://u:pw@example.org/"
    })

    def hold(number: int) -> None:
        with system.client() as client:
            client.post(PATH + f"/hold?token=secret{number}",
                        headers={"x-request-id": f"held-{number}"})

    holders = [threading.Thread(target=hold, args=(i,)) for i in range(3)]
    for thread in holders:
        thread.start()
    wait_for(lambda: member.get(PATH + "/alive").json()["held"] == 3,
             "requests in its hands")
    os.kill(victim, signal.SIGKILL)
    for thread in holders:
        thread.join()

    report = report_of(system, victim)
    assert report["exit"]["signal"] == 9
    assert report["exit"]["signal_name"] == "SIGKILL"
    assert report["exit"]["code"] is None
    assert report["killed_by_supervisor"] is False
    assert report["out_of_memory"] in ("no", "unknown")
    assert report["plugin"] == NAME and report["state"] == "ready"
    assert report["instance"].startswith(NAME + ".0")
    assert 0 < report["uptime_seconds"] < 60
    assert sorted(r["request_id"] for r in report["requests"]) \
        == ["held-0", "held-1", "held-2"]
    for request in report["requests"]:
        assert (request["method"], request["route"], request["status"]) \
            == ("POST", PATH + "/hold", 502)
        assert 0 <= request["age_seconds"] < 30
    assert report["next"][-1]["text"] == "ready again"
    assert report["next"][-1]["after_seconds"] < 30
    text = json.dumps(report)
    assert "hunter22" not in text and ":pw@" not in text
    assert "secret0" not in text
    assert "printed password=[redacted]" in text

    shown = system.ctl("crashes", NAME, "1").stdout
    assert "killed by signal 9 (Killed)" in shown
    assert "held-1" in shown and "ready again" in shown
    listed = system.ctl("crashes").stdout.splitlines()
    assert listed[0].split() \
        == ["TIME", "PLUGIN", "N", "HOW", "UPTIME", "REQUESTS", "THEN"]
    assert NAME in listed[1]


@pytest.mark.parametrize("path, code, number, words", [
    ("os-exit?code=11", 11, None, None),
    ("abort", None, 6, "Fatal Python error: Aborted"),
    ("exit-in-task", 9, None, None),
])
def test_ends_by_itself(
    system: MintSystem, victim: int, path: str, code: int | None,
    number: int | None, words: str | None,
) -> None:
    with system.client() as client:
        client.post(f"{PATH}/{path}", headers={"x-request-id": "the-end"})
    report = report_of(system, victim)
    assert (report["exit"]["code"], report["exit"]["signal"]) \
        == (code, number)
    assert report["out_of_memory"] == "no"
    if path != "exit-in-task":          # which has answered before
        assert [r["request_id"] for r in report["requests"]] == ["the-end"]
    if words:
        assert report["traceback"].startswith(words)
        assert "in abort" in report["traceback"]
    assert any(x["message"].startswith("started, pid")
               for x in report["log"])


def test_death_while_no_supervisor_was_there(
    system: MintSystem, victim: int
) -> None:
    old = system.status()["supervisor_pid"]
    with system.client() as client:
        os.kill(old, signal.SIGSTOP)
        try:
            client.post(PATH + "/os-exit?code=5",
                        headers={"x-request-id": "alone"})
        finally:
            os.kill(old, signal.SIGKILL)

    def next_one() -> bool:
        done = system.ctl("status", "--json", status=None)
        return done.returncode == 0 \
            and json.loads(done.stdout)["supervisor_pid"] != old

    wait_for(next_one, "the next supervisor")
    report = report_of(system, victim)
    assert report["exit"]["code"] == 5
    assert report["without_supervisor"] is True
    assert [r["request_id"] for r in report["requests"]] == ["alone"]
    # of its life under the supervisor before, too
    assert any(x["message"] == f"started, pid {victim}"
               for x in report["log"])


@pytest.mark.parametrize("name", ["platform", "nginx"])
def test_what_everything_needs(system: MintSystem, name: str) -> None:
    pid = system.status()[name]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [r for r in reports(system, name)
                      if r["pid"] == pid and r["next"]
                      and r["next"][-1]["state"] == "ready"], "its report")
    report = reports(system, name)[0]
    assert (report["kind"], report["exit"]["signal"]) == ("core", 9)


def test_asked_for_is_not_reported(system: MintSystem, victim: int) -> None:
    before = len(reports(system))
    system.ctl("restart", NAME)
    assert system.pid(NAME) != victim
    assert len(reports(system)) == before
    assert all(r["pid"] != victim for r in reports(system))


def test_reports_outlive_the_supervisor_and_stay_private(
    system: MintSystem, victim: int
) -> None:
    os.kill(victim, signal.SIGSEGV)
    report_of(system, victim)
    folder = system.data / "crashes"
    assert folder.stat().st_mode & 0o077 == 0
    assert len(list((folder / NAME).glob("*.json"))) <= 20
    for arguments, words in ((["crashes", NAME, "99"], "crash reports"),
                             (["crashes", NAME, "x"], "no number")):
        assert words in system.ctl(*arguments, status=1).stderr
    assert system.ctl("crashes", "nobody").stdout == "nothing has died\n"
