# SPDX-License-Identifier: MIT
"""The nginx module: routing, request ids, headers, errors, streaming."""

import contextlib
import hashlib
import json
import re
import socket
import subprocess
import threading
import time

import pytest

from module_harness import (
    BUILD, LOCATION, MODULE, World, bearer, echo_websocket, raw_request,
    read_head, read_response, token, wait_for)


@pytest.fixture(scope="module")
def world():
    with World(server="underscores_in_headers on;") as w:
        for name in ("platform", "tiny-a", "tiny-b", "deep", "other"):
            w.backend(name)
        yield w.start()


def problem(response, status):
    """Checks an answer of the edge itself and returns its members."""
    assert response.status == status
    assert response.get("Content-Type") == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"] and body["code"]
    assert body["detail"] == body["message"] and body["detail"]
    assert body["request_id"] == response.get("X-Request-ID")
    return body


# ---- request id -------------------------------------------------------


def test_request_id_is_made(world):
    ids = set()
    for _ in range(20):
        response = world.fetch("/api/tiny/x")
        made = response.get("X-Request-ID")
        assert re.fullmatch("[0-9a-f]{32}", made)
        assert response.seen("X-Request-ID") == [made]
        ids.add(made)
    assert len(ids) == 20


@pytest.mark.parametrize("given", ["a", "A.b_c-9", "x" * 64])
@pytest.mark.parametrize("target", ["/api/tiny/x", "/health"])
def test_request_id_is_kept(world, given, target):
    response = world.fetch(target, ("x-request-id", given))
    assert response.get("X-Request-ID") == given
    assert response.seen("X-Request-ID") == [given]


@pytest.mark.parametrize("headers", [
    [("X-Request-ID", "x" * 65)],
    [("X-Request-ID", "")],
    [("X-Request-ID", "a b")],
    [("X-Request-ID", "a\"b")],
    [("X-Request-ID", "caf\xe9")],
    [("X-Request-ID", "one"), ("X-Request-ID", "two")],
    [("X-Request-ID", "one"), ("x_request_id", "two")],
])
def test_request_id_is_replaced(world, headers):
    response = world.fetch("/api/tiny/x", *headers)
    made = response.get("X-Request-ID")
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert response.seen("X-Request-ID") == [made]
    assert "x_request_id" not in response.seen_names()


def test_request_id_of_a_plugin_does_not_double(world):
    world.backends["tiny-a"].on("/api/tiny/own-id")(
        lambda peer, request: peer.answer(
            b"", headers=[("X-Request-ID", "plugin")]))
    response = world.fetch("/api/tiny/own-id", ("X-Request-ID", "mine"))
    assert response.get("X-Request-ID") == "mine"


# ---- headers ----------------------------------------------------------


FORGED = [
    "X-MINT-User-Id", "x-mint-user-id", "X_MINT_USER_ID", "x_mint_user_id",
    "X-Mint_User-Id", "X-MINT-Internal-Token", "x_mint_internal_token",
    "X-MINT-User-Role", "X-MINT-Username", "X-MINT-User-Permissions",
    "X-MINT-Plugin-Name", "X-MINT-Anything", "x-mint-",
    "x_mint_job_session", "X-MINT-Job-Session-2",
]


@pytest.mark.parametrize("target", ["/api/tiny/x", "/tiny/x", "/health"])
@pytest.mark.parametrize("name", FORGED)
def test_forged_header_never_arrives(world, target, name):
    response = world.fetch(target, (name, "9"), (name, "10"))
    assert response.status == 200
    names = response.seen_names()
    assert "9" not in [v for _, v in response.json()["headers"]]
    wanted = ["x-mint-internal-token"] if target != "/health" else []
    assert [n for n in names if n.replace("_", "-").startswith("x-mint-")
            ] == wanted


def test_many_forged_headers_among_others(world):
    headers = []
    for i in range(70):
        headers.append((f"X-Keep-{i}", str(i)))
        headers += [("X-MINT-User-Id", "9")] * (i % 3)
    response = world.fetch("/api/tiny/x", *headers)
    kept = [(n, v) for n, v in response.json()["headers"]
            if n.startswith("X-Keep")]
    assert kept == [h for h in headers if h[0].startswith("X-Keep")]
    assert response.seen("X-MINT-User-Id") == []
    assert response.seen("Host") == ["mint"]


def test_only_forged_headers(world):
    with world.connect() as s:
        s.sendall(b"GET /api/tiny/x HTTP/1.0\r\nX-MINT-A: 1\r\n"
                  b"X-MINT-B: 1\r\n\r\n")
        response = read_response(s)
    assert [n for n in response.seen_names() if n.startswith("x-mint")] == [
        "x-mint-internal-token"]


def test_job_headers_pass(world):
    response = world.fetch("/api/tiny/jobs", ("X-MINT-Job-Session", "s"),
                           ("x-mint-job-definition", "d"))
    assert response.seen("X-MINT-Job-Session") == ["s"]
    assert response.seen("X-MINT-Job-Definition") == ["d"]


def test_forwarded_headers_are_the_edges(world):
    response = world.fetch("/api/tiny/x", ("X-Forwarded-For", "6.6.6.6"),
                           ("X-Real-IP", "6.6.6.6"),
                           ("X-Forwarded-Proto", "https"))
    assert response.seen("X-Forwarded-For") == ["127.0.0.1"]
    assert response.seen("X-Real-IP") == ["127.0.0.1"]
    assert response.seen("X-Forwarded-Proto") == ["http"]


def test_response_of_a_plugin_is_cleaned(world):
    evil = [
        ("Access-Control-Allow-Origin", "https://evil.example"),
        ("access-control-allow-credentials", "true"),
        ("Set-Cookie", "mint_access_token=x; Path=/"),
        ("set-cookie", " passkey_session = y"),
        ("Set-Cookie", "mine=1; Path=/tiny"),
        ("Set-Cookie", "note=mint_access_token=x"),
        ("X-Plugin", "kept"),
    ]

    def answer(peer, request):
        peer.answer(b"hello", headers=evil)

    world.backends["tiny-a"].on("/api/tiny/evil")(answer)
    world.backends["platform"].on("/api/evil")(answer)

    response = world.fetch("/api/tiny/evil", ("Origin", "https://evil"))
    assert response.body == b"hello"
    assert not [n for n, _ in response.headers
                if n.lower().startswith("access-control")]
    assert response.all("Set-Cookie") == ["mine=1; Path=/tiny",
                                          "note=mint_access_token=x"]
    assert response.get("X-Plugin") == "kept"

    response = world.fetch("/api/evil")
    assert response.get("Access-Control-Allow-Origin")
    assert len(response.all("Set-Cookie")) == 4


# ---- routes -----------------------------------------------------------


@pytest.mark.parametrize("target,backend", [
    ("/", "platform"), ("/api", "platform"), ("/api/", "platform"),
    ("/api/health", "platform"), ("/api/experiments/1/objects/a%2Fb",
                                  "platform"),
    ("/api/tiny", "tiny-a"), ("/api/tiny/", "tiny-a"),
    ("/api/tiny/a/b?c=/../d%2f", "tiny-a"), ("/tiny", "tiny-a"),
    ("/tiny/", "tiny-a"), ("/tiny?x=1", "tiny-a"),
    ("/tiny/index.html", "tiny-a"),
    ("/api/tinyx/a", "platform"), ("/tinyx", "platform"),
    ("/api/tin/a", "platform"), ("/TINY/", "platform"),
    ("/api/tiny/deep", "deep"), ("/api/tiny/deep/x", "deep"),
    ("/tiny/deep/x", "deep"), ("/api/tiny/deeper", "tiny-a"),
    ("/api/other/x", "other"), ("/api/api/tiny/x", "platform"),
    ("/api/%74iny/x", "tiny-a"), ("/%61pi/tiny/x", "tiny-a"),
    ("/docs", "platform"), ("/openapi.json", "platform"),
])
def test_route(world, target, backend):
    response = world.fetch(target)
    assert response.status == 200, response.body
    assert response.json()["backend"] == backend
    assert response.json()["target"] == target


@pytest.mark.parametrize("target", [
    "/__mint", "/__mint/events", "/api/internal", "/api/internal/platform",
    "//__mint/events", "/x/../__mint/events", "/%5f%5fmint/events",
    "/api/%69nternal/platform", "/api//internal/x",
    "/api/./internal/x", "/api/internal%2f..%2f..%2fapi/health",
    "/tiny/../api/internal/x", "/__mint/../api/health",
])
def test_hidden_path(world, target):
    before = sum(len(b.requests) for b in world.backends.values())
    body = problem(world.fetch(target), 404)
    assert body["code"] == "resource.not_found"
    assert sum(len(b.requests) for b in world.backends.values()) == before


@pytest.mark.parametrize("target", [
    "/api/tiny/a%2fb", "/api/tiny/a%2Fb", "/api/tiny/a%5cb",
    "/api/tiny/a\\b", "/api/tiny/../tiny/x", "/api/tiny/%2e%2e/tiny/x",
    "/api/x/%2e%2E/tiny/x", "/api/tiny/.", "/api/tiny/./x",
    "/api/other%2f..%2ftiny/x", "//api/tiny/x", "/api//tiny/x",
    "//tiny", "/api/tiny/x#y", "/x/../tiny/",
])
def test_ambiguous_path_of_a_plugin(world, target):
    body = problem(world.fetch(target, bearer(token())), 400)
    assert body["detail"] == "ambiguous path"
    assert body["plugin"] == "tiny"


def test_nul_in_path_is_nginx_own_400(world):
    response = world.fetch("/api/tiny/a%00b")
    assert response.status == 400
    assert response.get("X-Request-ID")


@pytest.mark.parametrize("request_text, status", [
    (b"GARBAGE\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n", 400),
    (b"GET /" + b"x" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", 501),
])
def test_malformed_request_has_a_request_id(world, request_text, status):
    with world.connect() as s:
        s.sendall(request_text)
        response = read_response(s)
    assert response.status == status
    assert re.fullmatch("[0-9a-f]{32}", response.get("X-Request-ID"))


def test_method_and_query_pass(world):
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "POST"):
        response = world.fetch("/api/tiny/x?a=1&a=2", bearer(token()),
                               method=method, body=b"{}")
        assert response.json()["method"] == method
        assert response.json()["target"] == "/api/tiny/x?a=1&a=2"
        assert response.json()["body"] == "{}"


def test_head(world):
    response = world.fetch("/__mint/x", method="HEAD")
    assert response.status == 404
    assert response.body == b""
    assert response.get("X-Request-ID")


def test_keepalive_client_after_a_refusal(world):
    with world.connect() as s:
        for _ in range(3):
            s.sendall(raw_request("POST", "/api/internal/x", body=b"b" * 5000,
                                  close=False))
            problem(read_response(s), 404)
            s.sendall(raw_request("GET", "/api/tiny/x", close=False))
            assert read_response(s).status == 200


def test_refused_upload_is_not_invited(world):
    with world.connect() as s:
        s.sendall(raw_request("POST", "/api/tiny/x", [
            bearer("a.b.c"), ("Expect", "100-continue"),
            ("Content-Length", "1000000")]))
        assert read_head(s).startswith("HTTP/1.1 401 ")


# ---- bodies -----------------------------------------------------------


def test_upload_is_streamed(world):
    first, done = threading.Event(), []

    @world.backends["tiny-a"].on("/api/tiny/upload")
    def upload(peer, request):
        digest = hashlib.sha256()
        for data in peer.chunks(request):
            digest.update(data)
            first.set()
        done.append(digest.hexdigest())
        peer.answer(digest.hexdigest().encode())

    body = b"0123456789abcdef" * 65536
    for chunked in (False, True):
        first.clear()
        with world.connect() as s:
            length = (("Transfer-Encoding", "chunked") if chunked
                      else ("Content-Length", str(len(body))))
            s.sendall(raw_request("POST", "/api/tiny/upload",
                                  [bearer(token()), length]))
            s.sendall(b"%x\r\n%s\r\n" % (1000, body[:1000]) if chunked
                      else body[:1000])
            assert first.wait(10), "nothing arrived before the whole body"
            s.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 1000,
                                                  body[1000:])
                      if chunked else body[1000:])
            response = read_response(s)
        assert response.body.decode() == hashlib.sha256(body).hexdigest()
    assert len(done) == 2


@pytest.mark.parametrize("length", [("Transfer-Encoding", "chunked"),
                                    ("Content-Length", "1000000000")])
def test_large_body_waits_for_the_platform(world, length):
    """Nothing is stored of a body that the platform has not agreed to."""

    @world.backends["platform"].on("/api/refuses")
    def refuses(peer, request):
        peer.answer(b"", status="413 Too Large",
                    headers=[("Connection", "close")])
        return True

    with world.connect() as s:
        s.sendall(raw_request("POST", "/api/refuses", [length]))
        assert read_head(s).startswith("HTTP/1.1 413 ")


def test_large_bodies_leave_the_platform_to_others(world):
    """Slow senders of large bodies take a part of it, for as long as they
    are there."""
    with contextlib.ExitStack() as senders:
        for _ in range(520):
            s = senders.enter_context(world.connect())
            s.sendall(raw_request("POST", "/api/slow",
                                  [("Transfer-Encoding", "chunked")]))
        wait_for(lambda: "too many large bodies" in world.log())
        with world.connect() as s:
            s.sendall(raw_request("GET", "/api/small"))
            assert read_response(s).status == 200

    def is_taken():
        with world.connect() as s:
            s.sendall(raw_request("POST", "/api/x",
                                  [("Transfer-Encoding", "chunked")])
                      + b"1\r\na\r\n0\r\n\r\n")
            return read_response(s).status == 200

    wait_for(is_taken)


def test_small_body_for_the_platform_is_collected(world):
    before = len(world.backends["platform"].requests)
    with world.connect() as s:
        s.sendall(raw_request("POST", "/api/x", [("Content-Length", "65536")]))
        s.sendall(b"x" * 65535)
        assert world.fetch("/api/tiny/meanwhile").status == 200
        assert len(world.backends["platform"].requests) == before
        s.sendall(b"y")
        assert read_response(s).json()["body"] == "x" * 65535 + "y"


@pytest.mark.parametrize("headers", [
    [("Content-Type", "text/event-stream; charset=utf-8")],
    [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")],
])
def test_stream_is_not_buffered(world, headers):
    go_on = threading.Event()

    @world.backends["tiny-a"].on("/api/tiny/stream")
    def stream(peer, request):
        peer.answer(b"", headers=headers + [("Connection", "close")],
                    length=False)
        peer.sock.sendall(b"data: 1\n\n")
        go_on.wait(10)
        peer.sock.sendall(b"data: 2\n\n")
        return True

    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/stream", version="1.0"))
        head = read_head(s)
        assert "200" in head and "X-Accel" not in head
        assert s.recv(9) == b"data: 1\n\n"
        go_on.set()
        assert s.recv(9) == b"data: 2\n\n"


def test_client_that_goes_away_is_told_to_the_plugin(world):
    gone = threading.Event()

    @world.backends["tiny-a"].on("/api/tiny/forever")
    def forever(peer, request):
        peer.answer(b"", headers=[("Content-Type", "text/event-stream")],
                    length=False)
        try:
            peer.sock.sendall(b"data: 1\n\n")
            while peer.file.read1(1000):
                pass
        finally:
            gone.set()              # at the end, or at a reset
        return True

    with world.connect() as s:
        s.sendall(raw_request("GET", "/api/tiny/forever"))
        read_head(s)
    assert gone.wait(10)


# ---- upgrades ---------------------------------------------------------


def test_websocket(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws", bearer(token())) as s:
        head = read_head(s)
        assert head.startswith("HTTP/1.1 101 ")
        request = world.backends["tiny-a"].requests[-1]
        assert request.get("Upgrade") == "websocket"
        assert request.get("Connection") == "upgrade"
        assert request.get("X-MINT-User-Id") == "7"
        for text in (b"hello", b"x" * 100000):
            s.sendall(text)
            back = b""
            while len(back) < len(text):
                back += s.recv(65536)
            assert back == text
        wait_for(lambda: world.in_flight(6) == 1, "counting in")
    wait_for(lambda: world.in_flight(6) == 0, "counting out")


@pytest.mark.parametrize("method,headers", [
    ("GET", [("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARA")]),
    ("GET", [("Upgrade", "websocket, h2c")]),
    ("GET", [("Upgrade", "websocket"), ("Upgrade", "h2c")]),
    ("GET", [("Upgrade", "websocket"), ("HTTP2-Settings", "AAMAAABk")]),
    ("POST", [("Upgrade", "websocket")]),
    ("GET", [("Upgrade", "")]),
])
@pytest.mark.parametrize("prefix", ["/api/tiny", "/api"])
def test_other_upgrades_do_not_pass(world, prefix, method, headers):
    response = world.fetch(prefix + "/x", ("Connection", "Upgrade"), *headers,
                           bearer(token()), method=method, close=False)
    assert response.status == 200
    assert response.seen("Upgrade") == []
    assert response.seen("HTTP2-Settings") == []
    assert response.seen("Connection") == []


def test_upgrade_by_an_old_client(world):
    response = world.fetch("/api/tiny/x", ("Upgrade", "websocket"),
                           version="1.0")
    assert response.seen("Upgrade") == []


# ---- X-Accel ----------------------------------------------------------


@pytest.fixture(scope="module")
def accel_world():
    with World(server="location /secret/ { internal; return 200 secret; }") \
            as w:
        for name in ("platform", "tiny-a"):
            w.backend(name)
        yield w.start()


@pytest.mark.parametrize("backend,target", [("tiny-a", "/api/tiny/accel"),
                                            ("platform", "/api/accel")])
def test_x_accel_has_no_effect(accel_world, backend, target):
    accel_world.backends[backend].on(target)(
        lambda peer, request: peer.answer(b"body" * 100, headers=[
            ("X-Accel-Redirect", "/secret/x"), ("X-Accel-Limit-Rate", "10"),
            ("X-Accel-Charset", "koi8-r"), ("X-Accel-Expires", "100"),
            ("Content-Type", "text/plain")]))
    begin = time.monotonic()
    response = accel_world.fetch(target)
    assert time.monotonic() - begin < 5
    assert response.body == b"body" * 100
    assert response.get("Content-Type") == "text/plain"
    assert not [n for n, _ in response.headers if n.startswith("X-Accel")]


# ---- log --------------------------------------------------------------


def test_variables_and_log(world):
    world.fetch("/api/tiny/logged", bearer(token()), ("X-Request-ID", "r1"))
    world.fetch("/api/tiny/refused", bearer(token(exp=1000)),
                ("X-Request-ID", "r2"))
    lines = wait_for(lambda: [
        line for line in world.access() if line[0].endswith(
            ("/logged", "/refused"))][1:], "access log")
    lines = [line for line in world.access()
             if line[0].endswith(("/logged", "/refused"))]
    assert lines[0] == ["/api/tiny/logged", "200", "tiny", "7", "r1", "3-0a",
                        "ready", "-", f"unix:{world.sock('tiny-a')}", "-", "-"]
    assert lines[1][:7] == ["/api/tiny/refused", "401", "tiny", "-", "r2",
                            "-", "-"]
    assert "expired" in lines[1][7]
    log = world.log()
    assert re.search(r"\[warn\].* refused with 401: .*expired.*\"r2\"", log)
    assert token()[:30] not in log and "token-of-tiny" not in log


def test_exports():
    out = subprocess.run(["nm", "-D", "--defined-only", str(MODULE)],
                         check=True, text=True, stdout=subprocess.PIPE).stdout
    names = {line.split()[-1] for line in out.splitlines()}
    names = {n for n in names if not n.startswith("__odr_asan")}
    assert names == {"ngx_modules", "ngx_module_names", "ngx_module_order",
                     "ngx_http_mint_module", "ngx_http_mint_filter_module"}
    assert BUILD.exists()


# ---- HTTP/2 -----------------------------------------------------------


def test_http2():
    with World(listen="http2") as w:
        w.backend("tiny-a")
        w.start()

        def curl(*args):
            done = subprocess.run(
                ["curl", "-s", "--http2-prior-knowledge", "--max-time", "20",
                 "-w", "\n%{http_code} %{http_version}",
                 f"http://127.0.0.1:{w.port}/api/tiny/x", *args],
                check=True, text=True, stdout=subprocess.PIPE,
                input="x" * 200000)
            body, code = done.stdout.rsplit("\n", 1)
            return code, json.loads(body)

        code, body = curl("-H", "Cookie: a=1; mint_access_token=" + token()
                          + "; b=2", "-H", "X-MINT-User-Id: 9",
                          "-H", f"Origin: http://127.0.0.1:{w.port}",
                          "--data-binary", "@-")
        assert code == "200 2"
        seen = [v for n, v in body["headers"]
                if n.lower() == "x-mint-user-id"]
        assert seen == ["7"]
        assert body["body"] == "x" * 200000

        code, body = curl("-H", "Authorization: Bearer a.b.c")
        assert code == "401 2"
        assert body["plugin"] == "tiny"


# ---- other servers and locations ----------------------------------------


PLAIN = """
    server {
        listen 127.0.0.1:%d;
        location / { proxy_pass http://unix:%s; }
        location /redirect { error_page 404 /x; return 404; }
    }
"""


def test_server_without_mint_is_unaffected():
    from module_harness import free_port
    port = free_port()
    with World() as w:
        w.backend("plain")
        w._format["http"] = PLAIN % (port, w.sock("plain"))
        w.start()
        for target in ("/api/tiny/x", "/__mint/x", "/redirect",
                       "/api/internal/y"):
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(raw_request("GET", target, [
                    ("X-MINT-User-Id", "9"), bearer("a.b.c"),
                    ("X-Request-ID", "a b")]))
                response = read_response(s)
            if target == "/redirect":
                assert response.json()["target"] == "/x"
            else:
                assert response.json()["target"] == target
            assert response.seen("X-MINT-User-Id") == ["9"]
            assert response.seen("X-Request-ID") == ["a b"]
            assert response.get("X-Request-ID") is None


OTHER_LOCATIONS = """
    location /tiny/foreign/ { proxy_pass http://unix:%(sock)s; }
    location /tiny/off/ { mint off; proxy_pass http://unix:%(sock)s; }
    location /api/auth { internal; proxy_pass http://mint; }
    location /sub/ {
        auth_request /api/auth;
        proxy_pass http://unix:%(sock)s;
    }
    location = /copy { internal; proxy_pass http://mint; }
    location /api/tiny/mirrored { mirror /copy; %(location)s }
    location /api/tiny/fallback { error_page 418 = /api/other/y; return 418; }
    location /api/tiny/intercepted {
        %(location)s
        proxy_intercept_errors on;
        error_page 404 = /api/other/z;
    }
    location /api/tiny/any { satisfy any; allow all; %(location)s }
    location /api/tiny/denied { deny all; %(location)s }
    location /status { return 200 "status"; }
"""


@pytest.fixture(scope="module")
def locations():
    with World() as w:
        for name in ("platform", "tiny-a", "other", "foreign"):
            w.backend(name)
        w._format["server"] = OTHER_LOCATIONS % {
            "sock": w.sock("foreign"), "location": LOCATION}
        yield w.start()


@pytest.mark.parametrize("target", ["/tiny/foreign/x", "/tiny/off/x"])
def test_foreign_upstream_gets_no_token(locations, target):
    response = locations.fetch(target, bearer(token()),
                               ("X-MINT-User-Id", "9"))
    assert response.json()["backend"] == "foreign"
    assert not [n for n in response.seen_names() if n.startswith("x-mint")]
    assert response.seen("X-Request-ID") == []
    assert response.get("X-Request-ID")


def test_location_without_proxy(locations):
    response = locations.fetch("/status")
    assert response.body == b"status"
    assert response.get("X-Request-ID")


def test_subrequest_before_a_verdict_is_refused(locations):
    assert locations.fetch("/sub/x").status == 500
    assert "no seat was chosen" in locations.log()


def test_mirror_goes_to_the_same_seat(locations):
    tiny = locations.backends["tiny-a"]
    before = len(tiny.requests)
    response = locations.fetch("/api/tiny/mirrored", bearer(token()))
    assert response.json()["target"] == "/api/tiny/mirrored"
    wait_for(lambda: len(tiny.requests) == before + 2, "mirrored request")
    assert {r.target for r in tiny.requests[before:]} == {
        "/api/tiny/mirrored", "/copy"}
    assert all(r.get("X-MINT-User-Id") == "7"
               for r in tiny.requests[before:])
    wait_for(lambda: locations.in_flight(6) == 0, "counting out")


def test_redirect_before_a_verdict_is_decided_there(locations):
    response = locations.fetch("/api/tiny/fallback", bearer(token()))
    assert response.json()["backend"] == "other"
    assert response.seen("X-MINT-Internal-Token") == ["token-of-other"]


def test_redirect_after_a_verdict_keeps_it(locations):
    tiny = locations.backends["tiny-a"]
    tiny.on("/api/tiny/intercepted")(
        lambda peer, request: peer.answer(b"", "404 Not Found"))
    response = locations.fetch("/api/tiny/intercepted", bearer(token()))
    assert response.json()["backend"] == "tiny-a"
    assert response.json()["target"] == "/api/other/z"
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
    assert response.seen("X-MINT-User-Id") == ["7"]
    wait_for(lambda: locations.in_flight(6) == 0, "counting out")
    assert locations.in_flight(10) == 0


def test_satisfy_any_does_not_let_in(locations):
    problem(locations.fetch("/api/tiny/any", bearer(token(exp=1000))), 401)
    assert locations.fetch("/api/tiny/any", bearer(token())).status == 200


def test_access_rules_still_hold(locations):
    assert locations.fetch("/api/tiny/denied", bearer(token())).status == 403
    wait_for(lambda: locations.in_flight(6) == 0, "counting out")
