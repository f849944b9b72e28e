# SPDX-License-Identifier: MIT
"""The nginx module: requests that wait for a seat that is about to be ready."""

import contextlib
import os
import re
import signal
import socket
import struct
import threading
import time

import pytest

from http2_streams import Connection
from module_harness import (
    PAT, World, bearer, echo_websocket, raw_request, read_head, read_response,
    terminate_worker, token, wait_for)

from test_module import problem

# of contract/mint_run.h and mint_workers.h
CAPACITIES, SECTIONS, OWNED, WORKER, WORKER_PLUGIN, PARKED, OLDEST_PARKED = \
    64, 96, 144, 128, 384, 352, 360
ALIGN = 65536


class Records:
    """The run file "workers", read and poked as a worker would."""

    def __init__(self, world):
        self.path = world.run / "workers"
        data = self.path.read_bytes()
        _, self.seats, self.plugins = struct.unpack_from("=3I", data,
                                                         CAPACITIES)
        self.first, = struct.unpack_from("=Q", data, SECTIONS)
        self.tables = WORKER + (self.seats * 4 + 7) // 8 * 8
        used = self.tables + self.plugins * WORKER_PLUGIN
        self.bytes = (used + ALIGN - 1) // ALIGN * ALIGN

    def offset(self, record, plugin, member):
        return (self.first + record * self.bytes + self.tables
                + plugin * WORKER_PLUGIN + member)

    def each(self, plugin):
        with open(self.path, "rb") as f:
            return [struct.unpack("=Q", os.pread(
                f.fileno(), 8, self.offset(i, plugin, PARKED)))[0]
                for i in range(64)]

    def parked(self, plugin=3):
        return sum(self.each(plugin))

    def poke(self, record, plugin, member, value):
        with open(self.path, "r+b") as f:
            f.seek(OWNED)
            owned, = struct.unpack("=Q", f.read(8))
            f.seek(OWNED)
            f.write(struct.pack("=Q", owned | 1 << record))
            f.seek(self.offset(record, plugin, member))
            f.write(struct.pack("=Q", value))


def wait_parked(records, count, plugin=3):
    wait_for(lambda: records.parked(plugin) == count, f"{count} parked")


def last_access(world):
    """The last line of the access log, named; with $mint_waited."""
    line = wait_for(world.access, "a line of the access log")[-1]
    names = ("target", "status", "plugin", "user", "request_id", "seat",
             "state", "reject", "upstream", "upgrade", "connection")
    return dict(zip(names, line))


@contextlib.contextmanager
def parking_world(*, main="worker_processes 1;", ready=False, **options):
    """Plugin "tiny" is starting after a crash."""
    with World(main=main, **options) as w:
        for name in ("platform", "tiny-a", "tiny-b", "other"):
            w.backend(name)
        if not ready:
            w.seat(6, "starting", cause="crashed", retry_after=4)
        yield w.start()


@pytest.fixture()
def world():
    """Long limits: what ends the waiting is said by each test."""
    with parking_world(server="mint_park crash=1m start=2m;") as w:
        w.records = Records(w)
        yield w


def send(world, target, *headers, method="GET", body=b"", **options):
    """A connection on which one request was sent."""
    s = world.connect()
    s.sendall(raw_request(method, target, headers, body, **options))
    return s


# ---- waiting and going on ---------------------------------------------


def test_waits_until_the_seat_is_ready(world):
    with send(world, "/api/tiny/x?a=1", bearer(token())) as s:
        wait_parked(world.records, 1)
        assert world.backends["tiny-a"].requests == []
        assert world.in_flight(6) == 0
        world.seat(6, "ready", generation=2)
        response = read_response(s)
    assert response.status == 200
    assert response.json()["target"] == "/api/tiny/x?a=1"
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
    assert response.seen("X-MINT-User-Id") == ["7"]
    assert response.seen("X-MINT-Username") == ["al"]
    assert response.seen("X-Request-ID") == [response.get("X-Request-ID")]
    wait_parked(world.records, 0)
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


def test_the_other_seat_may_become_ready(world):
    with send(world, "/api/tiny/x") as s:
        wait_parked(world.records, 1)
        world.seat(7, "ready")
        assert read_response(s).json()["backend"] == "tiny-b"


@pytest.mark.parametrize("state,cause", [
    ("starting", "first_start"), ("starting", "stopped"),
    ("starting", "none"), ("starting", "installing"),
    ("starting", "upgrading"), ("starting", "failed"),
    ("closed", "restart"), ("closed", "upgrading")])
def test_who_waits(world, state, cause):
    world.seat(6, state, cause=cause)
    with send(world, "/tiny/x") as s:
        wait_parked(world.records, 1)
        world.seat(6, "starting", cause="restart")     # waits on
        world.seat(6, "ready")
        assert read_response(s).status == 200


@pytest.mark.parametrize("state,cause", [
    ("closed", "crashed"), ("closed", "failed"), ("closed", "stopped"),
    ("closed", "none"), ("draining", "upgrading"), ("empty", "none")])
def test_who_does_not_wait(world, state, cause):
    world.seat(6, state, cause=cause)
    problem(world.fetch("/api/tiny/x"), 503)
    assert world.records.parked() == 0


def test_personal_token_is_checked_again_and_not_passed_on(world):
    with send(world, "/api/tiny/x", bearer(PAT)) as s:
        wait_parked(world.records, 1)
        world.seat(6, "starting", cause="restart")
        world.seat(6, "ready")
        response = read_response(s)
    assert response.seen("X-MINT-User-Id") == ["7"]
    assert response.seen("Authorization") == []


def test_body_is_left_with_the_client(world):
    """Nothing is read and nothing promised while a request waits."""
    body = b"b" * 100_000
    head, sent = raw_request("POST", "/api/tiny/x", [
        bearer(token()), ("Expect", "100-continue"),
        ("X-MINT-User-Id", "1")], body).split(b"\r\n\r\n")
    with world.connect() as s:
        s.sendall(head + b"\r\n\r\n")
        wait_parked(world.records, 1)
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(1)
        s.settimeout(20)
        world.seat(6, "ready")
        assert read_head(s).startswith("HTTP/1.1 100 ")
        s.sendall(sent)
        response = read_response(s, "POST")
    assert response.json()["body"] == body.decode()
    assert response.seen("X-MINT-User-Id") == ["7"]


def test_websocket_waits(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws", bearer(token())) as s:
        wait_parked(world.records, 1)
        world.seat(6, "ready")
        assert read_head(s).startswith("HTTP/1.1 101 ")
        s.sendall(b"hello")
        assert s.recv(100) == b"hello"


def test_pipelined_requests_are_answered_in_order(world):
    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/1", close=False)
                  + raw_request("GET", "/api/other/2", close=False)
                  + raw_request("GET", "/api/tiny/3"))
        wait_parked(world.records, 1)
        world.seat(6, "ready")
        answers = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    assert re.findall('"target": "([^"]+)"', answers) == ["/api/tiny/1", "/api/other/2", "/api/tiny/3"]


def test_platform_waits_too():
    with parking_world(server="mint_park start=1m;", ready=True) as w:
        w.seat(0, "starting", cause="first_start")
        records = Records(w)
        with send(w, "/api/health") as s:
            wait_parked(records, 1, plugin=0)
            assert w.fetch("/api/tiny/x").status == 200
            w.seat(0, "ready")
            assert read_response(s).json()["backend"] == "platform"


def test_log_says_how_long(tmp_path):
    log = tmp_path / "waited.log"
    with parking_world(
            server="mint_park crash=1m;",
            http="log_format waited '$mint_waited $status $mint_state';",
            location_extra=f"access_log {log} waited;") as w:
        records = Records(w)
        with send(w, "/api/tiny/x") as s:
            wait_parked(records, 1)
            w.seat(6, "ready")
            assert read_response(s).status == 200
        assert w.fetch("/api/tiny/x").status == 200
        lines = wait_for(lambda: log.read_text().splitlines()[1:]
                         and log.read_text().splitlines(), "two lines")
        assert re.fullmatch(r"0\.\d\d\d 200 ready", lines[0])
        assert lines[1] == "- 200 ready"


# ---- decided about again ----------------------------------------------


@pytest.mark.parametrize("change,status,detail", [
    ({"users": [{"id": 7, "username": "al", "role": "member",
                 "active": False}]}, 401, "the user is not active"),
    ({"users": [{"id": 7, "username": "al", "role": "guest"}]}, 403,
     "the role lacks permission plugins.use"),
    ({"users": [{"id": 7, "username": "al", "role": "member",
                 "session_version": 1}]}, 401, "the session was ended"),
])
def test_identity_is_checked_again(world, change, status, detail):
    with send(world, "/api/tiny/x", bearer(token()), method="POST",
              body=b"x") as s:
        wait_parked(world.records, 1)
        # a route written anew leaves the seats as they are
        world.write(seats=[], **change)
        world.seat(6, "ready")
        body = problem(read_response(s, "POST"), status)
    assert body["detail"] == detail
    assert world.backends["tiny-a"].requests == []
    assert world.records.parked() == 0


def test_role_that_counts_is_the_last_one(world):
    with send(world, "/api/tiny/x", bearer(token())) as s:
        wait_parked(world.records, 1)
        world.write(seats=[], users=[{"id": 7, "username": "el",
                                      "role": "admin"}])
        world.seat(6, "ready")
        response = read_response(s)
    assert response.seen("X-MINT-Username") == ["el"]
    assert response.seen("X-MINT-User-Role") == ["admin"]


def test_route_is_looked_up_again(world):
    with send(world, "/api/tiny/x", bearer(token())) as s:
        wait_parked(world.records, 1)
        world.write(seats=[], routes=[
            {"plugin_id": 5, "prefix": "/tiny", "name": "other"}])
        world.seat(6, "closed", cause="stopped")
        response = read_response(s)
    assert response.json()["backend"] == "other"
    assert response.seen("X-MINT-Internal-Token") == ["token-of-other"]
    assert world.records.parked() == 0


def test_failure_ends_the_waiting(world):
    with send(world, "/api/tiny/x") as s:
        wait_parked(world.records, 1)
        world.seat(6, "closed", cause="failed", retry_after=300)
        response = read_response(s)
    body = problem(response, 503)
    assert (body["state"], body["cause"]) == ("closed", "failed")
    assert response.get("Retry-After") == "300"


def test_larger_run_files_meanwhile(world):
    with send(world, "/api/tiny/x") as s:
        wait_parked(world.records, 1)
        world.write(plugins=256, seats=[])
        larger = Records(world)
        assert larger.plugins > world.records.plugins
        wait_parked(larger, 1)
        world.seat(6, "ready")
        assert read_response(s).status == 200
        wait_parked(larger, 0)


# ---- bounds -----------------------------------------------------------


@pytest.mark.parametrize("cause,shortest_sec", [("crashed", 0.2),
                                                ("first_start", 0.5)])
def test_bounded_in_time(cause, shortest_sec):
    """Nobody publishes anything any more: the supervisor may be gone."""
    with parking_world(server="mint_park crash=200ms start=500ms;") as w:
        w.seat(6, "starting", cause=cause, retry_after=4)
        begin = time.monotonic()
        response = w.fetch("/api/tiny/x")
        # nginx's clock is that of its last event, in milliseconds
        assert time.monotonic() - begin >= shortest_sec - 0.02
        body = problem(response, 503)
        assert response.get("Retry-After") == "4"
        assert (body["state"], body["cause"]) == ("starting", cause)
        assert last_access(w)["reject"] == "waited in vain"
        assert Records(w).parked() == 0
        assert w.backends["tiny-a"].requests == []


def test_bounded_in_number(world):
    with parking_world(server="mint_park requests=3 crash=1m;") as w:
        records = Records(w)
        with contextlib.ExitStack() as stack:
            waiting = []
            for i in range(3):
                waiting.append(stack.enter_context(
                    send(w, f"/api/tiny/{i}")))
                wait_parked(records, i + 1)
            response = w.fetch("/api/tiny/more")
            assert problem(response, 503)["detail"] == (
                'plugin "tiny" has crashed and is being restarted, and too '
                'many requests wait for it')
            assert response.get("Retry-After") == "4"
            assert last_access(w)["reject"] == "too many requests wait"

            # another plugin has places of its own, and one that is left is free
            assert w.fetch("/api/other/x").status == 200
            waiting.pop(1).close()
            wait_parked(records, 2)
            waiting.append(stack.enter_context(send(w, "/api/tiny/3")))
            wait_parked(records, 3)
            w.seat(6, "ready")
            assert [read_response(s).json()["target"] for s in waiting] == [
                "/api/tiny/0", "/api/tiny/2", "/api/tiny/3"]
        rejections = w.workers()[0]["plugins"]["3"]["rejections"]
        assert rejections == 1


def test_what_a_dead_worker_left_does_not_count():
    with parking_world(server="mint_park requests=1 crash=1m;") as w:
        records = Records(w)
        records.poke(40, 3, PARKED, 100)
        records.poke(40, 3, OLDEST_PARKED, 1)
        with send(w, "/api/tiny/x") as s:
            wait_parked(records, 101)
            w.seat(6, "ready")
            assert read_response(s).status == 200


def test_off():
    with parking_world(server="mint_park off;") as w:
        problem(w.fetch("/api/tiny/x"), 503)
        assert last_access(w)["reject"] == "not ready"


def test_inheritance():
    with parking_world(http="mint_park crash=100ms start=1m;",
                       server="mint_park requests=1;",
                       location_extra="mint_park start=150ms;") as w:
        records = Records(w)
        w.seat(6, "starting", cause="first_start")
        problem(w.fetch("/api/tiny/x"), 503)
        w.seat(6, "starting", cause="crashed")
        problem(w.fetch("/api/tiny/x"), 503)
        w.seat(6, "closed", cause="failed")
        assert records.parked() == 0


@pytest.mark.parametrize("line,message", [
    ("mint_park requests=-1;", 'invalid parameter "requests=-1"'),
    ("mint_park requests=;", 'invalid parameter "requests="'),
    ("mint_park crash=2x;", 'invalid parameter "crash=2x"'),
    ("mint_park start=;", 'invalid parameter "start="'),
    ("mint_park on;", 'invalid parameter "on"'),
    ("mint_park off start=1s;", 'invalid parameter "off"'),
    ("mint_park;", 'invalid number of arguments in "mint_park"'),
    ("mint_park off; mint_park off;", '"mint_park" directive is duplicate'),
])
def test_configuration_errors(line, message):
    with World() as w:
        code, text = w.test(server=line)
        assert code != 0 and message in text, text
        assert "nginx.conf:" in text


# ---- clients that leave -----------------------------------------------


def test_client_that_left_is_not_passed_on(world):
    gone = send(world, "/api/tiny/gone", bearer(token()), method="POST",
                body=b"x", close=False)
    half = send(world, "/api/tiny/half", method="POST", body=b"x")
    with send(world, "/api/tiny/stays") as stays:
        wait_parked(world.records, 3)
        gone.close()
        half.shutdown(socket.SHUT_WR)
        wait_parked(world.records, 1)
        world.seat(6, "ready")
        assert read_response(stays).status == 200
    half.close()
    assert [r.target for r in world.backends["tiny-a"].requests] \
        == ["/api/tiny/stays"]
    left = {line[0]: line for line in world.access() if line[1] == "499"}
    assert left.keys() == {"/api/tiny/gone", "/api/tiny/half"}
    assert left["/api/tiny/gone"][2:4] == ["tiny", "7"]
    assert left["/api/tiny/gone"][6] == "starting"


def test_client_that_left_at_once(world):
    for _ in range(20):
        send(world, "/api/tiny/gone").close()
    wait_for(lambda: len([line for line in world.access()
                          if line[1] == "499"]) == 20, "all have left")
    wait_parked(world.records, 0)
    world.seat(6, "ready")
    assert world.fetch("/api/tiny/x").status == 200
    assert len(world.backends["tiny-a"].requests) == 1


def test_http2_streams():
    with parking_world(server="mint_park crash=1m;", listen="http2") as w:
        records = Records(w)
        with Connection(w.port) as c, Connection(w.port) as lost:
            first = c.send("/api/tiny/1", bearer(token()))
            left = c.send("/api/tiny/2", bearer(token()))
            posted = c.send("/api/tiny/3", bearer(token()), method="POST",
                            body=b"y" * 10_000)
            lost.send("/api/tiny/4")
            wait_parked(records, 4)
            assert c.fetch("/api/other/x").status == 200
            c.leave(left)
            wait_parked(records, 3)
            lost.close()
            wait_parked(records, 2)
            w.seat(6, "ready")
            assert c.response(first).status == 200
            assert b"y" * 10_000 in c.response(posted).body
        wait_parked(records, 0)
        assert sorted(r.target for r in w.backends["tiny-a"].requests) \
            == ["/api/tiny/1", "/api/tiny/3"]


# ---- nginx's own life -------------------------------------------------


def test_reload(world):
    old = world.worker_pids()
    with send(world, "/api/tiny/before") as s:
        wait_parked(world.records, 1)
        world.signal(signal.SIGHUP)
        wait_for(lambda: "gracefully shutting down" in world.log()
                 and world.worker_pids() - old, "a new worker")
        with send(world, "/api/tiny/after") as t:
            wait_parked(world.records, 2)
            assert len([n for n in world.records.each(3) if n]) == 2
            assert old <= world.worker_pids()
            world.seat(6, "ready")
            assert read_response(s).json()["target"] == "/api/tiny/before"
            assert read_response(t).json()["target"] == "/api/tiny/after"
    wait_for(lambda: not old & world.worker_pids(), "end of the old worker")


def test_worker_shutdown_timeout():
    with parking_world(
            main="worker_processes 1; worker_shutdown_timeout 200ms;",
            server="mint_park crash=1m;") as w:
        records = Records(w)
        old = w.worker_pids()
        with send(w, "/api/tiny/x") as s:
            wait_parked(records, 1)
            w.signal(signal.SIGHUP)
            assert s.recv(1) == b""
        wait_for(lambda: not old & w.worker_pids(), "end of the old worker")
        assert w.backends["tiny-a"].requests == []


def test_worker_that_dies(world):
    old = world.worker_pids()
    with send(world, "/api/tiny/x") as s:
        wait_parked(world.records, 1)
        terminate_worker(old.pop())
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(1) == b""
    wait_parked(world.records, 0)
    world.backends["tiny-a"].requests.clear()
    with send(world, "/api/tiny/y") as s:
        wait_parked(world.records, 1)
        world.seat(6, "ready")
        assert read_response(s).status == 200
    # as "exited on signal" is what was asked for
    (world.dir / "error.log").write_text("")
    (world.dir / "stderr.log").write_text("")


# ---- a start on demand ------------------------------------------------


class OnDemand:
    """A plugin that takes its time to start; what it gets, in order, held back
    until all are there."""

    def __init__(self, world, count, starts_sec=3):
        self.got = []
        self.all_are_there = threading.Event()
        self.world = world
        self.count = count
        self.lock = threading.Lock()
        world.backends["tiny-a"].on("/api/tiny/x")(self.take)
        world.seat(6, "starting", cause="stopped", retry_after=3)
        self.ready_at = time.monotonic() + starts_sec

    def take(self, peer, request):
        with self.lock:
            self.got.append((peer.number, int(request.target.split("=")[1])))
            if len(self.got) == self.count:
                self.all_are_there.set()
        self.all_are_there.wait(20)
        peer.answer({"n": request.target})

    def become_ready(self):
        time.sleep(max(0, self.ready_at - time.monotonic()))
        self.world.seat(6, "ready", generation=2)

    def order(self):
        """By the order in which the connections were made."""
        return [n for _, n in sorted(self.got)]


def demand(**options):
    return parking_world(
        main="worker_processes 2; worker_rlimit_nofile 4096;",
        ready=True, **options)


# the first 100 have places; 10 of them leave, and 10 more come
LEAVING = range(5, 100, 10)
STAYING = [n for n in range(110) if n not in LEAVING]


def test_start_on_demand_http1():
    with demand() as w, contextlib.ExitStack() as stack:
        records = Records(w)
        plugin = OnDemand(w, 100)
        clients = {}

        def ask(n):
            clients[n] = stack.enter_context(send(
                w, f"/api/tiny/x?n={n}", bearer(token()), close=False))

        for n in range(100):
            ask(n)
            wait_parked(records, n + 1)
        for n in LEAVING:
            clients.pop(n).close()
        wait_parked(records, 90)
        for n in range(100, 110):
            ask(n)
            wait_parked(records, n - 9)
        for n in range(110, 1010):
            ask(n)
        for n in range(110, 1010):
            response = read_response(clients[n])
            assert "too many requests" in problem(response, 503)["detail"]
            assert response.get("Retry-After") == "3"
        assert records.parked() == 100 and plugin.got == []

        plugin.become_ready()
        for n in STAYING:
            assert read_response(clients[n]).status == 200
        assert plugin.order() == STAYING
        assert records.parked() == 0


def test_start_on_demand_http2():
    with demand(listen="http2",
                server="http2_max_concurrent_streams 256;") as w, \
            contextlib.ExitStack() as stack:
        records = Records(w)
        plugin = OnDemand(w, 100)
        connections = [stack.enter_context(Connection(w.port))
                       for _ in range(10)]
        streams = {}

        def ask(n):
            streams[n] = connections[n % 10].send(f"/api/tiny/x?n={n}",
                                                  bearer(token()))

        def answer(n):
            return connections[n % 10].response(streams[n])

        for n in range(100):
            ask(n)
            wait_parked(records, n + 1)
        for n in LEAVING:
            connections[n % 10].leave(streams[n])
        wait_parked(records, 90)
        for n in range(100, 110):
            ask(n)
            wait_parked(records, n - 9)
        for n in range(110, 1010):
            ask(n)
        for n in range(110, 1010):
            assert answer(n).status == 503
            assert answer(n).get("Retry-After") == "3"
        assert records.parked() == 100 and plugin.got == []

        plugin.become_ready()
        for n in STAYING:
            assert answer(n).status == 200
        assert plugin.order() == STAYING
        assert records.parked() == 0


def test_first_come_first_served_over_workers():
    """Two workers hold every other request each."""
    with demand(listen="http2 reuseport") as w, \
            contextlib.ExitStack() as stack:
        records = Records(w)
        plugin = OnDemand(w, 40, starts_sec=0)
        by_record = {}
        while len(by_record) < 2:
            c = stack.enter_context(Connection(w.port))
            probe = c.send("/api/tiny/probe")
            wait_parked(records, 1)
            by_record[records.each(3).index(1)] = c
            c.leave(probe)
            wait_parked(records, 0)
        connections = list(by_record.values())
        streams = []
        for n in range(40):
            streams.append(connections[n % 2].send(f"/api/tiny/x?n={n}"))
            wait_parked(records, n + 1)
        plugin.become_ready()
        for n in range(40):
            assert connections[n % 2].response(streams[n]).status == 200
        assert plugin.order() == list(range(40))
