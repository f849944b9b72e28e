# SPDX-License-Identifier: MIT
"""The whole system, started by scripts/run in a directory of its own, and
what its users have at hand: the gateway, mintctl and the mint command line.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MINT_BUILD", ROOT / "build"))
RUN = ROOT / "scripts" / "run"
MODULE = "ngx_http_mint_module.so"
PLUGINS = ROOT / "tests" / "plugins"

ADMIN = ("admin", "a password for the tests")
# an origin whose pages the shared system lets in
FRIEND = "https://lims.example.org"
MEMBER = ("marie", "another password for them")
SECRET = "signing-key-of-the-tests-0123456789"

START_DEADLINE_SEC = 170
STOP_DEADLINE_SEC = 60
INSTALL_DEADLINE_SEC = 120
DEADLINE_SEC = 30

# what the edge and the platform set for a member; from the documented table
MEMBER_PERMISSIONS = sorted([
    "projects.view", "projects.create", "projects.edit", "projects.delete",
    "projects.manage_members", "experiments.view", "experiments.create",
    "experiments.edit", "experiments.delete", "plugins.view", "plugins.use",
    "plugins.configure", "filesystem.browse", "users.view",
    "platform.view_logs",
])

sys.path.insert(0, str(PLUGINS))
from make_bundle import make_bundle  # noqa: E402


def wait_for(
    condition: Callable[[], Any], what: str, timeout: float = DEADLINE_SEC
) -> Any:
    """What the condition returns once it is true."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


def slowdown() -> float:
    """How often the time that a computation takes alone it takes just now."""
    seconds = 0.3
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-I", "-c", "import time\n"
         f"while time.process_time() < {seconds}: pass"],
        check=True,
    )
    return max(1.0, (time.monotonic() - begin) / seconds)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def make_place() -> Path:
    """A directory with a short name that plugin users can reach."""
    place = Path(tempfile.mkdtemp(prefix="mint-s-"))
    place.chmod(0o755)
    return place


def environment(**more: str) -> dict[str, str]:
    """Of scripts/run."""
    return {
        **os.environ,
        "MINT_BUILD": str(BUILD),
        "MINT_EXAMPLES": "0",
        "ADMIN_USERNAME": ADMIN[0],
        "ADMIN_PASSWORD": ADMIN[1],
        **more,
    }


def sanitized_nginx(place: Path) -> dict[str, str]:
    """A module built with sanitizers needs their libraries in nginx."""
    if b"__asan_init" not in (BUILD / MODULE).read_bytes():
        return {}
    libraries = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    script = place / "nginx"
    script.write_text(
        "#!/bin/sh\n"
        "export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1\n"
        "export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1\n"
        f'LD_PRELOAD="{":".join(libraries)}" exec "{nginx}" "$@"\n'
    )
    script.chmod(0o755)
    return {"MINT_NGINX__BINARY": str(script)}


def alerts(logs: Path) -> list[str]:
    """What nginx, or a sanitizer, said that must never be said; a worker that
    a test has killed is no such thing."""
    return [
        line
        for path in logs.rglob("*")
        if path.is_file()
        for line in path.read_text("utf-8", "replace").splitlines()
        if ("[alert]" in line and "exited on signal 9" not in line)
        or "Sanitizer" in line
    ]


# ---- bundles ----------------------------------------------------------------


def example_bundles() -> dict[str, Path]:
    """{name: bundle} of examples/, built by the real "mint build"."""
    done = subprocess.run(
        [ROOT / "scripts" / "build-examples"],
        env={
            **os.environ,
            "MINT_TOOLS": str(Path(sys.executable).parents[1]),
            "MINT_PYTHON": os.environ.get("MINT_TEST_PYTHON", ""),
            "MINT_UV": os.environ.get("MINT_TEST_UV", ""),
        },
        capture_output=True, text=True, timeout=300, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    return {path.parents[1].name: path for path in paths}


def renamed_plugin(name: str, new: str, folder: Path) -> Path:
    """A copy of a test plugin's project under another name."""
    copy = folder / new
    shutil.copytree(
        PLUGINS / name, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    (copy / "src" / f"mint_test_{name}").rename(
        copy / "src" / f"mint_test_{new}"
    )
    for path in copy.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            text = text.replace(f"mint_test_{name}", f"mint_test_{new}")
            path.write_text(text.replace(f"test-{name}", f"test-{new}"))
    return copy


# ---- tokens -----------------------------------------------------------------


def session_token(
    user_id: int, secret: str = SECRET, alg: str = "HS256", **claims: Any
) -> str:
    """As mint-platform issues them; a claim given as None is left out."""
    now = int(time.time())
    payload = {
        "sub": str(user_id), "username": "forged", "role": "admin",
        "iat": now, "exp": now + 3600, "jti": "forged", "sv": 0, **claims,
    }
    payload = {k: v for k, v in payload.items() if v is not None}
    text = ".".join(
        _base64url(json.dumps(part).encode())
        for part in ({"alg": alg, "typ": "JWT"}, payload)
    )
    if alg == "none":
        return text + "."
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[alg]
    signature = hmac.new(secret.encode(), text.encode(), digest).digest()
    return f"{text}.{_base64url(signature)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# ---- the system -------------------------------------------------------------


class MintSystem:
    """One system: scripts/run in the background, and what it prints."""

    def __init__(
        self,
        place: Path,
        *,
        command: list[str] | None = None,
        **settings: str,
    ) -> None:
        self.place = place
        self.var = place / "var"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = command or [str(RUN), "--no-setup", "--no-build"]
        self.environment = environment(
            MINT_VAR=str(self.var), MINT_PORT=str(self.port),
            **sanitized_nginx(place), **settings
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.text = ""
        self.users: dict[str, int] = {}

    # ---- start and stop -------------------------------------------------

    def start(self) -> float:
        """Seconds until it said that it is ready."""
        begin = time.monotonic()
        self.text = ""
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=ROOT,
        )
        self.read_until("Ctrl-C stops", START_DEADLINE_SEC)
        return time.monotonic() - begin

    def read_until(self, words: str, seconds: float) -> None:
        assert self.process is not None and self.process.stdout is not None
        deadline = time.monotonic() + seconds
        out = self.process.stdout.fileno()
        while words not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"no '{words}' within {seconds} s: {self.text}"
            if select.select([out], [], [], left)[0]:
                data = os.read(out, 65536)
                assert data, f"ended without '{words}': {self.text}"
                self.text += data.decode()

    def stop(self, number: int = signal.SIGINT) -> int:
        """As Ctrl-C does: to the whole process group; the exit status."""
        assert self.process is not None
        os.killpg(self.process.pid, number)
        return self.wait_stopped()

    def wait_stopped(self) -> int:
        """Of one that has been asked to: a second Ctrl-C would be force."""
        assert self.process is not None
        rest, _ = self.process.communicate(timeout=STOP_DEADLINE_SEC)
        self.text += rest.decode()
        return self.process.returncode

    def end(self) -> None:
        """Whatever has happened, nothing stays; for finalisers."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop(signal.SIGTERM)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        real = self.var.resolve()
        for pid in self.leftovers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        found = alerts(self.data / "logs")
        if (self.var / "run").is_symlink():
            shutil.rmtree(self.run_directory, ignore_errors=True)
        if real != self.var:
            shutil.rmtree(real, ignore_errors=True)
        shutil.rmtree(self.place, ignore_errors=True)
        assert not found, "\n".join(found)

    def leftovers(self) -> dict[int, str]:
        """{pid: command} of processes that belong to this system."""
        found = {}
        marks = {str(self.var).encode(), str(self.var.resolve()).encode()}
        for entry in Path("/proc").glob("[0-9]*"):
            if int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                line = text = (entry / "cmdline").read_bytes()
                # of another user, in a container: not even for root
                with contextlib.suppress(PermissionError):
                    text += (entry / "environ").read_bytes()
                if any(mark in text for mark in marks):
                    found[int(entry.name)] = line.replace(b"\0", b" ").decode()
        return found

    @property
    def run_directory(self) -> Path:
        return (self.var / "run").resolve()

    @property
    def data(self) -> Path:
        return self.var.resolve() / "data"

    # ---- mintctl --------------------------------------------------------

    def ctl(
        self, *arguments: str, status: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """status None: any"""
        done = subprocess.run(
            [str(BUILD / "mintctl"), *arguments],
            env={**os.environ, "MINT_VAR": str(self.var)},
            capture_output=True, text=True, timeout=120, check=False,
        )
        assert status in (done.returncode, None), done.stdout + done.stderr
        return done

    def ctl_json(self, *arguments: str) -> Any:
        return json.loads(self.ctl(*arguments, "--json").stdout)

    def status(self) -> dict[str, Any]:
        return self.ctl_json("status")

    def plugins(self) -> dict[str, dict[str, Any]]:
        return {p["name"]: p for p in self.ctl_json("plugins")["plugins"]}

    def settled_plugins(self) -> dict[str, dict[str, Any]]:
        """Without the figures that are different each time they are read."""
        plugins = self.plugins()
        for plugin in plugins.values():
            for instance in plugin["instances"]:
                instance.pop("watch", None)
        return plugins

    def instance(self, name: str) -> dict[str, Any]:
        return self.plugins()[name]["instances"][0]

    def pid(self, name: str) -> int:
        return self.instance(name)["pid"]

    def log(self, name: str) -> str:
        return self.ctl("logs", name, "--lines", "200").stdout

    def settle(self) -> None:
        """Everything runs; a plugin that a test has ended is started."""
        for name, plugin in self.plugins().items():
            if plugin["state"] != "ready":
                self.ctl("restart", name)

    # ---- users ----------------------------------------------------------

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=DEADLINE_SEC,
            trust_env=False,
        )

    def login(self, name: str, password: str) -> str:
        with self.client() as client:
            reply = client.post(
                "/api/auth/login",
                json={"username": name, "password": password},
            )
        assert reply.status_code == 200, reply.text
        return reply.json()["access_token"]

    def create_user(
        self, name: str, password: str, role: str = "member"
    ) -> int:
        with self.client(self.login(*ADMIN)) as client:
            reply = client.post(
                "/api/admin/users",
                json={"username": name, "password": password, "role": role,
                      "email": f"{name}@example.org"},
            )
        assert reply.status_code in (200, 201), reply.text
        self.users[name] = int(reply.json()["id"])
        return self.users[name]

    def upload(self, bundle: Path, name: str | None = None) -> dict[str, Any]:
        """The platform's answer, good or bad, to the administrator."""
        with self.client(self.login(*ADMIN)) as client:
            reply = client.post(
                "/api/plugins/upload",
                files={"file": (name or bundle.name, bundle.read_bytes(),
                                "application/octet-stream")},
                timeout=INSTALL_DEADLINE_SEC,
            )
        assert reply.status_code == 200, reply.text
        return reply.json()

    def install(self, bundle: Path) -> dict[str, Any]:
        answer = self.upload(bundle)
        assert answer["success"] is True, answer
        return answer


@contextlib.contextmanager
def running_system(
    settings: Mapping[str, str] | None = None, **options: Any
) -> Iterator[MintSystem]:
    """A system of its own for one test."""
    system = MintSystem(make_place(), **options, **(settings or {}))
    try:
        system.start()
        yield system
    finally:
        system.end()


# ---- raw requests -----------------------------------------------------------


def raw_request(
    port: int,
    method: str,
    target: str,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Sends headers exactly as given, doubled and oddly spelt ones too."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=DEADLINE_SEC
    )
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers or []:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        reply = connection.getresponse()
        return reply.status, reply.getheaders(), reply.read()
    finally:
        connection.close()


def sent_header(answer: Mapping[str, Any], name: str) -> list[str]:
    """Values that the echo plugin has received under a name."""
    return [value for key, value in answer["headers"] if key == name]
