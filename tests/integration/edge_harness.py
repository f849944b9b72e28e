# SPDX-License-Identifier: MIT
"""The workload by which the cost of the edge is judged, and nginx with and
without the module to run it on: 10,000 routes, a user with 23 permissions, a
token of 300 bytes, an upstream that answers 13 bytes.

Used by test_module_counts.py and by tests/bench/.
"""

import collections
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from module_harness import (BUILD, MODULE, NGINX, SECRET, base64url, free_port,
                            wait_for)

ROUTES = 10000
PLUGIN = 4242                       # the plugin that is asked, of ROUTES
TOKEN_BYTES = 300
USER = 7
BODY = "13 bytes long"

# what one request may add to plain nginx (timers and a busy machine make a
# count a little larger than it is), besides base64 and HMAC: with a token that
# the worker has seen, and with one that is new to it
BUDGET_ADDED = 3000
BUDGET_NEW = 6500
BUDGET_CALLS = 0

PERMISSIONS = [f"{thing}.{what}" for thing in (
    "experiments", "samples", "projects", "objects", "reports", "users")
    for what in ("view", "create", "edit", "delete")][:22] + ["plugins.use"]

FRAME = """
{user}
load_module {module};
daemon off;
{main}
pid {dir}/{name}.pid;
error_log {dir}/{name}.log {level};
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
{http}
}}
"""

UPSTREAM = """
    server {{
        listen unix:{socket} backlog=4096;
        listen 127.0.0.1:{tcp} backlog=4096;
        client_header_buffer_size 8k;
        location / {{ return 200 "{body}"; }}
        location = /empty {{ return 204; }}
    }}
"""

# what a lab would write without us: one upstream, nothing checked or added
PLAIN = """
    upstream plugin {{
        server {server};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://plugin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        {mark}
    }}
"""

# the location to copy of docs/directives.md, without its buffers
MINT = """
    mint_run_directory {dir}/run;
    upstream mint {{
        mint_seats;
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        mint on;
        location / {{
            proxy_pass http://mint;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_next_upstream error;
            proxy_read_timeout 3600s;
            client_max_body_size 0;
            error_page 502 504 @mint_error;
        }}
        location @mint_error {{ mint_error on; }}
        {mark}
    }}
"""

# plain nginx that sets as many headers as the module, all of them constant
SAME_HEADERS = PLAIN.replace('proxy_set_header Connection "";', """
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-ID {digits};
            proxy_set_header traceparent 00-{digits}-0123456789abcdef-01;
            proxy_set_header X-MINT-Internal-Token {digits}{digits};
            proxy_set_header X-MINT-User-Id 7;
            proxy_set_header X-MINT-Username maria.schmidt;
            proxy_set_header X-MINT-User-Role member;
            proxy_set_header X-MINT-User-Permissions '{permissions}';
            add_header X-Request-ID {digits};
""")

# who may is asked of a server that never says no
AUTH_REQUEST = PLAIN.replace('proxy_set_header Connection "";', """
            proxy_set_header Connection "";
            auth_request /may;
        }}
        location = /may {{
            internal;
            proxy_pass http://plugin/empty;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
""")

# a request that makes callgrind write what it has counted, and that can be
# found in strace's output; a redirect inside nginx happens nowhere else
MARK = """
        location = /mark { error_page 404 = /marked; return 404; }
        location = /marked { return 204; }
"""
MARK_FUNCTION = "ngx_http_internal_redirect"


def workload_token(jti="0123456789abcdef" * 2):
    """A session token as the platform makes it, of TOKEN_BYTES bytes."""
    now = int(time.time())
    claims = {"sub": str(USER), "username": "", "role": "member", "iat": now,
              "exp": now + 86400, "jti": jti, "sv": 0}
    head = base64url(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "k1"},
                                separators=(",", ":")).encode())
    while True:
        body = base64url(json.dumps(claims, separators=(",", ":")).encode())
        mac = hmac.new(SECRET, f"{head}.{body}".encode(),
                       hashlib.sha256).digest()
        text = f"{head}.{body}.{base64url(mac)}"
        if len(text) >= TOKEN_BYTES:
            assert len(text) == TOKEN_BYTES, len(text)
            return text
        claims["username"] += "m"


def workload_spec(address, routes=ROUTES):
    """Run files: so many plugins of one route each, all at one address."""
    return {
        "plugins": routes + 1,
        "routes": [{"plugin_id": i, "prefix": f"/lab/plugin-{i}",
                    "name": f"plugin-{i}", "version": "1.2.3",
                    "affinity": "user"} for i in range(1, routes + 1)],
        "seats": [{"index": 2 * i, "plugin_id": i, "address": address}
                  for i in range(routes + 1)],
        "users": [{"id": USER, "username": "maria.schmidt",
                   "role": "member"}],
        "roles": [{"slug": "member", "permissions": PERMISSIONS,
                   "plugin_access": list(range(1, routes + 1))}],
        "keys": [{"id": "k1", "secret": base64url(SECRET)}],
        "plugin_tokens": {str(i): hashlib.sha256(str(i).encode()).hexdigest()
                          for i in range(1, routes + 1)},
    }


def workload_path(routes=ROUTES):
    return f"/api/lab/plugin-{min(PLUGIN, routes)}/experiments/17?view=short"


class Bench:
    """A directory with run files, an upstream, and proxies before it."""

    def __init__(self, routes=ROUTES):
        shm = pathlib.Path("/dev/shm")
        parent = shm if os.access(shm, os.W_OK) else pathlib.Path("/tmp")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mb-", dir=parent))
        self.run = self.dir / "run"
        self.run.mkdir()
        self.routes = routes
        self.socket = self.dir / "upstream.sock"
        self.tcp = free_port()
        self.processes = {}
        self.ports = {}

    # -- files

    def spec(self, address=None, routes=None):
        return workload_spec(address or str(self.socket),
                             routes or self.routes)

    def write_tables(self, address=None, directory=None, routes=None):
        spec = self.spec(address, routes)
        done = subprocess.run(
            [str(BUILD / "mint-table"), "write",
             str(directory or self.run), "-"], input=json.dumps(spec),
            text=True, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 0, done.stderr

    def write_config(self, name, http, main="worker_processes 1;", **values):
        values = {"dir": self.dir, "socket": self.socket, "tcp": self.tcp,
                  "body": BODY, "mark": MARK, "digits": "0123456789abcdef" * 2,
                  "permissions": json.dumps(PERMISSIONS,
                                            separators=(",", ":")), **values}
        user = "user root root;" if os.getuid() == 0 else ""
        path = self.dir / f"{name}.conf"
        path.write_text(FRAME.format(
            user=user, module=MODULE, main=main, name=name, level="warn",
            http=http.format(**values), dir=self.dir))
        return path

    # -- processes

    def start(self, name, command, port=None):
        with open(self.dir / f"{name}.out", "wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out,
                                       stdin=subprocess.DEVNULL)
        self.processes[name] = process
        self.ports[name] = port

        def is_up():
            assert process.poll() is None, self.said(name)
            if port is None:
                return self.socket.exists()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for(is_up, f"start of {name}", 60)
        return process

    def start_nginx(self, name, http, prefix=(), **values):
        port = free_port()
        config = self.write_config(name, http, port=port, **values)
        return self.start(name, [*prefix, NGINX, "-c", str(config), "-e",
                                 str(self.dir / f"{name}.log")],
                          port if name != "upstream" else None)

    def start_upstream(self, prefix=()):
        self.start_nginx("upstream", UPSTREAM, prefix)

    def said(self, name):
        return "".join(p.read_text("utf-8", "replace")
                       for p in (self.dir / f"{name}.log",
                                 self.dir / f"{name}.out") if p.exists())

    def end(self, name):
        """By the pid file: strace does not hand on what ends it.  More than
        once: nginx may be about to sleep when the first signal arrives."""
        process = self.processes.pop(name)
        pid = self.dir / f"{name}.pid"

        def is_down():
            if process.poll() is None:
                os.kill(int(pid.read_text()) if pid.exists() else process.pid,
                        signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            return process.poll() is not None

        try:
            wait_for(is_down, f"end of {name}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def stop(self):
        for name in list(self.processes):
            self.end(name)
        text = "".join(self.said(p.stem) for p in self.dir.glob("*.log"))
        shutil.rmtree(self.dir, ignore_errors=True)
        assert "[alert]" not in text, text[-20000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# ---- requests ---------------------------------------------------------


class Client:
    """One keep-alive connection, the same token with each request or one
    after the other; every answer is looked at."""

    def __init__(self, port, tokens):
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.sock.makefile("rb")
        self.tokens = itertools.cycle([tokens] if isinstance(tokens, str)
                                      else tokens)

    def get(self, path):
        """The status."""
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: lab\r\n"
            f"Authorization: Bearer {next(self.tokens)}\r\n\r\n".encode())
        status = int(self.file.readline().split()[1])
        length = 0
        while True:
            line = self.file.readline()
            if line == b"\r\n":
                break
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.file.read(length)
        return status

    def repeat(self, path, n):
        for _ in range(n):
            assert self.get(path) == 200

    def mark(self):
        assert self.get("/mark") == 204

    def close(self):
        self.file.close()
        self.sock.close()


# ---- counting ---------------------------------------------------------

# once a second nginx writes the time anew: that is no request's
CLOCK = "ngx_time_update"

# what is apart, with all that it calls: base64 and HMAC of the token check
APART = re.compile(r"mint_base64url_decode$|EVP_MAC_|EVP_Digest|SHA256_|"
                   r"OPENSSL_cleanse$|CRYPTO_memcmp$")


class Profile:
    """One output file of callgrind: instructions in all, besides those of a
    new second, and apart."""

    def __init__(self, path):
        self.total = 0
        self.apart = 0
        clock = 0
        self.own = {}
        names = {}
        function = callee = None

        def name(text):
            number, _, rest = text.partition(" ")
            if rest:
                names[number] = rest
            return names[number]

        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith("fn="):
                function = name(line[3:])
            elif line.startswith("cfn="):
                callee = name(line[4:])
            elif line.startswith("totals:"):
                self.total = int(line.split()[1])
            elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
                cost = int(line.split()[1])
                if callee is None:
                    self.own[function] = self.own.get(function, 0) + cost
                elif function == CLOCK:
                    clock += cost
                elif APART.match(callee) and "mint_" in function:
                    self.apart += cost
                callee = None
        self.total -= clock


@contextlib.contextmanager
def one_cpu(bench):
    """All take turns on one: whether nginx finds an answer at once or has to
    wait for it again, which costs instructions, is the same each time."""
    pids = [0]
    for process in bench.processes.values():
        pids += [process.pid, *children(process.pid)]
    before = {pid: os.sched_getaffinity(pid) for pid in pids}
    try:
        for pid in pids:
            os.sched_setaffinity(pid, {max(before[0])})
        yield
    finally:
        for pid, cpus in before.items():
            os.sched_setaffinity(pid, cpus)


def children(pid):
    return [int(child) for child in pathlib.Path(
        f"/proc/{pid}/task/{pid}/children").read_text().split()]


def count_instructions(bench, name, http, token, n=200, **values):
    """(instructions a request in user space, those that are apart)"""
    out = bench.dir / f"{name}.callgrind"
    bench.start_nginx(name, http, (
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
        f"--dump-before={MARK_FUNCTION}", "-q"),
        main="master_process off;", **values)
    run_marked(bench, name, token, n)
    once, twice = (Profile(f"{out}.{i}") for i in (2, 3))
    assert twice.total > once.total > 0
    return (twice.total - once.total) / n, (twice.apart - once.apart) / n


def count_least(bench, name, http, token, n, **values):
    """Counted four times: on a busy machine nginx may still have to wait
    once more."""
    return min(count_instructions(bench, f"{name}_{i}", http, token, n,
                                  **values) for i in range(4))


def count_added(bench, token, n=200):
    """Instructions of one request: of plain nginx, and what is added."""
    server = f"unix:{bench.socket}"
    new = [workload_token(jti=f"{i:032x}") for i in range(4 * n)]
    with one_cpu(bench):
        plain, _ = count_least(bench, "count_plain", PLAIN, token, n,
                               server=server)
        same, _ = count_least(bench, "count_same", SAME_HEADERS, token, n,
                              server=server)
        mint, apart = count_least(bench, "count_mint", MINT, token, n)
        fresh, fresh_apart = count_least(bench, "count_new", MINT, new, n)
    return {"plain": plain, "headers": same - plain,
            "added": mint - apart - plain, "apart": apart,
            "new": fresh - fresh_apart - plain, "new_apart": fresh_apart}


def count_calls(bench, name, http, token, n=200, **values):
    """System calls a request: those of the usual one, and how often each
    call is made whoever is faster, nginx or its client."""
    out = bench.dir / f"{name}.strace"
    bench.start_nginx(name, http, ("strace", "-o", str(out), "-s", "128"),
                      main="master_process off;", **values)
    start = time.monotonic()
    run_marked(bench, name, token, n)
    most_looks = time.monotonic() - start + 2
    parts = re.split(r"\n.*GET /mark.*\n", out.read_text())
    assert len(parts) == 4

    looks = collections.Counter()
    steady = [collections.Counter(), collections.Counter()]
    usual = collections.Counter()

    for i, part in enumerate(parts[1:3]):
        for request in re.split(r"\nrecvfrom.*GET .*\n", part)[1:-1]:
            calls = []
            for line in request.splitlines():
                # the module looks at its files once a second, request or not
                look = re.match(r'newfstatat\(.*/run/(\w+)", {st_mode', line)
                if look:
                    looks[look[1]] += 1
                    continue
                call = line.partition("(")[0]
                calls.append(call)
                if call != "epoll_wait" and "EAGAIN" not in line:
                    steady[i][call] += 1
            usual[tuple(calls)] += 1

    assert max(looks.values(), default=0) <= most_looks
    [(sequence, _)] = usual.most_common(1)
    steady[1].subtract(steady[0])
    # + 1: the call that brought the request was where it was split
    return len(sequence) + 1, {call: count / n
                               for call, count in steady[1].items()}


def run_marked(bench, name, token, n):
    """A few, n and 2n requests, each followed by a mark."""
    client = Client(bench.ports[name], token)
    path = workload_path(bench.routes)
    for repeats in (20, n, 2 * n):
        client.repeat(path, repeats)
        client.mark()
    client.close()
    bench.end(name)
