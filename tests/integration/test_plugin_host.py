# SPDX-License-Identifier: MIT
"""plugin_host/ with real uvicorn and mint-sdk, as the supervisor runs it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host_harness import (
    HOST,
    PLUGINS,
    PYTHON,
    FakePlatform,
    HostProcess,
    UnixConnection,
    descendants,
    fake_platform,
    install,
    user_headers,
    wait_for,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import unix_connect

sys.path.insert(0, str(HOST.parent))
from mint_plugin_host import report  # noqa: E402
from mint_plugin_host.whole import Whole  # noqa: E402

PLATFORM_GONE = "http://127.0.0.1:1"
BASE = "/api/test-misbehaving"


@pytest.fixture(scope="module")
def platform() -> Iterator[FakePlatform]:
    with fake_platform() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("site")
    for name in ("echo", "misbehaving"):
        install(PLUGINS / name, top)
    return top


class Starter:
    def __init__(self, tmp_path: Path, site: Path, url: str) -> None:
        self.tmp_path, self.site, self.url = tmp_path, site, url
        self.running: list[HostProcess] = []

    def __call__(
        self, plugin: str = "misbehaving", **options: Any
    ) -> HostProcess:
        folder = self.tmp_path / str(len(self.running))
        folder.mkdir()
        host = HostProcess(
            folder,
            options.pop("site", self.site),
            f"test-{plugin}",
            options.pop("url", self.url),
            **options,
        )
        self.running.append(host)
        return host


@pytest.fixture
def host(
    tmp_path: Path, site: Path, platform: FakePlatform
) -> Iterator[Starter]:
    starter = Starter(tmp_path, site, platform.url)
    yield starter
    for process in starter.running:
        process.close()


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory,
    site: Path,
    platform: FakePlatform,
) -> Iterator[Starter]:
    """Processes for tests that leave them as they were, one a plugin."""
    starter = Starter(tmp_path_factory.mktemp("shared"), site, platform.url)
    yield starter
    for process in starter.running:
        process.close()


@pytest.fixture(scope="module")
def echo(shared: Starter) -> HostProcess:
    process = shared("echo")
    process.wait_event("ready")
    return process


@pytest.fixture(scope="module")
def misbehaving(shared: Starter) -> HostProcess:
    process = shared("misbehaving")
    process.wait_event("ready")
    return process


# ---- start and end ----------------------------------------------------------


def test_ready_serves_and_ends_by_signal(host: Starter) -> None:
    process = host()
    assert process.process is not None
    ready = process.wait_event("ready")
    assert ready["import_ms"] > 0 and ready["start_ms"] >= 0
    starting = process.find("starting")
    assert starting is not None
    assert starting["pid"] == process.process.pid
    assert starting["sdk"].startswith("1.2.")
    assert starting["python"].startswith("3.")

    status, answer = process.request("GET", f"{BASE}/alive")
    assert (status, answer["pid"]) == (200, process.process.pid)

    process.process.send_signal(signal.SIGTERM)
    assert process.wait_exit() == -signal.SIGTERM
    assert list(process.tmp.iterdir()) == []


def test_requests_before_ready_wait_in_the_socket(host: Starter) -> None:
    process = host(environment={"MINT_TEST_FAIL_START": "0.3"})
    status, _ = process.request("GET", f"{BASE}/alive")
    assert status == 200
    assert process.find("ready") is not None


def test_given_backlog_is_kept(host: Starter) -> None:
    process = host(environment={"MINT_HOST_BACKLOG": "7"})
    process.wait_event("ready")
    output = subprocess.run(
        ["ss", "-xl"], capture_output=True, text=True, check=True
    ).stdout
    line = next(
        line for line in output.splitlines() if process.socket_path in line
    )
    assert line.split()[3] == "7"


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("raise", "RuntimeError: the import was told to fail"),
        ("exit", "SystemExit: the import was told to exit"),
    ],
)
def test_failing_import(host: Starter, how: str, error: str) -> None:
    process = host(environment={"MINT_TEST_FAIL_IMPORT": how})
    assert process.wait_exit() == 1
    failed = process.wait_event("failed")
    assert failed["stage"] == "import"
    assert failed["error"] == error
    assert "mint_test_misbehaving/plugin.py" in failed["traceback"]
    assert error in process.log_text()
    assert process.find("ready") is None


def test_plugin_that_is_not_installed(host: Starter) -> None:
    process = host("missing")
    assert process.wait_exit() == 1
    failed = process.wait_event("failed")
    assert failed["stage"] == "import"
    assert "exactly one mint.plugins entry point" in failed["error"]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("raise", "ValueError: the start was told to fail"),
        ("exit", "SystemExit: the start was told to exit"),
    ],
)
def test_failing_start(host: Starter, how: str, error: str) -> None:
    process = host(environment={"MINT_TEST_FAIL_START": how})
    assert process.wait_exit() == 3
    failed = process.wait_event("failed")
    assert failed["stage"] == "start"
    assert failed["error"] == error
    assert "initialize" in failed["traceback"]
    assert process.find("ready") is None


def test_start_without_platform(host: Starter) -> None:
    process = host(
        url=PLATFORM_GONE, environment={"MINT_PLATFORM_RETRIES": "0"}
    )
    assert process.wait_exit() == 3
    failed = process.wait_event("failed")
    assert failed["stage"] == "start"
    assert "ConnectError" in failed["error"]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MINT_PLATFORM_URL", None, "MINT_PLATFORM_URL is not set"),
        ("MINT_PLUGIN_TOKEN", "", "MINT_PLUGIN_TOKEN is not set"),
        ("MINT_HOST_LISTEN_FD", "x", "MINT_HOST_LISTEN_FD is not a number"),
        ("MINT_HOST_LISTEN_FD", "60000", "fd 60000 is not open"),
        ("MINT_HOST_BACKLOG", "0", "MINT_HOST_BACKLOG is not in 1..65535"),
    ],
)
def test_bad_environment_is_refused(
    host: Starter, variable: str, value: str | None, sentence: str
) -> None:
    process = host(environment={variable: value})
    assert process.wait_exit() == 3
    failed = process.wait_event("failed")
    assert failed["stage"] == "start"
    assert sentence in failed["error"]


def test_shared_database_is_refused_in_words(
    host: Starter, tmp_path: Path
) -> None:
    site = install(
        PLUGINS / "echo",
        tmp_path / "site",
        replace={
            "    AnalysisPlugin,\n": (
                "    AnalysisPlugin,\n    PluginCapabilities,\n"
            ),
            'routes_prefix="/test-echo"': (
                "capabilities=PluginCapabilities(requires_shared_database="
                'True), routes_prefix="/test-echo"'
            ),
        },
    )
    process = host("echo", site=site)
    assert process.wait_exit() == 3
    failed = process.wait_event("failed")
    assert failed["stage"] == "start"
    assert "'test-echo' requires a shared database" in failed["error"]


def test_environment_without_a_server(
    host: Starter, tmp_path: Path
) -> None:
    site = install(PLUGINS / "echo", tmp_path / "site")
    (site / "uvicorn.py").write_text("raise ImportError('no uvicorn')\n")
    process = host("echo", site=site)
    assert process.wait_exit() == 1
    failed = process.wait_event("failed")
    assert failed["stage"] == "import"
    assert "needs mint-sdk[server]: no uvicorn" in failed["error"]


def test_usage() -> None:
    done = subprocess.run(
        [PYTHON, str(HOST), "dance"], capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "serve|probe" in done.stderr


# ---- what plugin code does to its process --------------------------------


def test_system_exit_in_a_handler_is_only_an_error(
    misbehaving: HostProcess,
) -> None:
    misbehaving.request("POST", f"{BASE}/system-exit")
    status, _ = misbehaving.request("GET", f"{BASE}/alive")
    assert status == 200


def test_exit_in_a_task_ends_the_process_with_a_reason(host: Starter) -> None:
    process = host()
    process.wait_event("ready")
    process.request("POST", f"{BASE}/keep-thread")
    begin = time.monotonic()
    process.request("POST", f"{BASE}/exit-in-task")
    # not held up by the thread that sleeps for an hour
    assert process.wait_exit() == 9
    assert time.monotonic() - begin < 12
    assert "plugin code ended the process: SystemExit(9)" in (
        process.log_text()
    )
    assert "in leave" in process.log_text()


def test_crash_leaves_a_traceback_in_the_log(host: Starter) -> None:
    process = host()
    process.wait_event("ready")
    with pytest.raises(OSError):
        process.request("POST", f"{BASE}/abort")
    assert process.wait_exit() == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in process.log_text()


def test_print_is_a_line_at_once(misbehaving: HostProcess) -> None:
    misbehaving.request("POST", f"{BASE}/print?lines=3&text=hello")
    assert misbehaving.log_text().count("hello ") == 3


def test_blocked_loop_is_reported(misbehaving: HostProcess) -> None:
    misbehaving.request("POST", f"{BASE}/block?seconds=0.6")
    assert 300 <= misbehaving.wait_event("lag")["ms"] <= 5000


def test_private_fds_stay_private(misbehaving: HostProcess) -> None:
    _, answer = misbehaving.request("POST", f"{BASE}/spawn?seconds=60")
    place = Path(f"/proc/{answer['pid']}")
    wait_for(lambda: b"sleep" in (place / "cmdline").read_bytes(), "exec")
    # only the three standard ones; all else is closed at exec, and what a
    # program opens while it starts may be gone between two looks
    links = []
    for entry in (place / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(entry))
    assert len(links) >= 3
    assert not [link for link in links if link.startswith("socket:")]
    assert not [link for link in links if link.startswith("pipe:")]


# ---- requests whose sender has gone --------------------------------------


def _post_count() -> bytes:
    return (
        f"POST {BASE}/count HTTP/1.1\r\nhost: p\r\n"
        "content-length: 0\r\n\r\n"
    ).encode()


def test_given_up_before_the_start_never_runs(host: Starter) -> None:
    process = host(start=False)
    process.raw(_post_count()).close()
    process.start()
    process.wait_event("ready")
    _, answer = process.request("GET", f"{BASE}/alive")
    assert answer["calls"] == 0


def test_given_up_while_the_loop_is_blocked_never_runs(host: Starter) -> None:
    process = host()
    process.wait_event("ready")
    kept = UnixConnection(process.socket_path)
    kept.request("GET", f"{BASE}/alive")
    kept.getresponse().read()

    blocker = threading.Thread(
        target=process.request,
        args=("POST", f"{BASE}/block?seconds=1"),
    )
    blocker.start()
    wait_for(lambda: not _answers(process, 0.1), "the loop is blocked")
    process.raw(_post_count()).close()      # a new connection
    assert kept.sock is not None
    kept.sock.sendall(_post_count())        # and one accepted before
    kept.close()
    blocker.join()
    _, answer = process.request("GET", f"{BASE}/alive")
    assert answer["calls"] == 0


def _answers(process: HostProcess, timeout: float) -> bool:
    try:
        process.request("GET", f"{BASE}/alive", timeout=timeout)
    except TimeoutError:
        return False
    return True


def test_half_closed_sender_is_served(misbehaving: HostProcess) -> None:
    sock = misbehaving.raw(_post_count())
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    sock.close()
    _, answer = misbehaving.request("GET", f"{BASE}/alive")
    assert answer["calls"] == 1


# ---- report and control pipes ------------------------------------------------


def test_full_report_pipe_does_not_stop_anything(host: Starter) -> None:
    process = host(start=False)
    os.set_blocking(process.report_write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(process.report_write, b" " * 4096)
    process.start(read_reports=False)
    status, _ = process.request("GET", f"{BASE}/alive")
    assert status == 200


def test_closed_report_pipe_does_not_stop_anything(host: Starter) -> None:
    process = host(start=False)
    spare = os.dup(process.report_read)
    os.close(process.report_read)
    process.report_read = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    process.start(read_reports=False)
    status, _ = process.request("GET", f"{BASE}/alive")
    assert status == 200
    process.request("POST", f"{BASE}/block?seconds=0.5")
    status, _ = process.request("GET", f"{BASE}/alive")
    assert status == 200


def test_malformed_commands_are_ignored(echo: HostProcess) -> None:
    for line in (b"\n", b"[]\n", b"{\n", b'{"command": "dance"}\n',
                 b'{"command": "activity", "serial": "x"}\n',
                 b"\xff\xfe\n", b"{" * 200_000 + b"\n"):
        os.write(echo.control_write, line)
    assert echo.activity(5)["serial"] == 5


# ---- drain and activity ----------------------------------------------------


def test_activity_counts_and_names_owners(host: Starter) -> None:
    process = host("echo")
    process.wait_event("ready")
    assert process.activity(1) == {
        "event": "activity", "serial": 1, "known": True, "requests": 0,
        "websockets": 0, "jobs": 0, "results": 0, "sessions": 0,
        "uploads": 0, "owners": [],
    }
    with unix_connect(process.socket_path, "ws://p/api/test-echo/ws"):
        stream = process.raw(
            b"GET /api/test-echo/events?count=1000 HTTP/1.1\r\n"
            b"host: p\r\n\r\n"
        )
        assert stream.recv(1024).startswith(b"HTTP/1.1 200")
        job = _submit(process, 3.0, user_id=41)
        seen = process.activity(2)
        stream.close()
    assert seen["known"] is True
    assert seen["requests"] >= 1
    assert seen["websockets"] == 1
    assert seen["jobs"] == 1
    assert seen["owners"] == ["41"]

    _result(process, job, user_id=41)
    # the result is not fetched for good: it still lives only here
    after = process.activity(3)
    assert (after["jobs"], after["results"]) == (0, 1)
    assert after["owners"] == ["41"]


def test_drain_finishes_what_runs_then_exits(host: Starter) -> None:
    process = host()
    process.wait_event("ready")
    answers: list[tuple[int, Any]] = []
    slow = threading.Thread(
        target=lambda: answers.append(
            process.request("GET", f"{BASE}/slow?seconds=1.5")
        )
    )
    slow.start()
    wait_for(lambda: _requests(process) >= 1, "the slow request runs")
    idle = UnixConnection(process.socket_path)
    idle.request("GET", f"{BASE}/alive")
    idle.getresponse().read()

    process.command(command="drain")
    # an idle connection is closed at once, a new one is not taken
    assert idle.sock is not None
    assert idle.sock.recv(1) == b""
    idle.close()
    late = process.raw(_post_count())
    assert process.find("drained") is None

    slow.join()
    assert answers[0][0] == 200
    assert process.wait_exit() == 0
    assert process.find("drained") is not None

    # the connection that came late waits for the next process on the seat
    following = HostProcess(
        process.folder,
        host.site,
        "test-misbehaving",
        host.url,
        listener=process.listener.dup(),
    )
    host.running.append(following)
    assert late.recv(4096).startswith(b"HTTP/1.1 200")
    late.close()


_serial = iter(range(1000, 2000))


def _requests(process: HostProcess) -> int:
    return process.activity(next(_serial))["requests"]


def test_drain_leaves_websockets_and_jobs_alone(host: Starter) -> None:
    process = host("echo")
    process.wait_event("ready")
    job = _submit(process, 1.5, user_id=3)
    url = "ws://p/api/test-echo/ws"
    with unix_connect(process.socket_path, url) as websocket:
        websocket.recv()
        process.command(command="drain")
        wait_for(lambda: not _accepts(process), "drain has begun")
        websocket.send("still here")
        assert websocket.recv(timeout=5) == "still here"
        assert process.find("drained") is None
    assert process.wait_exit() == 0
    assert process.find("drained") is not None
    assert job


def _accepts(process: HostProcess) -> bool:
    """Whether a new connection is taken from the backlog soon."""
    probe = UnixConnection(process.socket_path, timeout=0.3)
    try:
        probe.request("GET", "/api/test-echo/headers")
        probe.getresponse().read()
    except TimeoutError:
        return False
    finally:
        probe.close()
    return True


def test_drain_during_the_start(host: Starter) -> None:
    process = host(environment={"MINT_TEST_FAIL_START": "0.5"})
    process.wait_event("starting")
    process.command(command="drain")
    assert process.wait_exit() == 0
    assert process.find("drained") is not None
    assert process.find("ready") is None


# ---- WebSockets -----------------------------------------------------------


def test_websocket_echo_and_identity(echo: HostProcess) -> None:
    public = "ws://p/api/test-echo/ws"
    private = "ws://p/api/test-echo/private-ws"
    with unix_connect(echo.socket_path, public) as websocket:
        websocket.recv()
        websocket.send("text")
        assert websocket.recv(timeout=5) == "text"
        websocket.send(b"\0bytes")
        assert websocket.recv(timeout=5) == b"\0bytes"

    with pytest.raises(InvalidStatus) as refused:
        unix_connect(echo.socket_path, private)
    assert refused.value.response.status_code == 403
    with unix_connect(
        echo.socket_path, private, additional_headers=user_headers()
    ) as websocket:
        sent = dict(json.loads(websocket.recv())["headers"])
        assert sent["x-mint-user-id"] == "3"


def test_sigterm_closes_websockets_with_service_restart(
    host: Starter,
) -> None:
    process = host("echo")
    process.wait_event("ready")
    url = "ws://p/api/test-echo/ws"
    with unix_connect(process.socket_path, url) as websocket:
        websocket.recv()
        assert process.process is not None
        process.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert process.wait_exit() == -signal.SIGTERM


# ---- identity, callbacks and jobs -----------------------------------------


def test_plugin_sees_the_user_and_calls_back(
    echo: HostProcess, platform: FakePlatform
) -> None:
    path = "/api/test-echo/whoami"
    assert echo.request("GET", path)[0] == 403
    status, answer = echo.request(
        "GET", path, headers={**user_headers(17, "eve"), "x-request-id": "r1"}
    )
    assert status == 200
    assert answer == {
        "user_id": "17",
        "username": "eve",
        "role": "member",
        "plugin_role": None,
        "permissions": ["experiments.view", "plugins.view"],
        "request_id": "r1",
    }
    called = [call for call in platform.calls if call[1].endswith("/17")]
    assert called[0][:2] == ("GET", "/plugin-roles/17")
    assert called[0][2]["x-mint-plugin-name"] == "test-echo"


def test_forwarded_scheme_is_believed(echo: HostProcess) -> None:
    _, answer = echo.request(
        "GET",
        "/api/test-echo/any/x%2Fy?q=1",
        headers={
            "x-forwarded-proto": "https",
            "x-forwarded-for": "192.0.2.7",
        },
    )
    assert (answer["scheme"], answer["client"]) == ("https", "192.0.2.7")
    assert answer["raw_path"] == "/api/test-echo/any/x%2Fy"


def _submit(process: HostProcess, seconds: float, user_id: int) -> str:
    base = "/api/test-echo/jobs"
    headers = user_headers(user_id, f"user{user_id}")
    status, session = process.request(
        "POST", f"{base}/sessions", {"tab_id": "tab"}, headers
    )
    assert status in (200, 201), session
    status, job = process.request(
        "POST",
        base,
        {
            "definition_id": "sleep-for",
            "inputs": {"seconds": seconds},
            "session_id": session.get("session_id") or session["id"],
            "client_request_id": f"request-{seconds}-{user_id}",
        },
        headers,
    )
    assert status in (200, 201, 202), job
    return str(job.get("job_id") or job["id"])


def _result(process: HostProcess, job: str, user_id: int) -> Any:
    path = f"/api/test-echo/jobs/{job}/result"
    headers = user_headers(user_id, f"user{user_id}")

    def fetch() -> Any:
        status, answer = process.request("GET", path, headers=headers)
        assert status in (200, 409), (answer, process.log_text())
        return answer if status == 200 else None

    return wait_for(fetch, "the job's result", 40)


def test_job_runs_in_a_worker_of_this_plugin(echo: HostProcess) -> None:
    job = _submit(echo, 0.0, user_id=3)
    text = json.dumps(_result(echo, job, 3))
    assert echo.process is not None
    assert '"plugin": "test-echo"' in text
    assert json.dumps(str(echo.tmp)) in text
    assert f'"pid": {echo.process.pid}' not in text
    # the worker has not run the start file again
    assert '"main": null' in text


def test_old_entry_point_group_also_in_workers(
    host: Starter, tmp_path: Path
) -> None:
    site = install(
        PLUGINS / "echo",
        tmp_path / "site",
        entry_points={
            "mld.plugins": {"test-echo": "mint_test_echo.plugin:EchoPlugin"}
        },
        replace={
            '"plugin": os.environ.get("MINT_PLUGIN_NAME", ""),': (
                '"plugin": self.metadata.name + " " + '
                "self.metadata.version,"
            )
        },
        version="3.1.4",
    )
    process = host("echo", site=site)
    process.wait_event("ready")
    job = _submit(process, 0.0, user_id=3)
    assert '"plugin": "test-echo 3.1.4"' in json.dumps(
        _result(process, job, 3)
    )
    probed = _probe(site, "echo", tmp_path)
    assert (probed["name"], probed["version"]) == ("test-echo", "3.1.4")


def test_workers_are_children_to_clean_up(host: Starter) -> None:
    """What the supervisor relies on: a tree below the plugin's process."""
    process = host("echo")
    process.wait_event("ready")
    assert process.process is not None
    _submit(process, 30.0, user_id=3)
    pid = process.process.pid
    wait_for(lambda: len(descendants(pid)) >= 2, "worker and tracker")
    process.process.send_signal(signal.SIGTERM)
    assert process.wait_exit() == -signal.SIGTERM
    assert list(process.tmp.iterdir()) == []


# ---- probe ----------------------------------------------------------------


def _run_probe(
    site: Path, plugin: str, tmp_path: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    scratch = tmp_path / "probe-tmp"
    scratch.mkdir(exist_ok=True)
    done = subprocess.run(
        [PYTHON, str(HOST), "probe"],
        cwd=scratch,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TMPDIR": str(scratch),
            "PYTHONPATH": str(site),
            "MINT_PLUGIN_NAME": f"test-{plugin}",
            "MINT_PLUGIN_ENTRY_POINT": f"test-{plugin}",
            "MINT_PLUGIN_DISTRIBUTION": f"mint-test-{plugin}",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert list(scratch.iterdir()) == [], "the probe has left something"
    return done


def _probe(site: Path, plugin: str, tmp_path: Path) -> dict[str, Any]:
    done = _run_probe(site, plugin, tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_probe_says_what_the_plugin_declares(
    site: Path, tmp_path: Path
) -> None:
    probed = _probe(site, "echo", tmp_path)
    metadata = probed.pop("metadata")
    module = probed.pop("module_file")
    capabilities = probed.pop("capabilities")
    assert probed == {
        "event": "probed",
        "name": "test-echo",
        "version": "1.0.0",
        "description": "Answers with what it was sent",
        "routes_prefix": "/test-echo",
        "plugin_type": "analysis",
        "analysis_type": "custom",
        "frontend_dir": None,
        "config_keys": [],
        "config_requires_admin": False,
        "events": [],
        "jobs": ["sleep-for"],
        "migrations": "none",
        "sdk": "1.2.10",
        "affinity": "none",
    }
    assert module == str(site / "mint_test_echo" / "plugin.py")
    assert metadata["capabilities"]["analysis_result_write"] is None
    assert capabilities["analysis_result_write"] is True
    assert capabilities["design_data_write"] is False


def test_probe_of_a_richer_plugin(tmp_path: Path) -> None:
    site = install(
        PLUGINS / "echo",
        tmp_path / "site",
        entry_points={
            "mint.plugins": {
                "test-echo": "mint_test_echo.plugin:EchoPlugin"
            },
            "mint.affinity": {"test-echo": "session"},
        },
        replace={
            'METHODS = ["GET"': (
                'print("noise at import")\n'
                "from pydantic import BaseModel\n\n\n"
                "class Settings(BaseModel):\n"
                "    threshold: float = 0.5\n"
                '    unit: str = "m/z"\n\n\n'
                'METHODS = ["GET"'
            ),
            'routes_prefix="/test-echo"': (
                'routes_prefix="/test-echo", config=Settings, '
                "config_requires_admin=True, "
                "design_schema={'description': 'x' * 70_000}"
            ),
            "    @job\n": (
                "    def get_migrations_package(self) -> str:\n"
                '        return "mint_test_echo.migrations"\n\n'
                '    @on_event("experiment.after_save")\n'
                "    async def saved(self, event: Any) -> None:\n"
                "        pass\n\n"
                "    @job\n"
            ),
            "    mint_plugin,\n": "    mint_plugin,\n    on_event,\n",
        },
    )
    probed = _probe(site, "echo", tmp_path)
    assert probed["config_keys"] == ["threshold", "unit"]
    assert probed["config_requires_admin"] is True
    assert probed["events"] == ["experiment.after_save"]
    assert probed["migrations"] == "legacy"
    assert probed["affinity"] == "session"
    assert probed["omitted"] == ["metadata.design_schema"]


def test_probe_on_the_report_pipe(site: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [PYTHON, str(HOST), "probe"],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(site),
                "MINT_PLUGIN_NAME": "test-echo",
                "MINT_PLUGIN_ENTRY_POINT": "test-echo",
                "MINT_PLUGIN_DISTRIBUTION": "mint-test-echo",
                "MINT_HOST_REPORT_FD": str(write),
            },
            pass_fds=(write,),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, b"")
        os.close(write)
        write = -1
        with open(os.dup(read), "rb") as stream:
            assert json.loads(stream.read())["event"] == "probed"
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)


def test_failing_probe(site: Path, tmp_path: Path) -> None:
    done = _run_probe(
        site, "misbehaving", tmp_path, MINT_TEST_FAIL_IMPORT="exit"
    )
    assert done.returncode == 1
    failed = json.loads(done.stdout)
    assert (failed["event"], failed["stage"]) == ("failed", "import")
    assert failed["error"] == "SystemExit: the import was told to exit"
    assert "SystemExit" in done.stderr


def test_probe_finds_what_only_the_app_shows(tmp_path: Path) -> None:
    """A frontend folder without index.html fails when the app is built."""
    site = install(PLUGINS / "echo", tmp_path / "site")
    (site / "mint_test_echo" / "frontend").mkdir()
    done = _run_probe(site, "echo", tmp_path)
    assert done.returncode == 1
    assert "index.html" in json.loads(done.stdout)["error"]


# ---- report lines ---------------------------------------------------------


def test_reports_are_strict_json() -> None:
    line = report.encode(
        {
            "event": "probed",
            "nul": "a\0b",
            "surrogate": "\udcff",
            "nan": math.nan,
            "infinite": math.inf,
            "large": 2**80,
            "tuple": (1, 2),
            "set": {"b", "a"},
            "path": Path("/x"),
            7: b"bytes",
        }
    )
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    document = json.loads(line, parse_constant=pytest.fail)
    assert document["nan"] is None and document["infinite"] is None
    assert document["large"] == str(2**80)
    assert document["set"] == ["a", "b"]
    assert "\0" not in document["nul"]
    assert b"\\u0000" not in line and b"\\udcff" not in line


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600", "\n"])
def test_long_failures_fit_into_a_line(letter: str) -> None:
    line = report.encode(
        report.failed("import", letter * 5000, letter * 200_000 + "the end")
    )
    assert len(line) <= report.LINE_MAX
    assert json.loads(line)["traceback"].endswith("the end")


def test_reporter_never_mixes_lines() -> None:
    read, write = os.pipe()
    reporter = report.Reporter(write)
    text = "x" * 30_000
    sent = 0
    lines = b""
    for number in range(50):
        sent += reporter.send({"event": "lag", "n": number, "text": text})
        if number % 10 == 9:
            lines += os.read(read, 100_000)
            reporter.flush()
    reporter.send_last({"event": "drained"}, wait_sec=0.0)
    os.close(write)
    while piece := os.read(read, 65536):
        lines += piece
    os.close(read)
    complete = lines[: lines.rindex(b"\n") + 1].splitlines()
    assert reporter.dropped == 50 - sent > 0
    assert all(json.loads(line)["event"] for line in complete)


# ---- answers ---------------------------------------------------------------


@pytest.mark.parametrize(
    "headers, after_head",
    [
        ([(b"Content-Length", b"2")], 0),
        ([(b"content-type", b"text/event-stream")], 1),
        ([], 1),
    ],
)
def test_head_waits_for_the_body_of_known_length(
    headers: list[tuple[bytes, bytes]], after_head: int
) -> None:
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    async def answer() -> None:
        whole = Whole(send)
        start = {"type": "http.response.start", "headers": headers}
        await whole(start)
        assert len(sent) == after_head
        await whole({"type": "http.response.body", "more_body": True})
        await whole({"type": "http.response.body"})

    asyncio.run(answer())
    body = "http.response.body"
    assert sent == ["http.response.start", body, body]


def test_an_answer_leaves_in_one_piece(echo: HostProcess) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(echo.socket_path)
        peer.sendall(
            b"GET /api/test-echo/_mint/runtime HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        first = peer.recv(65536)
    head, _, body = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and json.loads(body)
