# SPDX-License-Identifier: MIT
"""Upgrades: nobody notices, no analysis is lost."""

from __future__ import annotations

import tempfile
import time
import uuid
from pathlib import Path

import httpx
import pytest
from fault_system import Field, Scenario, field_of, need_moves, pause
from system_harness import MEMBER, make_bundle, renamed_plugin, wait_for

JOB_SEC = 60
# how long after its end the result is still there
FETCH_SEC = 600
OTHER = ("gregor", "a password of his own")


@pytest.mark.scenario
@pytest.mark.timeout(1500)
def test_upgrade_during_a_job(scenario: Scenario) -> None:
    """Its owner, with a bearer token and no cookies, polls through the switch
    and gets the result ten minutes later; others get the new version."""
    with field_of(1) as field:
        need_moves(field, scenario)
        owner, other = (_client(field, *who) for who in (MEMBER, OTHER))
        with owner, other:
            job = _start_job(field, owner)
            _install(field, "2.0.0")
            assert _version(field, other) == "2.0.0"
            begin = time.monotonic()
            polls = 0
            while (status := _status(field, owner, job)) != "completed":
                assert status in ("queued", "running"), status
                assert time.monotonic() - begin < JOB_SEC + 60
                polls += 1
                pause(0.5)
            pause(FETCH_SEC * min(1.0, scenario.scale))
            result = owner.get(f"{_jobs(field)}/{job}/result")
            assert result.status_code == 200, result.text
            assert "1.0.0" in result.text
            scenario.figure(f"{polls} polls")


def _client(field: Field, name: str, password: str) -> httpx.Client:
    field.system.create_user(name, password)
    client = field.system.client(field.system.login(name, password))
    # as curl does, that keeps none
    client.event_hooks["response"].append(lambda _: client.cookies.clear())
    return client


def _jobs(field: Field) -> str:
    return f"/api/{field.names[0]}/jobs"


def _start_job(field: Field, client: httpx.Client) -> str:
    base = _jobs(field)
    session = client.post(f"{base}/sessions", json={"tab_id": "tab"}).json()
    reply = client.post(base, json={
        "definition_id": "analyse", "inputs": {"seconds": JOB_SEC},
        "session_id": session["id"],
        "client_request_id": str(uuid.uuid4())})
    assert reply.status_code == 200, reply.text
    job = reply.json()["job_id"]
    wait_for(lambda: _status(field, client, job) == "running", "the job")
    return job


def _status(field: Field, client: httpx.Client, job: str) -> str:
    reply = client.get(f"{_jobs(field)}/{job}")
    assert reply.status_code == 200, reply.text
    return reply.json()["status"]


def _version(field: Field, client: httpx.Client) -> str:
    reply = client.get(f"/api/{field.names[0]}/look?id=x")
    assert reply.status_code == 200, reply.text
    return reply.json()["version"]


def _install(field: Field, version: str) -> None:
    with tempfile.TemporaryDirectory(prefix="mint-f-") as folder:
        source = renamed_plugin("ledger", field.names[0].removeprefix("test-"),
                                Path(folder))
        field.system.install(make_bundle(source, Path(folder),
                                         version=version))
