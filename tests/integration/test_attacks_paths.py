# SPDX-License-Identifier: MIT
"""The request targets of tests/attacks/paths.json, through a real nginx."""

import pytest

from attack_harness import Client, by_name, expand, table, told, total_requests
from module_harness import World, token


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


def cases():
    return [{"name": row["target"], **row} for row in table("paths")["cases"]]


@pytest.mark.parametrize("row", **by_name(cases()))
def test_path(world, client, row):
    target = expand(row["target"])
    before = total_requests(world)
    response = client.fetch(target, f"Authorization: Bearer {token()}",
                            method=row.get("method", "GET"))
    assert response.status == row.get("status", 200)
    if "reason" in row:
        assert client.reason(response) == row["reason"]
    if response.status != 200:
        assert total_requests(world) == before
        return
    assert total_requests(world) == before + 1
    request = world.backends[row["backend"]].requests[-1]
    assert request.target == row.get("saw", target)
    is_plugin = row["backend"] != "platform"
    assert ("internal-token" in told(request)) == is_plugin
