# SPDX-License-Identifier: MIT
"""Pages, proxies and guesses, from config.json through the managed nginx to
plugins and platform."""

from __future__ import annotations

import uuid

import httpx
import pytest
from system_harness import ADMIN, FRIEND, MEMBER, MintSystem

EVIL = "https://evil.example"
EXPERIMENT = {"experiment_type": "t"}


def create(
    system: MintSystem, token: str, **headers: str
) -> httpx.Response:
    """An experiment, as a page does it: with the cookie alone."""
    with system.client() as browser:
        return browser.post(
            "/api/experiments", json={"name": str(uuid.uuid4()), **EXPERIMENT},
            headers={"cookie": f"mint_access_token={token}",
                     **{n.replace("_", "-"): v for n, v in headers.items()}})


def test_changes_by_cookie(system: MintSystem, member_token: str) -> None:
    """Edge and platform come to the same end."""
    own = {"origin": system.url}
    for headers, status in (
        (own, 201),
        ({"sec_fetch_site": "same-origin"}, 201),
        ({"origin": FRIEND, "sec_fetch_site": "cross-site"}, 201),
        ({"origin": EVIL}, 403),
        ({"origin": "null"}, 403),
        ({**own, "sec_fetch_site": "cross-site"}, 403),
        ({}, 403),
    ):
        reply = create(system, member_token, **headers)
        assert reply.status_code == status, (headers, reply.text)
    # one that a proxy on this machine (trusted by default) hands on
    way = {"x_forwarded_proto": "https",
           "x_forwarded_host": "mint.example.org"}
    origin = {"origin": "https://mint.example.org"}
    assert create(system, member_token, **way, **origin).status_code == 201
    assert create(system, member_token, **origin).status_code == 403


def test_plugins_by_cookie(system: MintSystem, member_token: str) -> None:
    cookie = {"cookie": f"mint_access_token={member_token}"}
    with system.client() as browser:
        for origin, status in ((system.url, 200), (FRIEND, 200), (EVIL, 403)):
            reply = browser.post("/api/test-echo/upload", content=b"x",
                                 headers={**cookie, "origin": origin})
            assert reply.status_code == status, reply.text


def test_pages_of_plugins_and_the_administration(system: MintSystem) -> None:
    headers = {"cookie": f"mint_access_token={system.login(*ADMIN)}",
               "origin": system.url, "sec-fetch-site": "same-origin"}
    user = {"username": f"u{uuid.uuid4().hex[:8]}", "password": "long enough",
            "email": f"{uuid.uuid4().hex}@example.org", "role": "member"}
    with system.client() as browser:
        for referer, status in (
            ("/peak-table/", 403), ("/legacy-report/x", 403), (None, 403),
            ("/admin", 201),
        ):
            where = {} if referer is None else {
                "referer": system.url + referer}
            reply = browser.post("/api/admin/users", json=user,
                                 headers={**headers, **where})
            assert reply.status_code == status, (referer, reply.text)


def test_pages_of_plugins_have_headers(system: MintSystem) -> None:
    with system.client() as browser:
        for path in ("/peak-table/", "/legacy-report/"):
            reply = browser.get(path)
            assert reply.status_code == 200
            assert reply.headers["x-frame-options"] == "SAMEORIGIN"
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert reply.headers["referrer-policy"] == "same-origin"
            assert "frame-ancestors 'self'" in \
                reply.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/test-echo/headers",
                                  "/api/experiments"])
def test_other_origins(
    system: MintSystem, member: httpx.Client, path: str
) -> None:
    ask = {"access-control-request-method": "POST"}
    for origin, status in ((FRIEND, 204), (EVIL, 403)):
        reply = member.options(path, headers={**ask, "origin": origin})
        assert reply.status_code == status
        assert reply.headers.get("access-control-allow-origin") == (
            FRIEND if origin == FRIEND else None)
        # mint-sdk would let the other one in
        reply = member.get(path, headers={"origin": origin})
        assert reply.status_code == 200
        assert reply.headers.get("access-control-allow-origin") == (
            FRIEND if origin == FRIEND else None)


def test_guesses_are_limited(system: MintSystem) -> None:
    """By address at the edge, whatever the platform thinks of them; whoever
    signs in costs nothing."""
    def sign_in(body: dict[str, str], address: str) -> httpx.Response:
        return browser.post("/api/auth/login", json=body,
                            headers={"x-forwarded-for": address})

    right = {"username": MEMBER[0], "password": MEMBER[1]}
    with system.client() as browser:
        assert sign_in(right, "192.0.2.1").status_code == 200
        for i in range(300):
            reply = sign_in({"username": f"nobody-{i}"}, "192.0.2.1")
            if reply.status_code == 429:
                break
            assert reply.status_code == 422, reply.text
        assert i >= 20 and reply.status_code == 429
        assert int(reply.headers["retry-after"]) > 0
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["code"] == "rate_limit.exceeded"
        assert sign_in(right, "192.0.2.2").status_code == 200
