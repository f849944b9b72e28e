# SPDX-License-Identifier: MIT
"""mint-platform over HTTP: sign-in, users, experiments, plugins, life and
death of the process.  Callbacks of plugins are test_platform_internal.py."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest
from platform_harness import (PASSWORD, PROGRAM, ROOT, platform, plugin,
                              wait_for)


@pytest.fixture(scope="module")
def shared():
    """One platform for tests that leave it as it was."""
    with platform(plugins=[plugin("one"), plugin("two", state="failed",
                                                 error="Traceback ...",
                                                 has_frontend=False)]) as it:
        it.admin = it.login()
        it.member = it.create_user(it.admin, "member")
        it.viewer = it.create_user(it.admin, "viewer", role="viewer")
        it.tokens = {"admin": it.admin, "member": it.login("member"),
                     "viewer": it.login("viewer")}
        yield it


def envelope(reply, status, code):
    """The one shape of every failure."""
    body = reply.json()
    assert reply.status_code == status, reply.text
    assert body["code"] == code
    assert body["status"] == status
    assert body["message"] and body["detail"] == body["message"]
    assert body["request_id"] == reply.headers["X-Request-ID"]
    assert "details" in body
    return body


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


def test_outside_of_api_is_not_found(shared):
    with shared.client() as client:
        envelope(client.get("/somewhere"), 404, "resource.not_found")


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
            assert reply.status in (400, 401, 501)
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
    (b'{"username": "admin"}', 422), (b'{"username": 1, "password": "x"}', 422),
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
    ({"Origin": "https://lab.example.org"}, True),
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


# ---- users ---------------------------------------------------------------


@pytest.mark.parametrize("change, field", [
    ({"username": "ab"}, "username"), ({"username": "a b c"}, "username"),
    ({"username": "x" * 65}, "username"), ({"username": "käse"}, "username"),
    ({"username": None}, "username"), ({"password": "short"}, "password"),
    ({"password": "x" * 73}, "password"), ({"password": None}, "password"),
    ({"password": "ä" * 37}, "password"), ({"role": "boss"}, "role"),
    ({"email": "nobody"}, "email"), ({"first_name": 7}, "first_name"),
    ({"first_name": "x" * 101}, "first_name")])
def test_bad_users(shared, change, field):
    with shared.client(shared.admin) as client:
        before = len(client.get("/api/admin/users").json())
        body = envelope(client.post("/api/admin/users", json={
            "username": "newbie", "password": PASSWORD} | change), 422,
            "validation.request")
        assert body["details"][0]["field"] == field
        assert body["details"][0]["message"]
        assert len(client.get("/api/admin/users").json()) == before


def test_duplicate_users(shared):
    shared.create_user(shared.admin, "taken", email="taken@example.org")
    with shared.client(shared.admin) as client:
        body = envelope(client.post("/api/admin/users", json={
            "username": "TAKEN", "password": PASSWORD}), 409,
            "resource.conflict")
        assert body["details"]["conflict_field"] == "username"
        body = envelope(client.post("/api/admin/users", json={
            "username": "other", "password": PASSWORD,
            "email": "Taken@example.org"}), 409, "resource.conflict")
        assert body["details"]["conflict_field"] == "email"


def test_cli_sends_nulls(shared):
    with shared.client(shared.admin) as client:
        user = client.post("/api/admin/users", json={
            "username": "nulls", "password": PASSWORD, "email": None,
            "role": "member", "first_name": None, "last_name": None,
            "shortname": None}).json()
        assert user["email"] is None
        assert client.get(f"/api/admin/users/{user['id']}").json() == user
        envelope(client.get("/api/admin/users/99999"), 404,
                 "resource.not_found")


PERMITTED = [
    ("GET", "/api/plugins", {"admin", "member", "viewer"}),
    ("GET", "/api/experiments", {"admin", "member", "viewer"}),
    ("GET", "/api/admin/users", {"admin", "member", "viewer"}),
    ("POST", "/api/experiments", {"admin", "member"}),
    ("POST", "/api/admin/users", {"admin"}),
    ("POST", "/api/admin/restart", {"admin"}),
    ("POST", "/api/plugins/upload", {"admin"})]


@pytest.mark.parametrize("method, path, roles", PERMITTED)
def test_permissions(shared, method, path, roles):
    shared.supervisor.handlers["restart_all"] = lambda _: {"boot_id": "boot-1"}
    for role, token in shared.tokens.items():
        with shared.client(token) as client:
            reply = client.request(method, path)
            if role in roles:
                assert reply.status_code in (200, 415, 422), reply.text
            else:
                body = envelope(reply, 403, "auth.forbidden")
                assert len(body["details"]["missing_permissions"]) == 1


def test_deactivation_ends_sessions():
    with platform() as it:
        admin = it.login()
        bob = it.create_user(admin, "bob")
        token = it.login("bob")
        with it.client(admin) as client, it.client(token) as as_bob:
            url = f"/api/admin/users/{bob['id']}"
            assert as_bob.get("/api/auth/verify").status_code == 200
            assert "message" in client.post(url + "/deactivate").json()
            change = it.supervisor.changes[-1]["user"]
            assert (change["active"], change["session_version"]) == (False, 2)
            envelope(as_bob.get("/api/auth/verify"), 401, "auth.unauthorized")
            reply = as_bob.post("/api/auth/login", json={
                "username": "bob", "password": PASSWORD})
            body = envelope(reply, 401, "auth.unauthorized")
            assert body["message"] == "The account is not active"
            assert client.post(url + "/activate").status_code == 200
            # the old session stays dead
            envelope(as_bob.get("/api/auth/verify"), 401, "auth.unauthorized")
            assert it.login("bob")
            body = envelope(client.post("/api/admin/users/1/deactivate"), 409,
                            "resource.conflict")
            assert "last active administrator" in body["message"]
            assert client.get("/api/auth/verify").status_code == 200


# ---- experiments ---------------------------------------------------------


def test_experiments():
    with platform() as it:
        admin = it.login()
        it.create_user(admin, "bob")
        with it.client(admin) as client, it.client(it.login("bob")) as bob:
            made = client.post("/api/experiments", json={
                "name": "First", "experiment_type": "lcms",
                "notes": "Über_100%", "tags": {"n": 1.0, "big": 2 ** 70}})
            assert made.status_code == 201
            first = made.json()
            assert first["status"] == "planned"
            assert first["created_by"] == 1
            assert first["tags"] == {"n": 1.0, "big": 2 ** 70}
            assert '"n":1.0' in made.text
            second = bob.post("/api/experiments", json={
                "name": "second", "experiment_type": "custom"}).json()
            third = bob.post("/api/experiments", json={
                "name": "Third", "experiment_type": "lcms"}).json()
            assert client.get(
                f"/api/experiments/{first['id']}").json() == first

            def names(**params):
                reply = client.get("/api/experiments", params=params).json()
                assert reply["total"] >= len(reply["experiments"])
                return [row["name"] for row in reply["experiments"]]

            assert names() == ["Third", "second", "First"]
            assert names(sort_by="name", sort_order="asc") == [
                "First", "Third", "second"]
            assert names(sort_by="id", sort_order="desc", skip=1,
                         limit=1) == ["second"]
            assert names(experiment_type="lcms", sort_by="id") == [
                "First", "Third"]
            assert names(status="planned", limit=2) == ["Third", "second"]
            assert names(status="completed") == []
            assert names(search="IRS") == ["First"]
            assert names(search="_100%") == ["First"]
            assert names(search="%") == ["First"]
            assert names(mine="true") == ["First"]
            assert names(created_after="2020-01-01") == [
                "Third", "second", "First"]
            assert names(created_before="2020-01-01") == []
            assert names(created_after="2100-01-01T00:00:00+02:00") == []
            reply = bob.get("/api/experiments", params={"mine": "true",
                                                        "limit": 1}).json()
            assert (reply["total"], len(reply["experiments"])) == (2, 1)
            assert {second["created_by"], third["created_by"]} == {2}


@pytest.mark.parametrize("params", [
    {"limit": 0}, {"limit": 1001}, {"skip": -1}, {"limit": "x"},
    {"sort_by": "notes"}, {"sort_by": "id; DROP TABLE users"},
    {"sort_order": "down"}, {"status": "lost"}, {"mine": "maybe"},
    {"created_after": "yesterday"}, {"created_before": "2026-02-30"}])
def test_bad_filters(shared, params):
    with shared.client(shared.admin) as client:
        body = envelope(client.get("/api/experiments", params=params), 422,
                        "validation.request")
        assert body["details"][0]["field"] in params


@pytest.mark.parametrize("body, field", [
    ({"experiment_type": "t"}, "name"), ({"name": "n"}, "experiment_type"),
    ({"name": "", "experiment_type": "t"}, "name"),
    ({"name": "n" * 256, "experiment_type": "t"}, "name"),
    ({"name": "n", "experiment_type": "t", "status": "lost"}, "status"),
    ({"name": "n", "experiment_type": "t", "tags": []}, "tags"),
    ({"name": "n", "experiment_type": "t", "parent_experiment_id": 99999},
     "parent_experiment_id"),
    ({"name": "n", "experiment_type": "t", "parent_experiment_id": "1"},
     "parent_experiment_id"), ([], "__root__")])
def test_bad_experiments(shared, body, field):
    with shared.client(shared.admin) as client:
        reply = envelope(client.post("/api/experiments", json=body), 422,
                         "validation.request")
        assert reply["details"][0]["field"] == field


def test_projects_are_not_built(shared):
    with shared.client(shared.admin) as client:
        envelope(client.post("/api/experiments", json={
            "name": "n", "experiment_type": "t", "project_id": 1}), 501,
            "feature.not_implemented")
        envelope(client.get("/api/experiments", params={"project_id": 1}),
                 501, "feature.not_implemented")


def test_unknown_experiment(shared):
    with shared.client(shared.admin) as client:
        for number in ("0", "999999", "99999999999999999999"):
            envelope(client.get(f"/api/experiments/{number}"), 404,
                     "resource.not_found")


# ---- plugins -------------------------------------------------------------


def test_plugin_list(shared):
    with shared.client(shared.admin) as client:
        body = client.get("/api/plugins").json()
    assert [row["name"] for row in body["loaded"]] == ["one"]
    assert body["loaded"][0] == {
        "name": "one", "version": "1.0.0", "plugin_type": "full",
        "analysis_type": "demo", "routes_prefix": "/one", "mode": "shared",
        "state": "ready", "reason": "nothing clashes", "has_frontend": True,
        "description": "a plugin"}
    rows = {row["package_name"]: row for row in body["installed"]}
    assert rows["mint-plugin-one"]["entry_point"] == "one"
    assert rows["mint-plugin-two"]["state"] == "failed"
    assert rows["mint-plugin-two"]["error"] == "Traceback ..."
    with shared.client(shared.tokens["viewer"]) as client:
        text = client.get("/api/plugins").text
        assert "Traceback" not in text and "token-of" not in text


def upload(it, name="p.mint", data=b"bundle", **params):
    with it.client(it.admin) as client:
        return client.post("/api/plugins/upload", params=params,
                           files={"file": (name, data,
                                           "application/octet-stream")})


def leftovers(it):
    return list((it.data / "uploads").iterdir())


def test_upload(shared):
    seen = {}

    def install(request):
        path = pathlib.Path(request["bundle"])
        seen.update(request, data=path.read_bytes(), name=path.name,
                    mode=stat.S_IMODE(path.stat().st_mode))
        return {"name": "gen", "distribution": "mint-plugin-gen",
                "version": "0.1.0", "mode": "isolated", "reason": "clash",
                "replaced": None}

    shared.supervisor.handlers["install"] = install
    data = os.urandom(3_000_000)
    reply = upload(shared, "mint plugin-0.1.0.mint", data, force="true")
    assert reply.status_code == 200
    body = reply.json()
    assert body.pop("request_id") == reply.headers["X-Request-ID"]
    assert body == {
        "success": True, "message": "Installed gen 0.1.0 (isolated)",
        "name": "mint-plugin-gen", "plugin": "gen", "version": "0.1.0",
        "distribution": "mint-plugin-gen", "restart_required": False,
        "conflict_detected": False, "mode": "isolated", "reason": "clash",
        "replaced": None}
    assert seen["data"] == data and seen["force"] is True
    assert seen["name"] == "mint_plugin-0.1.0.mint" and seen["mode"] == 0o600
    wait_for(lambda: not leftovers(shared), "the upload to be removed")
    upload(shared, "../../a/b-1.0-py3-none-any.whl")
    assert seen["name"] == "b-1.0-py3-none-any.whl"
    assert seen["force"] is False


def test_upload_failures_are_success_false(shared):
    def refuse(code):
        return lambda _: {"ok": False, "error": {
            "code": code, "message": f"it is {code}", "details": {"a": 1}}}

    for code, conflict in (("INVALID", False), ("CONFLICT", True),
                           ("INTERNAL", False)):
        shared.supervisor.handlers["install"] = refuse(code)
        reply = upload(shared)
        assert reply.status_code == 200
        body = reply.json()
        assert body["success"] is False
        assert body["conflict_detected"] is conflict
        assert body["message"] == f"it is {code}"
        assert body["details"] == {"a": 1}
    body = upload(shared, "plugin.zip").json()
    assert body["success"] is False and ".mint" in body["message"]
    wait_for(lambda: not leftovers(shared), "the upload to be removed")


def test_upload_forms(shared):
    with shared.client(shared.admin) as client:
        url = "/api/plugins/upload"
        envelope(client.post(url, json={}), 422, "validation.request")
        envelope(client.post(url, files={"other": b"x"}), 422,
                 "validation.request")
        envelope(client.post(url, files=[("file", ("a.mint", b"x")),
                                         ("file", ("b.mint", b"x"))]), 422,
                 "validation.request")
        envelope(client.post(url, params={"force": "maybe"},
                             files={"file": ("a.mint", b"x")}), 422,
                 "validation.request")
        envelope(client.post(url, content=b'--xyz\r\nContent-Disposition: '
                             b'form-data; name="file"; filename="a.mint"'
                             b'\r\n\r\nhalf', headers={
                                 "Content-Type":
                                 "multipart/form-data; boundary=xyz"}), 400,
                 "request.bad_request")
    with shared.client() as client:
        reply = client.post(url, files={"file": ("a.mint", b"x" * 5_000_000)})
        envelope(reply, 401, "auth.required")
    wait_for(lambda: not leftovers(shared), "the uploads to be removed")


def test_upload_too_large(shared):
    host, port = shared.public_socket.getsockname()
    with socket.create_connection((host, port), 10) as s:
        s.sendall(b"POST /api/plugins/upload HTTP/1.1\r\nHost: x\r\n"
                  b"Authorization: Bearer " + shared.admin.encode()
                  + b"\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                  b"Content-Length: 1073741825\r\n\r\n")
        reply = http.client.HTTPResponse(s)
        reply.begin()
        assert reply.status == 413
        assert json.loads(reply.read())["code"] == "request.too_large"


def test_broken_upload_leaves_nothing(shared):
    host, port = shared.public_socket.getsockname()
    with socket.create_connection((host, port), 10) as s:
        s.sendall(b"POST /api/plugins/upload HTTP/1.1\r\nHost: x\r\n"
                  b"Authorization: Bearer " + shared.admin.encode()
                  + b"\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                  b"Content-Length: 1000000\r\n\r\n--xyz\r\n"
                  b'Content-Disposition: form-data; name="file"; '
                  b'filename="a.mint"\r\n\r\n' + b"y" * 200_000)
        wait_for(lambda: leftovers(shared), "the upload to begin")
    wait_for(lambda: not leftovers(shared), "the upload to be removed")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount")
def test_upload_to_a_full_disk():
    with platform() as it:
        uploads = it.data / "uploads"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none",
                        uploads], check=True)
        try:
            it.admin = it.login()
            body = envelope(upload(it, data=b"x" * 2_000_000), 507,
                            "internal.error")
            assert "disk" in body["message"]
            wait_for(lambda: not leftovers(it), "the upload to be removed")
            assert it.supervisor.count("install") == 0
        finally:
            subprocess.run(["umount", uploads], check=True)


def test_slow_install_sends_white_space():
    """Longer than the pause: the client sees life before the document."""
    with platform() as it:
        it.admin = it.login()
        release = threading.Event()

        def install(_):
            release.wait(30)
            return {"name": "gen", "distribution": "d", "version": "1",
                    "mode": "shared", "reason": "r", "replaced": "0"}

        it.supervisor.handlers["install"] = install
        with it.client(it.admin) as client, client.stream(
                "POST", "/api/plugins/upload",
                files={"file": ("a.mint", b"x")}) as reply:
            assert reply.status_code == 200
            assert reply.headers["X-Accel-Buffering"] == "no"
            chunks = reply.iter_raw()
            assert next(chunks).strip() == b""
            release.set()
            rest = b"".join(chunks)
        assert json.loads(rest)["success"] is True


def test_supervisor_dies_during_install():
    with platform() as it:
        it.admin = it.login()
        started = threading.Event()
        it.supervisor.handlers["install"] = lambda _: started.set()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = pool.submit(upload, it)
            assert started.wait(10)
            it.supervisor.stop()
            body = reply.result().json()
        assert body["success"] is False and "supervisor" in body["message"]
        envelope(upload(it), 503, "service.unavailable")
        wait_for(lambda: not leftovers(it), "the upload to be removed")


def test_restart_changes_the_boot_id(shared):
    shared.supervisor.handlers["restart_all"] = lambda _: {"boot_id": "boot-2"}
    with shared.client(shared.admin) as client:
        body = client.post("/api/admin/restart").json()
        assert body["success"] is True and body["boot_id"] == "boot-2"
        assert client.get("/api/health").json()["boot_id"] == "boot-2"
        shared.supervisor.handlers["restart_all"] = lambda _: {
            "ok": False, "error": {"code": "BUSY", "message": "under way"}}
        body = client.post("/api/admin/restart").json()
        assert body["success"] is False and body["message"] == "under way"
        shared.supervisor.handlers["restart_all"] = lambda _: {
            "boot_id": "boot-1"}
        client.post("/api/admin/restart")


# ---- life and death -------------------------------------------------------


def test_first_administrator_without_password():
    with platform(config={"ADMIN_PASSWORD": "", "ADMIN_USERNAME": "chief"},
                  supervisor=False) as it:
        path = it.data / "initial-admin-password"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        password = path.read_text().strip()
        assert re.fullmatch("[A-Za-z0-9]{20}", password)
        assert password not in it.log() and str(path) in it.log()
        assert it.login("chief", password)


def test_bad_first_password_is_refused():
    with platform(config={"ADMIN_PASSWORD": "short"}, start=False,
                  supervisor=False) as it:
        with pytest.raises(AssertionError, match="at least 8 characters"):
            it.start()


def test_store_is_private_and_secrets_stay_out_of_the_log(shared):
    for path in shared.data.glob("mint.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    log = shared.log()
    assert PASSWORD not in log and shared.admin not in log
    assert "token-of-one" not in log


def test_second_platform_is_kept_out():
    with platform(supervisor=False) as it:
        again = subprocess.run(
            [PROGRAM, "--config", it.config_path, "--public-listen",
             f"unix:{it.run}/p.sock", "--internal-listen", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=30)
        assert again.returncode == 1
        assert "another mint-platform uses" in again.stderr
        assert it.login()


def test_newer_store_is_refused():
    with platform(supervisor=False) as it:
        it.stop()
        subprocess.run(["sqlite3", it.data / "mint.db", "INSERT INTO "
                        "schema_steps VALUES (999, 'later', 0)"], check=True)
        with pytest.raises(AssertionError, match="newer version"):
            it.start()


def test_damaged_store_is_refused():
    with platform(start=False, supervisor=False) as it:
        (it.data / "mint.db").write_bytes(b"no database at all " * 1000)
        with pytest.raises(AssertionError, match="mint.db"):
            it.start()


def test_kill_keeps_everything():
    with platform() as it:
        token = it.login()
        it.create_user(token, "bob")
        assert it.stop(signal.SIGKILL) == -signal.SIGKILL
        it.start()
        with it.client(token) as client:
            assert client.get("/api/auth/verify").status_code == 200
        assert [u["username"] for u in it.supervisor.full["users"]] == [
            "admin", "bob"]


def test_stop_finishes_what_is_in_flight():
    with platform() as it:
        it.admin = it.login()
        started = threading.Event()
        release = threading.Event()

        def install(_):
            started.set()
            release.wait(20)
            return {"name": "gen", "distribution": "d", "version": "1",
                    "mode": "shared", "reason": "r", "replaced": None}

        it.supervisor.handlers["install"] = install
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = pool.submit(upload, it)
            assert started.wait(10)
            it.process.send_signal(signal.SIGTERM)
            # nobody takes this one: it waits in the socket that we hold
            wait_for(lambda: "stopping" in it.log(), "the stop to begin")
            waiting = socket.create_connection(
                it.public_socket.getsockname(), 10)
            waiting.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n"
                            b"Connection: close\r\n\r\n")
            release.set()
            assert reply.result().json()["success"] is True
        assert it.process.wait(10) == 0
        it.start()
        with waiting:
            answer = http.client.HTTPResponse(waiting)
            answer.begin()
            assert answer.status == 200


def test_stop_does_not_wait_for_ever():
    with platform() as it:
        it.admin = it.login()
        started = threading.Event()
        it.supervisor.handlers["install"] = lambda _: started.set()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = pool.submit(upload, it)
            assert started.wait(10)
            begun = time.monotonic()
            assert it.stop() == 0
            assert time.monotonic() - begun < 9
            assert reply.result().json()["success"] is False


def test_idle_connections_do_not_hold_up_a_stop():
    with platform(supervisor=False) as it:
        idle = [socket.create_connection(it.public_socket.getsockname(), 10)
                for _ in range(20)]
        with it.client() as client:
            client.get("/api/health")
        begun = time.monotonic()
        assert it.stop() == 0
        assert time.monotonic() - begun < 3
        for s in idle:
            s.close()


@pytest.mark.parametrize("arguments, status", [
    ([], 2), (["--config", "x"], 2), (["--wrong"], 2),
    (["--config", "x", "--public-fd", "-1", "--internal-fd", "3"], 2),
    (["--config", "/nowhere", "--public-listen", "127.0.0.1:0",
      "--internal-listen", "127.0.0.1:0"], 1)])
def test_bad_arguments(arguments, status):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == status
    assert done.stderr


@pytest.mark.parametrize("address, text", [
    ("0.0.0.0:0", "loopback"), ("127.0.0.1", "not unix:PATH"),
    ("127.0.0.1:70000", "not unix:PATH"), ("unix:" + "x" * 200, "path")])
def test_bad_listeners(address, text):
    with platform(start=False, supervisor=False) as it:
        it.config_path.write_text(json.dumps(it.config))
        done = subprocess.run(
            [PROGRAM, "--config", it.config_path, "--public-listen", address,
             "--internal-listen", "127.0.0.1:0"], capture_output=True,
            text=True, timeout=30)
        assert done.returncode == 1 and text in done.stderr


def test_help_and_version():
    for flag, text in (("--help", "--public-fd"), ("--version",
                                                   "mint-platform ")):
        done = subprocess.run([PROGRAM, flag], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0 and text in done.stdout
