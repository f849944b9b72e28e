# SPDX-License-Identifier: MIT
"""What passes the gateway, how, and what it says when nothing does."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from system_harness import MintSystem, raw_request, sent_header

MEGABYTE = 1 << 20


def test_events_are_not_buffered(
    system: MintSystem, member_token: str
) -> None:
    """The first event is here before the second one is sent."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", system.port, timeout=20
    )
    gap_sec = 3
    begin = time.monotonic()
    connection.request(
        "GET", f"/api/test-echo/events?count=2&gap_ms={gap_sec * 1000}",
        headers={"Authorization": f"Bearer {member_token}"},
    )
    reply = connection.getresponse()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.readline() == b"id: 0\n"
    assert time.monotonic() - begin < gap_sec - 0.5
    connection.close()


def test_large_upload_is_counted(member: httpx.Client) -> None:
    piece = bytes(range(256)) * (MEGABYTE // 256)
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for _ in range(64):
            digest.update(piece)
            yield piece

    for headers in ({}, {"content-length": str(64 * MEGABYTE)}):
        digest = hashlib.sha256()
        reply = member.post(
            "/api/test-echo/upload", content=pieces(), headers=headers
        )
        assert reply.status_code == 200, reply.text
        answer = reply.json()
        assert answer["bytes"] == 64 * MEGABYTE
        assert answer["sha256"] == digest.hexdigest()
        assert answer["pieces"] > 64


def test_large_download(member: httpx.Client) -> None:
    size = 64 * MEGABYTE + 7
    with member.stream("GET", f"/api/test-echo/download?size={size}") as reply:
        assert reply.status_code == 200
        assert sum(len(piece) for piece in reply.iter_bytes()) == size


@pytest.mark.parametrize("given, kept", [
    ("abc-1._Z", True), ("x" * 64, True), ("x" * 65, False),
    ("a b", False), ("a\"b", False), ("", False), (None, False),
])
def test_request_id(
    system: MintSystem, member_token: str, given: str | None, kept: bool
) -> None:
    headers = [("Authorization", f"Bearer {member_token}")]
    if given is not None:
        headers.append(("X-Request-ID", given))
    status, reply_headers, body = raw_request(
        system.port, "GET", "/api/test-echo/headers", headers
    )
    assert status == 200
    returned = [v for k, v in reply_headers if k.lower() == "x-request-id"]
    assert sent_header(json.loads(body), "x-request-id") == returned
    assert len(returned) == 1
    if kept:
        assert returned == [given]
    else:
        assert re.fullmatch(r"[0-9a-f]{32}", returned[0])


@pytest.mark.parametrize("target", [
    "/__mint", "/__mint/x", "/api/internal", "/api/internal/platform",
    "/api/internal/plugin-roles/1", "/api/%69nternal/platform",
    "/api//internal/platform", "/api/x/../internal/platform",
    "/%5f%5fmint/",
])
def test_hidden_path(
    system: MintSystem, member_token: str, target: str
) -> None:
    status, headers, body = raw_request(
        system.port, "GET", target,
        [("Authorization", f"Bearer {member_token}"),
         ("X-MINT-Internal-Token", "x"), ("X-MINT-Plugin-Name", "peak-table")],
    )
    assert status == 404, body
    kept = {k.lower(): v for k, v in headers}
    assert kept["content-type"] == "application/problem+json"
    assert kept["x-request-id"].encode() in body


@pytest.mark.parametrize("method, path, status, code", [
    ("GET", "/api/experiments/999999", 404, "resource.not_found"),
    ("GET", "/api/auth/verify", 401, "auth."),
    ("GET", "/api/test-echo/whoami", 401, ""),
    ("GET", "/api/projects", 501, "feature.not_implemented"),
    ("GET", "/api/not-installed/whoami", 404, "resource.not_found"),
    ("GET", "/api/test-echo/no-such-route", 404, ""),
])
def test_error_bodies(
    system: MintSystem, member: httpx.Client, method: str, path: str,
    status: int, code: str,
) -> None:
    with system.client() as anonymous:
        client = anonymous if status == 401 else member
        reply = client.request(
            method, path, headers={"x-request-id": "error-1"}
        )
    assert reply.status_code == status, reply.text
    assert "json" in reply.headers["content-type"]
    assert reply.headers["x-request-id"] == "error-1"
    body = reply.json()
    assert body["code"].startswith(code)
    assert body["status"] == status
    assert body["message"]
    assert body["request_id"] == "error-1"


def test_plugin_cannot_speak_for_the_platform(
    system: MintSystem, member: httpx.Client
) -> None:
    """X-Accel-Redirect would serve a file, CORS open the API to any page, the
    cookie replace the session."""
    reply = member.get(
        "/api/test-misbehaving/takes-names",
        headers={"origin": "https://elsewhere.example"},
    )
    assert (reply.status_code, reply.text) == (200, "{}")
    assert "set-cookie" not in reply.headers
    assert not [name for name in reply.headers
                if name.startswith(("access-control-", "x-accel-"))]


@pytest.mark.parametrize("name", ["peak-table", "legacy-report"])
def test_cross_origin_pages_get_nothing(
    system: MintSystem, name: str
) -> None:
    """mint-sdk's server lets any origin in, with credentials."""
    with system.client() as browser:
        for method in ("GET", "OPTIONS"):
            reply = browser.request(method, f"/api/{name}/ping", headers={
                "origin": "https://elsewhere.example",
                "access-control-request-method": "GET"})
            assert not [header for header in reply.headers
                        if header.startswith("access-control-")]


def test_header_that_is_too_large_is_a_502(member: httpx.Client) -> None:
    reply = member.get("/api/test-misbehaving/header-bomb")
    assert reply.status_code == 502
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["plugin"] == "test-misbehaving"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("path", [
    "a/b", "%C3%BC/x", "a%20b", "semi%3Bcolon", "q?x=%2F&y=a+b;c", "a//b",
])
def test_target_arrives_as_it_was_sent(
    system: MintSystem, path: str
) -> None:
    status, _, body = raw_request(
        system.port, "GET", f"/api/test-echo/any/{path}"
    )
    assert status == 200
    answer = json.loads(body)
    target = answer["raw_path"].split("?")[0]
    if answer["query"]:
        target += "?" + answer["query"]
    assert target == f"/api/test-echo/any/{path}"
    assert answer["client"] == "127.0.0.1"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods_and_bodies(member: httpx.Client, method: str) -> None:
    reply = member.request(
        method, "/api/test-echo/any/x", content="größe".encode()
    )
    assert reply.status_code == 200
    assert (reply.json()["method"], reply.json()["body"]) == (method, "größe")


def test_restart_of_everything(
    system: MintSystem, admin: httpx.Client
) -> None:
    """As "mint platform restart": another boot id tells that it happened."""
    before = system.plugins()
    boot_id = admin.get("/api/health").json()["boot_id"]
    reply = admin.post("/api/admin/restart", timeout=120)
    assert reply.status_code == 200, reply.text
    assert reply.json()["success"] is True
    assert admin.get("/api/health").json()["boot_id"] != boot_id
    after = system.plugins()
    assert {p["state"] for p in after.values()} == {"ready"}
    for name, plugin in after.items():
        assert plugin["instances"][0]["pid"] \
            != before[name]["instances"][0]["pid"]
        assert {k: plugin[k] for k in ("version", "mode", "environment")} \
            == {k: before[name][k] for k in ("version", "mode", "environment")}
