# SPDX-License-Identifier: MIT
"""Both examples end to end: one shared, one isolated, called by a member."""

from __future__ import annotations

import json
import re
import uuid
from urllib.parse import urljoin

import httpx
import pytest
from system_harness import (
    ADMIN,
    MEMBER,
    MEMBER_PERMISSIONS,
    ROOT,
    MintSystem,
    wait_for,
)
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

MODES = {"peak-table": "shared", "legacy-report": "isolated"}
SPECTRUM = "100 1\n101 10\n102 1\n"

each = pytest.mark.parametrize("name", MODES)


def test_modes(system: MintSystem) -> None:
    plugins = system.plugins()
    assert {n: plugins[n]["mode"] for n in MODES} == MODES
    for name in MODES:
        plugin = plugins[name]
        assert plugin["state"] == "ready"
        assert plugin["version"] == "0.1.0"
        assert plugin["error"] is None
        assert plugin["has_frontend"] is True
        assert [i["pid"] > 0 for i in plugin["instances"]] == [True]
    environments = {plugins[n]["environment"] for n in MODES}
    assert len(environments) == 2, "the shared ones share, one has its own"


@each
def test_explain_says_why_in_one_sentence(
    system: MintSystem, name: str
) -> None:
    answer = system.ctl_json("explain", name)
    assert (answer["plugin"], answer["mode"]) == (name, MODES[name])
    reason = answer["reason"]
    assert "\n" not in reason and not re.search(r"[.;] [A-Z]", reason), reason
    if name == "legacy-report":
        assert "prettytable" in reason, reason
        assert re.search(r"<3|2\.5", reason), reason
    text = system.ctl("explain", name).stdout
    assert reason.startswith(f"{MODES[name]} because ")
    assert text.startswith(f"{name} is {reason}\n")


@each
def test_plugin_sees_the_member(
    system: MintSystem, member: httpx.Client, name: str
) -> None:
    reply = member.get(
        f"/api/{name}/whoami", headers={"x-request-id": "from-the-test.1"}
    )
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-request-id"] == "from-the-test.1"
    seen = reply.json()
    seen["permissions"] = sorted(seen["permissions"])
    assert seen == {
        "plugin": name,
        "version": "0.1.0",
        "user_id": str(system.users[MEMBER[0]]),
        "username": MEMBER[0],
        "role": "member",
        "plugin_role": None,
        "permissions": MEMBER_PERMISSIONS,
        "request_id": "from-the-test.1",
    }


def test_experiments_same_answer_in_both_modes(member: httpx.Client) -> None:
    wanted = {
        "name": f"round trip {uuid.uuid4()}",
        "project": "Größenordnung µ",
        "notes": "a note\nof two lines",
        "tags": {"a": 1, "b": [True, None, 1.5], "ü": "ß"},
        "spectrum": SPECTRUM,
    }
    answers = {}
    for name in MODES:
        reply = member.post(f"/api/{name}/round-trip", json=wanted)
        assert reply.status_code == 200, reply.text
        answers[name] = reply.json()
    assert answers["peak-table"] == answers["legacy-report"]
    answer = answers["peak-table"]
    assert {k: answer[k] for k in ("name", "project", "notes", "tags")} \
        == {k: wanted[k] for k in ("name", "project", "notes", "tags")}
    assert answer["status"] == "ongoing"
    assert answer["design_data"] == {"spectrum": SPECTRUM}
    assert answer["is_own_data"] is answer["is_listed"] is True
    assert answer["unknown"] is None


def test_what_a_plugin_writes_the_platform_shows(
    member: httpx.Client,
) -> None:
    name = f"stored {uuid.uuid4()}"
    made = member.post(
        "/api/peak-table/experiments",
        json={"name": name, "spectrum": SPECTRUM},
    )
    assert made.status_code == 200, made.text
    number = made.json()["id"]
    read = member.get(f"/api/experiments/{number}").json()
    assert (read["name"], read["experiment_type"]) \
        == (name, "mass_spectrometry")
    # and the other plugin reads what this one has written
    other = member.get(f"/api/legacy-report/experiments/{number}/report")
    assert other.status_code == 200, other.text
    assert other.text.startswith(f"{name}\n=====")
    assert "| base peak         | 101.0000            |" in other.text


@each
def test_frontend_loads_through_the_gateway(
    system: MintSystem, name: str
) -> None:
    source = ROOT / "examples" / name / "src" \
        / f"mint_plugin_{name.replace('-', '_')}" / "frontend"
    with system.client() as browser:
        page = browser.get(f"/{name}/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert name.replace("-", " ") in page.text.lower()
        for pattern, kind, file in (
            (r'src="([^"]+\.js)"', "javascript", "app.js"),
            (r'href="([^"]+\.css)"', "text/css", "style.css"),
        ):
            link = re.search(pattern, page.text)
            assert link, page.text
            asset = browser.get(urljoin(f"/{name}/", link.group(1)))
            assert asset.status_code == 200
            assert kind in asset.headers["content-type"]
            assert asset.content == (source / file).read_bytes()
        # what is relative to the page does not work without the slash
        bare = browser.get(f"/{name}")
        assert bare.status_code in (200, 301, 302, 307, 308)
        if bare.status_code != 200:
            assert urljoin(f"{system.url}/{name}", bare.headers["location"]) \
                == f"{system.url}/{name}/"


@each
def test_websocket(system: MintSystem, member_token: str, name: str) -> None:
    path = {"peak-table": "live", "legacy-report": "lines"}[name]
    url = f"ws://127.0.0.1:{system.port}/api/{name}/{path}"
    for headers in (
        {"authorization": f"Bearer {member_token}"},
        {"cookie": f"mint_access_token={member_token}",
         "origin": system.url},
    ):
        with connect(
            url, additional_headers=headers, compression=None, proxy=None
        ) as socket:
            socket.send("nonsense")
            refused = json.loads(socket.recv(timeout=10))
            assert refused == {"error": "line 1: expected m/z and intensity"}
            socket.send(SPECTRUM)
            first = json.loads(socket.recv(timeout=10))
            assert first == {
                "peak-table":
                    {"points": 3, "base_peak": 101.0, "total": 12.0},
                "legacy-report": {"name": "points", "value": "3"},
            }[name]
    with pytest.raises(InvalidStatus) as refusal:
        connect(url, proxy=None, additional_headers={
            "authorization": "Bearer a.b.c"})
    assert refusal.value.response.status_code == 401


@each
def test_job(member: httpx.Client, name: str) -> None:
    base = f"/api/{name}/jobs"
    session = member.post(f"{base}/sessions", json={"tab_id": "tab"}).json()
    reply = member.post(base, json={
        "definition_id": {"peak-table": "find-peaks",
                          "legacy-report": "write-report"}[name],
        "inputs": {"text": SPECTRUM},
        "session_id": session["id"],
        "client_request_id": str(uuid.uuid4()),
    })
    assert reply.status_code == 200, reply.text
    number = reply.json()["job_id"]

    def ended() -> str | None:
        status = member.get(f"{base}/{number}").json()["status"]
        return status if status in ("completed", "failed", "cancelled") \
            else None

    assert wait_for(ended, f"the job of {name}") == "completed"
    result = member.get(f"{base}/{number}/result").json()
    if name == "peak-table":
        assert [row["mz"] for row in result["rows"]] == [101.0]
    else:
        assert "| base peak         | 101.0000            |" \
            in json.dumps(result)


@each
def test_browser_signs_in_by_cookie(system: MintSystem, name: str) -> None:
    with system.client() as browser:
        anonymous = browser.get(f"/api/{name}/whoami")
        assert anonymous.status_code == 401
        public = browser.get(f"/api/{name}/ping")
        assert public.json() == {"plugin": name, "version": "0.1.0"}

        reply = browser.post("/api/auth/login", json={
            "username": MEMBER[0], "password": MEMBER[1]})
        assert reply.status_code == 200
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith("mint_access_token=")
        assert "httponly" in cookie.lower()
        assert "samesite=lax" in cookie.lower()
        seen = browser.get(f"/api/{name}/whoami")
        assert seen.status_code == 200, seen.text
        assert seen.json()["username"] == MEMBER[0]

        token = reply.json()["access_token"]
        gone = browser.post(
            "/api/auth/logout", headers={"origin": system.url}
        )
        assert gone.status_code == 200, gone.text
        assert browser.get(f"/api/{name}/whoami").status_code == 401
    # the token itself has ended with the session
    with system.client(token) as other:
        assert other.get(f"/api/{name}/whoami").status_code == 401


def test_administrator_is_seen_as_one(system: MintSystem) -> None:
    with system.client(system.login(*ADMIN)) as client:
        seen = client.get("/api/peak-table/whoami").json()
    assert (seen["username"], seen["role"]) == ("admin", "admin")
    assert {"jobs.read_all", "jobs.manage_all", "plugins.install"} \
        <= set(seen["permissions"])


def test_plugins_are_listed(member: httpx.Client) -> None:
    answer = member.get("/api/plugins").json()
    loaded = {p["name"]: p for p in answer["loaded"]}
    for name in MODES:
        assert loaded[name]["version"] == "0.1.0"
        assert loaded[name]["routes_prefix"] == f"/{name}"
    assert {p["package_name"] for p in answer["installed"]} \
        >= {f"mint-plugin-{name}" for name in MODES}
