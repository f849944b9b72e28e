# SPDX-License-Identifier: MIT
"""No request can claim to be somebody: what the plugin sees, what the client
is told and what the log says."""

from __future__ import annotations

import base64
import json
import time
import uuid

import httpx
import pytest
from system_harness import (
    MEMBER,
    MEMBER_PERMISSIONS,
    MintSystem,
    raw_request,
    sent_header,
    session_token,
    wait_for,
)
from websockets.sync.client import connect

FORGED = {
    "user-id": "1",
    "username": "admin",
    "user-role": "admin",
    "user-permissions": '["platform.configure"]',
    "internal-token": "forged",
}


def spellings(name: str) -> list[str]:
    """A server behind may take each of them for x-mint-<name>."""
    plain = f"X-MINT-{name.title()}"
    return [
        plain, plain.lower(), plain.replace("-", "_"),
        plain.lower().replace("-", "_"), f"x-mint_{name}", f"X_MINT-{name}",
    ]


def ask(
    system: MintSystem, headers: list[tuple[str, str]],
    path: str = "/api/test-echo/headers",
) -> tuple[int, dict]:
    status, _, body = raw_request(system.port, "GET", path, headers)
    return status, json.loads(body)


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("doubled", [False, True], ids=["once", "doubled"])
def test_forged_header_never_arrives(
    system: MintSystem, member_token: str, name: str, doubled: bool
) -> None:
    forged = [
        (spelling, FORGED[name])
        for spelling in spellings(name) for _ in range(1 + doubled)
    ]
    bearer = [("Authorization", f"Bearer {member_token}")]
    for headers in (forged + bearer, bearer + forged):
        status, answer = ask(system, headers)
        assert status == 200
        assert sent_header(answer, "x-mint-user-id") \
            == [str(system.users[MEMBER[0]])]
        assert sent_header(answer, "x-mint-username") == [MEMBER[0]]
        assert sent_header(answer, "x-mint-user-role") == ["member"]
        permissions = sent_header(answer, "x-mint-user-permissions")
        assert len(permissions) == 1
        assert sorted(json.loads(permissions[0])) == MEMBER_PERMISSIONS
        token = sent_header(answer, "x-mint-internal-token")
        assert len(token) == 1 and token != ["forged"]
        assert not [k for k, _ in answer["headers"] if "_" in k]

    status, answer = ask(system, forged)
    assert status == 200, "anonymous, for a plugin's public routes"
    assert [k for k, _ in answer["headers"] if k.startswith("x-mint-")] \
        == ["x-mint-internal-token"]
    assert "forged" not in json.dumps(answer)
    status, _ = ask(system, forged, "/api/test-echo/whoami")
    assert status == 401


def test_forged_header_of_a_websocket(
    system: MintSystem, member_token: str
) -> None:
    with connect(
        f"ws://127.0.0.1:{system.port}/api/test-echo/private-ws", proxy=None,
        additional_headers={
            "authorization": f"Bearer {member_token}",
            "X-MINT-User-Id": "1", "x_mint_user_id": "1",
        },
    ) as socket:
        answer = json.loads(socket.recv(timeout=10))
    assert sent_header(answer, "x-mint-user-id") \
        == [str(system.users[MEMBER[0]])]
    assert sent_header(answer, "x_mint_user_id") == []


def test_forged_header_does_not_sign_in_at_the_platform(
    system: MintSystem,
) -> None:
    forged = [(s, FORGED[n]) for n in FORGED for s in spellings(n)]
    status, answer = ask(system, forged, "/api/admin/users")
    assert status == 401
    assert answer["code"].startswith("auth.")


def _tokens(user: int) -> dict[str, tuple[str, str]]:
    now = int(time.time())
    good = session_token(user, sv=1)
    head, claims, signature = good.split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "=="))
    other["sub"] = "1"
    swapped = base64.urlsafe_b64encode(json.dumps(other).encode()) \
        .rstrip(b"=").decode()
    return {
        "expired": (session_token(user, sv=1, iat=now - 7200, exp=now - 60),
                    "expired"),
        "alg none": (session_token(user, alg="none", sv=1), "alg"),
        "alg HS512": (session_token(user, alg="HS512", sv=1), "alg"),
        "other key": (session_token(user, secret="x" * 32, sv=1),
                      "signature"),
        "other user put in": (f"{head}.{swapped}.{signature}", "signature"),
        "no signature": (f"{head}.{claims}.", ""),
        "unknown user": (session_token(4711, sv=1), "no such user"),
        "ended session": (session_token(user, sv=999), "ended"),
        "not yet valid": (session_token(user, sv=1, iat=now + 3600,
                                        exp=now + 7200), "valid"),
        "three dots": ("a.b.c", ""),
    }


def test_own_token_is_good_when_it_is_right(
    system: MintSystem, member_token: str
) -> None:
    """The other tests' tokens are refused for what is wrong with them."""
    claims = json.loads(base64.urlsafe_b64decode(
        member_token.split(".")[1] + "=="))
    assert claims["sv"] == 1
    token = session_token(system.users[MEMBER[0]], sv=1)
    status, seen = ask(system, [("Authorization", f"Bearer {token}")],
                       "/api/test-echo/whoami")
    assert status == 200
    # what the token says of the user besides the id is not believed
    assert (seen["username"], seen["role"]) == (MEMBER[0], "member")


@pytest.mark.parametrize("case", _tokens(1))
@pytest.mark.parametrize("carrier", ["bearer", "cookie"])
def test_bad_token(system: MintSystem, case: str, carrier: str) -> None:
    token, reason = _tokens(system.users[MEMBER[0]])[case]
    request_id = f"bad-{uuid.uuid4().hex}"
    headers = [("X-Request-ID", request_id)] + [
        ("Authorization", f"Bearer {token}") if carrier == "bearer"
        else ("Cookie", f"mint_access_token={token}")
    ]
    status, reply_headers, body = raw_request(
        system.port, "GET", "/api/test-echo/headers", headers
    )
    assert status == 401
    assert dict(reply_headers)["Content-Type"] == "application/problem+json"
    answer = json.loads(body)
    assert answer["request_id"] == request_id
    assert answer["code"] == "auth.unauthorized"
    assert token not in body.decode()

    def logged() -> list[str]:
        return [line for line in system.log("nginx").splitlines()
                if request_id in line]

    lines = wait_for(logged, "a line of the log")
    assert "refused with 401" in lines[0]
    assert reason in lines[0]
    assert token not in lines[0]
    # and neither does the platform believe it
    status, answer = ask(system, headers, "/api/experiments")
    assert status == 401


def test_deactivated_user(system: MintSystem, admin: httpx.Client) -> None:
    name = f"leaver-{uuid.uuid4().hex[:8]}"
    user = system.create_user(name, "a password to leave with")
    with system.client(system.login(name, "a password to leave with")) as own:
        assert own.get("/api/test-echo/whoami").status_code == 200
        reply = admin.post(f"/api/admin/users/{user}/deactivate")
        assert reply.status_code == 200, reply.text
        # answered when it is in force
        for path in ("/api/test-echo/whoami", "/api/test-echo/headers",
                     "/api/experiments"):
            assert own.get(path).status_code == 401
    again = httpx.post(f"{system.url}/api/auth/login", json={
        "username": name, "password": "a password to leave with"})
    assert again.status_code in (401, 403)


def installed(system: MintSystem) -> dict[str, tuple[str, str, int]]:
    """What an administrator changes; moves of others may be under way."""
    return {name: (p["version"], p["environment"], system.pid(name))
            for name, p in system.plugins().items()}


def test_member_may_not_what_only_admins_may(
    system: MintSystem, member: httpx.Client, bundles: dict
) -> None:
    before = installed(system)
    with open(bundles["test-echo"], "rb") as bundle:
        reply = member.post(
            "/api/plugins/upload", files={"file": ("x.mint", bundle)}
        )
    assert reply.status_code == 403
    assert reply.json()["code"] == "auth.forbidden"
    assert "plugins.install" in reply.text
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    for method, path in (("POST", "/api/admin/users"),
                         ("POST", "/api/admin/restart")):
        assert member.request(method, path, json={}).status_code == 403
    assert installed(system) == before


def test_two_users_at_once_are_refused(
    system: MintSystem, member_token: str
) -> None:
    other = session_token(1, sv=1)
    status, answer = ask(system, [
        ("Authorization", f"Bearer {member_token}"),
        ("Cookie", f"mint_access_token={other}"),
    ])
    assert status == 401
    assert "different users" in answer["message"]
