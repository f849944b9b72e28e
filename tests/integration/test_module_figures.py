# SPDX-License-Identifier: MIT
"""The counters of the run file "workers": each is raised by what it counts."""

import contextlib
import socket
import threading
import time

import pytest

from module_harness import (
    READ_ONLY_PAT, STALE_PAT, STRAY_PAT, World, bearer, echo_websocket,
    raw_request, read_head, read_response, token, wait_for)

TINY, OTHER = "3", "5"


@pytest.fixture(scope="module")
def world():
    with World(main="worker_processes 2;") as w:
        for name in ("platform", "tiny-a", "deep", "other"):
            w.backend(name)
        yield w.start()


def figures(world, plugin=TINY):
    """Of the plugin, summed over the workers; zeros before the first."""
    zero = {"status": [0] * 6, "rejected": {}, "latency": [0] * 24,
            "in_flight": 0, "upgrades": 0, "bytes_in": 0, "bytes_out": 0}
    found = [w["plugins"][plugin] for w in world.workers()
             if plugin in w["plugins"]] or [zero]
    total = {key: sum(f[key] for f in found)
             for key in ("in_flight", "upgrades", "bytes_in", "bytes_out")}
    for key in ("status", "latency"):
        total[key] = [sum(column) for column in zip(*(f[key] for f in found))]
    total["rejected"] = {
        key: sum(f["rejected"].get(key, 0) for f in found)
        for key in found[0]["rejected"]}
    return total


def done(world, before, count=1, plugin=TINY):
    """The figures once so many more requests have been counted."""
    def is_so():
        now = figures(world, plugin)
        return now if (sum(now["status"]) - sum(before["status"]) >= count
                       and now["in_flight"] == 0) else None

    return wait_for(is_so, f"{count} requests counted")


@pytest.mark.parametrize("status, index", [
    ("200 OK", 2), ("204 No Content", 2), ("302 Found", 3), ("304 Same", 3),
    ("404 Not Found", 4), ("418 Teapot", 4), ("500 Oops", 5), ("599 Odd", 5),
    ("600 Beyond", 0), ("999 Far beyond", 0),
])
def test_status_class(world, status, index):
    @world.backends["tiny-a"].on("/api/tiny/status")
    def _(peer, _request):
        peer.answer(b"", status)

    before = figures(world)
    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/status"))
        s.recv(65536)
    after = done(world, before)
    changed = [b - a for a, b in zip(before["status"], after["status"])]
    assert changed == [int(i == index) for i in range(6)]
    assert sum(after["latency"]) == sum(before["latency"]) + 1


def test_answer_that_never_comes_is_a_502(world):
    world.backends["tiny-a"].on("/api/tiny/dies")(lambda *_: True)
    before = figures(world)
    assert world.fetch("/api/tiny/dies").status == 502
    after = done(world, before)
    assert after["status"][5] == before["status"][5] + 1


def test_client_that_leaves_is_a_499(world):
    arrived = threading.Event()
    left = threading.Event()

    @world.backends["tiny-a"].on("/api/tiny/slow")
    def _(_peer, _request):
        arrived.set()
        return left.wait(20)

    before = figures(world)
    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/slow"))
        assert arrived.wait(20)
    after = done(world, before)
    left.set()
    assert after["status"][4] == before["status"][4] + 1


@contextlib.contextmanager
def held(world, n):
    """A request that stays with the plugin until the block ends."""
    arrived, go = threading.Event(), threading.Event()
    path = f"/api/tiny/held-{n}"

    @world.backends["tiny-a"].on(path)
    def _(peer, _request):
        arrived.set()
        go.wait(20)
        peer.answer(b"done")

    with world.connect() as s:
        s.sendall(raw_request("GET", path))
        assert arrived.wait(20)
        yield
        go.set()
        assert read_response(s).body == b"done"


def oldest(world):
    starts = [w["plugins"][TINY]["oldest_start_ms"] for w in world.workers()
              if TINY in w["plugins"]]
    return min((s for s in starts if s), default=0)


def boot_ms():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def test_in_flight_and_the_oldest(world):
    wait_for(lambda: figures(world)["in_flight"] == 0)
    assert oldest(world) == 0
    start = boot_ms()
    with contextlib.ExitStack() as second:
        with held(world, 1):
            first_at = oldest(world)
            assert start <= first_at <= boot_ms()
            between = boot_ms()
            while boot_ms() == between:
                pass
            second.enter_context(held(world, 2))
            with held(world, 3):
                assert figures(world)["in_flight"] == 3
                assert world.in_flight(6) == 3
                assert oldest(world) == first_at
            wait_for(lambda: figures(world)["in_flight"] == 2)
            assert oldest(world) == first_at, "the third was not the oldest"
        wait_for(lambda: figures(world)["in_flight"] == 1)
        assert oldest(world) > between, "the second is the oldest now"
    wait_for(lambda: figures(world)["in_flight"] == 0)
    assert oldest(world) == 0


def test_latency_in_buckets(world):
    """Bucket i counts what took less than 2^i quarters of a millisecond."""
    before = figures(world)
    with held(world, 4):
        start = time.monotonic()
        wait_for(lambda: time.monotonic() - start > 0.15)
    after = done(world, before)
    bucket = next(i for i in range(24)
                  if after["latency"][i] != before["latency"][i])
    # nginx's clock is cached: it may lag a little
    assert 2 ** bucket * 0.25 > 128
    assert after["latency"][bucket] == before["latency"][bucket] + 1


def test_bytes(world):
    before = figures(world)
    sent = received = 0
    with world.connect() as s:
        for n in (1, 5000, 100000):
            request = raw_request("POST", "/api/tiny/x", body=b"x" * n,
                                  close=n == 100000)
            s.sendall(request)
            sent += len(request)
            head = read_head(s)
            length = int(head.lower().split("content-length:")[1].split()[0])
            received += len(head) + length
            while length > 0:
                length -= len(s.recv(length))
    after = done(world, before, 3)
    assert after["bytes_in"] - before["bytes_in"] == sent
    assert after["bytes_out"] - before["bytes_out"] == received


def test_bytes_of_a_websocket(world):
    """Counted when it ends, in both directions; its life is no latency."""
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    before = figures(world)
    with world.open_websocket("/api/tiny/ws") as s:
        head = read_head(s)
        assert " 101 " in head
        for _ in range(10):
            s.sendall(b"z" * 1000)
            left = 1000
            while left:
                left -= len(s.recv(left))
        # the client may read its 101 before nginx has counted it
        begun = figures(world)
        assert begun["upgrades"] == before["upgrades"] + 1
        assert sum(begun["latency"]) == sum(before["latency"]) + 1
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    after = done(world, before)
    assert after["bytes_out"] - before["bytes_out"] == len(head) + 10000
    handshake = after["bytes_in"] - before["bytes_in"] - 10000
    assert 100 < handshake < 400
    assert after["status"][1] == before["status"][1] + 1
    assert after["upgrades"] == before["upgrades"] + 1
    assert after["latency"] == begun["latency"]


@pytest.mark.parametrize("reason, plugin, target, headers", [
    ("bad_token", TINY, "/api/tiny/x", [bearer("e30.e30.e30")]),
    ("bad_token", TINY, "/api/tiny/x", [bearer(token(secret=b"no"))]),
    ("expired", TINY, "/api/tiny/x", [bearer(token(exp=1000, iat=900))]),
    ("expired", TINY, "/api/tiny/x", [bearer(STALE_PAT)]),
    ("revoked", TINY, "/api/tiny/x", [bearer(token(jti="gone"))]),
    ("revoked", TINY, "/api/tiny/x", [bearer(token(8, sv=1))]),
    ("revoked", TINY, "/api/tiny/x", [bearer(STRAY_PAT)]),
    ("forbidden", TINY, "/api/tiny/x", [bearer(token(11))]),
    ("forbidden", TINY, "/api/tiny/x", [bearer(token(12))]),
    ("bad_path", TINY, "/api/tiny/a%2fb", []),
    ("bad_path", OTHER, "/api/other/a%5cb", []),
])
def test_rejection(world, reason, plugin, target, headers):
    before = figures(world, plugin)
    assert world.fetch(target, *headers).status in (400, 401, 403)
    after = figures(world, plugin)
    assert {k: v - before["rejected"].get(k, 0)
            for k, v in after["rejected"].items() if v} \
        .get(reason) == 1
    assert sum(after["rejected"].values()) \
        == sum(before["rejected"].values()) + 1
    # what the edge refuses is no request of the plugin
    assert after["status"] == before["status"]
    assert after["in_flight"] == 0


def test_rejection_of_a_write(world):
    before = figures(world)
    assert world.fetch("/api/tiny/x", bearer(READ_ONLY_PAT),
                       method="POST", body=b"x").status == 403
    after = figures(world)
    assert after["rejected"]["forbidden"] \
        == before["rejected"].get("forbidden", 0) + 1


def test_rejection_while_not_ready(world):
    before = figures(world, OTHER)
    world.seat(10, "closed", cause="stopped")
    try:
        assert world.fetch("/api/other/x").status == 503
    finally:
        world.seat(10, "ready")
    after = figures(world, OTHER)
    assert after["rejected"]["not_ready"] \
        == before["rejected"].get("not_ready", 0) + 1


def test_totals_are_the_sums(world):
    for _ in range(20):
        world.fetch("/api/tiny/x")
    wait_for(lambda: figures(world)["in_flight"] == 0)
    mine, totals = figures(world), world.totals()[TINY]
    assert totals["requests"] == mine["status"]
    assert totals["latency"] == mine["latency"]
    assert totals["bytes_in"] == mine["bytes_in"]
    assert totals["rejections"] == list(mine["rejected"].values())
