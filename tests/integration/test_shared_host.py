# SPDX-License-Identifier: MIT
"""Several real plugins in one process: what each sees, who hurts whom."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from host_harness import (
    PLUGINS,
    FakePlatform,
    fake_platform,
    install,
    wait_for,
)
from shared_harness import SQLMODEL, Member, SharedProcess
from websockets.sync.client import unix_connect

THREE = [
    ("test-echo", "mint-test-echo"),
    ("test-misbehaving", "mint-test-misbehaving"),
    ("test-mirror", "mint-test-mirror"),
]

Starter = Callable[..., SharedProcess]


@pytest.fixture(scope="module")
def platform() -> Iterator[FakePlatform]:
    with fake_platform() as running:
        names = ("test-echo", "test-misbehaving", "test-mirror", "test-twin")
        running.tokens.update({name: f"token-of-{name}" for name in names})
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("site")
    for name in ("echo", "misbehaving", "mirror"):
        install(PLUGINS / name, top)
    return top


@pytest.fixture
def share(
    tmp_path: Path, site: Path, platform: FakePlatform
) -> Iterator[Starter]:
    running: list[SharedProcess] = []

    def start(
        members: list[tuple[str, str]] = THREE, **options: Any
    ) -> SharedProcess:
        folder = tmp_path / f"shared-{len(running)}"
        folder.mkdir()
        process = SharedProcess(
            folder, options.pop("site", str(site)), members,
            options.pop("url", platform.url), **options,
        )
        running.append(process)
        process.start()
        return process

    yield start
    for process in running:
        process.close()


def api(member: Member, path: str, **options: Any) -> Any:
    status, answer = member.request(
        "GET", f"/api/{member.name}/{path}", **options
    )
    assert status == 200, (status, answer)
    return answer


def submit(member: Member, job: str, inputs: dict[str, Any]) -> str:
    base = f"/api/{member.name}/jobs"
    status, session = member.request(
        "POST", f"{base}/sessions", {"tab_id": "tab"}
    )
    assert status in (200, 201), session
    status, answer = member.request("POST", base, {
        "definition_id": job,
        "inputs": inputs,
        "session_id": session.get("session_id") or session["id"],
        "client_request_id": f"request-{job}",
    })
    assert status in (200, 201, 202), answer
    return str(answer.get("job_id") or answer["id"])


def result(member: Member, job: str) -> str:
    def fetch() -> Any:
        status, answer = member.request(
            "GET", f"/api/{member.name}/jobs/{job}/result"
        )
        assert status in (200, 409), answer
        return json.dumps(answer) if status == 200 else None

    return wait_for(fetch, f"the result of {member.name}", 40)


def test_each_is_itself(share: Starter) -> None:
    process = share()
    assert process.wait_all() == dict.fromkeys(dict(THREE))
    echo, mirror = (
        process.members[name] for name in ("test-echo", "test-mirror")
    )
    seen = api(echo, "environment")
    assert seen["pid"] == process.process.pid
    assert seen["environment"]["TMPDIR"] == str(process.tmp / "test-echo")
    assert seen["environment"]["MINT_PLUGIN_DATA_DIR"].endswith("-test-echo")
    assert not [n for n in seen["variables"] if n.startswith("MINT_HOST")]

    same = api(mirror, "mirror")["same"]
    assert same["environment"] == mirror.environment
    own = str(process.tmp / "test-mirror")
    assert (same["tempdir"], same["at_import"]["tempdir"]) == (own, own)
    assert same["at_import"]["token"] == hashlib.sha256(
        mirror.token.encode()
    ).hexdigest()
    assert same["at_import"]["loop"] == "made"
    # a program that it starts is told the same
    assert "'MINT_PLUGIN_TOKEN'" in same["helper"]

    # what the SDK keeps for jobs is in each one's own directory
    for member in (echo, mirror):
        assert list((process.tmp / member.name).glob("mint-*")), member.name
    assert not list(process.tmp.glob("mint-*"))


def test_tokens_are_not_mixed(share: Starter, platform: FakePlatform) -> None:
    process = share()
    process.wait_all()
    echo = process.members["test-echo"]
    assert api(echo, "whoami")["user_id"] == "3"
    status, answer = echo.request(
        "GET", "/api/test-echo/whoami",
        headers={"x-mint-internal-token": "token-of-test-mirror"},
    )
    assert status == 403, answer
    calls = [
        headers for _, target, headers in platform.calls
        if target.endswith("/plugin-roles/3")
    ]
    assert calls[-1]["x-mint-plugin-name"] == "test-echo"
    assert calls[-1]["x-mint-internal-token"] == "token-of-test-echo"
    # an event of the platform for one is not taken by another
    mirror = process.members["test-mirror"]
    for token, expected in ((mirror.token, 422), (echo.token, 403)):
        status, answer = mirror.request(
            "POST", "/__mint/events", {}, {"x-mint-internal-token": token}
        )
        assert status == expected, answer


def test_jobs_have_the_environment_of_their_plugin(share: Starter) -> None:
    process = share()
    process.wait_all()
    echo, mirror = (
        process.members[name] for name in ("test-echo", "test-mirror")
    )
    jobs = submit(echo, "sleep-for", {"seconds": 0}), submit(
        mirror, "reflect", {"value": 0}
    )
    text = result(echo, jobs[0])
    assert '"plugin": "test-echo"' in text
    assert json.dumps(str(process.tmp / "test-echo")) in text
    text = result(mirror, jobs[1])
    assert f'"MINT_PLUGIN_TOKEN": "{mirror.token}"' in text
    assert echo.token not in text
    assert json.dumps(str(process.tmp / "test-mirror")) in text

    activity = process.activity(7)
    assert activity["known"] and activity["owners"] == ["3"]
    assert activity["results"] == 2


def test_websocket_and_lines_of_one(share: Starter) -> None:
    process = share()
    process.wait_all()
    echo = process.members["test-echo"]
    with unix_connect(
        echo.socket_path, "ws://plugin/api/test-echo/ws"
    ) as socket:
        json.loads(socket.recv())
        socket.send("hello")
        assert socket.recv() == "hello"
        assert process.activity(1)["websockets"] == 1

    member = process.members["test-misbehaving"]
    status, _ = member.request(
        "POST", "/api/test-misbehaving/say?text=one-of-many",
        headers={"x-request-id": "r-17"},
    )
    assert status == 200
    line = wait_for(lambda: next((
        line for line in process.log_text().splitlines()
        if "one-of-many" in line), None), "the line")
    said = json.loads(line)
    assert said["shared_plugin"] == "test-misbehaving"
    assert said["request_id"] == "r-17"


@pytest.mark.parametrize(
    ("how", "stage", "error"),
    [
        ({"MINT_TEST_FAIL_IMPORT": "raise"}, "import", "the import was told"),
        ({"MINT_TEST_FAIL_IMPORT": "exit"}, "import", "SystemExit"),
        ({"MINT_TEST_FAIL_START": "raise"}, "start", "the start was told"),
        ({"MINT_TEST_FAIL_START": "hang"}, "start", "not ready within 2 s"),
    ],
)
def test_one_that_fails_is_named_and_others_serve(
    share: Starter, how: dict[str, str], stage: str, error: str
) -> None:
    process = share(environments={"test-misbehaving": how}, ready_sec=2)
    states = process.wait_all()
    assert error in (states.pop("test-misbehaving") or "")
    assert states == {"test-echo": None, "test-mirror": None}
    report = process.of("test-misbehaving", "failed")
    assert report is not None and report["stage"] == stage
    for name in states:
        assert process.of(name, "ready") is not None
        assert api(process.members[name], "_mint/runtime")
    process.command(command="plugins")
    assert "test-misbehaving" in process.wait_event("plugins")["plugins"]


def test_all_that_fail_end_the_process(share: Starter) -> None:
    process = share([("no-such", "mint-none"), ("nor-that", "mint-none")])
    assert process.process.wait(20) == 3
    process.wait_exit()
    reports = [r for r in process.reports if r["event"] == "failed"]
    assert [r.get("plugin") for r in reports] == ["no-such", "nor-that", None]
    assert "none of its 2 plugins" in reports[-1]["error"]


def test_end_and_drain(share: Starter) -> None:
    process = share()
    process.wait_all()
    process.process.send_signal(signal.SIGTERM)
    assert process.wait_exit() == 0
    assert [list(p.iterdir()) for p in process.tmp.iterdir()] == [[]] * 3

    process = share()
    process.wait_all()
    job = submit(process.members["test-echo"], "sleep-for", {"seconds": 1})
    process.command(command="drain")
    process.wait_event("drained")
    assert process.wait_exit() == 0
    assert job


def test_figures_are_of_all(share: Starter) -> None:
    process = share()
    process.wait_all()
    for name in ("test-echo", "test-misbehaving"):
        process.members[name].request("GET", f"/api/{name}/_mint/runtime")
    process.command(command="figures")
    assert process.wait_event("figures")["served"] == 2


# ---- clashes ----------------------------------------------------------------


def test_equal_modules_are_named(
    share: Starter, tmp_path: Path, site: Path
) -> None:
    """Two projects that call their package alike, in one environment."""
    top = tmp_path / "site"
    install(PLUGINS / "mirror", top)
    install(PLUGINS / "echo", top)
    twin = tmp_path / "twin"
    shutil.copytree(PLUGINS / "echo", twin)
    project = twin / "pyproject.toml"
    project.write_text(project.read_text().replace(
        '"mint-test-echo"', '"mint-test-twin"').replace(
        "test-echo = ", "test-twin = "))
    install(twin, top, replace={'"/test-echo"': '"/test-twin"'})
    process = share(
        [THREE[0], ("test-twin", "mint-test-twin"), THREE[2]], site=str(top)
    )
    states = process.wait_all()
    # the one whose file is still there is the one that can run
    assert states["test-twin"] is None and states["test-mirror"] is None
    assert "overwritten by that of plugin 'test-twin'" in states["test-echo"]
    assert "plugins.forceIsolated" in states["test-echo"]
    assert api(process.members["test-twin"], "_mint/runtime")


def test_shadowed_module_is_named(
    share: Starter, tmp_path: Path, site: Path
) -> None:
    """The same, from two directories: the first would be both."""
    other = tmp_path / "site"
    twin = tmp_path / "twin"
    shutil.copytree(PLUGINS / "echo", twin)
    project = twin / "pyproject.toml"
    project.write_text(project.read_text().replace(
        '"mint-test-echo"', '"mint-test-twin"').replace(
        "test-echo = ", "test-twin = "))
    install(twin, other)
    process = share(
        [THREE[0], ("test-twin", "mint-test-twin")], site=f"{site}:{other}"
    )
    states = process.wait_all()
    assert states["test-echo"] is None
    assert "is also that of plugin 'test-echo'" in states["test-twin"]
    assert "plugins.sharedProcess" in states["test-twin"]


def test_equal_entry_points_are_named(share: Starter) -> None:
    process = share([THREE[0], THREE[1]], environments={
        "test-misbehaving": {
            "MINT_PLUGIN_ENTRY_POINT": "test-echo",
            "MINT_PLUGIN_DISTRIBUTION": "mint_test.echo",
        },
    })
    states = process.wait_all()
    assert states["test-echo"] is None
    assert "also that of plugin 'test-echo'" in states["test-misbehaving"]


def test_equal_tables_are_named(share: Starter, tmp_path: Path) -> None:
    """As SQLModel keeps them: one metadata for all of a process."""
    top = tmp_path / "site"
    install(PLUGINS / "mirror", top)
    sqlmodel = top / "sqlmodel.py"
    sqlmodel.write_text(SQLMODEL)
    for name in ("echo", "misbehaving"):
        install(PLUGINS / name, top, replace={
            "from __future__ import annotations\n":
            "from __future__ import annotations\n"
            "import sqlmodel; sqlmodel.table('samples')\n",
        })
    process = share(site=str(top))
    states = process.wait_all()
    assert states["test-echo"] is None
    assert "'samples' is also that of plugin 'test-echo'" in states[
        "test-misbehaving"]
