# SPDX-License-Identifier: MIT
"""The attack tables of tests/attacks, through one real nginx."""

import json
import re
import struct

import pytest

import http2_client

from attack_harness import (
    TOKENS, Client, by_name, expand, fill_tokens, make_token, table, told,
    total_requests)
from module_harness import (
    LOCATION, MEMBER_PERMISSIONS, World, free_port, token)

SERVERS = """
    server {{
        listen 127.0.0.1:{underscores};
        mint on;
        underscores_in_headers on;
        location / {{ {location} }}
        location @mint_error {{ mint_error on; }}
    }}
    server {{
        listen 127.0.0.1:{lax};
        mint on;
        underscores_in_headers on;
        ignore_invalid_headers off;
        location / {{ {location} }}
        location @mint_error {{ mint_error on; }}
    }}
    server {{
        listen 127.0.0.1:{http2} http2;
        mint on;
        underscores_in_headers on;
        location / {{ {location} }}
        location @mint_error {{ mint_error on; }}
    }}
"""


def give_unknown_role(world, user):
    """What mint-table would never write."""
    path = world.run / "identity"
    data = bytearray(path.read_bytes())
    row = re.search(struct.pack("<Q", user) + b"....", bytes(data), re.DOTALL)
    data[row.end()] = 200
    with open(path, "r+b") as f:
        f.write(data)


@pytest.fixture(scope="module")
def world():
    ports = {name: free_port() for name in ("underscores", "lax", "http2")}
    with World(http=SERVERS.format(location=LOCATION, **ports),
               write=False) as w:
        w.ports = {"strict": w.port, **ports}
        w.spec["users"].append({"id": 13, "username": "x", "role": "guest"})
        w.write()
        give_unknown_role(w, 13)
        for name in ("platform", "tiny-a", "other", "deep"):
            w.backend(name)
        yield w.start()


@pytest.fixture(scope="module")
def clients(world):
    clients = {name: Client(world, port) for name, port in world.ports.items()}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def client(clients):
    return clients["strict"]


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


# ---- credentials ------------------------------------------------------


CREDENTIALS = table("credentials")


def with_tokens(text):
    return fill_tokens(text, CREDENTIALS["tokens"])


@pytest.mark.parametrize("row", **by_name(CREDENTIALS["cases"]))
def test_credentials(world, client, row):
    before = total_requests(world)
    response = client.fetch(with_tokens(row.get("target", "/api/tiny/x")),
                            *map(with_tokens, row["lines"]),
                            method=row.get("method", "GET"))
    assert response.status == row["status"], client.reason(response)
    if "reason" in row:
        assert client.reason(response) == row["reason"]
    if response.status != 200:
        assert total_requests(world) == before
        return
    name = row.get("backend", "tiny-a")
    request = world.backends[name].requests[-1]
    assert total_requests(world) == before + 1
    assert told(request).get("user-id") == row["user"]
    assert not [h for h in request.headers if "mint_pat_" in h[1]]


# ---- headers ----------------------------------------------------------


HEADERS = table("headers")
HTTP2 = table("http2")
MEMBER = {"internal-token": "token-of-tiny", "user-id": "7",
          "username": "al", "user-role": "member",
          "user-permissions": json.dumps(MEMBER_PERMISSIONS,
                                         separators=(",", ":"))}


def repeated(items, number):
    """[3, item] stands for three, with # replaced by 0, 1, 2."""
    for item in items:
        if isinstance(item, list) and isinstance(item[0], int):
            yield from (number(item[1], i) for i in range(item[0]))
        else:
            yield item


def check_received(request, saw, may_be_evil=False):
    """What we say is there once, and nothing of what was forged."""
    assert told(request) == MEMBER
    if not may_be_evil:
        assert not [h for h in request.headers if "evil" in h[1]]
    for name, values in saw.items():
        assert request.all(name) == [expand(v) for v in values]


def lines_of(row):
    return [expand(line) for line in repeated(
        row["lines"], lambda line, i: line.replace("#", str(i)))]


@pytest.mark.parametrize("server", ["strict", "underscores", "lax"])
@pytest.mark.parametrize("row", **by_name(HEADERS["cases"]))
def test_headers(world, clients, server, row):
    backend = world.backends["tiny-a"]
    before = total_requests(world)
    response = clients[server].fetch(
        "/api/tiny/x", f"Authorization: Bearer {token()}", *lines_of(row),
        method=row.get("method", "GET"),
        raw=row.get("body", "").encode("latin-1"))
    assert response.status == row.get("status", 200)
    if response.status != 200:
        assert total_requests(world) == before
        return
    assert total_requests(world) == before + 1
    check_received(backend.requests[-1], row.get("saw", {}),
                   server in row.get("evil", ""))


@pytest.mark.parametrize("server", ["strict", "underscores", "lax"])
def test_forged_names(world, clients, server):
    """Each in several dresses; then all together."""
    backend = world.backends["tiny-a"]
    who = f"Authorization: Bearer {token()}"
    names = [expand(name) for name in HEADERS["forged"]]
    for name in names:
        response = clients[server].fetch(
            "/api/tiny/x", f"{name}: evil", who, f"{name}:evil", f"{name}:",
            f"{name}:\tevil", f"{name}")
        assert response.status == 200, name
        check_received(backend.requests[-1], {})
    clients[server].fetch("/api/tiny/x", who, *(f"{n}: evil" for n in names))
    check_received(backend.requests[-1], {})


def test_names_that_are_not_ours_pass(world, clients):
    for name in HEADERS["passed"]:
        clients["underscores"].fetch("/api/tiny/x", f"{name}: kept")
        assert world.backends["tiny-a"].requests[-1].all(name) == ["kept"]


@pytest.mark.parametrize("row", **by_name(HTTP2["cases"]))
def test_http2_headers(world, row):
    before = total_requests(world)
    headers = [h for h in repeated(row["headers"], lambda h, i: h)]
    headers = [[h[0], expand(h[1]), *h[2:]] for h in headers]
    answer = http2_client.request(
        ("127.0.0.1", world.ports["http2"]),
        headers + [["authorization", f"Bearer {token()}"]],
        row.get("body", "").encode("latin-1"), row.get("trailers", ()))
    if row.get("refused"):
        assert answer.status in (None, 400)
        assert total_requests(world) == before
        return
    assert answer.status == 200
    assert total_requests(world) == before + 1
    request = world.backends["tiny-a"].requests[-1]
    assert request.target == "/api/tiny/x"
    check_received(request, row.get("saw", {}))


def test_internal_token_does_not_come_back(world, client):
    """A plugin that answers with the headers it was sent."""

    @world.backends["tiny-a"].on("/api/tiny/mirror")
    def mirror(peer, request):
        peer.answer(b"", headers=[h for h in request.headers if h[0] not in (
            "Host", "Connection", "Content-Length")])

    response = client.fetch("/api/tiny/mirror",
                            f"Authorization: Bearer {token()}", "X-Other: 1")
    assert response.get("X-Other") == "1"
    assert not [h for h in response.headers if "token-of-tiny" in h[1]]
