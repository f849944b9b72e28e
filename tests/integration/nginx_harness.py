# SPDX-License-Identifier: MIT
"""nginx as an administrator runs it: a daemon that is reloaded and whose
binary is replaced while clients of all kinds go on."""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
import time

from module_harness import (
    DEADLINE, NGINX, World, echo_websocket, raw_request, read_head,
    sanitizer_env, wait_for)

PLAIN = """
    proxy_pass http://mint;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection $connection_value;
    proxy_set_header Upgrade $http_upgrade;
"""

PLAIN_HTTP = "map $http_upgrade $connection_value { default upgrade; '' ''; }"


class Daemon(World):
    """A World whose nginx has left its parent: only so it takes USR2."""

    def config(self, **changes):
        path = super().config(**changes)
        kept = "".join(f"env {name};\n" for name in (
            "LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS"))
        path.write_text(kept + path.read_text()
                        .replace("daemon off;", "daemon on;"))
        return path

    def start(self):
        with open(self.dir / "stderr.log", "ab") as log:
            subprocess.run([NGINX, "-c", str(self.config()), "-e",
                            str(self.dir / "error.log")], check=True,
                           env=sanitizer_env(), stderr=log, stdout=log,
                           stdin=subprocess.DEVNULL, timeout=DEADLINE)
        wait_for(self.worker_pids, "start of a worker")
        return self

    def master_pid(self, name="nginx.pid"):
        try:
            return int((self.dir / name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def masters(self):
        """Living ones, the current one last."""
        pids = [self.master_pid("nginx.pid.oldbin"), self.master_pid()]
        return [pid for pid in pids if pid and is_alive(pid)]

    def worker_pids(self, master=None):
        master = master or self.master_pid()
        return master and children(master)

    def signal(self, number, master=None):
        os.kill(master or self.master_pid(), number)

    def reload(self):
        before = self.worker_pids()
        self.signal(signal.SIGHUP)
        wait_for(lambda: self.worker_pids() - before, "new workers")

    def start_upgrade(self):
        """USR2: two masters with their workers; returns the old one."""
        old = self.master_pid()
        self.signal(signal.SIGUSR2)
        wait_for(lambda: self.master_pid() not in (None, old)
                 and self.worker_pids(), "the new binary")
        return old

    def finish_upgrade(self, old):
        """WINCH, QUIT; the old master leaves with its last worker."""
        self.signal(signal.SIGWINCH, old)
        self.signal(signal.SIGQUIT, old)

    def stop(self):
        for pid in self.masters():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not self.masters(), "end of nginx")
        super().stop()


class Plain(Daemon):
    """The same without the module."""

    def __init__(self, backend, main):
        super().__init__(
            location=PLAIN, http=PLAIN_HTTP, main=main, write=False,
            upstream=f"server unix:{backend}; keepalive 32;")

    def config(self, **changes):
        path = super().config(**changes)
        lines = [line for line in path.read_text().splitlines()
                 if "mint_" not in line and "mint on" not in line
                 and not line.startswith(("load_module", "    log_format"))]
        text = "\n".join(line for line in lines if "$mint" not in line)
        path.write_text(text.replace("access.log mint;", "access.log;"))
        return path


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)],
                          text=True, stdout=subprocess.PIPE, check=False)
    return {int(line.split()[0]) for line in done.stdout.splitlines()
            if "worker process" in line}


# ---- clients ----------------------------------------------------------


class Clients:
    """Threads that ask without a pause until told to stop.  "failed" is what
    a user would see; "closed" counts kept connections that nginx closed just
    when the next request came, which HTTP clients repeat."""

    def __init__(self, port, target, *, threads, keep):
        self.port = port
        self.request = raw_request("GET", target, close=not keep)
        self.keep = keep
        self.answered, self.closed, self.failed = 0, 0, []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run)
                         for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def _run(self):
        kept = None
        while not self._stop.is_set():
            was_kept = kept is not None
            begun = []
            try:
                kept = kept or socket.create_connection(
                    ("127.0.0.1", self.port), DEADLINE)
                kept.sendall(self.request)
                goes_on = self._read(kept, begun)
                with self._lock:
                    self.answered += 1
            except OSError as e:
                goes_on = False
                with self._lock:
                    if was_kept and not begun:
                        self.closed += 1
                    else:
                        self.failed.append(repr(e))
            if not goes_on or not self.keep:
                if kept is not None:
                    kept.close()
                kept = None
        if kept is not None:
            kept.close()

    @staticmethod
    def _read(sock, begun):
        """Reads one answer; is the connection kept?"""
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                raise ConnectionError(f"closed after {data!r}")
            begun.append(True)
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").lower().split("\r\n")
        if " 200 " not in lines[0]:
            raise ConnectionError(lines[0])
        length = int(next(line for line in lines
                          if line.startswith("content-length:"))[15:])
        while len(body) < length:
            more = sock.recv(65536)
            if not more:
                raise ConnectionError("closed within an answer")
            body += more
        return "connection: close" not in lines


class WebSockets:
    """So many open connections; one that nginx closes is opened anew."""

    def __init__(self, world, target, count):
        self.world, self.target, self.count = world, target, count
        self.opened, self.failed = 0, []
        self.lives = []             # (opened, closed) of those closed by nginx
        self._stop = threading.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(DEADLINE * 3), self.failed
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(DEADLINE * 3)

    def _open(self, selector):
        with self.world.open_websocket(self.target) as s:
            s = s.dup()
        head = read_head(s)
        if not head.startswith("HTTP/1.1 101 "):
            self.failed.append(head)
            s.close()
            return
        s.setblocking(False)
        self.opened += 1
        selector.register(s, selectors.EVENT_READ, time.monotonic())

    def _run(self):
        with selectors.DefaultSelector() as selector:
            try:
                for _ in range(self.count):
                    self._open(selector)
                self._up.set()
                while not self._stop.is_set():
                    self._turn(selector)
            except OSError as e:
                self.failed.append(repr(e))
            for key in list(selector.get_map().values()):
                key.fileobj.close()

    def _turn(self, selector):
        """All say something; each answer has to come, or the end."""
        for key in list(selector.get_map().values()):
            with contextlib.suppress(OSError):
                key.fileobj.send(b"ping")
        for key, _ in selector.select(0.1):
            try:
                data = key.fileobj.recv(65536)
            except OSError:
                data = b""
            if data:
                if data.replace(b"ping", b""):
                    self.failed.append(repr(data))
                continue
            self.lives.append((key.data, time.monotonic()))
            selector.unregister(key.fileobj)
            key.fileobj.close()
            self._open(selector)
        self._stop.wait(0.05)


# ---- a run ------------------------------------------------------------


def live_through(*, reloads, upgrades, websockets, shutdown_timeout_sec=3,
                 threads=4):
    """Reloads and upgrades under load, beside a plain nginx that gets the same
    signals; returns the figures after checking what must hold."""
    main = ("worker_processes 2;"
            f"worker_shutdown_timeout {shutdown_timeout_sec}s;")
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(Daemon(main=main))
        tiny = world.backend("tiny-a")
        plain = stack.enter_context(Plain(world.sock("plain"), main))
        other = world.backend("plain")
        for backend in (tiny, other):
            backend.on("/api/tiny/load")(answer_load)
            backend.on("/api/tiny/ws")(echo_websocket)
        world.start()
        plain.start()
        retired = []                # when workers were told to leave
        with contextlib.ExitStack() as load:
            clients = {
                (name, kind): load.enter_context(
                    Clients(w.port, "/api/tiny/load", threads=threads,
                            keep=kind == "kept"))
                for name, w in (("mint", world), ("plain", plain))
                for kind in ("single", "kept")}
            sockets = load.enter_context(
                WebSockets(world, "/api/tiny/ws", websockets))
            for turn in range(reloads + upgrades):
                step = (turn + 1) * upgrades // (reloads + upgrades)
                retired.append(time.monotonic())
                if step > turn * upgrades // (reloads + upgrades):
                    upgrade(world, plain)
                else:
                    world.reload()
                    plain.reload()
            wait_for(lambda: len(sockets.lives) >= websockets,
                     "the end of those that were there first")
        wait_for(lambda: {w["pid"] for w in world.workers()}
                 == world.worker_pids(), "records of the old workers")
        figures = {
            **{f"{name} {kind}": (c.answered, c.closed, len(c.failed))
               for (name, kind), c in clients.items()},
            "websockets": sockets.opened, "ended": len(sockets.lives)}
        check_run(world, clients, sockets, retired, shutdown_timeout_sec)
        return figures


def answer_load(peer, request):
    peer.answer(b"x" * 1000)


def upgrade(world, plain):
    olds = [(w, w.start_upgrade()) for w in (world, plain)]
    for w, old in olds:
        w.finish_upgrade(old)
    # until then the new master refuses to be replaced in turn
    for _, old in olds:
        wait_for(lambda pid=old: not is_alive(pid), "end of the old master")


def check_run(world, clients, sockets, retired, timeout_sec):
    for (name, kind), c in clients.items():
        assert c.answered > 0, (name, kind)
        assert not c.failed, (name, kind, c.failed[:5])
    assert not sockets.failed, sockets.failed[:5]
    for opened, closed in sockets.lives:
        # one opened while workers are being replaced may be of an old one
        told = max((t for t in retired if t <= opened), default=None) \
            or min(retired, default=None)
        assert told is not None, "ended by itself"
        assert closed - told >= timeout_sec - 0.1, (opened, closed, told)

    answered = sum(c.answered for (name, _), c in clients.items()
                   if name == "mint")
    expected = ([0, sockets.opened, answered, 0, 0, 0], sockets.opened, 0)

    def counted():
        plugin = world.totals()["3"]
        return plugin["requests"], plugin["upgrades"], plugin["in_flight"]

    try:
        wait_for(lambda: counted() == expected, "adding up")
    except AssertionError:
        assert counted() == expected
