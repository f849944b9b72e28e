# SPDX-License-Identifier: MIT
"""The nginx module: which page may make a request that has nothing but the
session cookie, what pages of plugins may not change, and what they get."""

import pytest

from module_harness import (
    PAT, World, bearer, echo_websocket, read_head, token, wait_for)

from test_module import problem

EXTERNAL = "https://mint.example.org"
FRIEND = "https://lims.example.org"
COOKIE = ("Cookie", "a=b; mint_access_token=" + token() + "; c=d")
OWN = ("Origin", "http://mint")             # as raw_request says Host: mint
EVIL = ("Origin", "https://evil.example")
SAME = ("Sec-Fetch-Site", "same-origin")
CROSS = ("Sec-Fetch-Site", "cross-site")


@pytest.fixture(scope="module")
def world():
    with World() as w:
        for name in ("platform", "tiny-a", "deep"):
            w.backend(name)
        w.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
        yield w.start()


@pytest.fixture(scope="module")
def configured():
    with World(http=f"mint_external_url {EXTERNAL};\n"
                    f"mint_cors_origins {FRIEND} http://localhost:5173;"
               ) as w:
        for name in ("platform", "tiny-a"):
            w.backend(name)
        w.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
        yield w.start()


# headers beside the cookie, and whether the write may pass; with Host: mint
JUDGEMENTS = [
    ([OWN], True),
    ([("origin", "http://MINT")], True),
    ([("Origin", "http://mint:80")], True),
    ([SAME], True),
    ([("Sec-Fetch-Site", "none")], True),
    ([OWN, SAME], True),
    ([("Origin", "https://mint"), SAME], True),
    ([("Origin", "https://mint")], False),
    ([("Origin", "http://mint:81")], False),
    ([("Origin", "http://mint.evil.example")], False),
    ([("Origin", "http://evil.example/http://mint")], False),
    ([("Origin", "http://mint@evil.example")], False),
    ([("Origin", "http://evil.example#http://mint")], False),
    ([EVIL], False),
    ([EVIL, SAME], False),
    ([EVIL, CROSS], False),
    ([OWN, CROSS], False),
    ([OWN, ("Sec-Fetch-Site", "same-site")], False),
    ([("Sec-Fetch-Site", "same-site")], False),
    ([("Sec-Fetch-Site", "something-new")], False),
    ([CROSS], False),
    ([SAME, CROSS], False),
    ([SAME, SAME], False),
    ([OWN, EVIL], False),
    ([OWN, OWN], False),
    ([("Origin", "null")], False),
    ([("Origin", "null"), SAME], False),
    ([("Origin", "")], False),
    ([("Origin", "mint")], False),
    ([("Origin", "file://")], False),
    ([("Referer", "http://mint/tiny/")], False),
    ([], False),
]
TARGETS = ["/api/tiny/x", "/tiny/x", "/api/experiments"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("headers,passes", JUDGEMENTS)
def test_write_by_cookie(world, target, headers, passes):
    for method in ("POST", "DELETE"):
        response = world.fetch(target, COOKIE, *headers, method=method)
        if passes:
            assert response.status == 200
            assert response.json()["method"] == method
        else:
            body = problem(response, 403)
            assert body["code"] == "auth.forbidden"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "PROPFIND", "PURGE"])
def test_every_other_method_is_a_write(world, method):
    for target in TARGETS:
        assert world.fetch(target, COOKIE, EVIL,
                           method=method).status == 403
        assert world.fetch(target, COOKIE, OWN, method=method).status == 200


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reads_by_cookie_pass(world, target, method):
    response = world.fetch(target, COOKIE, EVIL, CROSS, method=method)
    assert response.status == 200


# what no browser adds by itself, or what is nobody
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("credentials", [
    [bearer(token())], [bearer(PAT)], [bearer(token()), COOKIE], [],
    [("Cookie", "a=b")], [("Cookie", "xmint_access_token=x")],
])
def test_others_are_not_judged(world, target, credentials):
    for headers in ([EVIL, CROSS], [("Origin", "null")], []):
        response = world.fetch(target, *credentials, *headers, method="POST")
        assert response.status == 200


def test_bearers_that_do_not_identify(world):
    """To a plugin a bearer of its own is nobody's credential: the cookie is.
    Basic is added by browsers themselves."""
    for other in (bearer("a-plugins-own-token"),
                  ("Authorization", "Basic YTpi")):
        response = world.fetch("/api/tiny/x", COOKIE, other, EVIL,
                               method="POST")
        assert problem(response, 403)["plugin"] == "tiny"
    assert world.fetch("/api/experiments", COOKIE,
                       ("Authorization", "Basic YTpi"), EVIL,
                       method="POST").status == 403


def test_stale_cookies(world):
    """On a page nobody, to the API of a plugin no credential; the platform's
    are not looked into."""
    stale = ("Cookie", "mint_access_token=" + token(exp=1000))
    assert world.fetch("/tiny/x", stale, EVIL, method="POST").status == 200
    assert world.fetch("/api/tiny/x", stale, EVIL,
                       method="POST").status == 401
    assert world.fetch("/api/experiments", stale, EVIL,
                       method="POST").status == 403
    assert world.fetch("/api/experiments", ("Cookie", "mint_access_token="),
                       EVIL, method="POST").status == 403


def test_signing_in_again(world):
    """Programs keep cookies, too, and say nothing of a page; pages do."""
    for target, headers, status in (
            ("/api/auth/login", [], 200), ("/api/auth/login", [OWN], 200),
            ("/api/auth/login", [EVIL], 403),
            ("/api/auth/login", [CROSS], 403),
            ("/api/auth/login", [("Origin", "null")], 403),
            ("/api/auth/logins", [], 403), ("/api/auth/logout", [], 403),
            ("/api/auth/login/x", [], 403)):
        assert world.fetch(target, COOKIE, *headers, method="POST"
                           ).status == status


def test_reason_is_told_and_counted(world):
    def counted():
        return sum(w["plugins"].get("3", {}).get("rejections", 0)
                   for w in world.workers())

    before = counted()
    response = world.fetch("/api/tiny/x", COOKIE, EVIL, CROSS, method="POST")
    assert "another site" in problem(response, 403)["message"]
    wait_for(lambda: counted() == before + 1, "counting a rejection")
    wait_for(lambda: [a for a in world.access() if "another site" in a[7]],
             "line of the access log")


@pytest.mark.parametrize("headers,status", [
    ([COOKIE, OWN], "101"), ([COOKIE, SAME], "101"),
    ([COOKIE, EVIL], "403"), ([COOKIE, OWN, CROSS], "403"),
    ([COOKIE, ("Origin", "null")], "403"), ([COOKIE], "403"),
    ([bearer(token()), EVIL], "101"), ([EVIL], "101"),
])
def test_websockets(world, headers, status):
    with world.open_websocket("/api/tiny/ws", *headers) as s:
        assert read_head(s).split()[1] == status
        if status == "101":
            s.sendall(b"ping")
            assert s.recv(4) == b"ping"


def test_upgrade_to_the_platform(world):
    with world.open_websocket("/api/ws", COOKIE, EVIL) as s:
        assert read_head(s).split()[1] == "403"


@pytest.mark.parametrize("headers,status", [
    ([("Origin", EXTERNAL)], 200), ([("Origin", EXTERNAL + ":443")], 200),
    ([OWN], 200), ([("Origin", "http://mint.example.org")], 403),
    ([("Origin", EXTERNAL + ":8443")], 403), ([EVIL], 403),
    ([("Origin", FRIEND), CROSS], 200),
    ([("Origin", "http://localhost:5173")], 200),
    ([("Origin", "http://localhost:5174")], 403),
    ([("Origin", "https://x.lims.example.org"), CROSS], 403),
])
def test_configured_origins(configured, headers, status):
    for target in TARGETS:
        assert configured.fetch(target, COOKIE, *headers,
                                method="POST").status == status
    with configured.open_websocket("/api/tiny/ws", COOKIE, *headers) as s:
        assert read_head(s).split()[1] == ("101" if status == 200
                                           else str(status))


# ---- the administration -----------------------------------------------

ADMINISTRATION = ["/api/admin/users", "/api/plugins/upload?force=true",
                  "/api/admin", "/api/%61dmin/users", "/api/x/../admin/users",
                  "/api//admin/users"]
EMPTY = ("Sec-Fetch-Dest", "empty")

# Referer and Sec-Fetch-Dest, and whether the write may pass
PAGES = [
    ([("Referer", "http://mint/admin/users")], True),
    ([("Referer", "http://mint/")], True),
    ([("Referer", "http://mint")], True),
    ([("Referer", "http://mint/admin?back=/tiny/")], True),
    ([("Referer", "http://mint/tinyx/")], True),
    ([("Referer", "http://mint/admin"), EMPTY], True),
    ([("Referer", "http://mint/tiny/")], False),
    ([("Referer", "http://mint/tiny")], False),
    ([("Referer", "http://mint/tiny/deep/x.html?y#z")], False),
    ([("Referer", "http://mint/api/tiny/report.html")], False),
    ([("Referer", "http://mint/%74iny/")], False),
    ([("Referer", "http://mint//tiny/")], False),
    ([("Referer", "http://mint/admin/../tiny/")], False),
    ([("Referer", "http://mint/admin/%2e%2e/tiny/")], False),
    ([("Referer", "http://other/tiny/"), SAME], False),
    ([], False),
    ([("Referer", "")], False),
    ([("Referer", "/admin")], False),
    ([("Referer", "about:blank")], False),
    ([("Referer", "http://mint/admin"), ("Referer", "http://mint/")], False),
    ([("Referer", "http://mint/admin"), ("Sec-Fetch-Dest", "document")],
     False),
    ([("Referer", "http://mint/admin"), ("Sec-Fetch-Dest", "iframe")], False),
]


@pytest.mark.parametrize("target", ADMINISTRATION)
@pytest.mark.parametrize("headers,passes", PAGES)
def test_administration(world, target, headers, passes):
    response = world.fetch(target, COOKIE, OWN, *headers, method="POST")
    if passes:
        assert response.status == 200
        assert response.json()["backend"] == "platform"
    else:
        problem(response, 403)


def test_administration_for_others(world):
    """Reads, other resources, and clients that are no browser."""
    tiny = ("Referer", "http://mint/tiny/")
    for target in ADMINISTRATION:
        assert world.fetch(target, COOKIE, tiny).status == 200
        assert world.fetch(target, bearer(token()), method="POST"
                           ).status == 200
        assert world.fetch(target, bearer(token()), COOKIE, tiny,
                           method="DELETE").status == 200
    for target in ("/api/experiments", "/api/administrators", "/api/auth/x"):
        assert world.fetch(target, COOKIE, OWN, tiny, method="POST"
                           ).status == 200


def test_administration_by_a_friend(configured):
    friend = [("Origin", FRIEND), CROSS, EMPTY]
    for referer, status in ((FRIEND + "/", 200), (FRIEND + "/tiny/", 200),
                            ("http://mint/tiny/", 403)):
        assert configured.fetch("/api/admin/users", COOKIE, *friend,
                                ("Referer", referer), method="POST"
                                ).status == status


# ---- headers of pages ---------------------------------------------------

POLICY = "frame-ancestors 'self'; base-uri 'self'"
PAGE_HEADERS = {
    "Content-Security-Policy": [POLICY],
    "X-Frame-Options": ["SAMEORIGIN"],
    "X-Content-Type-Options": ["nosniff"],
    "Referrer-Policy": ["same-origin"],
}


def page_headers(response):
    return {name: response.all(name) for name in PAGE_HEADERS
            if response.all(name)}


def test_pages_get_headers(world):
    for target in ("/tiny/", "/tiny/assets/x.js", "/tiny"):
        assert page_headers(world.fetch(target)) == PAGE_HEADERS
    for target in ("/api/tiny/x", "/", "/api/experiments"):
        assert page_headers(world.fetch(target)) == {}


@pytest.mark.parametrize("sent,changes", [
    ([("Content-Security-Policy", "default-src 'self'")],
     {"Content-Security-Policy": ["default-src 'self'", POLICY]}),
    ([("X-Frame-Options", "deny")],
     {"X-Frame-Options": ["DENY"],
      "Content-Security-Policy": [POLICY.replace("'self'", "'none'", 1)]}),
    ([("x-frame-options", "ALLOWALL"), ("referrer-policy", "unsafe-url"),
      ("X-Content-Type-Options", "sniff")], {}),
    ([("Service-Worker-Allowed", "/"), ("Clear-Site-Data", '"*"')], {}),
])
def test_headers_of_the_plugin(world, sent, changes):
    path = f"/tiny/page{len(sent)}{sent[0][0]}"
    world.backends["tiny-a"].on(path)(
        lambda peer, request: peer.answer(b"<p>", headers=sent))
    response = world.fetch(path)
    assert response.body == b"<p>"
    assert page_headers(response) == {**PAGE_HEADERS, **changes}
    assert response.all("Service-Worker-Allowed") == []
    assert response.all("Clear-Site-Data") == []


def test_page_headers_off():
    sent = [("X-Frame-Options", "ALLOWALL")]
    with World(server="mint_page_headers off;") as w:
        w.backend("tiny-a").on("/tiny/x")(
            lambda peer, request: peer.answer(b"", headers=sent))
        w.start()
        assert page_headers(w.fetch("/tiny/x")) == {
            "X-Frame-Options": ["ALLOWALL"]}


# ---- configuration ------------------------------------------------------


@pytest.mark.parametrize("line,complaint", [
    ("mint_external_url mint.example.org;", "is not an origin like"),
    ("mint_external_url https://mint.example.org/;", "is not an origin like"),
    ("mint_external_url https://a https://b;", "invalid number of arguments"),
    ("mint_external_url https://a; mint_external_url https://b;",
     "is duplicate"),
    ("mint_cors_origins *;", "is not an origin like"),
    ("mint_cors_origins https://a null;", "is not an origin like"),
    ("mint_cors_origins https://*.example.org;", "is not an origin like"),
    ("mint_cors_origins https://a/x;", "is not an origin like"),
    ("mint_cors_origins;", "invalid number of arguments"),
    ("mint_page_headers yes;", 'it must be "on" or "off"'),
])
def test_refused_at_the_test(line, complaint):
    with World() as w:
        for level in ("http", "server", "location_extra"):
            code, said = w.test(**{level: line})
            assert code != 0 and complaint in said and "nginx.conf:" in said


def test_inner_levels_win():
    with World(http=f"mint_external_url {EXTERNAL};",
               server="mint_external_url https://inner.example;") as w:
        w.backend("platform")
        w.start()
        for origin, status in ((EXTERNAL, 403),
                               ("https://inner.example", 200)):
            assert w.fetch("/api/x", COOKIE, ("Origin", origin),
                           method="POST").status == status
