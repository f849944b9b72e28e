# SPDX-License-Identifier: MIT
"""mint-platform over HTTP: errors, sign-in, and that changes of identities are
answered when they are in force."""

import concurrent.futures
import http.client
import json
import re
import socket
import subprocess
import time

import pytest

from platform_harness import (
    PASSWORD,
    PROGRAM,
    ROOT,
    envelope,
    peopled,
    platform,
    wait_for,
)


@pytest.fixture(scope="module")
def shared():
    """For tests that leave it as it was."""
    with peopled() as it:
        yield it


# ---- health, errors, request ids -----------------------------------------


def test_health_names_the_boot(shared):
    with shared.client() as client:
        reply = client.get("/api/health")
    assert reply.status_code == 200
    assert reply.json() == {"status": "healthy", "version": "1.2.10",
                            "boot_id": "boot-1"}


def test_boot_id_without_a_supervisor():
    with platform(supervisor=False) as it, it.client() as client:
        first = client.get("/api/health").json()["boot_id"]
        assert re.fullmatch("[0-9a-f]{32}", first)
        it.stop()
        it.start()
        assert client.get("/api/health").json()["boot_id"] != first


@pytest.mark.parametrize("sent, kept", [
    ("edge-1.a_B", True), ("x" * 64, True), ("x" * 65, False),
    ("a b", False), ("a\"b", False), ("", False)])
def test_request_id(shared, sent, kept):
    with shared.client() as client:
        reply = client.get("/api/nothing", headers={"X-Request-ID": sent})
    given = reply.headers["X-Request-ID"]
    assert (given == sent) is kept
    assert re.fullmatch("[A-Za-z0-9._-]{1,64}", given)
    assert reply.json()["request_id"] == given


@pytest.mark.parametrize("method, path", [
    ("GET", "/api/projects"), ("PATCH", "/api/experiments/1"),
    ("GET", "/api/experiments/experiment-types"), ("PUT", "/api/plugins"),
    ("GET", "/api/internal/platform"), ("GET", "/api"),
    ("GET", "/api/health/"), ("GET", "/api/plugins/one/config")])
def test_not_built_says_so(shared, method, path):
    with shared.client(shared.admin) as client:
        body = envelope(client.request(method, path), 501,
                        "feature.not_implemented")
    assert f"{method} {path} is not built in this version" == body["message"]


@pytest.mark.parametrize("path", [
    "/somewhere", "/api/peak-table", "/api/peak-table/", "/api/projectsx/1",
    "/api/peak-table/_mint/runtime", "/apis/projects", "/api//projects"])
def test_what_nobody_serves_is_not_found(shared, path):
    with shared.client() as client:
        envelope(client.get(path), 404, "resource.not_found")
        envelope(client.post(path, json={}), 404, "resource.not_found")


def test_strange_paths(shared):
    for path in (b"/api/admin/users/%31\xff", b"/api/\xff\xfe", b"/api/%zz",
                 b"/api/admin/users/1/..%2f"):
        with socket.create_connection(shared.public_socket.getsockname(),
                                      10) as s:
            s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n"
                      b"Connection: close\r\n\r\n")
            reply = http.client.HTTPResponse(s)
            reply.begin()
            body = json.loads(reply.read())
            assert reply.status in (400, 401, 404, 501)
            assert body["status"] == reply.status


def test_start_page_lists_frontends(shared):
    with shared.client() as client:
        reply = client.get("/")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<a href="/one/">one</a>' in reply.text
    assert "two" not in reply.text
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


def test_routes_are_documented():
    listed = subprocess.run([PROGRAM, "--list-routes"], check=True,
                            capture_output=True, text=True).stdout
    documented = (ROOT / "docs" / "platform-api.md").read_text()
    rows = [line.split("\t") for line in listed.splitlines()]
    assert len(rows) > 30
    for method, pattern, permission, _ in rows:
        pattern = re.sub("{[#+]", "{", pattern)
        row = re.search(rf"^\| `{method}` \| `{re.escape(pattern)}` \|"
                        rf" `?([a-z_.-]+)`? \|", documented, re.M)
        assert row, f"{method} {pattern} is not in docs/platform-api.md"
        if not pattern.startswith("/api/internal"):
            assert row[1] in (permission, "open", "signed-in"), pattern
            assert (row[1] in ("open", "signed-in")) == (permission == "-")


# ---- sign-in -------------------------------------------------------------


def test_login_by_name_and_mail():
    with platform(config={"auth": {"tokenExpireMinutes": 60}}) as it:
        admin = it.login()
        it.create_user(admin, "Ann", email="ann@example.org",
                       first_name="Ann", last_name="Lee", shortname="AL")
        with it.client() as client:
            reply = client.post("/api/auth/login", json={
                "email": "Ann@Example.org", "password": PASSWORD})
            body = reply.json()
            assert reply.status_code == 200
            assert body["token_type"] == "bearer"
            assert body["expires_in"] == 3600
            user = body["user"]
            assert {k: user[k] for k in (
                "username", "role", "email", "first_name", "last_name",
                "shortname", "is_active")} == {
                    "username": "Ann", "role": "member",
                    "email": "ann@example.org", "first_name": "Ann",
                    "last_name": "Lee", "shortname": "AL", "is_active": True}
            assert "password" not in reply.text
            cookie = reply.headers["Set-Cookie"]
            assert cookie == (f"mint_access_token={body['access_token']}; "
                              "Path=/; HttpOnly; SameSite=Lax; Max-Age=3600")
            assert client.post("/api/auth/login", json={
                "username": "ANN", "password": PASSWORD}).status_code == 200
            secure = client.post(
                "/api/auth/login", headers={"X-Forwarded-Proto": "https"},
                json={"username": "Ann", "password": PASSWORD})
            assert secure.headers["Set-Cookie"].endswith("; Secure")


def test_login_ignores_the_old_token(shared):
    with shared.client("not.a.token") as client:
        assert client.post("/api/auth/login", json={
            "username": "admin", "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("body, status", [
    (b"", 422), (b"[]", 422), (b"{", 422), (b"{}", 422), (b"\xff", 422),
    (b'{"username": "admin"}', 422),
    (b'{"username": 1, "password": "x"}', 422),
    (b'{"username": "admin", "password": null}', 422),
    (b'{"username": "ad\\u0000min", "password": "x"}', 422),
    (b'{"username": "admin", "password": "' + b"x" * 2000 + b'"}', 422),
    (b'{"a": "' + b"x" * (1 << 20) + b'"}', 413)])
def test_login_refuses_bad_bodies(shared, body, status):
    with shared.client() as client:
        reply = client.post("/api/auth/login", content=body,
                            headers={"Content-Type": "application/json"})
    envelope(reply, status, "validation.request" if status == 422
             else "request.too_large")


def test_login_needs_json_type(shared):
    with shared.client() as client:
        reply = client.post("/api/auth/login", content=json.dumps({
            "username": "admin", "password": PASSWORD}))
        envelope(reply, 415, "request.error")
        reply = client.post("/api/auth/login", data={
            "username": "admin", "password": PASSWORD})
        envelope(reply, 415, "request.error")


def test_lockout():
    with platform() as it, it.client() as client:
        admin = it.login()
        it.create_user(admin, "bob")

        def attempt(name, password):
            return client.post("/api/auth/login", json={
                "username": name, "password": password})

        for name in ("bob", "nobody"):
            for _ in range(5):
                body = envelope(attempt(name, "wrong"), 401,
                                "auth.unauthorized")
                assert body["message"] == "Incorrect username or password"
            reply = attempt(name.upper(), PASSWORD)
            body = envelope(reply, 429, "rate_limit.exceeded")
            assert body["message"] == ("Too many failed login attempts. "
                                       "Try again later.")
            assert reply.headers["Retry-After"] == "900"
        # it survives a restart, and others are not concerned
        it.stop()
        it.start()
        assert attempt("bob", PASSWORD).status_code == 429
        assert attempt("admin", PASSWORD).status_code == 200


def test_lockout_of_attempts_at_the_same_time():
    """Those that wait for their turn meet the lock, too."""
    with platform() as it, it.client() as client:
        it.create_user(it.login(), "bob")

        def attempt(_):
            return client.post("/api/auth/login", json={
                "username": "bob", "password": "wrong"}).status_code

        with concurrent.futures.ThreadPoolExecutor(14) as pool:
            seen = list(pool.map(attempt, range(14)))
        # on a busy machine some are sent away while they wait
        assert set(seen) <= {401, 429, 503}
        while 429 not in seen:
            seen.append(attempt(0))
            assert len(seen) < 20
        # one more may have been under way at the fifth
        assert 5 <= seen.count(401) <= 6


def test_success_forgets_failures():
    with platform() as it, it.client() as client:
        for password in ["wrong"] * 4 + [PASSWORD] + ["wrong"] * 4:
            client.post("/api/auth/login", json={"username": "admin",
                                                 "password": password})
        assert it.login()


def test_verify_and_refresh(shared):
    with shared.client(shared.tokens["member"]) as client:
        body = client.get("/api/auth/verify").json()
        assert body["valid"] is True
        assert body["user"]["username"] == "member"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z",
                            body["expires_at"])
        fresh = client.post("/api/auth/refresh").json()
        assert fresh["access_token"] != shared.tokens["member"]
    with shared.client(fresh["access_token"]) as client:
        assert client.get("/api/auth/verify").status_code == 200


def good_claims(it, **more):
    now = int(time.time())
    return {"sub": str(it.member["id"]), "username": "member",
            "role": "member", "iat": now, "exp": now + 600,
            "jti": "f" * 32, "sv": 1} | more


def test_made_tokens(shared):
    """The token that the others are spoiled copies of is a good one."""
    with shared.client(shared.make_token(good_claims(shared))) as client:
        body = client.get("/api/auth/verify").json()
    assert body["user"]["role"] == "member"


@pytest.mark.parametrize("claims, header, secret, text", [
    ({"exp": 1000}, {}, None, "expired"),
    ({"sv": 2}, {}, None, "ended"),
    ({"sub": "999999"}, {}, None, "not valid"),
    ({"sub": "0"}, {}, None, "not valid"),
    ({"sub": "admin"}, {}, None, "not valid"),
    ({}, {"alg": "none"}, None, "not valid"),
    ({}, {"alg": "HS512"}, None, "not valid"),
    ({}, {"kid": "other"}, None, "not valid"),
    ({}, {}, b"x" * 32, "not valid")])
def test_bad_tokens(shared, claims, header, secret, text):
    token = shared.make_token(good_claims(shared, **claims), header, secret)
    with shared.client(token) as client:
        for method, path in (("GET", "/api/auth/verify"),
                             ("POST", "/api/auth/refresh"),
                             ("GET", "/api/experiments")):
            reply = client.request(method, path)
            body = envelope(reply, 401, "auth.unauthorized")
            assert text in body["message"]
            assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_role_in_the_token_means_nothing(shared):
    token = shared.make_token(good_claims(shared, role="admin"))
    with shared.client(token) as client:
        assert client.get("/api/auth/verify").json()["user"]["role"] == (
            "member")
        envelope(client.post("/api/admin/users", json={}), 403,
                 "auth.forbidden")


def test_credentials(shared):
    with shared.client() as client:
        def get(**headers):
            return client.get("/api/auth/verify", headers=headers)

        token, other = shared.tokens["member"], shared.tokens["viewer"]
        envelope(get(), 401, "auth.required")
        envelope(get(Authorization="Basic YTpi"), 401, "auth.unauthorized")
        envelope(get(Authorization="Bearer mint_pat_" + "x" * 43), 401,
                 "auth.unauthorized")
        assert get(Authorization="bearer " + token).status_code == 200
        assert get(Cookie=f"mint_access_token={token}").status_code == 200
        assert get(Authorization=f"Bearer {token}",
                   Cookie=f"mint_access_token={token}").status_code == 200
        assert get(Authorization=f"Bearer {token}",
                   Cookie="mint_access_token=old").status_code == 200
        body = envelope(get(Authorization=f"Bearer {token}",
                            Cookie=f"mint_access_token={other}"), 401,
                        "auth.unauthorized")
        assert "different users" in body["message"]


@pytest.mark.parametrize("headers, allowed", [
    ({}, False),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "http://lab.example.org"}, True),
    ({"Origin": "https://lab.example.org"}, False),
    ({"Origin": "https://lab.example.org",
      "X-Forwarded-Proto": "https"}, True),
    ({"Origin": "https://lab.example.org",
      "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "http://evil.example.org",
      "Sec-Fetch-Site": "same-origin"}, False),
    ({"Origin": "http://evil.example.org"}, False),
    ({"Origin": "null"}, False),
    ({"Sec-Fetch-Site": "cross-site",
      "Origin": "http://lab.example.org"}, False)])
def test_cookie_writes_need_our_pages(shared, headers, allowed):
    with shared.client() as client:
        reply = client.post(
            "/api/experiments", json={"name": "n", "experiment_type": "t"},
            headers={"Cookie": f"mint_access_token={shared.tokens['member']}",
                     "Host": "lab.example.org", **headers})
        assert reply.status_code == (201 if allowed else 403), reply.text


def test_logout_denies_the_token():
    with platform() as it:
        gone, kept = it.login(), it.login()
        with it.client(gone) as client:
            reply = client.post("/api/auth/logout")
            assert reply.json()["success"] is True
            assert "Max-Age=0" in reply.headers["Set-Cookie"]
            denied = it.supervisor.changes[-1]["denied"]
            assert re.fullmatch("[0-9a-f]{32}", denied["jti"])
            assert denied["expires"] > time.time()
            envelope(client.get("/api/auth/verify"), 401, "auth.unauthorized")
            envelope(client.post("/api/auth/refresh"), 401,
                     "auth.unauthorized")
            it.stop()
            it.start()
            envelope(client.get("/api/auth/verify"), 401, "auth.unauthorized")
        assert denied in it.supervisor.full["denied"]
        with it.client(kept) as client:
            assert client.get("/api/auth/verify").status_code == 200
        with it.client() as client:
            assert client.post("/api/auth/logout").status_code == 200


def test_logout_by_cookie_needs_our_pages(shared):
    token = shared.login("viewer")
    with shared.client() as client:
        headers = {"Cookie": f"mint_access_token={token}"}
        envelope(client.post("/api/auth/logout", headers=headers), 403,
                 "auth.forbidden")
        headers["Sec-Fetch-Site"] = "same-origin"
        assert client.post("/api/auth/logout",
                           headers=headers).status_code == 200


# ---- in force at the edge -------------------------------------------------


def test_identity_full(shared):
    full = shared.supervisor.full
    assert [k.keys() for k in full["keys"]] == [{"id", "secret"}]
    roles = {role["slug"]: role for role in full["roles"]}
    assert set(roles) == {"admin", "member", "viewer"}
    assert roles["admin"]["admin"] is True
    assert roles["member"]["admin"] is False
    assert roles["member"]["plugin_access"] == "all"
    assert len(roles["admin"]["permissions"]) == 23
    assert {"jobs.read_all", "jobs.manage_all"} <= set(
        roles["admin"]["permissions"])
    assert roles["viewer"]["permissions"] == [
        "projects.view", "experiments.view", "plugins.view", "plugins.use",
        "users.view"]
    assert len(roles["member"]["permissions"]) == 15
    user = full["users"][0]
    assert user == {"id": 1, "username": "admin", "role": "admin",
                    "active": True, "session_version": 1}
    numbers = [change["sequence"] for change in shared.supervisor.changes]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_unconfirmed_write_is_stored_but_503():
    with platform() as it:
        admin = it.login()
        it.supervisor.confirm = False
        with it.client(admin) as client:
            started = time.monotonic()
            body = envelope(client.post("/api/admin/users", json={
                "username": "late", "password": PASSWORD}), 503,
                "service.unavailable")
            assert 1.5 < time.monotonic() - started < 4
            assert "stored but not yet in force" in body["message"]
            assert [u["username"] for u in
                    client.get("/api/admin/users").json()] == ["admin", "late"]
        # the next connection brings it
        it.supervisor.full = None
        it.supervisor.stop()
        it.supervisor.confirm = True
        it.supervisor.start()
        full = wait_for(lambda: it.supervisor.full, "identity.full")
        assert [u["username"] for u in full["users"]] == ["admin", "late"]
        it.create_user(admin, "next")
        assert it.supervisor.changes[-1]["user"]["username"] == "next"


def test_without_supervisor_writes_are_503_and_logins_go_on():
    with platform() as it:
        it.supervisor.stop()
        admin = it.login()
        with it.client(admin) as client:
            envelope(client.post("/api/auth/logout"), 503,
                     "service.unavailable")
            # in force here at once
            envelope(client.get("/api/auth/verify"), 401, "auth.unauthorized")


def test_conflict_sends_everything_again():
    with platform() as it:
        admin = it.login()
        it.supervisor.sequence -= 1     # it "lost" a change
        it.supervisor.full = None
        it.create_user(admin, "carol")
        assert [u["username"] for u in it.supervisor.full["users"]] == [
            "admin", "carol"]


def test_many_changes_at_a_time():
    with platform() as it:
        admin = it.login()
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            users = list(pool.map(
                lambda i: it.create_user(admin, f"user{i}"), range(12)))
        assert len({user["id"] for user in users}) == 12
        known = {u["id"] for u in it.supervisor.full["users"]}
        known |= {c["user"]["id"] for c in it.supervisor.changes}
        assert known >= {user["id"] for user in users}
