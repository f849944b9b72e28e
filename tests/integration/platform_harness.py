# SPDX-License-Identifier: MIT
"""mint-platform under test: the real program on sockets that the test made,
and a supervisor of a few lines that plays the admin protocol
(contract/mint_admin.h)."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MINT_BUILD", ROOT / "build"))
PROGRAM = BUILD / "mint-platform"
DEADLINE = 20
PASSWORD = "correct-horse-1"


def wait_for(condition, what, deadline=DEADLINE):
    """Polls until condition() is true; its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)


def plugin(name, token=None, prefix=None, **more):
    """One plugin as the supervisor knows it."""
    metadata = {"name": name, "plugin_type": "full", "analysis_type": "demo",
                "description": "a plugin", "capabilities": {},
                "allowed_experiment_types": None}
    metadata.update(more.pop("metadata", {}))
    row = {"id": 1, "name": name, "token": token or f"token-of-{name}",
           "distribution": f"mint-plugin-{name}", "version": "1.0.0",
           "entry_point": f"{name}.plugin:Plugin",
           "routes_prefix": prefix or f"/{name}", "plugin_type": "full",
           "mode": "shared", "state": "ready", "reason": "nothing clashes",
           "error": None, "installed_at": "2026-01-01T00:00:00.000Z",
           "has_frontend": True, "metadata": metadata, "instances": []}
    row.update(more)
    return row


class Supervisor:
    """Plays mint-supervisor's side of the admin socket."""

    def __init__(self, path):
        self.path = path
        self.plugins = []
        self.boot_id = "boot-1"
        self.seen = []              # (op, request) in order
        self.full = None            # last identity.full
        self.sequence = None
        self.changes = []
        self.confirm = True         # answer identity.change
        self.handlers = {}          # op: function(request) -> answer
        self.lock = threading.Lock()
        self._connections = []
        self._listener = None
        self._stopping = False

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self._stopping = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,),
                         daemon=True).start()
        return self

    def stop(self):
        """As kill -9 of the supervisor: nothing listens, connections end."""
        self._stopping = True
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections = []

    def count(self, op):
        return sum(1 for seen, _ in self.seen if seen == op)

    def _accept(self, listener):
        while not self._stopping:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        lock = threading.Lock()
        try:
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    request = json.loads(line)
                    self.seen.append((request["op"], request))
                    if request["op"] in self.handlers:
                        threading.Thread(
                            target=self._answer,
                            args=(connection, lock, request),
                            daemon=True).start()
                    else:
                        self._answer(connection, lock, request)
        except OSError:
            return

    def _answer(self, connection, lock, request):
        handler = self.handlers.get(request["op"],
                                    getattr(self, "_" + request["op"].replace(
                                        ".", "_"), None))
        if handler is None:
            answer = {"ok": False, "error": {"code": "INVALID",
                                             "message": "no such operation"}}
        else:
            answer = handler(request)
        if answer is None:
            return
        if "ok" not in answer:
            answer = {"ok": True, "result": answer}
        answer["id"] = request["id"]
        with contextlib.suppress(OSError), lock:
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def _directory(self, _):
        return {"edge_secret": "e" * 32, "boot_id": self.boot_id,
                "plugins": [{k: p[k] for k in
                             ("id", "name", "token", "distribution",
                              "version", "routes_prefix", "metadata")}
                            for p in self.plugins]}

    def _identity_full(self, request):
        self.full = request
        self.sequence = request["sequence"]
        return {"sequence": request["sequence"]}

    def _identity_change(self, request):
        if not self.confirm:
            return None
        if request["sequence"] != self.sequence + 1:
            return {"ok": False, "error": {"code": "CONFLICT",
                                           "message": "not the next"}}
        self.sequence = request["sequence"]
        self.changes.append(request)
        return {"sequence": request["sequence"]}

    def _plugins(self, _):
        return {"plugins": [{k: v for k, v in p.items() if k != "token"}
                            for p in self.plugins]}


class Platform:
    """The program, its sockets and its directory."""

    def __init__(self, directory, config=None, supervisor=True):
        self.directory = directory
        self.data = directory / "data"
        self.run = directory / "run"
        self.data.mkdir()
        self.run.mkdir()
        self.config_path = directory / "config.json"
        self.config = {"server": {"dataPath": str(self.data),
                                  "runDirectory": str(self.run)},
                       "ADMIN_USERNAME": "admin", "ADMIN_PASSWORD": PASSWORD}
        for key, value in (config or {}).items():
            if isinstance(value, dict):
                self.config.setdefault(key, {}).update(value)
            else:
                self.config[key] = value
        self.public_socket = self._listen()
        self.internal_socket = self._listen()
        self.public = "http://%s:%d" % self.public_socket.getsockname()
        self.internal = "http://%s:%d" % self.internal_socket.getsockname()
        self.supervisor = Supervisor(self.run / "supervisor.sock")
        if supervisor:
            self.supervisor.start()
        self.log_path = directory / "log"
        self.process = None

    @staticmethod
    def _listen():
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        return listener

    def start(self, environment=None):
        self.config_path.write_text(json.dumps(self.config))
        self.supervisor.full = None
        report, report_write = os.pipe()
        fds = (self.public_socket.fileno(), self.internal_socket.fileno(),
               report_write)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--config", self.config_path, "--public-fd",
                 str(fds[0]), "--internal-fd", str(fds[1]), "--report-fd",
                 str(fds[2])],
                pass_fds=fds, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], **(environment or {}),
                     **{k: v for k, v in os.environ.items()
                        if k.startswith(("ASAN_", "UBSAN_", "TSAN_"))}})
        os.close(report_write)
        with os.fdopen(report, "rb") as pipe:
            line = pipe.readline()
        if not line:
            self.process.wait(DEADLINE)
            self.process = None
            raise AssertionError("not ready: " + self.log())
        assert json.loads(line) == {"event": "ready"}
        if self.supervisor._listener is not None:
            wait_for(lambda: self.supervisor.full, "identity.full")
            wait_for(lambda: self.supervisor.count("directory"), "directory")
        return self

    def stop(self, number=signal.SIGTERM):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        self.process = None
        return status

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        self.supervisor.stop()
        self.public_socket.close()
        self.internal_socket.close()

    def log(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    # ---- as a client -------------------------------------------------

    def client(self, token=None, **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.public, headers=headers,
                            timeout=DEADLINE, **more)

    def login(self, username="admin", password=PASSWORD):
        with self.client() as client:
            reply = client.post("/api/auth/login", json={
                "username": username, "password": password})
        assert reply.status_code == 200, reply.text
        return reply.json()["access_token"]

    def create_user(self, token, username, role="member", **more):
        with self.client(token) as client:
            reply = client.post("/api/admin/users", json={
                "username": username, "password": PASSWORD, "role": role,
                **more})
        assert reply.status_code == 201, reply.text
        return reply.json()

    def plugin_client(self, name, token=None, user=None, **headers):
        every = {"X-MINT-Internal-Token": token or f"token-of-{name}",
                 "X-MINT-Plugin-Name": name, "X-MINT-SDK-Version": "1.2.10",
                 "X-MINT-Platform-API-Version": "1"}
        if user is not None:
            every |= {"x-mint-user-id": str(user), "x-mint-user-role": "x"}
        return httpx.Client(base_url=self.internal + "/api/internal",
                            headers=every | headers, timeout=DEADLINE)

    # ---- as the signer -----------------------------------------------

    def make_token(self, claims, header=None, secret=None):
        key = self.supervisor.full["keys"][0]
        head = {"alg": "HS256", "typ": "JWT", "kid": key["id"]}
        head.update(header or {})
        secret = secret or base64.b64decode(key["secret"])
        signed = b".".join(b64(json.dumps(part).encode())
                           for part in (head, claims))
        mac = hmac.new(secret, signed, hashlib.sha256).digest()
        return (signed + b"." + b64(mac)).decode()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


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


def upload(it, name="p.mint", data=b"bundle", **params):
    with it.client(it.admin) as client:
        return client.post("/api/plugins/upload", params=params,
                           files={"file": (name, data,
                                           "application/octet-stream")})


@contextlib.contextmanager
def platform(config=None, start=True, supervisor=True, plugins=()):
    """A platform in a directory of its own, gone afterwards."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mint-platform."))
    it = None
    try:
        it = Platform(directory, config, supervisor)
        it.supervisor.plugins = list(plugins)
        if start:
            it.start()
        yield it
        # with sanitizers a leak is an exit status, too
        assert it.stop() in (0, None), it.log()
        assert "runtime error" not in it.log()
    finally:
        if it is not None:
            it.close()
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def peopled():
    """A platform with a user of each role and two plugins, one failed."""
    with platform(plugins=[plugin("one"), plugin("two", state="failed",
                                                 error="Traceback ...",
                                                 has_frontend=False)]) as it:
        it.admin = it.login()
        it.member = it.create_user(it.admin, "member")
        it.viewer = it.create_user(it.admin, "viewer", role="viewer")
        it.tokens = {"admin": it.admin, "member": it.login("member"),
                     "viewer": it.login("viewer")}
        yield it
