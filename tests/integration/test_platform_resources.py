# SPDX-License-Identifier: MIT
"""mint-platform over HTTP: users, experiments, plugins."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import socket
import stat
import subprocess
import threading

import pytest

from platform_harness import (
    PASSWORD,
    envelope,
    peopled,
    platform,
    upload,
    wait_for,
)


@pytest.fixture(scope="module")
def shared():
    """For tests that leave it as it was."""
    with peopled() as it:
        yield it


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


def test_upload_says_what_became_of_it(shared):
    """Nothing is called installed that was there; nor running that fails."""
    plugin = {"name": "gen", "distribution": "mint-plugin-gen",
              "version": "0.1.0", "mode": "shared", "reason": "r",
              "replaced": None}
    for more, message in (
        ({"unchanged": True}, "gen 0.1.0 is installed already (shared)"),
        ({"unchanged": False, "state": "failed", "error": "No: such"},
         "Installed gen 0.1.0 (shared), but it does not run: No: such"),
        ({"unchanged": True, "state": "failed", "error": "No: such"},
         "gen 0.1.0 is installed already (shared), but it does not run: "
         "No: such"),
    ):
        shared.supervisor.handlers["install"] = \
            lambda _, more=more: {**plugin, **more}
        body = upload(shared).json()
        assert body["success"] is True and body["message"] == message
    wait_for(lambda: not leftovers(shared), "the upload to be removed")


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
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", uploads],
            capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(mounted.stderr.strip())     # root of a container
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


def test_supervisor_comes_back_while_a_client_waits():
    with platform() as it:
        admin = it.login()
        with it.client(admin) as client, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                it.supervisor.stop()
                reply = pool.submit(client.get, "/api/plugins")
                it.supervisor.start()
                assert reply.result().status_code == 200
            it.supervisor.stop()
            envelope(client.get("/api/plugins"), 503, "service.unavailable")


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
