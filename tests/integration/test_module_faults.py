# SPDX-License-Identifier: MIT
"""The nginx module: seats and their states, counting, run files that are
missing, broken or replaced, configurations that are refused."""

import fcntl
import json
import mmap
import os
import random
import signal
import socket
import struct
import threading
import time

import pytest

from module_harness import (
    World, bearer, echo_websocket, free_port, raw_request, read_head,
    read_response, terminate_worker, token, wait_for)

from test_module import problem

FILES = ("routes", "seats", "identity", "workers")

# of struct mint_run_header
OFFSET = {"magic": (0, "Q"), "kind": (8, "I"), "abi_major": (12, "H"),
          "abi_minor": (14, "H"), "file_bytes": (16, "Q"), "life": (40, "Q"),
          "generation": (48, "Q")}


def header_field(name):
    if name.startswith("capacity"):
        return 64 + 4 * int(name[8:]), "I"
    if name.startswith("section"):
        return 96 + 8 * int(name[7:]), "Q"
    return OFFSET[name]


def poke(path, name, value):
    """Stores one header field in the file."""
    offset, form = header_field(name)
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(struct.pack("=" + form, value))


def peek(path, name):
    offset, form = header_field(name)
    return struct.unpack_from("=" + form, path.read_bytes(), offset)[0]


# ---- seats ------------------------------------------------------------


@pytest.fixture()
def world():
    """Nobody waits here: test_module_parking.py is about those who do."""
    with World(server="mint_park off;") as w:
        for name in ("platform", "tiny-a", "tiny-b"):
            w.backend(name)
        yield w.start()


@pytest.mark.parametrize("state,cause,words", [
    ("starting", "first_start", "is starting"),
    ("starting", "none", "is starting"),
    ("starting", "crashed", "has crashed and is being restarted"),
    ("starting", "restart", "is being restarted"),
    ("closed", "failed", "has failed"),
    ("closed", "stopped", "is stopped"),
    ("closed", "installing", "is being installed"),
    ("draining", "upgrading", "is being upgraded"),
    ("closed", "none", "cannot take requests now"),
])
def test_seat_that_is_not_ready(world, state, cause, words):
    world.seat(6, state, cause=cause, retry_after=7)
    for target in ("/api/tiny/x", "/tiny/x"):
        response = world.fetch(target, bearer(token()))
        body = problem(response, 503)
        assert body["plugin"] == "tiny"
        assert body["detail"].startswith('plugin "tiny" ' + words)
        assert (body["state"], body["cause"]) == (state, cause)
        assert body["details"] == {"plugin": "tiny", "state": state,
                                   "cause": cause}
        assert body["code"] == "service.unavailable"
        assert response.get("Retry-After") == "7"
    assert world.backends["tiny-a"].requests == []
    world.seat(6, "ready")
    assert world.fetch("/api/tiny/x").status == 200


def test_retry_after_is_always_said(world):
    world.seat(6, "closed")
    assert int(world.fetch("/api/tiny/x").get("Retry-After")) > 0


def test_platform_that_is_not_ready(world):
    world.seat(0, "starting", cause="restart")
    body = problem(world.fetch("/api/health"), 503)
    assert "plugin" not in body
    assert body["detail"] == "the platform is being restarted"
    assert world.fetch("/api/tiny/x").status == 200


def test_seat_b_takes_over(world):
    world.seat(7, "ready")
    world.seat(6, "draining")
    assert world.fetch("/api/tiny/x").json()["backend"] == "tiny-b"
    world.seat(6, "ready")
    assert world.fetch("/api/tiny/x").json()["backend"] == "tiny-a"


def test_seat_of_another_plugin_is_not_used():
    with World(write=False) as w:
        w.backend("other")
        w.spec["routes"][0]["seat_first"] = 10
        w.write()
        w.start()
        problem(w.fetch("/api/tiny/x"), 503)
        assert w.backends["other"].requests == []


def test_seats_beyond_the_table():
    with World() as w:
        poke(w.run / "seats", "capacity0", 4)
        w.start()
        problem(w.fetch("/api/tiny/x"), 503)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_seats_on_tcp(address):
    try:
        port = free_port(
            socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError as error:
        pytest.skip(f"{address}: {error.strerror}")     # no IPv6 here
    with World(write=False) as w:
        backend = w.backend("tcp", (address, port))
        text = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        w.spec["seats"][1]["address"] = text
        w.write()
        w.start()
        for _ in range(5):
            assert w.fetch("/api/tiny/x").status == 200
        assert backend.connections == 1
        w.seat(6, "ready", generation=9)
        assert w.fetch("/api/tiny/x").json()["connection"] == 2


# ---- connections ------------------------------------------------------


def test_connections_are_kept_within_a_generation(world):
    for _ in range(10):
        assert world.fetch("/api/tiny/x").json()["connection"] == 1
    world.seat(6, "ready", generation=2)
    for _ in range(10):
        assert world.fetch("/api/tiny/x").json()["connection"] == 2
    assert world.backends["tiny-a"].connections == 2


def test_closed_idle_connection_is_no_error_for_get(world):
    backend = world.backends["tiny-a"]
    barrier = threading.Barrier(4)

    @backend.on("/api/tiny/together")
    def together(peer, request):
        barrier.wait(10)
        peer.answer(b"ok")

    threads = [threading.Thread(target=world.fetch,
                                args=("/api/tiny/together",))
               for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert backend.connections == 4
    backend.drop_idle()
    assert world.fetch("/api/tiny/x").status == 200


def test_request_that_kills_the_plugin_is_sent_once(world):
    backend = world.backends["tiny-a"]
    backend.on("/api/tiny/die")(lambda peer, request: True)
    for method in ("GET", "POST", "PUT"):
        backend.requests.clear()
        world.seat(6, "ready", generation=len(method))
        response = world.fetch("/api/tiny/die", bearer(token()),
                               method=method, body=b"x")
        body = problem(response, 502)
        assert body["plugin"] == "tiny" and body["state"] == "ready"
        assert body["detail"].startswith('plugin "tiny" ended the connection')
        assert len(backend.requests) == 1
    log = world.log()
    assert "answered 502" in log
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


def test_502_says_how_the_seat_is_now(world):
    @world.backends["tiny-a"].on("/api/tiny/crash")
    def crash(peer, request):
        world.seat(6, "starting", cause="crashed", retry_after=3)
        return True

    response = world.fetch("/api/tiny/crash", bearer(token()),
                           ("X-Request-ID", "c-1"), method="POST")
    body = problem(response, 502)
    assert (body["state"], body["cause"]) == ("starting", "crashed")
    assert body["request_id"] == "c-1"
    assert response.get("Retry-After") == "3"


def test_504():
    from module_harness import LOCATION
    with World(location=LOCATION.replace("3600s", "300ms")) as w:
        backend = w.backend("tiny-a")
        backend.on("/api/tiny/slow")(lambda peer, request: peer.file.read1(1))
        w.start()
        body = problem(w.fetch("/api/tiny/slow"), 504)
        assert body["plugin"] == "tiny"
        assert "did not answer in time" in body["detail"]
        assert wait_for(w.access, "access log")[-1][1] == "504"


COOKIE = b"Set-Cookie: mint_access_token=stolen\r\n\r\n"


@pytest.mark.parametrize("answer", [
    b"\0\1\2" * 100, b"\nHTTP/1.1 200 OK\r\n" + COOKIE,
    b"HTTX/1.1 200 OK\r\n" + COOKIE, b"",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\n" + COOKIE,
])
@pytest.mark.parametrize("backend,target", [("tiny-a", "/api/tiny/noise"),
                                            ("platform", "/api/noise")])
def test_answer_that_is_no_http(world, backend, target, answer):
    world.backends[backend].on(target)(
        lambda peer, request: peer.sock.sendall(answer) or True)
    response = world.fetch(target)
    body = problem(response, 502)
    assert body.get("plugin") == (None if backend == "platform" else "tiny")
    assert response.all("Set-Cookie") == []


def test_nobody_listens(world):
    world.backends["tiny-a"].close()
    assert problem(world.fetch("/api/tiny/x"), 502)["plugin"] == "tiny"
    world.backends["platform"].close()
    body = problem(world.fetch("/api/health"), 502)
    assert body["detail"].startswith("the platform ")
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


# ---- counting ---------------------------------------------------------


def test_counting_in_and_out(world):
    go_on = threading.Event()

    @world.backends["tiny-a"].on("/api/tiny/wait")
    def wait(peer, request):
        go_on.wait(10)
        peer.answer(b"done")

    threads = [threading.Thread(target=world.fetch, args=("/api/tiny/wait",))
               for _ in range(5)]
    for t in threads:
        t.start()
    wait_for(lambda: world.in_flight(6) == 5, "counting in")

    # a seat that drains finishes what it has and takes nothing new
    world.seat(6, "draining", cause="upgrading")
    problem(world.fetch("/api/tiny/x"), 503)
    assert world.in_flight(6) == 5
    go_on.set()
    for t in threads:
        t.join()
    wait_for(lambda: world.in_flight(6) == 0, "counting out")
    worker = world.workers()[0]
    assert worker["plugins"]["3"]["requests"] == 5


def test_client_that_leaves_counts_out(world):
    arrived = threading.Event()

    @world.backends["tiny-a"].on("/api/tiny/left")
    def left(peer, request):
        arrived.set()
        peer.file.read1(1)
        return True

    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/left"))
        assert arrived.wait(10)
        assert world.in_flight(6) == 1
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


def test_platform_is_counted(world):
    go_on = threading.Event()
    world.backends["platform"].on("/api/wait")(
        lambda peer, request: go_on.wait(10) and peer.answer(b"done"))
    t = threading.Thread(target=world.fetch, args=("/api/wait",))
    t.start()
    wait_for(lambda: world.in_flight(0) == 1, "counting in")
    go_on.set()
    t.join()
    wait_for(lambda: world.in_flight(0) == 0, "counting out")


def test_record_of_a_killed_worker_is_free_again(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws") as s:
        read_head(s)
        wait_for(lambda: world.in_flight(6) == 1, "counting in")
        (pid,) = world.worker_pids()
        terminate_worker(pid)
        wait_for(lambda: world.worker_pids() - {pid}, "a new worker")
        wait_for(lambda: world.in_flight(6) == 0, "freeing the record")
    wait_for(lambda: [w["pid"] for w in world.workers()]
             == list(world.worker_pids()), "claiming the record")
    assert world.fetch("/api/tiny/x").status == 200
    log = world.dir / "error.log"
    log.write_text(log.read_text().replace("exited on signal 9", "(killed)")
                   .replace("[alert]", "(alert)"))


def test_reload_keeps_websockets_and_counts(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws") as s:
        read_head(s)
        old = world.worker_pids()
        for _ in range(3):
            before = world.worker_pids()
            world.signal(signal.SIGHUP)
            wait_for(lambda: world.worker_pids() - before, "new worker")
        wait_for(lambda: {w["pid"] for w in world.workers()}
                 == world.worker_pids(), "records of both")
        assert world.in_flight(6) == 1
        assert world.fetch("/api/tiny/x").status == 200
        s.sendall(b"still there")
        assert s.recv(100) == b"still there"
    wait_for(lambda: not world.worker_pids() & old, "end of the old worker")
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


def test_no_record_left(world):
    (pid,) = world.worker_pids()
    fds = []
    with open(world.run / "workers", "r+b") as f:
        for i in range(64):
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, i, 1, 0)
            try:
                fcntl.fcntl(f, fcntl.F_OFD_SETLK, lock)
                fds.append(i)
            except OSError:
                pass
        assert len(fds) == 63
        world.signal(signal.SIGHUP)
        wait_for(lambda: world.worker_pids() - {pid}, "new worker")
        wait_for(lambda: "all its records are taken" in world.log(), "log")
        new = world.worker_pids() - {pid}
        wait_for(lambda: world.worker_pids() == new, "end of the old worker")
    # now that they are free it finds one within a second or two
    wait_for(lambda: world.fetch("/api/tiny/x").status == 200, "recovery")


# ---- run files --------------------------------------------------------


def alive(world, pids):
    assert world.worker_pids() == pids
    assert world.fetch("/__mint/x").status == 404


def test_without_run_files():
    with World(write=False) as w:
        w.run.rmdir()
        code, said = w.test()
        assert code == 0 and "no run directory" in said, said
        w.start()
        for target in ("/api/tiny/x", "/api/health", "/"):
            response = w.fetch(target, bearer(token()))
            problem(response, 503)
            assert response.get("Retry-After")
        problem(w.fetch("/__mint/x"), 404)
        assert w.log().count("open() failed") == 4
        w.run.mkdir()
        w.backend("tiny-a")
        w.write()
        wait_for(lambda: w.fetch("/api/tiny/x").status == 200, "recovery")
        assert w.fetch("/api/tiny/x").status == 200


@pytest.mark.parametrize("missing,plugin,platform", [
    ("routes", 503, 503), ("seats", 503, 503), ("identity", 503, 200),
    ("workers", 503, 200)])
def test_one_file_missing(missing, plugin, platform):
    with World() as w:
        w.backend("tiny-a")
        w.backend("platform")
        (w.run / missing).rename(w.dir / "away")
        w.start()
        for headers in ([], [bearer(token())]):
            response = w.fetch("/api/tiny/x", *headers)
            assert response.status == plugin
            problem(response, plugin)
        assert w.fetch("/api/health").status == platform
        (w.dir / "away").rename(w.run / missing)
        wait_for(lambda: w.fetch("/api/tiny/x").status == 200, "recovery")


def broken(path, how):
    """Breaks a run file; a bool says whether that is noticed at opening."""
    data = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "short":
        path.write_bytes(data[:100])
    elif how == "header only":
        path.write_bytes(data[:192])
    elif how == "cut":
        path.write_bytes(data[:-64])
    elif how == "zeros":
        path.write_bytes(bytes(len(data)))
    elif how == "noise":
        path.write_bytes(random.Random(1).randbytes(len(data)))
    elif how == "directory":
        path.unlink()
        path.mkdir()
    elif how == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif how == "link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    else:
        name, value = how
        poke(path, name, value)


BREAKS = ["empty", "short", "header only", "cut", "zeros", "noise",
          "directory", "fifo", "link", ("magic", 1), ("kind", 9),
          ("abi_major", 2), ("abi_major", 0), ("file_bytes", 192),
          ("life", 0), ("life", 2), ("life", 7), ("capacity0", 0xffffffff),
          ("capacity1", 0xffffffff), ("section0", 0), ("section0", 193),
          ("section0", 1 << 63), ("section0", (1 << 64) - 8)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", BREAKS, ids=str)
def test_broken_file(name, how):
    with World() as w:
        w.backend("tiny-a")
        broken(w.run / name, how)
        w.start()
        pids = w.worker_pids()
        problem(w.fetch("/api/tiny/x", bearer(token())), 503)
        assert f'{name}" cannot be used' in w.log()
        alive(w, pids)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["empty", "noise", ("abi_major", 2)], ids=str)
def test_broken_file_takes_no_good_ones_place(world, name, how):
    pids = world.worker_pids()
    copy = world.dir / "copy"
    copy.write_bytes((world.run / name).read_bytes())
    broken(copy, how)
    assert world.fetch("/api/tiny/x", bearer(token())).status == 200
    copy.rename(world.run / name)
    wait_for(lambda: f'{name}" cannot be used' in world.log(), "notice")
    assert world.fetch("/api/tiny/x", bearer(token())).status == 200
    alive(world, pids)


@pytest.mark.parametrize("seed", range(4))
def test_noise_in_live_files_ends_no_worker(seed):
    """Whatever is behind the header of a mapped file, a worker goes on."""
    rnd = random.Random(seed)
    with World() as w:
        for name in ("platform", "tiny-a"):
            w.backend(name)
        w.start()
        pids = w.worker_pids()
        maps = []
        for name in FILES:
            with open(w.run / name, "r+b") as f:
                maps.append(mmap.mmap(f.fileno(), 0))
        good = [bytes(m) for m in maps]
        end = time.monotonic() + 2
        rounds = 0
        while time.monotonic() < end or rounds <= 10:
            rounds += 1
            for m, data in zip(maps, good):
                for _ in range(rnd.choice((0, 1, 20))):
                    # mostly where the tables are used
                    used = [i for i in range(192, min(len(data), 40000), 8)
                            if data[i:i + 8] != bytes(8)] or [192]
                    at = rnd.choice(used) + rnd.randrange(8)
                    m[at] = rnd.randrange(256)
                if rnd.random() < 0.2:
                    at = 64 + rnd.randrange(80)
                    m[at] = rnd.randrange(256)
                if rnd.random() < 0.3:
                    m[48] = rnd.randrange(256)
            for target in ("/api/tiny/x", "/tiny/x", "/api/health"):
                status = w.fetch(target, bearer(token())).status
                assert status in (200, 400, 401, 403, 404, 500, 502, 503)
            if rnd.random() < 0.5:
                for m, data in zip(maps, good):
                    m[:] = data
        for m, data in zip(maps, good):
            m[:] = data
        wait_for(lambda: w.fetch("/api/tiny/x", bearer(token())).status
                 == 200, "recovery")
        assert w.worker_pids() == pids


def seat_record(world, index):
    return peek(world.run / "seats", "section0") + 128 * index


@pytest.mark.parametrize("offset,data", [
    (14, b"\x01"), (15, b"\x00"), (15, b"\x09"), (15, b"\x02"),
    (15, b"\x03"), (16, b"relative"), (16, b"\x00"),
    (124, struct.pack("=I", 0)), (124, struct.pack("=I", 104)),
    (124, struct.pack("=I", 108)), (124, struct.pack("=I", 0xffffffff)),
], ids=str)
def test_seat_with_an_odd_address(world, offset, data):
    pids = world.worker_pids()
    with open(world.run / "seats", "r+b") as f:
        m = mmap.mmap(f.fileno(), 0)
    at = seat_record(world, 6) + offset
    m[at:at + len(data)] = data
    response = world.fetch("/api/tiny/x")
    if offset == 14:
        assert response.status == 200
    else:
        assert problem(response, 502)["plugin"] == "tiny"
        assert "address cannot be used" in world.log()
    alive(world, pids)


def test_routes_change(world):
    routes = world.spec["routes"]
    assert world.fetch("/api/new/x").json()["backend"] == "platform"
    world.write(routes=routes + [{"plugin_id": 3, "prefix": "/new",
                                  "name": "tiny"}])
    assert world.fetch("/api/new/x").json()["backend"] == "tiny-a"
    world.write(routes=routes[1:])
    assert world.fetch("/api/tiny/x").json()["backend"] == "platform"
    world.write(routes=[])
    assert world.fetch("/api/tiny/deep/x").json()["backend"] == "platform"


def test_many_routes(world):
    """Growth: larger files in place of the old ones, at once."""
    go_on = threading.Event()
    world.backends["tiny-a"].on("/api/tiny/wait")(
        lambda peer, request: go_on.wait(10) and peer.answer(b"done"))
    answers = []
    t = threading.Thread(
        target=lambda: answers.append(world.fetch("/api/tiny/wait")))
    t.start()
    wait_for(lambda: world.in_flight(6) == 1, "counting in")
    old_workers = open(world.run / "workers", "rb")
    old_size = os.fstat(old_workers.fileno()).st_size

    routes = [{"plugin_id": 3, "prefix": f"/p{i}/q{i % 7}", "name": f"n{i}"}
              for i in range(500)]
    world.write(plugins=600, routes=routes + world.spec["routes"])
    for i in (0, 77, 499):
        response = world.fetch(f"/api/p{i}/q{i % 7}/x")
        assert response.json()["backend"] == "tiny-a"
        assert world.fetch(f"/api/p{i}/x").json()["backend"] == "platform"

    wait_for(lambda: os.stat(world.run / "workers").st_size == old_size
             or world.workers(), "record in the new file")
    go_on.set()
    t.join()
    assert answers[0].body == b"done"
    wait_for(lambda: world.in_flight(6) == 0, "counting out")
    old_workers.close()


def test_counting_out_of_a_replaced_workers_file(world):
    go_on = threading.Event()
    world.backends["tiny-a"].on("/api/tiny/wait")(
        lambda peer, request: go_on.wait(10) and peer.answer(b"done"))
    t = threading.Thread(target=world.fetch, args=("/api/tiny/wait",))
    t.start()
    wait_for(lambda: world.in_flight(6) == 1, "counting in")

    path = world.run / "workers"
    with open(path, "r+b") as f:
        old = mmap.mmap(f.fileno(), 0)
    fresh = world.dir / "fresh"
    fresh.write_bytes(bytes(old))
    with open(fresh, "r+b") as f:
        f.seek(192)
        f.write(bytes(len(old) - 192))
    record = peek(path, "section0")
    in_flight = record + 128 + 4 * 6
    assert struct.unpack_from("=I", old, in_flight)[0] == 1
    fresh.rename(path)
    struct.pack_into("=Q", old, 40, 2)              # retired

    assert world.fetch("/api/tiny/x").status == 200
    # a request is counted after its client has the answer
    wait_for(lambda: [w["plugins"].get("3", {}).get("requests")
                      for w in world.workers()] == [1], "the count")
    assert struct.unpack_from("=I", old, in_flight)[0] == 1
    go_on.set()
    t.join()
    wait_for(lambda: struct.unpack_from("=I", old, in_flight)[0] == 0,
             "counting out")
    assert world.in_flight(6) == 0


def test_epochs_are_told(world):
    def told():
        (worker,) = world.workers()
        return worker["epoch"]

    files = json.loads(world.table("dump", world.run, "--json"))["files"]
    assert told() == [files[name]["epoch"] for name in FILES]
    world.write()
    files = json.loads(world.table("dump", world.run, "--json"))["files"]
    wait_for(lambda: told() == [files[name]["epoch"] for name in FILES],
             "a worker that has nothing to do tells, too")


def test_refused_permission_names_the_group():
    with World() as w:
        if os.getuid() == 0:
            w._format["user"] = "user nobody nogroup;"
            w.dir.chmod(0o755)
        for name in FILES:
            (w.run / name).chmod(0)
        w.start()
        problem(w.fetch("/api/tiny/x"), 503)
        assert "group mint-edge" in w.log()


def test_four_workers():
    with World(main="worker_processes 4;") as w:
        w.backend("tiny-a")
        w.start()
        wait_for(lambda: len(w.workers()) == 4, "four records")
        assert {x["pid"] for x in w.workers()} == w.worker_pids()
        for _ in range(40):
            assert w.fetch("/api/tiny/x").status == 200
        wait_for(lambda: sum(x["plugins"].get("3", {}).get("requests", 0)
                             for x in w.workers()) == 40, "all counted")


# ---- hand-over under load ---------------------------------------------


def test_hand_over_under_load():
    """Seats a and b take turns; whenever the counts of a closed seat are
    zero its process may end, and no request may meet it after that."""
    with World(main="worker_processes 2;") as w:
        backends = [w.backend("tiny-a"), w.backend("tiny-b")]
        w.start()
        stopped = [threading.Event(), threading.Event()]
        stray, stop, bad = [], threading.Event(), []

        def handler(i):
            def handle(peer, request):
                if stopped[i].is_set():
                    stray.append(request)
                peer.answer(b"ok")
            return handle

        for i, backend in enumerate(backends):
            backend.on("/api/tiny/load")(handler(i))

        def load():
            while not stop.is_set():
                response = w.fetch("/api/tiny/load")
                if response.status != 200:
                    bad.append(response.status)

        threads = [threading.Thread(target=load) for _ in range(6)]
        for t in threads:
            t.start()
        generation = [1, 1]
        for turn in range(12):
            old, new = turn % 2, 1 - turn % 2
            generation[new] += 1
            stopped[new].clear()
            w.seat(6 + new, "ready", generation=generation[new])
            w.seat(6 + old, "draining", generation=generation[old])
            w.seat(6 + old, "closed", generation=generation[old])
            wait_for(lambda: w.in_flight(6 + old) == 0, "empty seat")
            stopped[old].set()
            time.sleep(0.02)
        stop.set()
        for t in threads:
            t.join()
        assert not stray
        assert not bad
        assert all(backend.requests for backend in backends)


# ---- configurations ---------------------------------------------------


@pytest.mark.parametrize("upstream", [
    "mint_seats;", "mint_seats; keepalive 16; keepalive_timeout 10s;",
    "mint_seats; keepalive 16; keepalive_requests 3;"])
def test_accepted_upstream(upstream):
    with World(upstream=upstream) as w:
        w.backend("tiny-a")
        code, said = w.test()
        assert code == 0, said
        w.start()
        for _ in range(8):
            assert w.fetch("/api/tiny/x").status == 200


def test_keepalive_connections_of_plugins_do_not_mix():
    with World() as w:
        for name in ("platform", "tiny-a", "other"):
            w.backend(name)
        w.start()
        rnd = random.Random(5)
        with w.connect() as s:
            for _ in range(100):
                target, name = rnd.choice((("/api/tiny/x", "tiny-a"),
                                           ("/api/other/x", "other"),
                                           ("/api/health", "platform")))
                s.sendall(raw_request("GET", target, close=False))
                assert read_response(s).json()["backend"] == name
        assert all(b.connections == 1 for b in w.backends.values())
