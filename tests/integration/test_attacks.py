# SPDX-License-Identifier: MIT
"""The attack tables of tests/attacks, through one real nginx."""

import pytest

from attack_harness import (
    TOKENS, Client, by_name, make_token, told, total_requests)
from module_harness import World


@pytest.fixture(scope="module")
def world():
    with World() as w:
        for name in ("platform", "tiny-a", "other", "deep"):
            w.backend(name)
        yield w.start()


@pytest.fixture(scope="module")
def client(world):
    client = Client(world)
    yield client
    client.close()


# ---- tokens -----------------------------------------------------------


def check_token(world, client, line, status, reason):
    before = total_requests(world)
    response = client.fetch("/api/tiny/x", line)
    assert response.status == status, client.reason(response)
    if status == 401:
        assert client.reason(response) == reason
        assert total_requests(world) == before
        return
    seen = told(world.backends["tiny-a"].requests[-1])
    assert total_requests(world) == before + 1
    assert seen.get("user-id") == ("7" if reason == "valid" else None)
    assert seen["internal-token"] == "token-of-tiny"


@pytest.mark.parametrize("row", **by_name(TOKENS["cases"]))
def test_token(world, client, row):
    text = make_token(row)
    status = row.get("status", 401)
    reason = row.get("edge", row["reason"])
    check_token(world, client, f"Cookie: mint_access_token={text}", status,
                reason)
    if row.get("bearer") == "anonymous":
        status = 200
    check_token(world, client, f"Authorization: Bearer {text}", status,
                reason)
