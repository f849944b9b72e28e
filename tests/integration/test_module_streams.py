# SPDX-License-Identifier: MIT
"""The nginx module: WebSocket tunnels byte by byte, limits of idle time,
clients that leave, bodies of any size in constant memory."""

import contextlib
import json
import os
import random
import re
import select
import socket
import ssl
import subprocess
import threading
import time

import pytest

from module_harness import (
    LOCATION, ROOT, World, bearer, echo_websocket, raw_request, read_head,
    read_response, token, wait_for)
from stream_harness import (
    Held, Http2, begin_download, begin_sse, begin_websocket, is_open,
    open_request, until_closed)

MIB = 1 << 20

# the location that an admin copies
SHIPPED = re.search(
    r"location / \{\n(.*?)\n\}",
    (ROOT / "conf" / "mint-proxy.conf").read_text(), re.S).group(1)


@pytest.fixture(scope="module")
def world():
    with World(location=SHIPPED) as w:
        w.backend("platform")
        w.backend("tiny-a")
        yield w.start()


def bytes_of(size, seed):
    return random.Random(seed).randbytes(size)


def receive(sock, into, pause=0.0):
    """Reads to the end; pause makes it a slow reader for the first MB."""
    while True:
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            into.append(b"reset")
            return
        if not data:
            return
        into.append(data)
        if pause and sum(map(len, into)) < MIB:
            time.sleep(pause)


class Talk:
    """A backend that sends its own data while it takes what comes."""

    def __init__(self, data, ends_first, pause=0.0, early=b""):
        self.data = data
        self.early = early          # in one write with the head of the 101
        self.ends_first = ends_first
        self.pause = pause
        self.received = []
        self.done = threading.Event()

    def __call__(self, peer, request):
        peer.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n\r\n" + self.early)
        reader = threading.Thread(target=self._read, args=(peer,))
        if self.ends_first:
            reader.start()
            peer.sock.sendall(self.data)
            peer.sock.shutdown(socket.SHUT_WR)
            reader.join()
        else:
            # all of it only after the client's end has come
            self._read(peer)
            peer.sock.sendall(self.data)
        self.done.set()
        return True

    def _read(self, peer):
        while True:
            data = peer.file.read1(65536)
            if not data:
                return
            self.received.append(data)
            if self.pause and sum(map(len, self.received)) < MIB:
                time.sleep(self.pause)


# ---- tunnels ----------------------------------------------------------


@pytest.mark.parametrize("client_pause, plugin_pause", [
    (0, 0), (0.01, 0), (0, 0.01)])
def test_plugin_ends_its_half_first(world, client_pause, plugin_pause):
    """Both sides send at once; the plugin ends first, and what the client
    sends after that still arrives."""
    up, down = bytes_of(6 * MIB, 1), bytes_of(5 * MIB, 2)
    talk = Talk(down, True, plugin_pause)
    world.backends["tiny-a"].on("/api/tiny/ws")(talk)
    got = []
    with world.open_websocket("/api/tiny/ws", bearer(token())) as s:
        assert " 101 " in read_head(s)
        reader = threading.Thread(target=receive, args=(s, got, client_pause))
        reader.start()
        s.sendall(up[:4 * MIB])
        reader.join()           # the plugin's end has come through
        assert b"".join(got) == down
        s.sendall(up[4 * MIB:])
        s.shutdown(socket.SHUT_WR)
        assert talk.done.wait(20)
        assert b"".join(talk.received) == up
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


@pytest.mark.parametrize("client_pause", [0, 0.01])
def test_client_ends_its_half_first(world, client_pause):
    """The client has sent everything and its end before the plugin says
    anything at all."""
    up, down = bytes_of(5 * MIB, 3), bytes_of(6 * MIB, 4)
    talk = Talk(down, False)
    world.backends["tiny-a"].on("/api/tiny/ws")(talk)
    with world.open_websocket("/api/tiny/ws") as s:
        read_head(s)
        s.sendall(up)
        s.shutdown(socket.SHUT_WR)
        got = []
        receive(s, got, client_pause)
        assert b"".join(got) == down
    assert talk.done.wait(20)
    assert b"".join(talk.received) == up
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


def test_bytes_that_come_with_the_handshake(world):
    """A client that does not wait for the 101, a plugin whose first bytes are
    in one packet with it, and both ends right behind them."""
    talk = Talk(b"-late", False, early=b"early")
    world.backends["tiny-a"].on("/api/tiny/ws")(talk)
    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/ws", [
            ("Upgrade", "websocket"), ("Connection", "Upgrade")],
            close=False) + b"at once")
        assert " 101 " in read_head(s)
        s.shutdown(socket.SHUT_WR)
        assert until_closed(s) == b"early-late"
    assert talk.done.wait(20)
    assert b"".join(talk.received) == b"at once"


def test_plugin_that_dies_ends_the_tunnel(world):
    """All of its socket is closed: what it had said arrives, then the end,
    without waiting for the client."""
    last = bytes_of(MIB, 5)

    @world.backends["tiny-a"].on("/api/tiny/ws")
    def die(peer, request):
        begin_websocket(peer)
        peer.sock.sendall(last)
        return True

    with world.open_websocket("/api/tiny/ws") as s:
        read_head(s)
        got = []
        receive(s, got)
        assert b"".join(got) == last
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


@pytest.mark.parametrize("body", [
    [("Content-Length", "5")], [("Transfer-Encoding", "chunked")]])
def test_upgrade_with_a_body_does_not_pass(world, body):
    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/x", [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), *body],
            close=False))
        s.sendall(b"hello" if body[0][0] == "Content-Length"
                  else b"5\r\nhello\r\n0\r\n\r\n")
        response = read_response(s)
        assert response.status == 200 and response.seen("Upgrade") == []
        assert response.json()["body"] == "hello"


def upgrades(world, plugin="3"):
    totals = json.loads(world.table("dump", world.run, "--json"))["totals"]
    return totals.get(plugin, {}).get("upgrades", 0)


def test_upgrades_are_counted_when_they_begin(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    def logged(name):
        return [[a[1], *a[9:11]] for a in world.access() if a[4] == name]

    before = upgrades(world)
    with world.open_websocket("/api/tiny/ws",
                              ("X-Request-ID", "counted")) as s:
        read_head(s)
        wait_for(lambda: upgrades(world) == before + 1, "the count")
        assert logged("counted") == []
    wait_for(lambda: logged("counted"), "the log")
    assert logged("counted") == [["101", "websocket", "upgrade"]]
    world.fetch("/api/tiny/x", ("X-Request-ID", "ordinary"))
    wait_for(lambda: logged("ordinary"), "the log")
    assert logged("ordinary") == [["200", "-", "-"]]
    assert upgrades(world) == before + 1


@pytest.fixture(scope="module")
def tls_world(tmp_path_factory):
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=mint", "-keyout", place / "key", "-out",
         place / "certificate"], check=True, stderr=subprocess.DEVNULL)
    with World(location=SHIPPED, listen="ssl",
               server=f"ssl_certificate {place}/certificate;"
                      f"ssl_certificate_key {place}/key;") as w:
        context = ssl.create_default_context(cafile=place / "certificate")
        context.check_hostname = False
        plain = w.connect
        w.connect = lambda: context.wrap_socket(plain())
        w.backend("tiny-a")
        yield w.start()


def exchange(sock, data, pause):
    """Sends data and returns what came until the end, both at once and in one
    thread; pause as in receive()."""
    sock.setblocking(False)
    got = bytearray()
    while True:
        select.select([sock], [sock] if data else [], [], 20)
        if data:
            with contextlib.suppress(ssl.SSLWantReadError,
                                     ssl.SSLWantWriteError):
                data = data[sock.send(data[:65536]):]
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            more = sock.recv(65536)
            if not more:
                return bytes(got)
            got += more
            if pause and len(got) < MIB:
                time.sleep(pause)


@pytest.mark.parametrize("client_pause", [0, 0.01])
def test_tunnel_over_tls(tls_world, client_pause):
    """Both directions at once; the plugin closes when it has everything."""
    up, down = bytes_of(5 * MIB, 8), bytes_of(6 * MIB, 9)
    received = []

    @tls_world.backends["tiny-a"].on("/api/tiny/ws")
    def talk(peer, request):
        begin_websocket(peer)
        sender = threading.Thread(target=peer.sock.sendall, args=(down,))
        sender.start()
        received.append(peer.file.read(len(up)))
        sender.join()
        return True

    with tls_world.open_websocket("/api/tiny/ws", bearer(token())) as s:
        assert " 101 " in read_head(s)
        assert exchange(s, up, client_pause) == down
    assert received == [up]
    wait_for(lambda: tls_world.in_flight(6) == 0, "counting out")


def test_long_head_of_the_101_is_not_held_back():
    """"limit_rate" sends such a head in parts; the tunnel has to send the
    rest, also when neither side says anything."""
    with World(server="limit_rate 1k;") as w:
        w.backend("tiny-a")

        @w.backends["tiny-a"].on("/api/tiny/ws")
        def begin(peer, request):
            peer.answer(b"", "101 Switching Protocols",
                        [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                         ("X-Long", "x" * 3000)], length=False)
            while data := peer.file.read1(65536):
                peer.sock.sendall(data)
            return True

        w.start()
        with w.open_websocket("/api/tiny/ws") as s:
            assert "x" * 3000 in read_head(s)
            s.sendall(b"hello")
            assert s.recv(5) == b"hello"


# ---- idle limits ------------------------------------------------------


def test_idle_limit_counts_both_directions():
    with World(server="mint_websocket_timeout 2s;") as w:
        w.backend("tiny-a")
        held = Held(begin_websocket)
        w.backends["tiny-a"].on("/api/tiny/ws")(held)
        w.start()
        with w.open_websocket("/api/tiny/ws") as s:
            read_head(s)
            end = time.monotonic() + 2.5
            while time.monotonic() < end:
                s.sendall(b"x")             # the plugin says nothing
                time.sleep(0.1)
                assert is_open(s)
            assert until_closed(s) == b"\x88\x02\x03\xe9"      # 1001
        assert held.gone.acquire(timeout=20)
        wait_for(lambda: "was idle for too long" in w.log(), "the log")


def test_idle_limit_is_not_that_of_requests():
    location = re.sub(r"proxy_read_timeout \w+;", "proxy_read_timeout 1s;",
                      LOCATION)
    with World(location=location) as w:
        w.backend("tiny-a")
        w.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
        w.backends["tiny-a"].on("/api/tiny/never")(Held())
        w.start()
        with w.open_websocket("/api/tiny/ws") as s:
            read_head(s)
            assert w.fetch("/api/tiny/never").status == 504
            s.sendall(b"hello")             # idle for longer than a second
            assert s.recv(5) == b"hello"


def test_close_frame_only_where_one_may_begin():
    """In the middle of the plugin's frame the connection just ends."""
    first = b"\x82\x7e\x01\x00" + b"x" * 256       # whole, length in 16 bits
    for sent, close in ((first, b"\x88\x02\x03\xe9"), (first[:-1], b""),
                        (first + b"\x89", b""),
                        (first + b"\x82\x7f" + bytes(7) + b"\x05hello",
                         b"\x88\x02\x03\xe9")):
        with World(server="mint_websocket_timeout 500ms;") as w:
            w.backend("tiny-a")

            def begin(peer):
                begin_websocket(peer)
                for i in range(len(sent)):
                    peer.sock.sendall(sent[i:i + 1])

            w.backends["tiny-a"].on("/api/tiny/ws")(Held(begin))
            w.start()
            with w.open_websocket("/api/tiny/ws") as s:
                read_head(s)
                assert until_closed(s) == sent + close


# ---- clients that leave -----------------------------------------------


ABORTS = {
    # name: (method, headers, what the plugin has said, part of the body)
    "waiting": ("GET", [], lambda peer: None, b""),
    "stream": ("GET", [], begin_sse, b""),
    "download": ("GET", [], begin_download, b""),
    "upload": ("POST", [("Content-Length", "1000000")], lambda peer: None,
               b"x" * 70000),
    "websocket": ("GET", [("Upgrade", "websocket"),
                          ("Connection", "Upgrade")], begin_websocket, b""),
}


def gone_within_a_second(held):
    start = time.monotonic()
    assert held.gone.acquire(timeout=20)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("name", ABORTS)
def test_client_that_leaves(world, name):
    method, headers, begin, body = ABORTS[name]
    held = Held(begin)
    world.backends["tiny-a"].on("/api/tiny/abort")(held)
    s = open_request(world, "/api/tiny/abort", *headers, method=method)
    s.sendall(body)
    assert held.begun.acquire(timeout=20)
    s.close()
    gone_within_a_second(held)
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


@pytest.mark.parametrize("name", [n for n in ABORTS if n != "websocket"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_http2_client_that_leaves(http2_world, name, how):
    world = http2_world
    method, headers, begin, body = ABORTS[name]
    held = Held(begin)
    world.backends["tiny-a"].on("/api/tiny/abort")(held)
    with Http2(world) as c:
        stream = c.request(method, "/api/tiny/abort", *headers,
                           end=method == "GET")
        for i in range(0, len(body), 16384):
            c.send(c.DATA, 0, stream, body[i:i + 16384])
        assert held.begun.acquire(timeout=20)
        if how == "reset":
            c.reset(stream)
            gone_within_a_second(held)
            other = c.request("GET", "/api/tiny/x")
            assert c.wait(other, c.HEADERS, c.RST)[0] == c.HEADERS
    if how == "close":
        gone_within_a_second(held)
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


@pytest.fixture(scope="module")
def http2_world():
    with World(location=SHIPPED, listen="http2") as w:
        w.backend("tiny-a")
        yield w.start()


# ---- large bodies -----------------------------------------------------


SIZE = 256 * MIB


def peak_bytes(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


class Memory:
    """How much a worker takes above what it has now, and what it writes."""

    def __init__(self, world):
        self.world = world
        (self.pid,) = world.worker_pids()
        with open(f"/proc/{self.pid}/clear_refs", "w") as f:
            f.write("5")                    # the peak begins anew
        self.before = peak_bytes(self.pid)

    def check(self, limit=4 * MIB):
        assert peak_bytes(self.pid) - self.before < limit
        for name in ("body", "proxy"):
            for _, _, files in os.walk(self.world.dir / name):
                assert files == []
        written = [line.split()[1] for line in open(f"/proc/{self.pid}/io")
                   if line.startswith("write_bytes:")]
        assert int(written[0]) < MIB


@pytest.mark.parametrize("chunked", [False, True])
def test_upload_in_constant_memory(world, chunked):
    taken = []

    @world.backends["tiny-a"].on("/api/tiny/upload")
    def upload(peer, request):
        taken.append(sum(len(c) for c in peer.chunks(request)))
        peer.answer(b"done")

    memory = Memory(world)
    block = bytes_of(MIB, 6)
    length = (("Transfer-Encoding", "chunked") if chunked
              else ("Content-Length", str(SIZE)))
    with world.connect() as s:
        s.sendall(raw_request("POST", "/api/tiny/upload", [length]))
        for _ in range(SIZE // MIB):
            if chunked:
                s.sendall(b"%x\r\n" % MIB + block + b"\r\n")
            else:
                s.sendall(block)
        if chunked:
            s.sendall(b"0\r\n\r\n")
        assert read_response(s).body == b"done"
    assert taken == [SIZE]
    memory.check()


def test_download_to_a_slow_client_in_constant_memory(world):
    """The plugin waits; nginx neither collects the answer nor stores it."""
    stuck = threading.Event()
    sent = []

    @world.backends["tiny-a"].on("/api/tiny/download")
    def download(peer, request):
        peer.answer(b"", headers=[("Content-Length", str(SIZE))],
                    length=False)
        block = bytes_of(MIB, 7)
        peer.sock.settimeout(1)
        for _ in range(SIZE // MIB):
            left = block
            while left:
                try:
                    left = left[peer.sock.send(left):]
                except TimeoutError:
                    stuck.set()
            sent.append(len(block))
        return True

    memory = Memory(world)
    with world.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.sendall(raw_request("GET", "/api/tiny/download"))
        read_head(s)
        assert stuck.wait(20)
        assert sum(sent) < SIZE // 4
        memory.check()
        got = 0
        while True:
            data = s.recv(MIB)
            if not data:
                break
            got += len(data)
        assert got == SIZE
    memory.check()
