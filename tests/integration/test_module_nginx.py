# SPDX-License-Identifier: MIT
"""The module lives with nginx: reload, replacement of the binary, logs that
are opened anew, and nginx's other modules."""

import contextlib
import gzip
import json
import re
import shutil
import signal
import socket
import threading

import pytest

from module_harness import (
    LOCATION, World, bearer, echo_websocket, free_port, raw_request,
    read_head, read_response, token, wait_for)
from nginx_harness import Daemon, is_alive, live_through


def test_reloads_and_upgrade_under_load():
    """The short form of tests/faults/test_nginx_life.py."""
    print(live_through(reloads=4, upgrades=1, websockets=10, threads=2,
                       shutdown_timeout_sec=2))


def test_logs_are_opened_anew():
    with World() as w:
        w.backend("tiny-a")
        w.start()
        assert w.fetch("/api/tiny/before").status == 200
        for name in ("access.log", "error.log"):
            (w.dir / name).rename(w.dir / f"{name}.1")
        w.signal(signal.SIGUSR1)
        wait_for(lambda: all((w.dir / name).exists()
                             for name in ("access.log", "error.log")),
                 "new logs")

        # a worker opens them when it comes to it
        def is_in_the_new_one():
            w.fetch("/api/tiny/after", bearer("a.b.c"))
            return (any(line[0] == "/api/tiny/after" for line in w.access())
                    and "refused with 401" in w.log())

        wait_for(is_in_the_new_one, "lines in the new logs")
        old = (w.dir / "error.log.1").read_text()
        assert "[alert]" not in old
        assert "/api/tiny/before" in (w.dir / "access.log.1").read_text()


def test_builds_side_by_side():
    """A module replaced by rename: old workers keep theirs, new ones of a
    new binary take the new one, and all count in the same file."""
    with Daemon() as w:
        module = w.dir / "module.so"
        shutil.copy(w._format["module"], module)
        w._format["module"] = module
        w.backend("tiny-a").on("/api/tiny/ws")(echo_websocket)
        w.start()
        (old_worker,) = w.worker_pids()
        with w.open_websocket("/api/tiny/ws") as s:
            read_head(s)
            for _ in range(3):
                assert w.fetch("/api/tiny/x").status == 200

            shutil.copy(module, w.dir / "module.new")
            (w.dir / "module.new").rename(module)
            old = w.start_upgrade()
            (new_worker,) = w.worker_pids()
            assert mapped(old_worker, module) == {f"{module} (deleted)"}
            assert mapped(new_worker, module) == {str(module)}

            w.finish_upgrade(old)
            for _ in range(4):
                assert w.fetch("/api/tiny/x").status == 200
            s.sendall(b"old and well")
            assert s.recv(100) == b"old and well"
            assert {r["pid"] for r in w.workers()} == {old_worker, new_worker}
            assert w.in_flight(6) == 1
        wait_for(lambda: not is_alive(old), "end of the old master")
        wait_for(lambda: [r["pid"] for r in w.workers()] == [new_worker],
                 "freeing the record")
        wait_for(lambda: w.totals()["3"]["requests"] == [0, 1, 7, 0, 0, 0],
                 "counters of both")


def mapped(pid, module):
    """As what the module's file is mapped by a process, in its own root."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return {line[line.index(str(module)):].strip() for line in f
                if str(module) in line}


# ---- beside other modules ---------------------------------------------


NEIGHBOURS = """
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Client;
    access_log %(dir)s/upstream.log up;
    rewrite ^/old/(.*)$ /api/tiny/$1 last;
    rewrite ^/sneak$ /api/internal/x last;

    location = /allow { internal; return 204; }
    location = /deny { internal; return 403; }
    location = /ask {
        internal;
        proxy_pass http://unix:%(sock)s;
        proxy_set_header X-Asking-User $mint_user;
        proxy_set_header X-Request-ID $mint_request_id;
    }

    location /api/tiny/allowed { auth_request /allow; %(location)s }
    location /api/tiny/denied { auth_request /deny; %(location)s }
    location /api/tiny/asked { auth_request /ask; %(location)s }

    location /api/tiny/limited {
        limit_req zone=one;
        limit_req_status 429;
        %(location)s
    }
    location /api/tiny/delayed {
        limit_req zone=slow burst=20;
        %(location)s
    }
    location /api/tiny/narrow { limit_conn narrow 1; %(location)s }

    location /api/tiny/included { ssi on; ssi_types *; %(location)s }
    location /api/tiny/added { add_after_body /api/tiny/more; %(location)s }
    location /api/tiny/sliced {
        slice 10;
        proxy_set_header Range $slice_range;
        %(location)s
    }
    location /api/tiny/tried { try_files /nothing @tiny; }
    location /api/tiny/fallen { try_files /nothing /api/other/here; }
    location @tiny { %(location)s }
    location /api/tiny/zipped {
        gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;
        %(location)s
    }
    location /api/tiny/replaced {
        sub_filter_types *; sub_filter plugin edge;
        %(location)s
    }
    location /tiny/static { root %(dir)s; }
    recursive_error_pages on;
    location /api/tiny/gone { error_page 502 = @gone; %(location)s }
    location @gone {
        proxy_intercept_errors on;
        error_page 404 = @tiny;
        proxy_pass http://unix:%(sock)s;
    }
    location = /copy { internal; proxy_pass http://unix:%(sock)s; }
    location /api/tiny/copied { mirror /copy; %(location)s }
"""

ZONES = """
    log_format up '$request_uri|$upstream_addr|$upstream_status|$upstream_response_time|'
                  '$upstream_connect_time|$upstream_header_time|'
                  '$upstream_bytes_received';
    limit_req_zone $server_name zone=one:64k rate=1r/m;
    limit_req_zone $server_name zone=slow:64k rate=50r/s;
    limit_conn_zone $server_name zone=narrow:64k;
"""


@pytest.fixture(scope="module")
def neighbours():
    with World(http=ZONES) as w:
        for name in ("platform", "tiny-a", "other", "foreign"):
            w.backend(name)
        w._format["server"] = NEIGHBOURS % {
            "sock": w.sock("foreign"), "location": LOCATION, "dir": w.dir}
        yield w.start()


@pytest.fixture(autouse=True)
def nothing_stays_counted(request):
    yield
    if "neighbours" in request.fixturenames:
        w = request.getfixturevalue("neighbours")
        wait_for(lambda: not any(r["in_flight"] for r in w.workers()),
                 "counting out")


def test_no_variable_shows_what_plugins_are_told():
    with World(location_extra="""
            add_header Shown '$http_x_mint_internal_token$http_x_mint_user_id'
                             always;
            proxy_set_header X-Copy $http_x_mint_internal_token;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            """) as w:
        w.backend("tiny-a")
        response = w.start().fetch("/api/tiny/x", bearer(token()))
        assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
        assert response.seen("X-MINT-User-Id") == ["7"]
        assert response.seen("X-Copy") == []
        assert response.get("Shown") is None


@pytest.mark.parametrize("lines, upgrade", [
    ("", "websocket"),
    ('proxy_set_header Connection "";', "websocket"),
    ("proxy_set_header Connection $mint_connection;"
     "proxy_set_header Upgrade $mint_upgrade;", "websocket"),
    ("proxy_set_header Connection upgrade;"
     "proxy_set_header Upgrade own;", "own"),
])
def test_upgrade_is_passed_once(lines, upgrade):
    with World(location_extra=lines) as w:
        w.backend("tiny-a").on("/api/tiny/ws")(
            lambda peer, request: peer.answer(b"", "426 Upgrade Required"))
        w.start().fetch("/api/tiny/ws", bearer(token()),
                        ("Connection", "Upgrade"), ("Upgrade", "websocket"))
        (request,) = w.backends["tiny-a"].requests
        assert request.all("Upgrade") == [upgrade]


def test_realip(neighbours):
    response = neighbours.fetch("/api/tiny/x", ("X-Client", "192.0.2.7"))
    assert response.seen("X-Real-IP") == ["192.0.2.7"]
    assert response.seen("X-Forwarded-For") == ["192.0.2.7"]
    assert response.seen("X-Request-ID") == response.all("X-Request-ID")


def test_rewrite(neighbours):
    response = neighbours.fetch("/old/a?b=c", bearer(token()))
    assert response.json()["backend"] == "tiny-a"
    assert response.json()["target"] == "/api/tiny/a?b=c"
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]


@pytest.mark.parametrize("target", ["/sneak", "/old/../__mint/x"])
def test_rewrite_opens_no_hidden_path(neighbours, target):
    assert neighbours.fetch(target).status == 404


@pytest.mark.parametrize("target,status", [
    ("/api/tiny/allowed", 200), ("/api/tiny/denied", 403)])
def test_auth_request(neighbours, target, status):
    tiny = neighbours.backends["tiny-a"]
    before = len(tiny.requests)
    response = neighbours.fetch(target, bearer(token()), method="POST",
                                body=b"x" * 3000)
    assert response.status == status
    assert len(tiny.requests) - before == (status == 200)
    if status == 200:
        assert response.json()["body"] == "x" * 3000
        assert response.seen("X-MINT-User-Id") == ["7"]


def foreign(world, answer="200 OK"):
    """What another upstream gets to see from now on."""
    seen = []
    backend = world.backends["foreign"]
    for target in ("/ask", "/copy", "/api/tiny/gone"):
        @backend.on(target)
        def take(peer, request):
            seen.append(request)
            peer.answer(b"foreign", answer)
    return seen


def test_auth_request_to_another_upstream(neighbours):
    """It gets what its location says, and no plugin's token."""
    seen = foreign(neighbours)
    response = neighbours.fetch("/api/tiny/asked", bearer(token()))
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
    (asked,) = seen
    assert asked.get("X-Asking-User") == "7"
    assert not [n for n, _ in asked.headers if n.lower().startswith("x-mint")]
    assert asked.get("X-Request-ID") == response.get("X-Request-ID")

    seen = foreign(neighbours, "403 Forbidden")
    assert neighbours.fetch("/api/tiny/asked").status == 403
    assert len(seen) == 1


def test_mirror_to_another_upstream(neighbours):
    seen = foreign(neighbours)
    response = neighbours.fetch("/api/tiny/copied", bearer(token()))
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
    wait_for(lambda: seen, "the mirrored request")
    assert seen[0].get("X-MINT-Internal-Token") is None


def test_redirect_to_another_upstream(neighbours):
    seen = foreign(neighbours)
    neighbours.backends["tiny-a"].on("/api/tiny/gone")(
        lambda peer, request: True)
    response = neighbours.fetch("/api/tiny/gone", bearer(token()))
    assert response.body == b"foreign"
    assert [r.get("X-MINT-Internal-Token") for r in seen] == [None]

    # and back again: what the plugin has to know is there
    tiny = neighbours.backends["tiny-a"]

    @tiny.on("/api/tiny/gone")
    def comes_back(peer, request):
        if tiny.requests[-2].target == request.target:
            peer.answer({"headers": request.headers})
        return True

    seen = foreign(neighbours, "404 Not Found")
    response = neighbours.fetch("/api/tiny/gone?again", bearer(token()))
    assert [r.get("X-MINT-Internal-Token") for r in seen] == [None]
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
    assert response.seen("X-MINT-User-Id") == ["7"]


def test_limit_req(neighbours):
    tiny = neighbours.backends["tiny-a"]
    before = len(tiny.requests)
    codes = [neighbours.fetch("/api/tiny/limited").status for _ in range(4)]
    assert codes == [200, 429, 429, 429]
    assert len(tiny.requests) == before + 1


def test_limit_req_delays(neighbours):
    """A delayed request goes through our phase only once."""
    requests = neighbours.totals()["3"]["requests"][2]
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(neighbours.connect())
                   for _ in range(10)]
        for s in sockets:
            s.sendall(raw_request("GET", "/api/tiny/delayed",
                                  [bearer(token())]))
        for s in sockets:
            response = read_response(s)
            assert response.status == 200
            assert response.seen("X-MINT-User-Id") == ["7"]
            assert len(response.seen("X-MINT-Internal-Token")) == 1
    wait_for(lambda: neighbours.totals()["3"]["requests"][2]
             == requests + 10, "counting")


def test_delayed_request_whose_client_leaves(neighbours):
    tiny = neighbours.backends["tiny-a"]
    before = len(tiny.requests)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            s = stack.enter_context(neighbours.connect())
            s.sendall(raw_request("GET", "/api/tiny/delayed?left"))
    wait_for(lambda: not any(r["in_flight"] for r in neighbours.workers()),
             "counting out")
    assert len(tiny.requests) < before + 20


def test_limit_conn(neighbours):
    release = threading.Event()

    @neighbours.backends["tiny-a"].on("/api/tiny/narrow")
    def narrow(peer, request):
        release.wait(10)
        peer.answer(b"done")

    with neighbours.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/narrow"))
        wait_for(lambda: neighbours.in_flight(6) == 1, "counting in")
        assert neighbours.fetch("/api/tiny/narrow").status == 503
        release.set()
        assert read_response(s).status == 200


@pytest.mark.parametrize("included,backend", [
    ("/api/tiny/part", "tiny-a"),
    # subrequests share the verdict of the request they belong to
    ("/api/other/part", "tiny-a"),
    ("/tiny/static/none", None),
])
def test_ssi(neighbours, included, backend):
    neighbours.backends["tiny-a"].on("/api/tiny/included")(
        lambda peer, request: peer.answer(
            b'[<!--# include virtual="%s" -->]' % included.encode(),
            headers=[("Content-Type", "text/html")]))
    response = neighbours.fetch("/api/tiny/included", bearer(token()))
    assert response.status == 200
    assert len(response.all("X-Request-ID")) == 1
    inner = response.body[1:-1]
    if backend is None:
        assert b"404 Not Found" in inner
        return
    inner = json.loads(inner)
    assert (inner["backend"], inner["target"]) == (backend, included)
    tokens = [v for n, v in inner["headers"]
              if n.lower() == "x-mint-internal-token"]
    assert tokens == ["token-of-tiny"]


def test_addition(neighbours):
    neighbours.backends["tiny-a"].on("/api/tiny/added")(
        lambda peer, request: peer.answer(
            b"first", headers=[("Content-Type", "text/html")]))
    response = neighbours.fetch("/api/tiny/added")
    assert response.body.startswith(b"first{")
    assert json.loads(response.body[5:])["target"] == "/api/tiny/more"


def test_slice(neighbours):
    data = bytes(range(97, 122))
    ranges = []

    @neighbours.backends["tiny-a"].on("/api/tiny/sliced")
    def sliced(peer, request):
        ranges.append(request.get("Range"))
        first, last = map(int, ranges[-1][len("bytes="):].split("-"))
        last = min(last, len(data) - 1)
        peer.answer(data[first:last + 1], "206 Partial Content", [
            ("Content-Range", f"bytes {first}-{last}/{len(data)}"),
            ("ETag", '"x"')])

    response = neighbours.fetch("/api/tiny/sliced")
    assert response.body == data
    assert ranges == ["bytes=0-9", "bytes=10-19", "bytes=20-29"]


def test_try_files(neighbours):
    response = neighbours.fetch("/api/tiny/tried", bearer(token()))
    assert response.json()["backend"] == "tiny-a"
    assert response.json()["target"] == "/api/tiny/tried"
    assert response.seen("X-MINT-User-Id") == ["7"]

    response = neighbours.fetch("/api/tiny/fallen", bearer(token()))
    assert response.json()["backend"] == "other"
    assert response.seen("X-MINT-Internal-Token") == ["token-of-other"]


def test_gzip(neighbours):
    response = neighbours.fetch("/api/tiny/zipped",
                                ("Accept-Encoding", "gzip"))
    assert response.get("Content-Encoding") == "gzip"
    body = json.loads(gzip.decompress(response.body))
    assert body["target"] == "/api/tiny/zipped"


def test_sub_filter(neighbours):
    neighbours.backends["tiny-a"].on("/api/tiny/replaced")(
        lambda peer, request: peer.answer(b"a plugin, a plugin"))
    response = neighbours.fetch("/api/tiny/replaced")
    assert response.body == b"a edge, a plugin"


def test_static_files_beside_a_plugin(neighbours):
    folder = neighbours.dir / "tiny" / "static"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("page")
    response = neighbours.fetch("/tiny/static/", ("X-Request-ID", "mine"))
    assert response.body == b"page"
    assert response.get("X-Request-ID") == "mine"


def test_upstream_variables(neighbours):
    tiny = neighbours.backends["tiny-a"]

    @tiny.on("/api/tiny/timed")
    def timed(peer, request):
        if b"?die" in request.target.encode():
            return True
        peer.answer(b"body")

    neighbours.fetch("/api/tiny/timed")
    neighbours.fetch("/api/tiny/timed?die", method="POST", body=b"x")

    def lines():
        text = (neighbours.dir / "upstream.log").read_text()
        return [line.split("|")[1:] for line in text.splitlines()
                if line.startswith("/api/tiny/timed")]

    wait_for(lambda: len(lines()) == 2, "lines of the log")
    good, bad = lines()
    address = f"unix:{neighbours.sock('tiny-a')}"
    assert good[:2] == [address, "200"] and int(good[5]) > 0
    assert all(re.fullmatch(r"\d+\.\d{3}", value) for value in good[2:5])
    assert bad[:2] == [address, "502"]
    assert re.fullmatch(r"\d+\.\d{3}", bad[2])


# ---- several servers --------------------------------------------------


SERVERS = """
    server {
        listen 127.0.0.1:%(port)d;
        server_name second;
        mint on;
        location /api/ { %(location)s }
        location / { return 200 second; }
        location @mint_error { mint_error on; }
    }
    server {
        listen 127.0.0.1:%(port)d;
        server_name third;
        location / { return 200 "third $http_x_mint_user_id"; }
    }
"""


def test_several_servers():
    port = free_port()
    with World(http=SERVERS % {"port": port, "location": LOCATION}) as w:
        w.backend("tiny-a")
        w.start()

        def ask(host, target, *headers):
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(raw_request("GET", target,
                                      [("Host", host), *headers]))
                return read_response(s)

        forged = ("X-MINT-User-Id", "9")
        response = ask("second", "/api/tiny/x", bearer(token()), forged)
        assert response.seen("X-MINT-User-Id") == ["7"]
        assert ask("second", "/page").body == b"second"
        assert ask("second", "/page").get("X-Request-ID")
        assert ask("second", "/api/tiny/x", bearer("a.b.c")).status == 401
        assert ask("third", "/x", forged).body == b"third 9"
        assert ask("third", "/x").get("X-Request-ID") is None
        assert w.fetch("/api/tiny/x").status == 200
        # one connection, several servers
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            for host, seen in (("third", None), ("second", True),
                               ("third", None)):
                s.sendall(raw_request("GET", "/p", [("Host", host)],
                                      close=False))
                response = read_response(s)
                assert bool(response.get("X-Request-ID")) is bool(seen)
