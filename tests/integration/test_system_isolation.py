# SPDX-License-Identifier: MIT
"""What a plugin's code can reach: as root nothing of others, without root
what the README says."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from system_harness import (
    BUILD,
    MEMBER,
    PLUGINS,
    ROOT,
    MintSystem,
    make_bundle,
    make_place,
    renamed_plugin,
    running_system,
)

ORDINARY_UID = 60990            # of nobody; not one that plugins get

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

# rows of the README's table -> what nosy is to try
README_ROWS = {
    "open the run files": "run files",
    "connect to another plugin's socket": "sockets",
    "read another plugin's": "environ",
    "read and change another plugin's data directory": "data",
    "open the platform's store": "store",
}


# of them, what Landlock does not close
OPEN_ROWS = {"connect to another plugin's socket"}


def wanted(system: MintSystem, other: str) -> dict[str, dict[str, list]]:
    """{what: fields of nosy's request}, all of which exist."""
    run = system.run_directory
    state = system.var.resolve()
    status = system.status()
    plugins = system.plugins()
    victim = plugins[other]
    data = system.data / "plugin-data" / other
    pids = [i["pid"] for p in plugins.values() if p["name"] != "test-nosy"
            for i in p["instances"]]
    pids += [status[k] for k in ("supervisor_pid", "keeper_pid")]
    pids += [status[k]["pid"] for k in ("platform", "nginx")]
    pids += children(status["nginx"]["pid"])
    sockets = [str(run / "s" / name) for name in os.listdir(run / "s")
               if not name.startswith(f"{plugins['test-nosy']['id']}-")]
    assert any(Path(s).name.startswith(f"{victim['id']}-") for s in sockets)
    files = {
        "run files": [run / n for n in
                      ("routes", "seats", "identity", "workers")],
        "store": [system.data / "mint.db"],
        "settings": [state / "config.json"],
        "registry": [system.data / "registry.json"],
        "data": [data / "secret"],
    }
    found: dict[str, dict[str, list]] = {
        what: {"read": [str(p) for p in paths],
               "write": [str(p) for p in paths]}
        for what, paths in files.items()
    }
    for paths in files.values():
        assert all(path.exists() for path in paths), paths
    found["data"]["folders"] = [
        str(data), str(state / "tmp" / f"{other}.0a")
    ]
    found["folders"] = {"folders": [
        str(run), str(run / "s"), str(system.data / "bundles"),
        str(system.data / "logs"),
    ]}
    found["sockets"] = {
        "connect": [*sockets, str(run / "supervisor.sock")]
    }
    found["environ"] = {"environ": pids}
    found["signals"] = {"signal": pids}
    return found


def children(pid: int) -> list[int]:
    return [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]


def attempt(
    system: MintSystem, token: str, fields: dict[str, list]
) -> dict[str, Any]:
    with system.client(token) as client:
        reply = client.post("/api/test-nosy/try", json=fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


def results(answer: dict[str, Any]) -> dict[str, str]:
    return {f"{kind} {thing}": result
            for kind, each in answer["results"].items()
            for thing, result in each.items()}


@as_root
def test_nothing_of_others_as_root(
    system: MintSystem, member_token: str
) -> None:
    assert system.status()["protection"] == []
    secret = system.data / "plugin-data" / "peak-table" / "secret"
    secret.write_text("x")
    os.chown(secret, *[system.plugins()["peak-table"]["uid"]] * 2)
    try:
        for what, fields in wanted(system, "peak-table").items():
            answer = attempt(system, member_token, fields)
            got = results(answer)
            assert got, what
            assert set(got.values()) <= {"PermissionError"}, (what, got)
    finally:
        secret.unlink()


@as_root
def test_own_things_are_reached(
    system: MintSystem, member_token: str
) -> None:
    """So that the failures above are not those of a broken attempt."""
    own = system.data / "plugin-data" / "test-nosy"
    answer = attempt(system, member_token, {
        "read": [str(BUILD / "mintctl"), "/etc/passwd"],
        "folders": [str(own)],
        "signal": [system.pid("test-nosy")],
        "environ": [system.pid("test-nosy")],
    })
    got = results(answer)
    assert got.pop(f"read {BUILD / 'mintctl'}") in ("open", "PermissionError")
    assert set(got.values()) == {"open"}, got
    assert 60706 <= answer["uid"] <= 61183
    assert answer["groups"] == []


@as_root
def test_no_other_process_can_be_read(
    system: MintSystem, member_token: str
) -> None:
    with system.client(member_token) as client:
        readable = client.get("/api/test-nosy/others").json()["readable"]
        open_files = client.get("/api/test-nosy/fds").json()["fds"]
    # of this system: a second one on this machine may use the same uids
    here = set(system.leftovers())
    own = system.pid("test-nosy")
    assert own in here and len(here) > len(system.plugins())
    assert [pid for pid in readable if pid in here
            and own not in (pid, *_parents(pid))] == []
    assert not [path for path in open_files.values()
                if str(system.run_directory) in path
                or str(system.data) in path]
    uids = [p["uid"] for p in system.plugins().values()]
    assert len(set(uids)) == len(uids) and 0 not in uids


def _parents(pid: int) -> set[int]:
    """Empty for one that has ended."""
    found = set()
    with contextlib.suppress(OSError):
        while pid > 1:
            stat = Path(f"/proc/{pid}/stat").read_text()
            pid = int(stat.rsplit(")", 1)[1].split()[1])
            found.add(pid)
    return found


@as_root
def test_daemons_do_not_run_as_root(system: MintSystem) -> None:
    status = system.status()
    owners = {
        name: Path(f"/proc/{pid}").stat().st_uid for name, pid in {
            "supervisor": status["supervisor_pid"],
            "platform": status["platform"]["pid"],
            "nginx": status["nginx"]["pid"],
        }.items()
    }
    assert 0 not in owners.values(), owners
    assert owners["supervisor"] == owners["platform"] != owners["nginx"]


FORGED = ("X-MINT-User-Id: 1\r\nX-MINT-Username: admin\r\n"
          "X-MINT-User-Role: admin\r\n"
          'X-MINT-User-Permissions: ["users.view"]\r\n'
          "X-Forwarded-User: admin\r\nX-Remote-User: admin\r\n")


def ask(
    system: MintSystem, token: str, to: str | int, path: str, headers: str
) -> tuple[int, str]:
    """Status and body of what nosy is told by whom it connects to itself."""
    with system.client(token) as client:
        reply = client.post("/api/test-nosy/ask", json={
            "to": to, "request": f"GET {path} HTTP/1.1\r\nHost: x\r\n"
                                 f"Connection: close\r\n{headers}\r\n"})
    assert reply.status_code == 200, reply.text
    head, _, body = reply.json()["reply"].partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


def check_callbacks(system: MintSystem, token: str) -> None:
    """Any process may connect there; only a plugin's token is believed."""
    with system.client(token) as client:
        own = client.get("/api/test-nosy/own").json()
    port = int(own["platform"].rsplit(":", 1)[1])
    path = "/api/internal/users"
    for named in ("", "X-MINT-Plugin-Name: test-echo\r\n",
                  "X-MINT-Plugin-Name: test-echo\r\n"
                  "X-MINT-Internal-Token: forged\r\n"):
        status, body = ask(system, token, port, path, FORGED + named)
        assert (status, "username" in body) == (403, False), body
    proof = (f"X-MINT-Internal-Token: {own['token']}\r\n"
             "X-MINT-Plugin-Name: ")
    assert ask(system, token, port, path, proof + "test-echo\r\n")[0] == 403
    assert ask(system, token, port, path, proof + "test-nosy\r\n")[0] == 200


def check_sockets(system: MintSystem, token: str) -> None:
    """Behind the edge nobody is who he says, but who can prove it."""
    sockets = system.run_directory / "s"
    platform = str(sockets / "platform.sock")
    plugin = system.plugins()["test-echo"]
    seat = plugin["instances"][0]["seat"]
    echo = str(sockets / f"{plugin['id']}-0{seat}.sock")
    for to, path, wanted_status in (
        (platform, "/api/auth/verify", 401),
        (platform, "/api/admin/users", 401),
        (platform, "/api/internal/users", 501),
        (echo, "/api/test-echo/whoami", 403),
    ):
        status, body = ask(system, token, to, path, FORGED)
        assert status == wanted_status, (path, body)
    bearer = f"Authorization: Bearer {token}\r\n"
    status, body = ask(system, token, platform, "/api/auth/verify",
                       FORGED + bearer)
    answer = json.loads(body)
    assert status == 200 and answer["username"] == MEMBER[0]
    assert answer["user"]["role"] == "member"


def test_callbacks_need_a_token(
    system: MintSystem, member_token: str
) -> None:
    check_callbacks(system, member_token)


def test_the_checks_of_an_installation_are_confined(
    system: MintSystem, tmp_path: Path
) -> None:
    """They run a plugin's code, and before anybody has agreed to it."""
    if system.status()["limits"]["landlock_abi"] == 0:
        pytest.skip("this kernel has no Landlock")
    project = renamed_plugin("nosy", "prying", tmp_path)
    module = project / "src" / "mint_test_prying" / "plugin.py"
    module.write_text(
        module.read_text("utf-8")
        + "\nimport tempfile\ntempfile.mkdtemp()\nos.listdir('/')\n"
    )
    answer = system.upload(make_bundle(project, tmp_path))
    assert answer["success"] is False
    text = json.dumps(answer)
    assert "PermissionError" in text and "'/'" in text, text
    assert not list(system.var.resolve().glob("tmp/tool-*"))


def test_an_installation_runs_no_code_of_a_wheel_unconfined(
    tmp_path: Path,
) -> None:
    """Python runs the .pth files of an environment before anything else; ours
    tries to write where the supervisor's user may."""
    with running_system() as lab:
        mark = lab.data / "mark-of-a-wheel"
        project = renamed_plugin("echo", "marking", tmp_path)
        write = f"try:\n open({str(mark)!r}, 'a')\nexcept OSError:\n pass"
        (project / "src" / "marking.pth").write_text(
            f"import os; exec({write!r})\n"
        )
        lab.install(make_bundle(project, tmp_path))

        # the next one is held against what is installed
        lab.install(make_bundle(PLUGINS / "echo", tmp_path,
                                requires=["httpx>=0.1"]))
        plugins = lab.plugins()
        assert {p["state"] for p in plugins.values()} == {"ready"}
        assert {p["mode"] for p in plugins.values()} == {"shared"}
        environment = Path(plugins["test-marking"]["environment"])
        site = next(environment.glob("lib/python*/site-packages"))
        assert (site / "marking.pth").exists()
        assert list(site.glob("mint_test_marking/__pycache__/plugin.*.pyc"))
        assert not mark.exists()


def test_readme_names_what_is_open() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.split("## As root, and without")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\S.*?) \| (\S+) \| (\S+) \| (\S+) \|$", section,
                      re.M)
    rows = [(what.replace("`", ""), *words) for what, *words in rows
            if what != "---"]
    assert len(rows) == len(README_ROWS)
    for row, (what, root, without, alone) in zip(README_ROWS, rows,
                                                 strict=True):
        assert what.startswith(row)
        assert (root, without, alone) == (
            "no", "**yes**" if row in OPEN_ROWS else "no", "**yes**")


@pytest.mark.parametrize("landlock", [True, False])
def test_without_root_it_works_and_says_what_is_open(landlock: bool) -> None:
    """The README's table is true, and each start says so, too."""
    place = make_place()
    command, settings = None, {}
    if os.getuid() == 0:
        os.chown(place, ORDINARY_UID, ORDINARY_UID)
        command, settings = unprivileged(place)
    if not landlock:
        settings["MINT_PLUGINS__SANDBOX"] = "false"
    system = MintSystem(place, command=command, **settings)
    try:
        system.start()
        if landlock and system.status()["limits"]["landlock_abi"] == 0:
            pytest.skip("this kernel has no Landlock")
        shown = " ".join(system.text.split())
        protection = system.status()["protection"]
        assert len(protection) == (1 if landlock else 2)
        for words in ("run files", "store", "sockets", "environment", "data"):
            assert words in " ".join(protection)
        assert "Missing protection" in shown
        assert all(" ".join(line.split()) in shown for line in protection)
        for name in ("echo", "nosy"):
            system.install(make_bundle(PLUGINS / name, place))
        system.create_user(*MEMBER)
        token = system.login(*MEMBER)
        secret = system.data / "plugin-data" / "test-echo" / "secret"
        secret.write_text("x")
        os.chown(secret, place.stat().st_uid, place.stat().st_gid)
        tries = wanted(system, "test-echo")
        for row, what in README_ROWS.items():
            got = results(attempt(system, token, tries[what]))
            if landlock and row not in OPEN_ROWS:
                assert set(got.values()) == {"PermissionError"}, (what, got)
            else:
                assert "open" in got.values(), (what, got)
        check_sockets(system, token)
        check_callbacks(system, token)
        if landlock:
            hidden = {"read": [str(place / "cache" / "x")],
                      "folders": ["/", str(place), str(ROOT), "/tmp"]}
            (place / "cache" / "x").write_text("x")
            got = results(attempt(system, token, hidden))
            assert set(got.values()) == {"PermissionError"}, got
        assert system.stop() == 0, system.text
        assert not system.leftovers()
    finally:
        system.end()


def unprivileged(place: Path) -> tuple[list[str], dict[str, str]]:
    """The launcher as another user, who uses the set-up of this one."""
    as_user = ["setpriv", f"--reuid={ORDINARY_UID}",
               f"--regid={ORDINARY_UID}", "--clear-groups"]
    python = os.environ["MINT_TEST_PYTHON"]
    uv = os.environ["MINT_TEST_UV"]
    for path in (ROOT / "scripts" / "launcher", BUILD / "mintctl", uv, python):
        if subprocess.run([*as_user, "test", "-r", path],
                          check=False).returncode != 0:
            pytest.skip(f"another user cannot read {path}")
    cache = place / "cache"
    cache.mkdir()
    os.chown(cache, place.stat().st_uid, place.stat().st_gid)
    command = [
        *as_user, python, "-I", "-B", str(ROOT / "scripts" / "launcher"),
        "--build", str(BUILD), "--python", python, "--uv", uv,
        "--cache", str(cache),
    ]
    return command, {"HOME": str(place), "XDG_RUNTIME_DIR": ""}
