# SPDX-License-Identifier: MIT
"""mint-platform as plugins see it: raw callbacks, and the SDK's own
RemotePlatformContext."""

import concurrent.futures
import http.client
import socket
import subprocess
import time

import pytest
from mint_sdk.exceptions import (
    DesignDataOwnershipConflictException,
    PermissionException,
    UnsupportedExperimentTypeException,
    ValidationException,
)

from platform_harness import platform, plugin, wait_for
from sdk_harness import failure, run


def capabilities(name, plugin_type, **stated):
    return plugin(name, metadata={"plugin_type": plugin_type,
                                  "capabilities": stated})


PLUGINS = [
    plugin("full"), plugin("other"),
    capabilities("static", "static"), capabilities("analysis", "analysis"),
    capabilities("design", "experiment_design"),
    capabilities("workflow", "workflow", experiment_crud=True),
    capabilities("readonly", "full", experiment_crud=False,
                 design_data_write=None),
    plugin("typed", metadata={"allowed_experiment_types": ["lcms", "gcms"]}),
    plugin("blocked", metadata={"allowed_experiment_types": []}),
    # what a probe reports has the plugin's own fields one level below
    plugin("probed", metadata={"plugin_type": "static", "metadata": {
        "plugin_type": "full", "capabilities": {},
        "allowed_experiment_types": ["lcms"]}})]


@pytest.fixture(scope="module")
def shared():
    with platform(plugins=PLUGINS) as it:
        it.admin = it.login()
        it.member = it.create_user(it.admin, "member")["id"]
        it.viewer = it.create_user(it.admin, "viewer", role="viewer")["id"]
        yield it


# ---- who may call ---------------------------------------------------------


def test_handshake(shared):
    with shared.plugin_client("full") as client:
        assert client.get("/platform").json() == {
            "api_version": "1", "platform_version": "1.2.10",
            "min_sdk_version": "1.2.0", "cross_plugin_object_writes": False}


@pytest.mark.parametrize("headers", [
    {"X-MINT-Internal-Token": "token-of-other"},
    {"X-MINT-Internal-Token": "wrong"}, {"X-MINT-Internal-Token": ""},
    {"X-MINT-Internal-Token": "token-of-ful"},
    {"X-MINT-Plugin-Name": "nobody"}, {"X-MINT-Plugin-Name": ""}])
def test_wrong_credentials(shared, headers):
    with shared.plugin_client("full", **headers) as client:
        failure(client.get("/platform"), 403, "PERMISSION_DENIED")
        failure(client.get("/nothing"), 403, "PERMISSION_DENIED")


def raw_status(it, *headers):
    """Status of a request with exactly these headers."""
    with socket.create_connection(it.internal_socket.getsockname(), 10) as s:
        s.sendall("\r\n".join((
            "GET /api/internal/platform HTTP/1.1", "Host: x",
            "Connection: close", *headers, "", "")).encode())
        reply = http.client.HTTPResponse(s)
        reply.begin()
        return reply.status


def test_no_or_doubled_credentials(shared):
    name = "X-MINT-Plugin-Name: full"
    token = "x-mint-internal-token: token-of-full"
    assert raw_status(shared, name, token) == 200
    for headers in ((name,), (token,), (), (name, token, name),
                    (name, token, token),
                    (name, token, "X-MINT-Internal-Token: wrong")):
        assert raw_status(shared, *headers) == 403, headers
    user = "x-mint-user-id: 1"
    assert raw_status(shared, name, token, user) == 200
    assert raw_status(shared, name, token, user, user) == 403


def test_api_version(shared):
    with shared.plugin_client("full") as client:
        body = failure(client.get("/platform", headers={
            "X-MINT-Platform-API-Version": "2"}), 426,
            "plugin.api_version_mismatch")
        assert "version 2" in body["message"]


def test_new_plugin_is_known_at_its_first_call():
    with platform(plugins=[plugin("old")]) as it:
        it.supervisor.plugins.append(plugin("new"))
        with it.plugin_client("new") as client:
            assert client.get("/platform").status_code == 200
        it.supervisor.plugins[0]["token"] = "another"
        with it.plugin_client("old", "another") as client:
            assert client.get("/platform").status_code == 200
        with it.plugin_client("old") as client:
            failure(client.get("/platform"), 403, "PERMISSION_DENIED")


def test_wrong_tokens_do_not_flood_the_supervisor(shared):
    before = shared.supervisor.count("directory")
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def call(i):
            with shared.plugin_client("full", f"wrong-{i}") as client:
                return client.get("/platform").status_code
        assert set(pool.map(call, range(48))) == {403}
    took = time.monotonic() - begun
    assert shared.supervisor.count("directory") - before <= took / 0.2 + 2


def test_supervisor_away():
    """Known plugins are served; about others it cannot be known."""
    with platform(plugins=[plugin("old")]) as it:
        it.supervisor.stop()
        with it.plugin_client("old") as client:
            assert client.get("/platform").status_code == 200
        with it.plugin_client("new") as client:
            failure(client.get("/platform"), 503, "UNAVAILABLE")
        # it comes back while a call waits
        with concurrent.futures.ThreadPoolExecutor(1) as pool, \
                it.plugin_client("new") as client:
            reply = pool.submit(client.get, "/platform")
            it.supervisor.plugins.append(plugin("new"))
            it.supervisor.start()
            assert reply.result().status_code == 200


def test_not_built(shared):
    with shared.plugin_client("full") as client:
        for method, path in (("GET", "/experiments/1/results"),
                             ("PUT", "/experiments/1/objects/a/b"),
                             ("POST", "/notifications/events"),
                             ("GET", "/plugin-roles"),
                             ("GET", "/users/1/plugin-roles"),
                             ("PUT", "/plugin-roles/1")):
            body = failure(client.request(method, path), 501,
                           "NOT_IMPLEMENTED")
            assert f"{method} /api/internal{path}" in body["message"]


def test_what_nobody_serves_is_not_found(shared):
    with shared.plugin_client("full") as client:
        failure(client.get(f"{shared.internal}/api/peak-table/x"), 404, "NOT_FOUND")


# ---- on whose behalf --------------------------------------------------------


@pytest.mark.parametrize("user", ["999", "x", "0", "-1", "", "1 2",
                                  "99999999999999999999"])
def test_unknown_user(shared, user):
    with shared.plugin_client("full", user=user) as client:
        failure(client.get("/experiments"), 403, "PERMISSION_DENIED")


def test_inactive_user():
    with platform(plugins=[plugin("full")]) as it:
        admin = it.login()
        bob = it.create_user(admin, "bob")["id"]
        with it.plugin_client("full", user=bob) as client:
            assert client.get("/experiments").status_code == 200
            with it.client(admin) as as_admin:
                as_admin.post(f"/api/admin/users/{bob}/deactivate")
            failure(client.get("/experiments"), 403, "PERMISSION_DENIED")


def test_claimed_role_and_permissions_are_not_believed(shared):
    headers = {"x-mint-user-role": "admin", "x-mint-username": "admin",
               "x-mint-user-permissions": '["experiments.create"]'}
    with shared.plugin_client("full", user=shared.viewer,
                              **headers) as client:
        body = failure(client.post("/experiments", json={
            "name": "n", "experiment_type": "t"}), 403, "PERMISSION_DENIED")
        assert body["details"]["required_permission"] == "experiments.create"


def test_member_may_what_the_plugin_may(shared):
    with shared.plugin_client("full", user=shared.member) as client:
        made = client.post("/experiments", json={
            "name": "n", "experiment_type": "t"}).json()
        assert made["created_by"] == shared.member
        url = f"/experiments/{made['id']}"
        assert client.patch(url, json={"name": "m"}).json()["name"] == "m"
    with shared.plugin_client("full", user=shared.viewer) as client:
        failure(client.patch(url, json={"name": "x"}), 403,
                "PERMISSION_DENIED")
        failure(client.delete(url), 403, "PERMISSION_DENIED")
        failure(client.put(url + "/data", json={
            "plugin_id": "full", "data": {}}), 403, "PERMISSION_DENIED")
        assert client.get(url).json()["name"] == "m"


CAPABLE = [("full", True, True), ("static", False, False),
           ("analysis", False, False), ("design", True, True),
           ("workflow", True, False), ("readonly", False, True),
           ("probed", True, True)]


@pytest.mark.parametrize("name, crud, design", CAPABLE)
def test_capabilities(shared, name, crud, design):
    with shared.plugin_client("full") as client:
        url = "/experiments/" + str(client.post("/experiments", json={
            "name": "n", "experiment_type": "lcms"}).json()["id"])
    for user in (None, 1, shared.member):
        with shared.plugin_client(name, user=user) as client:
            replies = [
                (crud, client.post("/experiments", json={
                    "name": "n", "experiment_type": "lcms"})),
                (crud, client.patch(url, json={"name": "x"})),
                (design, client.put(url + "/data", json={
                    "plugin_id": name, "data": {}})),
                (design, client.delete(url + "/data"))]
            for allowed, reply in replies:
                if allowed:
                    assert reply.status_code == 200, reply.text
                else:
                    failure(reply, 403, "PERMISSION_DENIED")
            assert client.get(url).status_code == 200


def test_plugin_role_is_404_and_from_memory(shared):
    with shared.plugin_client("full", user=shared.member) as client:
        failure(client.get(f"/plugin-roles/{shared.member}"), 404,
                "NOT_FOUND")
        begun = time.monotonic()
        for _ in range(200):
            assert client.get("/plugin-roles/1").status_code == 404
        assert time.monotonic() - begun < 2

    async def role(_, ctx):
        roles = ctx.get_plugin_role_repository()
        return await roles.get_role("full", shared.member)
    assert run(shared, "full", role, shared.member) is None


def test_stored_plugin_role():
    with platform(plugins=[plugin("full"), plugin("other")]) as it:
        bob = it.create_user(it.login(), "bob")["id"]
        it.stop()
        subprocess.run(["sqlite3", it.data / "mint.db",
                        "INSERT INTO plugin_roles (plugin_id, user_id, role,"
                        f" created_at, updated_at) VALUES ('full', {bob},"
                        " 'editor', 0, 0)"], check=True)
        it.start()
        with it.plugin_client("full", user=bob) as client:
            assert client.get(f"/plugin-roles/{bob}").json() == {
                "role": "editor"}
        with it.plugin_client("other", user=bob) as client:
            failure(client.get(f"/plugin-roles/{bob}"), 404, "NOT_FOUND")


# ---- users ----------------------------------------------------------------


def test_users(shared):
    async def work(_, ctx):
        users = ctx.get_user_repository()
        everyone = await users.list_all()
        member = await users.get_by_id(shared.member)
        assert member == await users.get_by_username("MEMBER")
        assert await users.get_by_id(99999) is None
        assert await users.get_by_username("no one/at all") is None
        page = await users.list_all(skip=1, limit=1)
        assert [u.username for u in page] == ["member"]
        return [u.username for u in everyone], member
    names, member = run(shared, "static", work)
    assert names == ["admin", "member", "viewer"]
    assert (member.role, member.is_active) == ("member", True)
    assert member.created_at.year >= 2024
    with shared.plugin_client("full") as client:
        assert "password" not in client.get("/users").text


# ---- experiments by the SDK -------------------------------------------------


def test_experiments_by_the_sdk():
    with platform(plugins=[plugin("full")]) as it:
        bob = it.create_user(it.login(), "bob")["id"]

        async def work(repo, _):
            made = await repo.create("One", "lcms", created_by=bob,
                                     project="P", notes="Some Notes",
                                     tags={"a": [1, {"b": None}], "n": 1.5})
            assert (made.name, made.status, made.project) == (
                "One", "planned", "P")
            assert made.tags == {"a": [1, {"b": None}], "n": 1.5}
            assert made.created_by == bob and made.created_at.tzinfo
            child = await repo.create("Two", "gcms", notes="x",
                                      parent_experiment_id=made.id)
            assert child.parent_experiment_id == made.id
            assert await repo.get_by_id(made.id) == made
            assert await repo.get_by_id(10 ** 6) is None
            assert await repo.update(10 ** 6, name="x") is None
            assert await repo.delete(10 ** 6) is False

            changed = await repo.update(made.id, status="ongoing",
                                        tags={"z": 1}, notes="more")
            assert (changed.name, changed.status, changed.tags,
                    changed.notes) == ("One", "ongoing", {"z": 1}, "more")
            assert changed.updated_at >= made.updated_at

            async def ids(**filters):
                rows, total = await repo.list_all(**filters)
                assert total == len(rows)
                return [row.id for row in rows]
            assert await ids() == [made.id, child.id]
            assert await ids(status="ongoing") == [made.id]
            assert await ids(experiment_type="gcms") == [child.id]
            assert await ids(project="P") == [made.id]
            assert await ids(created_by=bob) == [made.id]
            assert await ids(parent_experiment_id=made.id) == [child.id]
            assert await ids(search="MORE") == [made.id]
            rows, total = await repo.list_all(skip=1, limit=1)
            assert ([row.id for row in rows], total) == ([child.id], 2)
            rows, total = await repo.list_all(skip=5)
            assert (rows, total) == ([], 2)

            with pytest.raises(ValidationException) as caught:
                await repo.update(made.id, parent_experiment_id=child.id)
            assert caught.value.field == "parent_experiment_id"
            with pytest.raises(ValidationException):
                await repo.update(made.id, parent_experiment_id=made.id)
            with pytest.raises(ValidationException):
                await repo.update(made.id, status="lost")
            with pytest.raises(ValidationException) as caught:
                await repo.create("n", "t", created_by=999)
            assert caught.value.field == "created_by"

            assert await repo.delete(made.id) is True
            assert await repo.get_by_id(made.id) is None
            left = await repo.get_by_id(child.id)
            assert left.parent_experiment_id is None
            return True
        assert run(it, "full", work, 1)


def test_visibility_for_jobs_pages_through_everything(shared):
    with shared.plugin_client("full") as client:
        for i in range(105):
            client.post("/experiments", json={"name": f"page {i}",
                                              "experiment_type": "t"})

    async def work(repo, ctx):
        return await ctx._collect_visible_experiment_ids(repo)
    found = run(shared, "full", work, shared.member)
    with shared.plugin_client("full") as client:
        total = client.get("/experiments").json()["total"]
    # others may have made some before, in whatever order the tests run
    assert len(found) == total >= 105


def test_experiment_types(shared):
    with shared.plugin_client("full") as client:
        made = {kind: client.post("/experiments", json={
            "name": kind, "experiment_type": kind}).json()["id"]
            for kind in ("lcms", "gcms", "nmr")}

    async def work(repo, _):
        assert await repo.get_by_id(made["nmr"]) is None
        assert (await repo.get_by_id(made["gcms"])).id == made["gcms"]
        rows, total = await repo.list_all(limit=1000)
        assert {row.experiment_type for row in rows} == {"lcms", "gcms"}
        assert total == len(rows)
        assert (await repo.list_all(experiment_type="nmr")) == ([], 0)
        assert await repo.update(made["nmr"], name="x") is None
        assert await repo.delete(made["nmr"]) is False
        assert await repo.get_design_data(made["nmr"]) is None
        with pytest.raises(UnsupportedExperimentTypeException) as caught:
            await repo.create("n", "nmr")
        assert caught.value.allowed_experiment_types == ["lcms", "gcms"]
        with pytest.raises(UnsupportedExperimentTypeException):
            await repo.update(made["lcms"], experiment_type="nmr")
        return True
    assert run(shared, "typed", work)

    async def nothing(repo, _):
        assert await repo.get_by_id(made["lcms"]) is None
        return await repo.list_all()
    assert run(shared, "blocked", nothing) == ([], 0)


def test_platform_setting_of_types_goes_first(shared):
    with platform(plugins=[plugin("typed", metadata={
            "allowed_experiment_types": ["lcms"]}), plugin("free")]) as it:
        it.stop()
        for name, value in (("typed", '["nmr"]'), ("free", "null")):
            subprocess.run(["sqlite3", it.data / "mint.db", "INSERT INTO "
                            "plugin_settings VALUES ("
                            f"'{name}', 'allowed_experiment_types', "
                            f"'{value}')"], check=True)
        it.start()

        async def allowed(repo, ctx):
            await ctx.get_plugin_config()
            return ctx.get_allowed_experiment_types()
        assert run(it, "typed", allowed) == ["nmr"]
        assert run(it, "free", allowed) is None
        with it.plugin_client("typed") as client:
            assert client.post("/experiments", json={
                "name": "n", "experiment_type": "nmr"}).status_code == 200
            failure(client.post("/experiments", json={
                "name": "n", "experiment_type": "lcms"}), 403,
                "EXPERIMENT_TYPE_NOT_ALLOWED")


# ---- design data ------------------------------------------------------------


def test_design_data_by_the_sdk(shared):
    async def work(repo, _):
        made = await repo.create("Designed", "lcms")
        assert await repo.get_design_data(made.id) is None
        assert await repo.has_design_data(made.id) is False
        assert await repo.delete_design_data(made.id) is False
        data = {"plates": [{"id": 1, "v": 0.1}], "ü": "✓", "big": 2 ** 80}
        saved = await repo.save_design_data(made.id, "full", data, "2.0")
        assert (saved.experiment_id, saved.plugin_id, saved.data,
                saved.schema_version) == (made.id, "full", data, "2.0")
        assert await repo.get_design_data(made.id) == saved
        again = await repo.get_by_id(made.id)
        assert again.design_owner_plugin_id == "full"
        changed = await repo.save_design_data(made.id, "full", {})
        assert changed.data == {} and changed.created_at == saved.created_at
        return made.id
    number = run(shared, "full", work, shared.member)

    async def foreign(repo, _):
        assert (await repo.get_design_data(number)).plugin_id == "full"
        with pytest.raises(DesignDataOwnershipConflictException) as caught:
            await repo.save_design_data(number, "other", {})
        assert caught.value.details["current_owner_plugin_id"] == "full"
        with pytest.raises(DesignDataOwnershipConflictException):
            await repo.delete_design_data(number)
        with pytest.raises(PermissionException):
            await repo.save_design_data(number, "full", {})
        return True
    assert run(shared, "other", foreign)

    async def gone(repo, _):
        assert await repo.delete_design_data(number) is True
        assert await repo.get_design_data(number) is None
        return True
    assert run(shared, "full", gone, shared.member)
    with shared.plugin_client("other") as client:
        failure(client.put(f"/experiments/{number}/data", json={
            "plugin_id": "full", "data": {}}), 403, "PERMISSION_DENIED")
        failure(client.put(f"/experiments/{number}/data", json={
            "plugin_id": "other", "data": []}), 400, "VALIDATION_ERROR")
        failure(client.put(f"/experiments/{number}/data", json={
            "plugin_id": "other"}), 400, "VALIDATION_ERROR")
        failure(client.put("/experiments/1000000/data", json={
            "plugin_id": "other", "data": {}}), 404, "NOT_FOUND")
        large = {"x": "y" * 5_000_000}
        assert client.put(f"/experiments/{number}/data", json={
            "plugin_id": "other", "data": large}).json()["data"] == large
        failure(client.put(f"/experiments/{number}/data", json={
            "plugin_id": "other", "data": {"x": "y" * 9_000_000}}), 413,
            "VALIDATION_ERROR")


def test_design_numbers_keep_their_text(shared):
    with shared.plugin_client("full") as client:
        url = "/experiments/%d/data" % client.post("/experiments", json={
            "name": "n", "experiment_type": "t"}).json()["id"]
        text = '{"a":1.0,"b":1e5,"c":0.1,"d":12345678901234567890,"e":-0.0}'
        for _ in range(2):
            reply = client.put(url, headers={
                "Content-Type": "application/json"},
                content='{"plugin_id":"full","data":' + text + '}')
            assert reply.text.endswith(',"data":' + text + '}')
        assert client.get(url).text == reply.text


# ---- restarts ------------------------------------------------------------


def test_restart_under_callbacks():
    """The socket is held by others: no callback fails while the platform is
    replaced, and none is done twice."""
    made = []
    stop = False

    def work(it, worker):
        with it.plugin_client("full") as client:
            while not stop:
                reply = client.post("/experiments", json={
                    "name": f"{worker}-{len(made)}", "experiment_type": "t"},
                    headers={"Connection": "close"} if worker % 2 else {})
                assert reply.status_code == 200, reply.text
                made.append(reply.json()["id"])

    with platform(plugins=[plugin("full")]) as it:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(work, it, i) for i in range(4)]
            try:
                for _ in range(3):
                    have = len(made)
                    wait_for(lambda: len(made) > have + 10, "progress")
                    assert it.stop() == 0
                    it.start()
            finally:
                stop = True
            for job in jobs:
                job.result()
        with it.plugin_client("full") as client:
            assert client.get("/experiments").json()["total"] == len(made)
    assert len(made) == len(set(made))
