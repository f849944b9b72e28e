# SPDX-License-Identifier: MIT
"""Runs one plugin host as the supervisor would, against a small platform.

The platform's side (FakePlatform) answers the rows of the internal API that
plugins in these tests call; it keeps experiments in memory.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOP = Path(__file__).resolve().parents[2]
HOST = TOP / "plugin_host" / "__main__.py"
PLUGINS = TOP / "tests" / "plugins"
PYTHON = os.environ.get("MINT_TEST_PLUGIN_PYTHON", sys.executable)
TOKEN = "token-of-the-plugin"
DEADLINE_SEC = 20.0

sys.path.insert(0, str(PLUGINS))
from make_bundle import make_wheel  # noqa: E402


def wait_for(
    condition: Callable[[], Any], what: str, timeout: float = DEADLINE_SEC
) -> Any:
    """What the condition returns once it is true."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def install(source: Path, site: Path, **options: Any) -> Path:
    """Unpacks the wheel of a plugin project into a directory."""
    _, wheel = make_wheel(source, **options)
    site.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        archive.extractall(site)
    return site


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float = DEADLINE_SEC) -> None:
        super().__init__("plugin", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def user_headers(
    user_id: int = 3, name: str = "bob", role: str = "member"
) -> dict[str, str]:
    """What the edge adds for a user."""
    return {
        "x-mint-internal-token": TOKEN,
        "x-mint-user-id": str(user_id),
        "x-mint-username": name,
        "x-mint-user-role": role,
        "x-mint-user-permissions": json.dumps(
            ["plugins.view", "experiments.view"]
        ),
    }


def ask(
    socket_path: str,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = DEADLINE_SEC,
) -> tuple[int, Any]:
    """Status and JSON document (or text)."""
    connection = UnixConnection(socket_path, timeout)
    try:
        sent = dict(headers or {})
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        connection.request(method, path, data, sent)
        response = connection.getresponse()
        text = response.read().decode()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text
    finally:
        connection.close()


class HostProcess:
    """One "serve" process with its seat socket, pipes and environment."""

    def __init__(
        self,
        folder: Path,
        site: Path,
        name: str,
        platform_url: str,
        *,
        distribution: str = "",
        environment: Mapping[str, str | None] | None = None,
        listener: socket.socket | None = None,
        start: bool = True,
    ) -> None:
        self.folder = folder
        self.socket_path = str(folder / "seat.sock")
        self.listener = listener or self._listen()
        self.report_read, self.report_write = os.pipe()
        self.control_read, self.control_write = os.pipe()
        self.log = folder / "log"
        self.tmp = folder / "tmp"
        self.cwd = folder / "empty"
        for directory in (self.tmp, self.cwd):
            directory.mkdir(exist_ok=True)
        self.reports: list[dict[str, Any]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(self.tmp),
            "PYTHONPATH": str(site),
            "SSL_CERT_DIR": "/etc/ssl/certs",
            "MINT_PLATFORM_URL": platform_url,
            "MINT_PLATFORM_API_VERSION": "1",
            "MINT_PLUGIN_TOKEN": TOKEN,
            "MINT_PLUGIN_NAME": name,
            "MINT_PLUGIN_ENTRY_POINT": name,
            "MINT_PLUGIN_DISTRIBUTION": distribution or f"mint-{name}",
            "MINT_PLUGIN_DATA_DIR": str(folder),
            "MINT_INSTANCE": f"{name}.0a.1",
            "MINT_HOST_LISTEN_FD": str(self.listener.fileno()),
            "MINT_HOST_REPORT_FD": str(self.report_write),
            "MINT_HOST_CONTROL_FD": str(self.control_read),
            "MINT_HOST_BACKLOG": "100",
            "MINT_HOST_KEEPALIVE_SEC": "65",
            "MINT_HOST_GRACEFUL_SEC": "5",
        }
        for key, value in (environment or {}).items():
            self._environment.pop(key, None)
            if value is not None:
                self._environment[key] = value
        if start:
            self.start()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.socket_path)
        listener.listen(100)
        return listener

    def start(self, read_reports: bool = True) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PYTHON, str(HOST), "serve"],
                cwd=self.cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(
                    self.listener.fileno(),
                    self.report_write,
                    self.control_read,
                ),
            )
        if read_reports:
            self.read_reports()

    def read_reports(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with open(os.dup(self.report_read), "rb") as stream:
            for line in stream:
                self.reports.append(json.loads(line))

    # ---- what a supervisor does -----------------------------------------

    def find(self, event: str) -> dict[str, Any] | None:
        return next(
            (r for r in list(self.reports) if r["event"] == event), None
        )

    def wait_event(
        self, event: str, timeout: float = DEADLINE_SEC
    ) -> dict[str, Any]:
        try:
            found = wait_for(
                lambda: self.find(event) or self._has_ended(),
                f"report {event!r}",
                timeout,
            )
            found = self.find(event) if found is True else found
            assert found is not None, f"ended without report {event!r}"
            return found
        except AssertionError as exc:
            raise AssertionError(
                f"{exc}\nreports: {self.reports}\nlog: {self.log_text()}"
            ) from None

    def _has_ended(self) -> bool:
        """Ended, and its reports are read."""
        if self.process is None or self.process.poll() is None:
            return False
        if self.report_write >= 0:
            self.wait_exit()
        return True

    def command(self, **message: Any) -> None:
        os.write(self.control_write, json.dumps(message).encode() + b"\n")

    def activity(self, serial: int) -> dict[str, Any]:
        self.command(command="activity", serial=serial)
        return wait_for(
            lambda: next(
                (
                    report
                    for report in list(self.reports)
                    if report.get("serial") == serial
                ),
                None,
            ),
            f"activity {serial}",
        )

    def wait_exit(self, timeout: float = DEADLINE_SEC) -> int:
        assert self.process is not None
        code = self.process.wait(timeout)
        # the last reports are in the pipe: end it and let the reader finish
        os.close(self.report_write)
        self.report_write = -1
        if self._reader is not None:
            self._reader.join(5)
        return code

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    # ---- requests ----------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEADLINE_SEC,
    ) -> tuple[int, Any]:
        return ask(self.socket_path, method, path, body, headers, timeout)

    def raw(self, data: bytes) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(DEADLINE_SEC)
        sock.connect(self.socket_path)
        sock.sendall(data)
        return sock

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            for pid in [*descendants(self.process.pid), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(10)
        if self.report_write >= 0:
            os.close(self.report_write)
        if self._reader is not None:
            self._reader.join(5)
        for fd in (self.report_read, self.control_read, self.control_write):
            os.close(fd)
        self.listener.close()


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [*descendants(child), child]
    return found


# ---- the platform's side ----------------------------------------------------


class FakePlatform:
    """The internal API with experiments in memory, on a free port."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.experiments: dict[int, dict[str, Any]] = {}
        self.data: dict[int, dict[str, Any]] = {}
        self.results: dict[tuple[int, str], dict[str, Any]] = {}
        self.settings: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str | None, str] = {}     # by plugin, else TOKEN
        self.lock = threading.Lock()
        platform = self

        class Handler(_Handler):
            owner = platform

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(
        self, method: str, target: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api/internal")
        with self.lock:
            self.calls.append((method, path, headers))
            name = headers.get("x-mint-plugin-name")
            if headers.get("x-mint-internal-token") != self.tokens.get(
                name, TOKEN
            ):
                return 401, _error(401, "auth.unauthorized", "bad token")
            for pattern, handler in ROUTES[method]:
                match = re.fullmatch(pattern, path)
                if match:
                    query = {
                        k: v[0] for k, v in parse_qs(parts.query).items()
                    }
                    return handler(self, match.groups(), body, query)
        return 501, _error(501, "feature.not_implemented", path)

    # the handlers: (match groups, JSON body, query)

    def about(self, *_: Any) -> tuple[int, Any]:
        return 200, {
            "api_version": "1",
            "platform_version": "1.2.10",
            "min_sdk_version": "1.2.0",
        }

    def config(self, groups: Any, *_: Any) -> tuple[int, Any]:
        return 200, self.settings.get(groups[0], {})

    def snapshot(self, groups: Any, body: Any, _: Any) -> tuple[int, Any]:
        stored = self.settings.get(groups[0], {})
        keys = body["owned_keys"]
        return 200, {"settings": {k: stored[k] for k in keys if k in stored}}

    def no_role(self, *_: Any) -> tuple[int, Any]:
        return 404, _error(404, "NOT_FOUND", "no role")

    def list(self, _: Any, __: Any, query: Any) -> tuple[int, Any]:
        found = [
            experiment
            for experiment in self.experiments.values()
            if query.get("search", "") in experiment["name"]
            and query.get("project") in (None, experiment["project"])
        ]
        skip = int(query["skip"])
        return 200, {
            "experiments": found[skip:skip + int(query["limit"])],
            "total": len(found),
        }

    def create(self, _: Any, body: Any, __: Any) -> tuple[int, Any]:
        number = len(self.experiments) + 1
        self.experiments[number] = {
            "id": number,
            "status": "planned",
            "project": None,
            "notes": None,
            "tags": {},
            "created_at": "2026-01-02T03:04:05Z",
            "updated_at": "2026-01-02T03:04:05Z",
            **body,
        }
        return 200, self.experiments[number]

    def get(self, groups: Any, *_: Any) -> tuple[int, Any]:
        return _found(self.experiments.get(int(groups[0])))

    def patch(self, groups: Any, body: Any, _: Any) -> tuple[int, Any]:
        experiment = self.experiments.get(int(groups[0]))
        if experiment is not None:
            experiment.update(body)
        return _found(experiment)

    def get_data(self, groups: Any, *_: Any) -> tuple[int, Any]:
        return _found(self.data.get(int(groups[0])))

    def put_data(self, groups: Any, body: Any, _: Any) -> tuple[int, Any]:
        number = int(groups[0])
        self.data[number] = {
            "id": number,
            "experiment_id": number,
            "created_at": "2026-01-02T03:04:05Z",
            "updated_at": "2026-01-02T03:04:05Z",
            **body,
        }
        return 200, self.data[number]

    def put_result(self, groups: Any, body: Any, _: Any) -> tuple[int, Any]:
        number, plugin = int(groups[0]), groups[1]
        self.results[number, plugin] = {
            "id": 1,
            "experiment_id": number,
            "created_at": "2026-01-02T03:04:05Z",
            "updated_at": "2026-01-02T03:04:05Z",
            **body,
        }
        return 200, self.results[number, plugin]

    def get_result(self, groups: Any, *_: Any) -> tuple[int, Any]:
        return _found(self.results.get((int(groups[0]), groups[1])))


ROUTES: dict[str, list[tuple[str, Any]]] = {
    "GET": [
        (r"/platform", FakePlatform.about),
        (r"/plugin-config/([^/]+)", FakePlatform.config),
        (r"/plugin-roles/(\d+)", FakePlatform.no_role),
        (r"/experiments", FakePlatform.list),
        (r"/experiments/(\d+)", FakePlatform.get),
        (r"/experiments/(\d+)/data", FakePlatform.get_data),
        (r"/experiments/(\d+)/results/([^/]+)", FakePlatform.get_result),
    ],
    "POST": [
        (r"/plugin-config/([^/]+)/snapshot", FakePlatform.snapshot),
        (r"/experiments", FakePlatform.create),
    ],
    "PUT": [
        (r"/experiments/(\d+)/data", FakePlatform.put_data),
        (r"/experiments/(\d+)/results/([^/]+)", FakePlatform.put_result),
    ],
    "PATCH": [(r"/experiments/(\d+)", FakePlatform.patch)],
}


def _found(document: Any) -> tuple[int, Any]:
    if document is None:
        return 404, _error(404, "NOT_FOUND", "no such thing")
    return 200, document


def _error(status: int, code: str, message: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "status": status,
        "request_id": "test",
        "details": None,
    }


class _Handler(BaseHTTPRequestHandler):
    owner: FakePlatform
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        text = self.rfile.read(size)
        headers = {k.lower(): v for k, v in self.headers.items()}
        status, document = self.owner.answer(
            self.command, self.path, json.loads(text or b"null"), headers
        )
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def fake_platform() -> Iterator[FakePlatform]:
    platform = FakePlatform()
    try:
        yield platform
    finally:
        platform.close()
