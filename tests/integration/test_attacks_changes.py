# SPDX-License-Identifier: MIT
"""The changes of tests/attacks/changes.json: each is written to the run files
between two requests of one connection and counts for the second."""

import copy
import time

import pytest

from attack_harness import (
    TOKENS, Client, by_name, expand, fill_tokens, table, told)
from module_harness import World, base64url

TABLE = table("changes")
NAMED = {**table("credentials")["tokens"], **TABLE["tokens"]}
IDENTITY = ["users", "roles", "keys", "denied", "pats", "plugin_tokens"]


@pytest.fixture(scope="module")
def world():
    with World() as w:
        w.backend("tiny-a")
        w.original = copy.deepcopy(w.spec)
        yield w.start()


@pytest.fixture(scope="module")
def client(world):
    client = Client(world)
    yield client
    client.close()


def change_list(items, key, changes):
    """Rows by their key: changed, or taken out by None."""
    known = {str(item[key]) for item in items}
    assert set(changes) <= known
    return [{**item, **(changes.get(str(item[key])) or {})} for item in items
            if changes.get(str(item[key]), {}) is not None]


def make_key(key):
    """The name of a secret, or a pair of id and name."""
    name, secret = key if isinstance(key, list) else (key, key)
    return {"id": name,
            "secret": base64url(TOKENS["secrets"][secret].encode())}


def changed(spec, change):
    """The original with what a row changes."""
    spec = {name: copy.deepcopy(spec[name]) for name in IDENTITY}
    for name, value in change.items():
        if name == "users":
            spec[name] = change_list(spec[name], "id", value)
        elif name == "roles":
            spec[name] = change_list(spec[name], "slug", value)
        elif name == "pats":
            value = {expand("mint_pat_@{%s*43}" % k): v
                     for k, v in value.items()}
            spec[name] = change_list(spec[name], "token", value)
        elif name == "denied":
            spec[name] = [{"jti": jti, "expires": int(time.time()) + 3600}
                          for jti in value]
        elif name == "keys":
            spec[name] = [make_key(key) for key in value]
        else:
            spec[name] = value
    for pat in spec["pats"]:
        if isinstance(pat.get("expires"), str):
            pat["expires"] = int(expand(f'"{pat["expires"]}"'))
    return spec


@pytest.mark.parametrize("row", **by_name(TABLE["cases"]))
def test_change(world, client, row):
    requests = world.backends["tiny-a"].requests
    who = fill_tokens(f"Authorization: Bearer {row['who']}", NAMED)

    def ask():
        return client.fetch(row.get("target", "/api/tiny/x"), who,
                            method=row.get("method", "GET"))

    world.write(**changed(world.original, {}))
    assert ask().status == row.get("before", 200)

    count = len(requests)
    world.write(**changed(world.original, row["change"]))
    response = ask()
    assert response.status == row.get("after", 200)
    if response.status != 200:
        assert client.reason(response) == row["reason"]
        assert len(requests) == count
        return
    seen = told(requests[-1])
    for name, value in row["told"].items():
        assert seen.get(name) == value
