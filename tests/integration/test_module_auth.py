# SPDX-License-Identifier: MIT
"""The nginx module: who may ask a plugin, and what the plugin is told."""

import json
import time

import pytest

from module_harness import (
    MEMBER_PERMISSIONS, OLD_SECRET, PAT, READ_ONLY_PAT, STALE_PAT, STRAY_PAT,
    World, base64url, bearer, echo_websocket, read_head, token, wait_for)

from test_module import problem


@pytest.fixture(scope="module")
def world():
    with World() as w:
        for name in ("platform", "tiny-a", "other", "deep"):
            w.backend(name)
        yield w.start()


def cookie(text, name="mint_access_token"):
    return ("Cookie", f"{name}={text}")


IDENTITY = ["x-mint-internal-token", "x-mint-user-id", "x-mint-username",
            "x-mint-user-role", "x-mint-user-permissions"]


def identity(response):
    """What the plugin was told, each at most once; the token's value."""
    assert response.status == 200, response.body
    told = {}
    for name in IDENTITY:
        values = response.seen(name)
        assert len(values) <= 1
        if values:
            told[name[len("x-mint-"):]] = values[0]
    assert [n for n in response.seen_names()
            if n.startswith("x-mint-") and n not in IDENTITY] == []
    return told


ANONYMOUS = {"internal-token": "token-of-tiny"}
MEMBER = {"internal-token": "token-of-tiny", "user-id": "7",
          "username": "al", "user-role": "member",
          "user-permissions": json.dumps(MEMBER_PERMISSIONS,
                                         separators=(",", ":"))}


# ---- good credentials -------------------------------------------------


@pytest.mark.parametrize("headers", [
    lambda: [bearer(token())],
    lambda: [("authorization", "bearer   " + token() + "  ")],
    lambda: [cookie(token())],
    lambda: [("Cookie", f"a=b; mint_access_token={token()}; c=d")],
    lambda: [("Cookie", "a=b"), cookie(token())],
    lambda: [bearer(token()), cookie(token())],
    lambda: [bearer(token()), cookie(token(exp=1000))],
    lambda: [bearer(token()), cookie("")],
    lambda: [bearer(token(kid=None))],
    lambda: [bearer(token(secret=OLD_SECRET, kid="k0"))],
    lambda: [bearer(token(exp=int(time.time()) - 2))],
    lambda: [bearer(token(jti="past"))],
    lambda: [bearer(PAT)],
    lambda: [bearer(PAT), cookie(token())],
    lambda: [bearer("a-plugins-own-token"), cookie(token())],
    lambda: [("Authorization", "Basic YTpi"), cookie(token())],
    lambda: [("Cookie", f"x mint_access_token=z; mint_access_token={token()}"
              "; MINT_ACCESS_TOKEN=y; mint_access_token2=w")],
])
def test_identified(world, headers):
    headers = headers()
    response = world.fetch("/api/tiny/x", *headers)
    assert identity(response) == MEMBER
    assert response.json()["backend"] == "tiny-a"


def test_session_credentials_are_passed_on(world):
    text = token()
    response = world.fetch("/api/tiny/x", bearer(text), cookie(text))
    assert response.seen("Authorization") == ["Bearer " + text]
    assert response.seen("Cookie") == [f"mint_access_token={text}"]


@pytest.mark.parametrize("pat", [PAT, STALE_PAT, "mint_pat_short"])
@pytest.mark.parametrize("target", ["/api/tiny/x", "/tiny/x"])
def test_personal_token_is_never_passed_on(world, pat, target):
    before = len(world.backends["tiny-a"].requests)
    world.fetch(target, bearer(pat), ("X-Other", "1"))
    for request in world.backends["tiny-a"].requests[before:]:
        assert request.all("Authorization") == []
        assert request.get("X-Other") == "1"


def test_admin(world):
    told = identity(world.fetch("/api/tiny/x", bearer(token(9))))
    assert told["user-role"] == "admin"
    assert {"plugins.use", "users.manage"} <= set(
        json.loads(told["user-permissions"]))


def test_user_name_is_made_ascii(world):
    told = identity(world.fetch("/api/tiny/x", bearer(token(8, sv=2))))
    assert told["username"] == "Jos%C3%A9 50%25%20"


@pytest.mark.parametrize("role,username", [("admin", "root"),
                                           ("superuser", "x")])
def test_claims_are_not_believed(world, role, username):
    told = identity(world.fetch(
        "/api/tiny/x", bearer(token(role=role, username=username,
                                    permissions=["*"]))))
    assert told == MEMBER


@pytest.mark.parametrize("target,name", [
    ("/api/other/x", "token-of-other"), ("/api/tiny/deep/x", "token-of-deep"),
])
def test_each_plugin_gets_its_own_token(world, target, name):
    told = identity(world.fetch(target, bearer(token())))
    assert told["internal-token"] == name


def test_platform_is_told_nothing_and_checks_itself(world):
    for text in (token(), token(exp=1000), "a.b.c", PAT):
        response = world.fetch("/api/auth/login", bearer(text))
        assert identity(response) == {}
        assert response.seen("Authorization") == ["Bearer " + text]


# ---- nobody -----------------------------------------------------------


@pytest.mark.parametrize("headers", [
    [], [bearer("a-plugins-own-token")], [("Authorization", "Basic YTpi")],
    [("Authorization", "x")], [("Authorization", "Bearer")],
    [("Authorization", "Bearer ")], [("Authorization", "Bearer a.b")],
    [("Authorization", "Bearerx.y.z")], [("Cookie", "a=b; c")],
    [bearer("..")], [bearer("a.b.c=")], [bearer("a.b.c.d")],
    [("Cookie", "mint_access_token")], [cookie("")],
    [cookie("x", "mint_access_token_2")], [("Cookie", "=; ;;=;")],
])
def test_anonymous(world, headers):
    response = world.fetch("/api/tiny/x", *headers)
    assert identity(response) == ANONYMOUS
    for name, value in headers:
        assert response.seen(name) == [value.strip()]


# ---- bad credentials --------------------------------------------------


NOW = int(time.time())

BAD = {
    "expired": lambda: [bearer(token(exp=NOW - 60))],
    "signature": lambda: [bearer(token(secret=b"x" * 32))],
    "unknown key": lambda: [bearer(token(kid="k9"))],
    "key of the other": lambda: [bearer(token(kid="k0"))],
    "alg none": lambda: [bearer(token(alg="none"))],
    "alg HS512": lambda: [bearer(token(alg="HS512"))],
    "cut": lambda: [bearer(token()[:-1])],
    "garbage": lambda: [bearer("a.b.c")],
    "name with a line end": lambda: [bearer(token(username="x\r\nE: 1"))],
    "cookie padded": lambda: [cookie(token() + "=")],
    "cookie of empty parts": lambda: [cookie("..")],
    "cookie too long": lambda: [cookie("a.b." + "c" * 5000)],
    "no sub": lambda: [bearer(token(sub=None))],
    "sub 0": lambda: [bearer(token(0))],
    "sub text": lambda: [bearer(token("al"))],
    "sub -1": lambda: [bearer(token("-1"))],
    "future": lambda: [bearer(token(iat=NOW + 3600))],
    "unknown user": lambda: [bearer(token(99))],
    "inactive user": lambda: [bearer(token(10))],
    "old session": lambda: [bearer(token(8, sv=1))],
    "future session": lambda: [bearer(token(8, sv=3))],
    "logged out": lambda: [bearer(token(jti="gone"))],
    "logged out, just expired": lambda: [
        bearer(token(jti="late", exp=int(time.time()) - 1))],
    "cookie expired": lambda: [cookie(token(exp=NOW - 60))],
    "cookie garbage": lambda: [cookie("garbage")],
    "cookie quoted": lambda: [cookie(f'"{token()}"')],
    "cookie pat": lambda: [cookie(PAT)],
    "cookies": lambda: [("Cookie", f"mint_access_token={token()}; "
                         f"mint_access_token={token()}")],
    "cookies in lines": lambda: [cookie(token()), cookie(token())],
    "cookie and empty": lambda: [("Cookie", "mint_access_token=; "
                                  f"mint_access_token={token()}")],
    "two users": lambda: [bearer(token()), cookie(token(9))],
    "two users, one expired": lambda: [bearer(token()),
                                       cookie(token(9, exp=NOW - 60))],
    "bearer and forged cookie": lambda: [bearer(token()),
                                         cookie(token(secret=b"x" * 32))],
    "forged bearer and cookie": lambda: [bearer(token(secret=b"x" * 32)),
                                         cookie(token())],
    "pat and another's cookie": lambda: [bearer(PAT), cookie(token(9))],
    "unknown pat": lambda: [bearer("mint_pat_" + "x" * 43)],
    "short pat": lambda: [bearer(PAT[:-1])],
    "long pat": lambda: [bearer(PAT + "A")],
    "odd pat": lambda: [bearer(PAT[:-1] + "+")],
    "stale pat": lambda: [bearer(STALE_PAT)],
    "pat of an inactive user": lambda: [bearer(STRAY_PAT)],
}


@pytest.mark.parametrize("case", BAD)
def test_bad_credential(world, case):
    before = len(world.backends["tiny-a"].requests)
    response = world.fetch("/api/tiny/x", *BAD[case](),
                           ("X-Request-ID", "bad-1"))
    body = problem(response, 401)
    assert body["code"] == "auth.unauthorized"
    assert body["plugin"] == "tiny"
    assert response.get("WWW-Authenticate").startswith("Bearer")
    assert response.get("Cache-Control") == "no-store"
    assert len(world.backends["tiny-a"].requests) == before


@pytest.mark.parametrize("case", BAD)
def test_page_with_a_bad_credential_is_anonymous(world, case):
    response = world.fetch("/tiny/index.html", *BAD[case]())
    assert identity(response) == ANONYMOUS


def test_two_authorization_lines(world):
    response = world.fetch("/api/tiny/x", bearer(token()), bearer(token(9)))
    assert response.status in (400, 401)


def test_reason_is_in_the_log(world):
    world.fetch("/api/tiny/x", *BAD["alg none"](), ("X-Request-ID", "why-1"))
    world.fetch("/api/tiny/x", *BAD["old session"](),
                ("X-Request-ID", "why-2"))
    log = world.log()
    for wanted, rid in (("alg", "why-1"), ("session was ended", "why-2")):
        line = next(x for x in log.splitlines() if rid in x)
        assert "refused with 401" in line and wanted in line.lower()


# ---- rights -----------------------------------------------------------


@pytest.mark.parametrize("target,headers,method,status", [
    ("/api/tiny/x", lambda: [bearer(token(11))], "GET", 403),
    ("/tiny/x", lambda: [bearer(token(11))], "GET", 403),
    ("/api/tiny/x", lambda: [bearer(token(12))], "GET", 403),
    ("/api/other/x", lambda: [bearer(token(12))], "GET", 200),
    ("/api/tiny/x", lambda: [bearer(READ_ONLY_PAT)], "GET", 200),
    ("/api/tiny/x", lambda: [bearer(READ_ONLY_PAT)], "HEAD", 200),
    ("/api/tiny/x", lambda: [bearer(READ_ONLY_PAT)], "OPTIONS", 200),
    ("/api/tiny/x", lambda: [bearer(READ_ONLY_PAT)], "POST", 403),
    ("/api/tiny/x", lambda: [bearer(READ_ONLY_PAT)], "DELETE", 403),
    ("/api/tiny/x", lambda: [bearer(READ_ONLY_PAT)], "PURGE", 403),
    ("/api/tiny/x", lambda: [bearer(PAT)], "POST", 200),
])
def test_rights(world, target, headers, method, status):
    response = world.fetch(target, *headers(), method=method)
    assert response.status == status
    if status == 403:
        assert problem(response, 403)["code"] == "auth.forbidden"


def test_websocket_handshake_is_checked(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    for headers, status in (([bearer(token(exp=1000))], "401"),
                            ([bearer(token(11))], "403"),
                            ([cookie(token())], "403"),
                            ([cookie(token()), ("Origin", "http://mint")],
                             "101")):
        with world.open_websocket("/api/tiny/ws", *headers) as s:
            assert read_head(s).split()[1] == status
    assert world.backends["tiny-a"].requests[-1].get("X-MINT-User-Id") == "7"


# ---- changes ----------------------------------------------------------


def change_user(world, user, **changes):
    users = [dict(u, **changes) if u["id"] == user else u
             for u in world.spec["users"]]
    world.write(users=users)


def test_each_change_counts_from_the_next_request():
    with World() as w:
        w.backend("tiny-a")
        w.start()
        text = token()

        def status():
            return w.fetch("/api/tiny/x", bearer(text)).status

        assert status() == 200
        change_user(w, 7, session_version=1)
        assert status() == 401
        text = token(sv=1)
        assert status() == 200
        change_user(w, 7, active=False)
        assert status() == 401
        change_user(w, 7, active=True, role="guest")
        assert status() == 403
        change_user(w, 7, role="admin", username="al2")
        told = identity(w.fetch("/api/tiny/x", bearer(text)))
        assert told["user-role"] == "admin" and told["username"] == "al2"

        w.write(denied=[{"jti": "j1", "expires": NOW + 3600}])
        assert status() == 401
        w.write(keys=[{"id": "k2", "secret": base64url(b"new" * 11)},
                      w.spec["keys"][0]], denied=[])
        text = token(sv=1, jti="j2", secret=b"new" * 11, kid="k2")
        assert status() == 200
        text = token(sv=1, jti="j2")
        assert status() == 200
        w.write(keys=w.spec["keys"][:1])
        assert status() == 401
        w.write(plugin_tokens={"3": "another"})
        text = token(sv=1, jti="j2", secret=b"new" * 11, kid="k2")
        told = identity(w.fetch("/api/tiny/x", bearer(text)))
        assert told["internal-token"] == "another"


def test_maintenance_is_for_admins():
    with World() as w:
        w.backend("tiny-a")
        w.spec["routes"][0]["flags"] = ["maintenance"]
        w.write()
        w.start()
        assert w.fetch("/api/tiny/x", bearer(token(9))).status == 200
        for headers in ([bearer(token())], []):
            response = w.fetch("/api/tiny/x", *headers)
            assert "maintenance" in problem(response, 503)["detail"]
            assert int(response.get("Retry-After")) > 0


def test_plugin_without_a_token_is_not_asked():
    with World(write=False) as w:
        w.backend("tiny-a")
        del w.spec["plugin_tokens"]["3"]
        w.write()
        w.start()
        problem(w.fetch("/api/tiny/x"), 503)
        assert w.backends["tiny-a"].requests == []
        assert "no internal token" in w.log()


def test_mint_in_the_location_only():
    with World() as w:
        w.backend("tiny-a")
        w.backend("platform")
        path = w.config()
        config = path.read_text()
        w.config = lambda: path
        path.write_text(config.replace("        mint on;\n", "").replace(
            "location / {", "location / { mint on;"))
        w.start()
        response = w.fetch("/api/tiny/x", bearer(token()),
                           ("X-MINT-User-Id", "9"), ("X-Request-ID", "r"))
        assert identity(response) == MEMBER
        assert response.get("X-Request-ID") == "r"
        response = w.fetch("/x", ("X-MINT-User-Id", "9"))
        assert identity(response) == {}
        problem(w.fetch("/__mint/x"), 404)


def test_rejections_are_counted(world):
    def counted():
        return sum(w["plugins"].get("3", {}).get("rejections", 0)
                   for w in world.workers())

    before = counted()
    for case in ("expired", "signature", "old session"):
        world.fetch("/api/tiny/x", *BAD[case]())
    wait_for(lambda: counted() == before + 3, "counting rejections")
