# SPDX-License-Identifier: MIT
"""Which process serves whom: pins, cookies, the hash, draining seats."""

import base64
import collections
import contextlib
import hashlib
import hmac
import json
import pathlib
import socket
import ssl
import struct
import subprocess

import pytest

from module_harness import (
    LOCATION, World, bearer, echo_websocket, free_port, raw_request,
    read_head, read_response, token, wait_for)

SECRET = "edge-secret-of-the-tests"
SLOTS = 3

# name: (plugin id, first seat record)
PLUGINS = {"none": (6, 20), "session": (7, 26), "user": (8, 32)}
USERS = range(100, 220)

class AffinityWorld(World):
    """Three plugins of three slots with two seats each; of each slot seat a
    is ready.  Users 100 to 219, besides those of the harness."""

    def __init__(self, **options):
        super().__init__(write=False, **options)
        self.spec["plugins"] = 32
        self.spec["edge_secret"] = SECRET
        self.spec["users"] += [
            {"id": n, "username": f"u{n}", "role": "member"} for n in USERS]
        for name, (plugin, first) in PLUGINS.items():
            self.spec["plugin_tokens"][str(plugin)] = "token-of-" + name
            self.spec["routes"].append(
                {"plugin_id": plugin, "prefix": "/" + name, "name": name,
                 "seat_first": first, "slot_count": SLOTS, "affinity": name})
            self.spec["seats"] += [
                {"index": first + i, "plugin_id": plugin, "slot": i // 2,
                 "seat": i % 2, "address": self.sock(f"{name}-{i}"),
                 "state": "closed" if i % 2 else "ready"}
                for i in range(2 * SLOTS)]
        self.write()

    def start(self):
        for name in ("platform", "tiny-a"):
            self.backend(name)
        for name in PLUGINS:
            for i in range(2 * SLOTS):
                self.backend(f"{name}-{i}")
        return super().start()

    def state(self, name, seat, state, **options):
        self.seat(PLUGINS[name][1] + seat, state, **options)

    def pin(self, name, user, seat):
        plugin, first = PLUGINS[name]
        self.table("pin", self.run, plugin, user,
                   "none" if seat is None else first + seat)

    def ask(self, name, *headers, user=None, path="/x", page=False):
        """(seat within the plugin, response)"""
        if user is not None:
            headers = (bearer(token(user)), *headers)
        answer = self.fetch(("" if page else "/api") + f"/{name}{path}",
                            *headers)
        assert answer.status == 200, answer.body
        return int(answer.json()["backend"].rsplit("-", 1)[1]), answer

    def counters(self, name):
        """Of the plugin, summed over the workers."""
        plugin = str(PLUGINS[name][0])
        found = [w["plugins"][plugin] for w in self.workers()
                 if plugin in w["plugins"]]
        return {key: sum(c[key] for c in found)
                for key in ("requests", "affinity_hits", "upgrades")}

    def reset(self):
        self.table("write", self.run, "-", stdin=json.dumps(
            {"seats": self.spec["seats"], "pins": []}))


HTTP = """
    add_header X-Led-By $mint_affinity always;
    add_header X-Slot $mint_slot always;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {cert};
        mint on;
        location / {{ {location} }}
        location @mint_error {{ mint_error on; }}
    }}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=mint", "-addext", "subjectAltName=DNS:mint", "-keyout",
         f"{path}.key", "-out", path],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        timeout=60)
    with open(path, "a", encoding="ascii") as f:
        f.write(pathlib.Path(f"{path}.key").read_text("ascii"))
    return path


@pytest.fixture(scope="module")
def shared(certificate):
    port = free_port()
    http = HTTP.format(port=port, cert=certificate, location=LOCATION)
    # nobody's patience is measured here
    http = "mint_park start=60s crash=60s;" + http
    with AffinityWorld(http=http) as world:
        world.tls_port = port
        world.tls = ssl.create_default_context(cafile=certificate)
        yield world.start()


@pytest.fixture
def world(shared):
    """Every test finds the seats as the specification has them."""
    shared.reset()
    return shared


def mac(plugin, slot, secret=SECRET):
    """An implementation of its own of what the module signs."""
    key = hmac.new(secret.encode(), b"mint affinity cookie 1",
                   hashlib.sha256).digest()
    full = hmac.new(key, struct.pack("<II", plugin, slot),
                    hashlib.sha256).digest()
    return base64.urlsafe_b64encode(full[:16]).rstrip(b"=").decode()


def cookie(slot, name="session", secret=SECRET):
    plugin = PLUGINS[name][0]
    return f"mint_slot_{plugin}={slot}.{mac(plugin, slot, secret)}"


def led_by(answer):
    return answer.get("X-Led-By")


# ---- by user ----------------------------------------------------------


def homes(world, users=USERS):
    return {user: world.ask("user", user=user)[0] for user in users}


def test_user_stays(world):
    before = homes(world)
    assert homes(world) == before
    # each slot has its part: 120 users on 3 slots, 40 each on average
    parts = collections.Counter(before.values())
    assert set(parts) == {0, 2, 4}
    assert all(20 <= n <= 60 for n in parts.values()), parts


def test_slot_that_goes_away_moves_only_its_users(world):
    before = homes(world)
    world.state("user", 2, "closed", cause="stopped")
    during = homes(world)
    assert all(during[u] == before[u] for u in USERS if before[u] != 2)
    moved = collections.Counter(during[u] for u in USERS if before[u] == 2)
    assert set(moved) == {0, 4}, "its users go to all of the others"
    world.state("user", 2, "ready", generation=2)
    assert homes(world) == before


def test_user_is_led_by_hash_without_a_cookie(world):
    hits = world.counters("user")
    _, answer = world.ask("user", user=100)
    assert led_by(answer) == "hash"
    assert answer.all("Set-Cookie") == []
    after = wait_for(lambda: (c := world.counters("user"))["requests"]
                     > hits["requests"] and c, "the count")
    assert after["affinity_hits"] == hits["affinity_hits"] + 1


def test_substitute_is_no_hit(world):
    seat, _ = world.ask("user", user=101)
    wait_for(lambda: world.in_flight(PLUGINS["user"][1] + seat) == 0)
    world.state("user", seat, "closed")
    before = world.counters("user")
    world.ask("user", user=101)
    after = wait_for(lambda: (c := world.counters("user"))["requests"]
                     > before["requests"] and c, "the count")
    assert after["affinity_hits"] == before["affinity_hits"]


def test_anonymous_is_led_by_address(world):
    seats = {world.ask("user")[0] for _ in range(8)}
    assert len(seats) == 1
    _, answer = world.ask("user")
    assert led_by(answer) == "hash"


def test_websockets_of_one_user_meet(world):
    """Two browsers of a user: the same process, and the right one."""
    for i in range(2 * SLOTS):
        world.backends[f"user-{i}"].on("/api/user/ws")(echo_websocket)
    for user in (100, 101, 102, 103, 104):
        home, _ = world.ask("user", user=user)
        backend = world.backends[f"user-{home}"]
        before = len(backend.requests)
        with world.open_websocket("/api/user/ws", bearer(token(user))) as one:
            with world.open_websocket(
                    "/api/user/ws",
                    ("Cookie", f"mint_access_token={token(user)}"),
                    ("Origin", "http://mint")) as two:
                for s in (one, two):
                    assert " 101 " in read_head(s)
                    s.sendall(b"hello")
                    assert s.recv(5) == b"hello"
        assert len(backend.requests) == before + 2


# ---- none -------------------------------------------------------------


def test_without_affinity_evenly(world):
    """One after the other: in turns at random; one user is no exception."""
    seats = collections.Counter(world.ask("none", user=100)[0]
                                for _ in range(90))
    assert set(seats) == {0, 2, 4}
    assert all(n >= 12 for n in seats.values()), seats
    _, answer = world.ask("none", user=100)
    assert led_by(answer) == "none"
    assert answer.all("Set-Cookie") == []


def test_without_affinity_the_least_busy(world):
    """Requests that stay are spread one by one."""
    held = []

    def hold(peer, _request):
        held.append(peer)
        return False

    first = PLUGINS["none"][1]
    for i in range(2 * SLOTS):
        world.backends[f"none-{i}"].on("/api/none/hold")(hold)
    clients = []
    for n in range(1, 10):
        s = world.connect()
        clients.append(s)
        s.sendall(b"GET /api/none/hold HTTP/1.1\r\nHost: mint\r\n"
                  b"Connection: close\r\n\r\n")
        wait_for(lambda n=n: len(held) == n, "the request's arrival")
        loads = [world.in_flight(first + i) for i in (0, 2, 4)]
        assert max(loads) - min(loads) <= 1, loads
    for peer in held:
        peer.answer(b"done")
    for s in clients:
        assert read_response(s).body == b"done"
        s.close()


# ---- session ----------------------------------------------------------


def test_session_gets_a_cookie_once(world):
    seat, answer = world.ask("session", user=100)
    value = answer.get("Set-Cookie")
    assert value == (cookie(seat // 2) + "; Path=/api/session; HttpOnly; "
                     "SameSite=Lax")
    assert led_by(answer) == "hash"
    assert answer.get("X-Slot") == str(seat // 2)

    again, answer = world.ask("session", ("Cookie", value.split(";")[0]),
                              user=100)
    assert again == seat
    assert answer.all("Set-Cookie") == []
    assert led_by(answer) == "cookie"


@pytest.mark.parametrize("slot", range(SLOTS))
def test_cookie_leads(world, slot):
    hits = world.counters("session")
    for user in (100, 101, 102, None):
        seat, answer = world.ask("session", ("Cookie", "a=b; "
                                             + cookie(slot) + "; c=d"),
                                 user=user)
        assert seat == 2 * slot
        assert led_by(answer) == "cookie"
        assert answer.all("Set-Cookie") == []
    after = wait_for(lambda: (c := world.counters("session"))["requests"]
                     >= hits["requests"] + 4 and c, "the count")
    assert after["affinity_hits"] == hits["affinity_hits"] + 4


def test_cookie_survives_the_move_to_seat_b(world):
    """It names the slot: seat b serves who held a's cookie."""
    world.state("session", 3, "ready")
    world.state("session", 2, "draining", cause="upgrading")
    seat, answer = world.ask("session", ("Cookie", cookie(1)))
    assert seat == 3
    assert answer.all("Set-Cookie") == []


def test_dead_slot_gives_a_new_cookie(world):
    world.state("session", 2, "closed", cause="crashed")
    seat, answer = world.ask("session", ("Cookie", cookie(1)), user=100)
    assert seat in (0, 4)
    assert led_by(answer) == "hash"
    assert answer.get("Set-Cookie").startswith(cookie(seat // 2) + ";")
    # as without the cookie: the next in the user's order
    assert world.ask("session", user=100)[0] == seat


def flip(text):
    return text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]


def forged():
    plugin = PLUGINS["session"][0]
    good = cookie(1).split("=", 1)[1]
    signed = good.split(".")[1]
    full = f"mint_slot_{plugin}="
    return {
        "flipped bit": full + flip(good),
        "first letter": full + "1." + ("A" if signed[0] != "A" else "B")
                        + signed[1:],
        "another slot": full + "2." + signed,
        "no such slot": cookie(3),
        "slot 63": cookie(63),
        "slot 64": cookie(64),
        "another plugin's value": full + cookie(1, "user").split("=", 1)[1],
        "another plugin's name": cookie(1, "user"),
        "another secret": cookie(1, secret="guessed"),
        "no secret": cookie(1, secret=""),
        "leading zero": full + "01." + signed,
        "plus": full + "+1." + signed,
        "minus": full + "-1." + signed,
        "space inside": full + "1 ." + signed,
        "hexadecimal": full + "0x1." + signed,
        "huge": full + "4294967297." + signed,
        "cut": full + good[:-1],
        "longer": full + good + "A",
        "padded": full + good + "==",
        "unused bits": full + good[:-1] + chr(ord(good[-1]) + 1),
        "no MAC": full + "1.",
        "no dot": full + "1" + signed,
        "two dots": full + "1.." + signed,
        "no slot": full + "." + signed,
        "empty": full,
        "quoted": full + f'"{good}"',
        "case of the name": full.upper() + good,
        "name within a name": "x" + full + good,
        "name with a suffix": f"mint_slot_{plugin}0=" + good,
        "blanks only": full + "   ",
        "not ASCII": full + "1." + "\xff" * 22,
        "plain slot": full + "1",
        "many": "; ".join([full + "1.x"] * 50),
        "long": full + "1." + "A" * 3000,
    }


@pytest.mark.parametrize("kind", forged())
def test_forged_cookie_is_ignored(world, kind):
    """As if there was none: the hash leads, and a good one is set."""
    home, _ = world.ask("session", user=100)
    # the user's own slot must not be the one that the forged ones name
    user = next(u for u in USERS if world.ask("session", user=u)[0] != 2) \
        if home == 2 else 100
    home, _ = world.ask("session", user=user)
    seat, answer = world.ask("session", ("Cookie", forged()[kind]),
                             user=user)
    assert seat == home
    assert led_by(answer) == "hash"
    assert answer.get("Set-Cookie").startswith(cookie(home // 2) + ";")


def test_forged_cookie_does_not_hide_a_good_one(world):
    plugin = PLUGINS["session"][0]
    bad = f"mint_slot_{plugin}=0." + "A" * 22
    for headers in ([("Cookie", bad + "; " + cookie(1))],
                    [("Cookie", cookie(1) + "; " + bad)],
                    [("Cookie", bad), ("Cookie", cookie(1))]):
        seat, answer = world.ask("session", *headers)
        assert seat == 2
        assert answer.all("Set-Cookie") == []


def test_page_sets_no_cookie(world):
    """Pages are never sent it, so it would be set with every page."""
    _, answer = world.ask("session", user=100, page=True)
    assert answer.all("Set-Cookie") == []


@pytest.mark.parametrize("value", [
    "mint_slot_7=1.abc; Path=/api/session",
    "mint_slot_7=; Max-Age=0; Path=/api/session",
    "=mint_slot_7=1.abc",
    " mint_slot_6=x; Path=/",
])
def test_plugin_cannot_set_it(world, value):
    def answer(peer, _request):
        peer.answer(b"{}", headers=[("Set-Cookie", value),
                                    ("Set-Cookie", "own=1"),
                                    ("Set-Cookie", "x_mint_slot_7=1")])

    for i in range(2 * SLOTS):
        world.backends[f"session-{i}"].on("/api/session/sets")(answer)
    got = world.fetch("/api/session/sets", ("Cookie", cookie(1)))
    assert got.all("Set-Cookie") == ["own=1", "x_mint_slot_7=1"]


def test_no_cookie_in_errors(world):
    for seat in (0, 2, 4):
        world.state("session", seat, "closed", cause="stopped")
    answer = world.fetch("/api/session/x")
    assert answer.status == 503
    assert answer.all("Set-Cookie") == []


def test_cookie_is_secure_under_tls(world):
    with socket.create_connection(("127.0.0.1", world.tls_port), 20) as raw, \
            world.tls.wrap_socket(raw, server_hostname="mint") as s:
        s.sendall(b"GET /api/session/x HTTP/1.1\r\nHost: mint\r\n"
                  b"Connection: close\r\n\r\n")
        answer = read_response(s)
    seat = int(answer.json()["backend"].rsplit("-", 1)[1])
    assert answer.get("Set-Cookie") == (
        cookie(seat // 2) + "; Path=/api/session; HttpOnly; SameSite=Lax; "
        "Secure")


def test_new_secret_makes_old_cookies_void(world):
    world.write(edge_secret="another secret")
    try:
        _, answer = world.ask("session", ("Cookie", cookie(1)))
        assert led_by(answer) == "hash"
        new = answer.get("Set-Cookie").split(";")[0]
        assert new == cookie(int(answer.get("X-Slot")),
                             secret="another secret")
        _, answer = world.ask("session", ("Cookie", new))
        assert led_by(answer) == "cookie"
    finally:
        world.write(edge_secret=SECRET)
    _, answer = world.ask("session", ("Cookie", cookie(1)))
    assert led_by(answer) == "cookie"


# ---- pins -------------------------------------------------------------


def test_pin_outdoes_cookie_and_hash(world):
    for name in PLUGINS:
        world.pin(name, 105, 4)
        for slot in range(SLOTS):
            seat, answer = world.ask(name, ("Cookie", cookie(slot, name)),
                                     user=105)
            assert seat == 4
            assert led_by(answer) == "pin"
            assert answer.all("Set-Cookie") == []


def move(world, name, slot, *pinned):
    """As a supervisor does: pins, then words."""
    a, b = 2 * slot, 2 * slot + 1
    for user in pinned:
        world.pin(name, user, a)
    world.state(name, a, "draining", cause="upgrading")
    world.state(name, b, "ready", generation=1)


@pytest.mark.parametrize("name", PLUGINS)
def test_draining_seat_keeps_only_the_pinned(world, name):
    for slot in range(SLOTS):
        move(world, name, slot, *range(100 + slot, 160, SLOTS))
    for user in range(100, 112):
        assert world.ask(name, user=user)[0] == 2 * ((user - 100) % SLOTS)
    for user in range(160, 172):
        assert world.ask(name, user=user)[0] % 2 == 1
    assert world.ask(name)[0] % 2 == 1, "nobody anonymous is pinned"


def test_single_slot_moves_too(world):
    """The usual plugin: one slot without affinity."""
    world.backend("tiny-b")
    world.table("pin", world.run, 3, 100, 6)
    world.seat(6, "draining", cause="upgrading")
    world.seat(7, "ready")
    assert world.fetch("/api/tiny/x", bearer(token(100))).json()["backend"] \
        == "tiny-a"
    for user in (101, 102):
        assert world.fetch("/api/tiny/x", bearer(token(user))) \
            .json()["backend"] == "tiny-b"
    world.seat(6, "closed", cause="stopped")
    assert world.fetch("/api/tiny/x", bearer(token(100))).json()["backend"] \
        == "tiny-b"


def test_move_while_requests_wait(world):
    """The whole order of a move: both seats starting, requests wait; pins;
    then the words, in either order.  Each ends where it belongs."""
    first = PLUGINS["user"][1]
    on_one = [u for u in USERS if world.ask("user", user=u)[0] == 2][:8]
    for slot in (0, 2):
        world.state("user", 2 * slot, "closed", cause="stopped")
    wait_for(lambda: world.in_flight(first + 2) == 0)
    for words in ([(2, "draining"), (3, "ready")],
                  [(3, "ready"), (2, "draining")]):
        world.state("user", 3, "starting", cause="upgrading")
        world.state("user", 2, "starting", cause="upgrading")
        clients = {}
        with contextlib.ExitStack() as stack:
            for user in on_one:
                s = stack.enter_context(world.connect())
                s.sendall(raw_request("GET", "/api/user/x",
                                      [bearer(token(user))]))
                clients[user] = s
            assert world.in_flight(first + 2) == 0
            world.table("write", world.run, "-", stdin=json.dumps(
                {"pins": [{"plugin_id": PLUGINS["user"][0], "user_id": u,
                           "seat": first + 2} for u in on_one[::2]]}))
            for seat, state in words:
                world.state("user", seat, state, cause="upgrading")
            seats = {u: int(read_response(s).json()["backend"][-1])
                     for u, s in clients.items()}
        assert seats == {u: 2 if u in on_one[::2] else 3 for u in on_one}
        world.table("write", world.run, "-", stdin='{"pins": []}')


def test_closed_seat_takes_nobody(world):
    move(world, "user", 1, 106)
    assert world.ask("user", user=106)[0] == 2
    world.state("user", 2, "closed", cause="stopped")
    seat, answer = world.ask("user", user=106)
    assert seat != 2
    assert led_by(answer) == "hash"


def test_removed_pin_lets_go(world):
    home, _ = world.ask("user", user=107)
    away = next(s for s in (0, 2, 4) if s != home)
    world.pin("user", 107, away)
    assert world.ask("user", user=107)[0] == away
    world.pin("user", 107, None)
    assert world.ask("user", user=107)[0] == home


def test_pinned_user_waits_for_a_starting_seat(world):
    """Nobody else has what is kept for them there."""
    world.pin("user", 108, 2)
    world.state("user", 2, "starting", cause="first_start")
    with world.connect() as client:
        client.sendall(raw_request("GET", "/api/user/x",
                                   [bearer(token(108))]))
        for user in (109, 110, 111):
            assert world.ask("user", user=user)[0] != 2
        world.state("user", 2, "ready")
        answer = read_response(client)
    assert answer.status == 200
    assert answer.json()["backend"] == "user-2"
    assert led_by(answer) == "pin"


def test_pin_of_another_plugin_does_not_count(world):
    home, _ = world.ask("user", user=110)
    world.pin("session", 110, 4)
    world.pin("none", 110, 4)
    assert world.ask("user", user=110)[0] == home
    assert world.ask("session", user=110)[0] == 4


def test_websocket_stays_while_draining(world):
    """Whoever is in stays in; the next one goes to the new process."""
    for i in range(2 * SLOTS):
        world.backends[f"user-{i}"].on("/api/user/ws")(echo_websocket)
    user = next(u for u in USERS if world.ask("user", user=u)[0] == 2)
    first = PLUGINS["user"][1]
    wait_for(lambda: world.in_flight(first + 2) == 0)
    with world.open_websocket("/api/user/ws", bearer(token(user))) as s:
        assert " 101 " in read_head(s)
        move(world, "user", 1)
        s.sendall(b"still here")
        assert s.recv(10) == b"still here"
        assert world.in_flight(first + 2) == 1
        assert world.ask("user", user=user)[0] == 3
    wait_for(lambda: world.in_flight(first + 2) == 0, "the count")


def test_requests_during_moves_are_never_lost(world):
    """Back and forth between the seats, and no request fails: each is served
    by a seat that was ready or is its user's."""
    users = list(range(100, 110))
    for turn in range(6):
        for slot in range(SLOTS):
            a, b = (0, 1) if turn % 2 == 0 else (1, 0)
            world.state("user", 2 * slot + b, "ready", generation=turn + 2)
            world.state("user", 2 * slot + a, "draining", cause="upgrading",
                        generation=turn + 1)
            for user in users:
                assert world.ask("user", user=user)[0] // 2 >= 0
            world.state("user", 2 * slot + a, "closed", cause="stopped",
                        generation=turn + 1)
    seats = {world.ask("user", user=u)[0] for u in users}
    assert all(s % 2 == 0 for s in seats)


# ---- workers ----------------------------------------------------------


def test_workers_agree():
    """Whichever worker takes the connection: same user, same process, and
    the cookie that one has made is good for all."""
    with AffinityWorld(main="worker_processes 3;",
                       listen="reuseport") as world:
        world.start()
        wait_for(lambda: len(world.worker_pids()) == 3)
        for user in (100, 101, None):
            assert len({world.ask("user", user=user)[0]
                        for _ in range(12)}) == 1
        for _ in range(12):
            seat, answer = world.ask("session", ("Cookie", cookie(1)))
            assert seat == 2 and answer.all("Set-Cookie") == []
        used = [w for w in world.workers() if w["requests"]]
        assert len(used) > 1, "one worker took all"
