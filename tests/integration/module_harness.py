# SPDX-License-Identifier: MIT
"""A real nginx with the built module, backends that say what they received,
and the run files, all in one temporary directory.

Nothing else of the system takes part: seats are sockets of this process and
the run files are written by mint-table.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MINT_BUILD", ROOT / "build"))
MODULE = pathlib.Path(os.environ.get("MINT_TEST_MODULE",
                                     BUILD / "ngx_http_mint_module.so"))
NGINX = os.environ.get("MINT_TEST_NGINX") or shutil.which(
    "nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
DEADLINE = 20

SECRET = b"0123456789abcdef0123456789abcdef"
OLD_SECRET = b"fedcba9876543210fedcba9876543210"
PAT = "mint_pat_" + "A" * 43
READ_ONLY_PAT = "mint_pat_" + "r" * 43
STALE_PAT = "mint_pat_" + "s" * 43
STRAY_PAT = "mint_pat_" + "u" * 43

MEMBER_PERMISSIONS = ["plugins.use", "experiments.view"]

LOCATION = """
    proxy_pass http://mint;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_next_upstream error;
    proxy_read_timeout 3600s;
    client_max_body_size 0;
    error_page 502 504 @mint_error;
"""

CONFIG = """
{user}
load_module {module};
daemon off;
{main}
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ worker_connections 2048; }}
http {{
    log_format mint '$request_uri|$status|$mint_plugin|$mint_user|'
                    '$mint_request_id|$mint_seat|$mint_state|$mint_reject|'
                    '$upstream_addr|$mint_upgrade|$mint_connection';
    access_log {dir}/access.log mint;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    mint_run_directory {dir}/run;
    {http}
    upstream mint {{ {upstream} }}
    server {{
        listen 127.0.0.1:{port} {listen};
        server_name mint;
        mint on;
        {server}
        location / {{ {location} {location_extra} }}
        location @mint_error {{ mint_error on; }}
    }}
}}
"""


def wait_for(condition, what="it", deadline=DEADLINE):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)


def free_port(family=socket.AF_INET, address="127.0.0.1"):
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user=7, sv=0, secret=SECRET, kid="k1", alg="HS256", **claims):
    """A session token; a claim given as None is left out."""
    now = int(time.time())
    payload = {"sub": str(user), "username": "whoever", "iat": now,
               "exp": now + 3600, "jti": "j1", "sv": sv, "role": "admin"}
    payload.update(claims)
    payload = {k: v for k, v in payload.items() if v is not None}
    header = {"alg": alg, "typ": "JWT"}
    if kid is not None:
        header["kid"] = kid
    signed = ".".join(base64url(json.dumps(part).encode())
                      for part in (header, payload))
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return signed + "." + ("" if alg == "none" else base64url(mac))


def bearer(text):
    return ("Authorization", "Bearer " + text)


# ---- backends ---------------------------------------------------------


class Request:
    """What a backend received, headers as they came."""

    def __init__(self, line, headers):
        self.method, self.target, self.version = line.split(" ", 2)
        self.headers = headers
        self.body = b""

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Peer:
    """One accepted connection."""

    def __init__(self, sock, number):
        self.sock = sock
        self.number = number
        self.file = sock.makefile("rb")

    def head(self):
        line = self.file.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return None
        headers = []
        while True:
            h = self.file.readline().decode("latin-1").rstrip("\r\n")
            if not h:
                break
            name, value = h.split(":", 1)
            headers.append((name, value.strip()))
        return Request(line, headers)

    def chunks(self, request):
        """The body as it comes in."""
        if (request.get("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                size = int(self.file.readline().split(b";")[0], 16)
                data = self.file.read(size)
                self.file.readline()
                if size == 0:
                    return
                yield data
        left = int(request.get("Content-Length") or 0)
        while left > 0:
            data = self.file.read1(left)
            if not data:
                return
            left -= len(data)
            yield data

    def answer(self, body=b"", status="200 OK", headers=(), length=True):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{n}: {v}" for n, v in headers]
        if length:
            lines.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
                          + body)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.file.close()
        self.sock.close()


class Backend:
    """A server on a unix socket (or TCP address) that describes each request
    in its answer, unless a function is registered for its path."""

    def __init__(self, name, address, backlog=1024):
        self.name = name
        self.requests = []
        self.connections = 0
        self.routes = {}
        self._open = set()
        self._lock = threading.Lock()
        if isinstance(address, tuple):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        else:
            family = socket.AF_UNIX
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(backlog)
        self.address = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path):
        """Registers a function (peer, request) that answers; what is true of
        its value ends the connection."""
        def register(function):
            self.routes[path] = function
            return function
        return register

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                peer = Peer(sock, self.connections)
                self._open.add(peer)
            threading.Thread(target=self._serve, args=(peer,),
                             daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError, ValueError):
            while True:
                request = peer.head()
                if request is None:
                    break
                self.requests.append(request)
                path = request.target.split("?")[0]
                function = self.routes.get(path)
                if function is not None:
                    if function(peer, request):
                        break
                    continue
                request.body = b"".join(peer.chunks(request))
                peer.answer({"backend": self.name, "method": request.method,
                             "target": request.target,
                             "headers": request.headers,
                             "body": request.body.decode("latin-1"),
                             "connection": peer.number})
        with self._lock:
            self._open.discard(peer)
        peer.close()

    def drop_idle(self):
        """Closes all connections, as a process that ends does."""
        with self._lock:
            peers = list(self._open)
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop_idle()


# ---- clients ----------------------------------------------------------


class Response:
    def __init__(self, raw):
        self.status = raw.status
        self.headers = raw.getheaders()
        self.body = raw.read()

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def seen(self, name):
        """Values of a header as the backend received it."""
        return [v for n, v in self.json()["headers"]
                if n.lower() == name.lower()]

    def seen_names(self):
        return [n.lower() for n, _ in self.json()["headers"]]


def raw_request(method, target, headers=(), body=b"", version="1.1",
                close=True):
    lines = [f"{method} {target} HTTP/{version}"]
    if not any(n.lower() == "host" for n, _ in headers):
        lines.append("Host: mint")
    lines += [f"{n}: {v}" for n, v in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read_response(sock, method="GET"):
    raw = http.client.HTTPResponse(sock, method=method)
    raw.begin()
    return Response(raw)


# ---- nginx ------------------------------------------------------------


def sanitizer_env():
    """A module built with sanitizers needs their libraries first."""
    env = {k: v for k, v in os.environ.items() if k != "NGINX"}
    if b"__asan_init" in MODULE.read_bytes():
        libs = [subprocess.run(["gcc", f"-print-file-name={lib}"], text=True,
                               check=True, stdout=subprocess.PIPE)
                .stdout.strip() for lib in ("libasan.so", "libubsan.so")]
        env["LD_PRELOAD"] = ":".join(libs)
        env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1"
        env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    return env


class World:
    """One nginx, its run directory and its backends."""

    def __init__(self, *, location=LOCATION, location_extra="", server="",
                 http="", main="worker_processes 1;", listen="",
                 upstream="mint_seats; keepalive 32;", spec=None,
                 user=None, write=True):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))
        self.run = self.dir / "run"
        self.run.mkdir()
        self.port = free_port()
        self.backends = {}
        self.process = None
        if user is None:
            user = "user root root;" if os.getuid() == 0 else ""
        self._format = dict(
            dir=self.dir, module=MODULE, port=self.port, location=location,
            location_extra=location_extra, server=server, http=http,
            main=main, listen=listen, upstream=upstream, user=user)
        self.spec = spec or self.default_spec()
        if write:
            self.write()

    def sock(self, name):
        return str(self.dir / f"{name}.sock")

    def default_spec(self):
        return {
            "plugins": 16,
            "routes": [
                {"plugin_id": 3, "prefix": "/tiny", "name": "tiny",
                 "version": "1.2.3"},
                {"plugin_id": 4, "prefix": "/tiny/deep", "name": "deep"},
                {"plugin_id": 5, "prefix": "/other", "name": "other"},
            ],
            "seats": [
                {"index": 0, "plugin_id": 0, "address": self.sock("platform")},
                {"index": 6, "plugin_id": 3, "address": self.sock("tiny-a")},
                {"index": 7, "plugin_id": 3, "address": self.sock("tiny-b"),
                 "state": "closed"},
                {"index": 8, "plugin_id": 4, "address": self.sock("deep")},
                {"index": 10, "plugin_id": 5, "address": self.sock("other")},
            ],
            "users": [
                {"id": 7, "username": "al", "role": "member"},
                {"id": 8, "username": "Jos\u00e9 50% ", "role": "member",
                 "session_version": 2},
                {"id": 9, "username": "boss", "role": "admin"},
                {"id": 10, "username": "out", "role": "member",
                 "active": False},
                {"id": 11, "username": "guest", "role": "guest"},
                {"id": 12, "username": "some", "role": "some"},
            ],
            "roles": [
                {"slug": "member", "permissions": MEMBER_PERMISSIONS,
                 "plugin_access": "all"},
                {"slug": "admin", "admin": True,
                 "permissions": ["plugins.use", "users.manage"],
                 "plugin_access": "all"},
                {"slug": "guest", "permissions": ["experiments.view"],
                 "plugin_access": "all"},
                {"slug": "some", "permissions": MEMBER_PERMISSIONS,
                 "plugin_access": [5, 70]},
            ],
            "keys": [
                {"id": "k1", "secret": base64url(SECRET)},
                {"id": "k0", "secret": base64url(OLD_SECRET)},
            ],
            "denied": [{"jti": "gone", "expires": int(time.time()) + 9999},
                       {"jti": "late", "expires": int(time.time()) - 1},
                       {"jti": "past", "expires": 1000}],
            "pats": [
                {"token": PAT, "user_id": 7},
                {"token": READ_ONLY_PAT, "user_id": 7, "read_only": True},
                {"token": STALE_PAT, "user_id": 7, "expires": 1000},
                {"token": STRAY_PAT, "user_id": 10},
            ],
            "plugin_tokens": {"3": "token-of-tiny", "4": "token-of-deep",
                              "5": "token-of-other"},
        }

    # -- run files

    def write(self, **changes):
        self.spec.update(changes)
        self.table("write", self.run, "-", stdin=json.dumps(self.spec))

    def table(self, *args, stdin=None):
        done = subprocess.run([str(BUILD / "mint-table"), *map(str, args)],
                              input=stdin, text=True, stderr=subprocess.PIPE,
                              stdout=subprocess.PIPE, timeout=DEADLINE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def seat(self, index, state, **options):
        args = []
        for name, value in options.items():
            args += ["--" + name.replace("_", "-"), str(value)]
        self.table("seat", self.run, index, state, *args)

    def workers(self):
        return json.loads(self.table("dump", self.run, "--json"))["workers"]

    def totals(self):
        """What all workers have counted so far, ended ones included."""
        return json.loads(self.table("dump", self.run, "--json"))["totals"]

    def in_flight(self, index):
        return sum(w["in_flight"].get(str(index), 0) for w in self.workers())

    # -- processes

    def backend(self, name, address=None):
        self.backends[name] = Backend(name, address or self.sock(name))
        return self.backends[name]

    def config(self, **changes):
        path = self.dir / "nginx.conf"
        path.write_text(CONFIG.format(**{**self._format, **changes}))
        return path

    def test(self, **changes):
        """nginx -t: (exit code, what it says)"""
        done = subprocess.run(
            [NGINX, "-t", "-c", str(self.config(**changes)), "-e",
             "stderr"], env=sanitizer_env(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=DEADLINE)
        return done.returncode, done.stdout

    def start(self):
        config = self.config()
        with open(self.dir / "stderr.log", "ab") as log:
            self.process = subprocess.Popen(
                [NGINX, "-c", str(config), "-e", str(self.dir / "error.log")],
                env=sanitizer_env(), stderr=log, stdout=log,
                stdin=subprocess.DEVNULL)
        wait_for(self._is_up, "start of nginx")
        wait_for(self.worker_pids, "start of a worker")
        return self

    def _is_up(self):
        assert self.process.poll() is None, self.log()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        return "".join(p.read_text("utf-8", "replace")
                       for p in (self.dir / "error.log",
                                 self.dir / "stderr.log") if p.exists())

    def access(self):
        """Lines of the access log, split."""
        path = self.dir / "access.log"
        text = path.read_text() if path.exists() else ""
        return [line.split("|") for line in text.splitlines()]

    def worker_pids(self):
        pids = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            text=True, stdout=subprocess.PIPE, check=False).stdout
        return {int(line.split()[0]) for line in pids.splitlines()
                if "worker process" in line}

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        for backend in self.backends.values():
            backend.close()
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        text = self.log()
        shutil.rmtree(self.dir, ignore_errors=True)
        for bad in ("[alert]", "exited on signal", "Sanitizer",
                    "runtime error"):
            assert bad not in text, text[-20000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # -- requests

    def connect(self, port=None):
        return socket.create_connection(("127.0.0.1", port or self.port),
                                        DEADLINE)

    def fetch(self, target, *headers, method="GET", body=b"", **options):
        with self.connect() as s:
            s.sendall(raw_request(method, target, headers, body, **options))
            return read_response(s, method)

    def open_websocket(self, target, *headers):
        """The connection after a successful handshake."""
        s = self.connect()
        s.sendall(raw_request("GET", target, [
            ("Upgrade", "WebSocket"), ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "13"),
            *headers], close=False))
        return s


def echo_websocket(peer, request):
    """Accepts the upgrade and returns every byte."""
    peer.answer(b"", "101 Switching Protocols",
                [("Upgrade", "websocket"), ("Connection", "Upgrade")],
                length=False)
    while True:
        data = peer.file.read1(65536)
        if not data:
            return True
        peer.sock.sendall(data)


def read_head(sock):
    """Bytes up to the end of a response's head."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(1)
        assert more, f"closed after {data!r}"
        data += more
    return data.decode("latin-1")


def terminate_worker(pid):
    os.kill(pid, signal.SIGKILL)
