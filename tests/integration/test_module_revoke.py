# SPDX-License-Identifier: MIT
"""The nginx module: open WebSockets and streams end when their user may no
longer have them, and only then."""

import signal
import threading
import time

import pytest

from module_harness import (
    MEMBER_PERMISSIONS, World, bearer, echo_websocket, read_head,
    read_response, token, wait_for)
from stream_harness import (
    Held, Http2, begin_download, begin_sse, is_open, open_request,
    until_closed)

HELLO = b"\x81\x05hello"        # a frame: the tunnel looks at what is echoed

# what the system promises, and what its look once a second adds
SECONDS = 5


def pat(letter):
    return "mint_pat_" + letter * 43


USERS = ["plain", "leaves", "ended", "logout", "demoted", "guest", "swap",
         "told", "pats", "expiring"]
ROLE_OF = {"demoted": "loses_use", "guest": "loses_access",
           "swap": "twin_a", "told": "loses_text"}
IDS = {name: 100 + i for i, name in enumerate(USERS)}


def role(slug, **changes):
    return {"slug": slug, "permissions": MEMBER_PERMISSIONS,
            "plugin_access": "all", **changes}


def make_spec(world, **changes):
    users = [{"id": IDS[name], "username": name,
              "role": ROLE_OF.get(name, "member"),
              **changes.get(name, {})} for name in USERS]
    roles = [changes.get(slug) or role(slug) for slug in (
        "member", "loses_use", "loses_access", "loses_text", "twin_a",
        "twin_b")]
    pats = [{"token": pat("k"), "user_id": IDS["pats"]},
            {"token": pat("g"), "user_id": IDS["pats"]},
            {"token": pat("e"), "user_id": IDS["expiring"],
             "expires": changes.get("expires", int(time.time()) + 9999)}]
    pats = [p for p in pats if p["token"] not in changes.get("without", ())]
    return {"users": users, "roles": roles, "pats": pats,
            "denied": [{"jti": jti, "expires": int(time.time()) + 9999}
                       for jti in changes.get("denied", ())]}


def session(name, **claims):
    return bearer(token(IDS[name], jti=f"of-{name}", **claims))


@pytest.fixture()
def world():
    with World() as w:
        w.backend("platform")
        w.backend("tiny-a")
        w.write(**make_spec(w))
        yield w.start()


def end_reasons(world):
    """What the log says: request id -> reason."""
    found = {}
    for line in world.log().splitlines():
        if "mint: ended: " in line:
            reason = line.split("mint: ended: ")[1].split(", plugin")[0]
            found[line.split('request id "')[1].split('"')[0]] = reason
    return found


def rewrite(world, **changes):
    """Returns when the worker has the new file and has judged by it: without
    a request it looks only once a second, and does both then."""
    def count():
        return world.log().count("/identity\" mapped")
    before = count()
    world.write(**changes)
    wait_for(lambda: count() > before, "mapping the new file")


CHANGES = {
    # name: (credential, what the log says)
    "leaves": (session, "the user is not active"),
    "ended": (session, "the session was ended"),
    "logout": (session, "the session was logged out"),
    "demoted": (session, "the role lacks permission plugins.use"),
    "guest": (session, "the role has no access to this plugin"),
    "swap": (session, "the user's role or its permissions have changed"),
    "told": (session, "the user's role or its permissions have changed"),
    "pats": (lambda _: bearer(pat("g")), "no such personal token"),
    "expiring": (lambda _: bearer(pat("e")),
                 "the personal token has expired"),
}


def test_websockets_end_with_the_right(world):
    """All that can end a right, at once; beside them the sockets that have
    to stay, however often the file is written again."""
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    staying = {
        "plain": [session("plain")],
        "kept-pat": [bearer(pat("k"))],
        "anonymous": [],
        # within the leeway now, beyond it long before the end of the test
        "stale": [session("plain", exp=int(time.time()) - 3)],
        "other-session": [bearer(token(IDS["logout"], jti="another"))],
    }
    opened = {}
    for name, headers in staying.items():
        opened[name] = world.open_websocket("/api/tiny/ws", *headers)
    for name, (credential, _) in CHANGES.items():
        opened[name] = world.open_websocket(
            "/api/tiny/ws", credential(name),
            ("X-Request-ID", f"r-{name}"))
    for sock in opened.values():
        assert " 101 " in read_head(sock)

    # the same again in another file: nobody's right has changed
    rewrite(world, **make_spec(world))
    for name, sock in opened.items():
        sock.sendall(HELLO)
        assert sock.recv(100) == HELLO, name

    world.write(**make_spec(
        world, leaves={"active": False}, ended={"session_version": 1},
        denied=["of-logout"], loses_use=role(
            "loses_use", permissions=["experiments.view"]),
        loses_access=role("loses_access", plugin_access=[5]),
        swap={"role": "twin_b"},
        loses_text=role("loses_text", permissions=["plugins.use"]),
        without=[pat("g")], expires=int(time.time()) - 1))
    start = time.monotonic()

    for name in CHANGES:
        assert until_closed(opened[name]) == b"\x88\x02\x03\xf0", name  # 1008
    assert time.monotonic() - start < SECONDS

    # by now also the last of them is out of its token's time
    wait_for(lambda: world.fetch("/api/tiny/x", *staying["stale"]).status
             == 401, "expiry")
    for name in staying:
        opened[name].sendall(b"still here")
        assert opened[name].recv(10) == b"still here", name

    assert end_reasons(world) == {
        f"r-{name}": reason for name, (_, reason) in CHANGES.items()}
    for sock in opened.values():
        sock.close()
    wait_for(lambda: world.in_flight(6) == 0, "counting out")
    assert {a[7] for a in world.access() if a[4].startswith("r-")} == {
        reason for _, reason in CHANGES.values()}


def test_personal_token_runs_out(world):
    """Nothing is written: the clock alone ends it."""
    expires = int(time.time()) + 3
    world.write(**make_spec(world, expires=expires))
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws", bearer(pat("e"))) as s:
        read_head(s)
        assert is_open(s)
        until_closed(s)
        assert expires <= time.time() < expires + SECONDS


@pytest.mark.parametrize("listen", ["", "http2"])
def test_streams_end(listen):
    """An event stream, a download and an upload end; a request that the
    plugin has whole gets its answer; what the plugin sees is a closed
    connection."""
    with World(listen=listen) as w:
        w.backend("tiny-a")
        w.write(**make_spec(w))
        w.start()
        stream, download, upload = (Held(begin_sse), Held(begin_download),
                                    Held())
        w.backends["tiny-a"].on("/api/tiny/stream")(stream)
        w.backends["tiny-a"].on("/api/tiny/download")(download)
        w.backends["tiny-a"].on("/api/tiny/upload")(upload)
        go_on = threading.Event()

        @w.backends["tiny-a"].on("/api/tiny/work")
        def work(peer, request):
            go_on.wait(20)
            peer.answer(b"done")

        who = session("leaves")
        run = end_of_streams_http2 if listen else end_of_streams_http1
        run(w, who, (stream, download, upload), go_on)
        wait_for(lambda: w.in_flight(6) == 0, "counting out")
        assert len(end_reasons(w)) == 3


def revoke_and_time(world, held):
    for one in held:
        assert one.begun.acquire(timeout=20)
    wait_for(lambda: world.in_flight(6) == 4, "the fourth")
    world.write(**make_spec(world, leaves={"active": False}))
    start = time.monotonic()
    for one in held:
        assert one.gone.acquire(timeout=20)
    assert time.monotonic() - start < SECONDS


def end_of_streams_http1(world, who, held, go_on):
    socks = [open_request(world, "/api/tiny/stream", who),
             open_request(world, "/api/tiny/download", who),
             open_request(world, "/api/tiny/upload", who,
                          ("Content-Length", "10000"), method="POST")]
    socks[2].sendall(b"x" * 5000)
    with open_request(world, "/api/tiny/work", who) as working:
        revoke_and_time(world, held)
        assert until_closed(socks[0]).endswith(b"data: first\n\n\r\n")
        assert until_closed(socks[1]).endswith(b"x")
        assert until_closed(socks[2]) == b""
        go_on.set()
        response = read_response(working)
        assert (response.status, response.body) == (200, b"done")
    for sock in socks:
        sock.close()


def end_of_streams_http2(world, who, held, go_on):
    with Http2(world) as c:
        streams = [c.request("GET", "/api/tiny/stream", who),
                   c.request("GET", "/api/tiny/download", who),
                   c.request("POST", "/api/tiny/upload", who, end=False)]
        c.send(c.DATA, 0, streams[2], b"x" * 5000)
        work = c.request("GET", "/api/tiny/work", who)
        revoke_and_time(world, held)
        reset = set()
        while reset != set(streams):
            kind, _, stream, _ = c.frame()
            if kind == c.RST:
                reset.add(stream)
        go_on.set()
        assert c.wait(work, c.DATA, c.RST)[3] == b"done"


def test_answer_that_turns_out_to_be_a_stream(world):
    """Judged while the plugin was at work, ended once it streams."""
    begin = threading.Event()

    @Held
    def stream(peer):
        begin.wait(20)
        begin_sse(peer)

    world.backends["tiny-a"].on("/api/tiny/stream")(stream)
    with open_request(world, "/api/tiny/stream", session("leaves")) as s:
        wait_for(lambda: world.in_flight(6) == 1, "the request")
        rewrite(world, **make_spec(world, leaves={"active": False}))
        begin.set()
        start = time.monotonic()
        assert stream.gone.acquire(timeout=20)
        assert time.monotonic() - start < SECONDS
        until_closed(s)


def test_a_worker_in_shutdown_still_ends_them(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws", session("leaves")) as gone, \
            world.open_websocket("/api/tiny/ws", session("plain")) as stays:
        read_head(gone)
        read_head(stays)
        old = world.worker_pids()
        world.signal(signal.SIGHUP)
        wait_for(lambda: world.worker_pids() - old, "a new worker")
        world.write(**make_spec(world, leaves={"active": False}))
        start = time.monotonic()
        until_closed(gone)
        assert time.monotonic() - start < SECONDS
        assert old <= world.worker_pids()
        stays.sendall(b"hello")
        assert stays.recv(5) == b"hello"
    wait_for(lambda: not old & world.worker_pids(), "end of the old worker")


def test_an_empty_file_ends_nothing(world):
    """A supervisor that had to begin anew, before the platform has spoken:
    requests are refused, but nobody has lost a right."""
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws", session("plain")) as s:
        read_head(s)
        rewrite(world, users=[], sequence=0)
        s.sendall(b"hello")
        assert s.recv(5) == b"hello"
        assert world.fetch("/api/tiny/x", session("plain")).status == 401
        world.write(**make_spec(world, plain={"active": False}), sequence=5)
        start = time.monotonic()
        until_closed(s)
        assert time.monotonic() - start < SECONDS
