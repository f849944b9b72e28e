# SPDX-License-Identifier: MIT
"""The module's header lines in the request that nginx has made: once, among
the headers, whatever else nginx does with the request."""

import pytest

from module_harness import (
    LOCATION, World, bearer, read_response, token, wait_for)

OURS = ["X-Request-ID", "traceparent", "X-Real-IP", "X-Forwarded-For",
        "X-Forwarded-Proto", "X-MINT-Internal-Token", "X-MINT-User-Id",
        "X-MINT-Username", "X-MINT-User-Role", "X-MINT-User-Permissions"]


def names(headers):
    """Of our lines, in their order."""
    return [name for name, _ in headers
            if name in OURS or name.startswith("X-MINT")]


@pytest.mark.parametrize("changed", [
    "proxy_pass http://mint/;",
    "proxy_pass http://mint/; proxy_set_body '$request_uri HTTP/1.1\r\n';",
    "proxy_pass http://mint; proxy_method GET;",
    "proxy_pass http://mint; rewrite .* /api/tiny/ break;",
])
def test_another_request_line_than_the_clients(changed):
    """Longer by each number of bytes that lead to the end of a line."""
    location = LOCATION.replace("proxy_pass http://mint;", changed)
    with World() as w:
        w._format["server"] = "".join(
            f"location /api/tiny/{'x' * n}/ {{ {location} }}"
            for n in range(1, 60))
        tiny = w.backend("tiny-a")
        w.start()
        for n in range(1, 60):
            method = "G" * n if "proxy_method" in changed else "GET"
            with w.connect() as s:
                s.sendall(f"{method} /api/tiny/{'x' * n}/ HTTP/1.1\r\n"
                          "Host: mint\r\nConnection: close\r\n\r\n".encode())
                response = read_response(s)
            assert names(response.json()["headers"]) == OURS[:6], n
            assert response.json()["body"] == (
                f"/api/tiny/{'x' * n}/ HTTP/1.1\r\n"
                if "set_body" in changed else "")
            assert len(tiny.requests) == n


@pytest.mark.parametrize("lines, connection", [
    ('proxy_set_header Host $http_host; proxy_set_header Connection "";', []),
    ("proxy_set_header Host $http_host;", ["close"]),
    ("", ["close"]),
])
def test_upgrade_is_the_only_connection(lines, connection):
    """Also where nginx would send "close"."""
    with World(location="proxy_pass http://mint; proxy_http_version 1.1;"
                        + lines) as w:
        tiny = w.backend("tiny-a")
        tiny.on("/api/tiny/ws")(
            lambda peer, request: peer.answer(b"", "426 Upgrade Required"))
        w.start()
        w.fetch("/api/tiny/ws", bearer(token()), ("X-Last", "1"),
                ("Connection", "Upgrade"), ("Upgrade", "websocket"))
        (request,) = tiny.requests
        assert request.all("Connection") == ["upgrade"]
        assert request.all("Upgrade") == ["websocket"]
        assert request.all("X-Last") == ["1"]
        assert names(request.headers) == OURS
        response = w.fetch("/api/tiny/x", bearer(token()))
        if response.seen("Connection") != []:   # nginx 1.29.7 ceased to
            assert response.seen("Connection") == connection


def test_retry_says_the_same():
    with World() as w:
        tiny = w.backend("tiny-a")
        w.start()
        for i in range(3):
            response = w.fetch("/api/tiny/x", bearer(token()))
            assert names(response.json()["headers"]) == OURS
            assert response.json()["connection"] == i + 1
            tiny.drop_idle()


@pytest.mark.parametrize("extra", [
    "", "proxy_request_buffering off;", "proxy_pass_request_headers off;",
    "client_body_buffer_size 1k;"])
def test_bodies_stay_behind(extra):
    body = b"".join(b"%x\r\n%s\r\n" % (n, b"b" * n) for n in (1, 5000, 70000))
    with World(location_extra=extra) as w:
        w.backend("tiny-a")
        w.backend("platform")
        w.start()
        for target in ("/api/tiny/x", "/api/platform"):
            with w.connect() as s:
                s.sendall(f"POST {target} HTTP/1.1\r\nHost: mint\r\n"
                          "Connection: close\r\nTransfer-Encoding: chunked"
                          "\r\n\r\n".encode() + body + b"0\r\n\r\n")
                response = read_response(s)
            assert len(response.json()["body"]) == 75001
            assert names(response.json()["headers"]) == (
                OURS[:6] if "tiny" in target else OURS[:5])


def test_emptied_run_directory():
    """Epochs, offsets and references begin anew, with other texts."""
    with World() as w:
        w.backend("tiny-a")
        w.start()
        response = w.fetch("/api/tiny/x", bearer(token()))
        assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
        assert response.seen("X-MINT-Username") == ["al"]
        assert response.seen("X-MINT-User-Role") == ["member"]

        before = w.log().count('identity" mapped')
        for path in w.run.iterdir():
            path.unlink()
        w.spec["users"][0]["username"] = "bo"
        w.spec["roles"][0]["slug"] = "kember"
        for user in w.spec["users"]:
            user["role"] = user["role"].replace("member", "kember")
        w.write(plugin_tokens={"3": "token-of-tyni"})
        wait_for(lambda: w.log().count('identity" mapped') > before,
                 "mapping the new file")

        response = w.fetch("/api/tiny/x", bearer(token()))
        assert response.seen("X-MINT-Internal-Token") == ["token-of-tyni"]
        assert response.seen("X-MINT-Username") == ["bo"]
        assert response.seen("X-MINT-User-Role") == ["kember"]


# ---- nginx's cache -----------------------------------------------------


@pytest.fixture
def cached():
    with World(location_extra="""
            proxy_cache c; proxy_cache_background_update on;
            proxy_cache_use_stale updating;""") as w:
        w._format["http"] = f"proxy_cache_path {w.dir}/cache keys_zone=c:1m;"
        w.backend("tiny-a")
        yield w.start()


def vary(world, value):
    @world.backends["tiny-a"].on("/api/tiny/v")
    def answer(peer, request):
        peer.answer({"headers": request.headers}, headers=[
            ("Cache-Control", "max-age=1"), ("Vary", value)])


@pytest.mark.parametrize("value", [
    "X-MINT-User-Id", "Accept,x-mint-user-role", "Accept , X-Forwarded-Proto",
    "x-real-ip", "Traceparent", "X-Request-ID, Accept"])
def test_what_varies_by_our_lines_is_not_cached(cached, value):
    vary(cached, value)
    for user in (7, 9, 7):
        response = cached.fetch("/api/tiny/v", bearer(token(user)))
        assert response.seen("X-MINT-User-Id") == [str(user)]


def test_what_varies_by_other_lines_is_cached(cached):
    """... also in the background, with our lines."""
    requests = cached.backends["tiny-a"].requests
    vary(cached, "Accept, My-X-MINT")
    for user in (7, 9):
        response = cached.fetch("/api/tiny/v", bearer(token(user)))
        assert response.seen("X-MINT-User-Id") == ["7"]
    assert len(requests) == 1

    def is_updated():
        cached.fetch("/api/tiny/v", bearer(token(9)))
        return len(requests) > 1

    wait_for(is_updated, "an update")
    assert names(requests[1].headers) == OURS
    assert dict(requests[1].headers)["X-MINT-User-Id"] == "9"

    # what is renewed in the background is judged, too
    vary(cached, "X-MINT-User-Id")
    before = len(requests)
    wait_for(lambda: cached.fetch("/api/tiny/v", bearer(token(9)))
             and len(requests) > before, "an update that is not kept")
    (stored,) = cached.fetch("/api/tiny/v").seen("X-Request-ID")
    assert stored in [r.get("X-Request-ID") for r in requests[:before]]
