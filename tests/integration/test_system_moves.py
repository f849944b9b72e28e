# SPDX-License-Identifier: MIT
"""Planned restarts and upgrades: nobody notices, no work is lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
from system_harness import MintSystem, wait_for
from system_load import Load, Target

PLUGIN = "test-echo"
BASE = "/api/test-echo"


def where(system: MintSystem, token: str) -> int:
    """The pid of the process that answers this user."""
    with system.client(token) as client:
        reply = client.get(f"{BASE}/environment")
    assert reply.status_code == 200, reply.text
    return int(reply.json()["pid"])


def move(system: MintSystem, plugin: str = PLUGIN) -> Any:
    return system.plugins()[plugin]["move"]


def is_settled(system: MintSystem, plugin: str = PLUGIN) -> bool:
    return move(system, plugin) is None


def settle(system: MintSystem, plugin: str = PLUGIN) -> None:
    wait_for(lambda: is_settled(system, plugin), "the end of the move")


def test_planned_restarts_lose_no_request(
    system: MintSystem, member_token: str
) -> None:
    headers = {"authorization": f"Bearer {member_token}"}
    targets = [
        Target("post", f"{BASE}/any/thing", 60, "POST", headers),
        Target("get", f"{BASE}/whoami", 30, headers=headers),
    ]
    before = system.instance(PLUGIN)
    with Load(system.url, targets) as load:
        for _ in range(6):
            wanted = len(load.outcomes) + 20
            wait_for(lambda n=wanted: len(load.outcomes) > n, "answers")
            system.ctl("restart", PLUGIN)
            settle(system)
    assert {str(o) for o in load.outcomes if o.status != 200} == set()
    after = system.plugins()[PLUGIN]
    assert after["state"] == "ready"
    assert len(after["instances"]) == 1
    assert after["instances"][0]["pid"] != before["pid"]
