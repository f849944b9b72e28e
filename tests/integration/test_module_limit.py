# SPDX-License-Identifier: MIT
"""The nginx module: how often one address may try to sign in."""

import pytest

from module_harness import World, bearer, token, wait_for

from test_module import problem

LOGIN = "/api/auth/login"
FROM = "X-Forwarded-For"
SETTINGS = ("mint_trusted_proxies 127.0.0.1;"
            "mint_signin_limit rate=1r/m burst=3;")


@pytest.fixture
def world():
    """Every sign-in fails, except with a body that says otherwise."""
    with World(server=SETTINGS) as w:
        def sign_in(peer, request):
            body = b"".join(peer.chunks(request))
            peer.answer(b"", "200 OK" if body == b"right"
                        else "401 Unauthorized")

        w.backend("platform").on(LOGIN)(sign_in)
        w.backend("tiny-a")
        yield w.start()


def sign_in(w, address, body=b"wrong", target=LOGIN, method="POST"):
    return w.fetch(target, (FROM, address), method=method, body=body)


def used_up(w, address):
    for _ in range(3):
        assert sign_in(w, address).status == 401
    return sign_in(w, address)


def test_refused_after_the_burst(world):
    body = problem(used_up(world, "192.0.2.1"), 429)
    assert body["code"] == "rate_limit.exceeded"
    assert "sign in" in body["message"]
    response = sign_in(world, "192.0.2.1", b"right")
    assert response.status == 429
    assert 1 <= int(response.get("Retry-After")) <= 60
    # no request of the refused ones has reached the platform
    assert len(world.backends["platform"].requests) == 3
    # another address is not affected
    assert sign_in(world, "192.0.2.2").status == 401


@pytest.mark.parametrize("addresses,is_one", [
    (["2001:db8::1", "2001:db8::ffff:1:2:3"], True),
    (["2001:db8::1", "2001:db8:0:1::1"], False),
    (["192.0.2.1", "::ffff:192.0.2.1"], True),
    (["192.0.2.1", "192.0.2.129"], False),
])
def test_what_is_one_client(world, addresses, is_one):
    used_up(world, addresses[0])
    assert sign_in(world, addresses[1]).status == (429 if is_one else 401)


def test_success_costs_nothing(world):
    """A room full of people behind one address."""
    for _ in range(30):
        assert sign_in(world, "192.0.2.1", b"right").status == 200
    assert used_up(world, "192.0.2.1").status == 429


def test_pattern_of_the_command_line(world):
    """It refreshes before each command and checks its token; neither is a
    guess, nor is anything else that needs one."""
    used_up(world, "192.0.2.1")
    for method, target in (("POST", "/api/auth/refresh"),
                           ("POST", "/api/auth/logout"),
                           ("GET", "/api/auth/verify"),
                           ("GET", "/api/auth/config"),
                           ("GET", LOGIN), ("OPTIONS", LOGIN),
                           ("POST", "/api/experiments"),
                           ("POST", "/api/tiny/auth/login")):
        for _ in range(10):
            response = world.fetch(target, (FROM, "192.0.2.1"),
                                   bearer(token()), method=method)
            assert response.status in (200, 401)


@pytest.mark.parametrize("target", [
    LOGIN, LOGIN + "?x=1", "/api/auth/%6cogin", "/api//auth/login",
    "/api/x/../auth/login", "/api/auth/sso/eduid/login",
    "/api/passkey/login/begin", "/api/setup/initial", "/api/users/register"])
def test_what_counts(world, target):
    used_up(world, "192.0.2.1")
    assert sign_in(world, "192.0.2.1", target=target).status == 429
    assert sign_in(world, "192.0.2.1", target=target, method="PUT"
                   ).status == 429


def test_forged_addresses_do_not_help():
    with World(server="mint_signin_limit rate=1r/m burst=3;") as w:
        w.backend("platform").on(LOGIN)(
            lambda peer, request: peer.answer(b"", "401 Unauthorized"))
        w.start()
        statuses = [w.fetch(LOGIN, (FROM, f"192.0.2.{i}"), method="POST"
                            ).status for i in range(5)]
        assert statuses == [401] * 3 + [429] * 2


def test_tries_come_back():
    with World(server="mint_signin_limit rate=600r/m burst=1;") as w:
        w.backend("platform").on(LOGIN)(
            lambda peer, request: peer.answer(b"", "401 Unauthorized"))
        w.start()
        statuses = set()
        for _ in range(200):
            statuses.add(w.fetch(LOGIN, method="POST").status)
            if {401, 429} <= statuses:
                break
        assert statuses == {401, 429}
        wait_for(lambda: w.fetch(LOGIN, method="POST").status == 401,
                 "being let in again")


def test_off_by_default_and_by_word():
    for server in ("", "mint_signin_limit off;"):
        with World(server=server) as w:
            w.backend("platform").on(LOGIN)(
                lambda peer, request: peer.answer(b"", "401 Unauthorized"))
            w.start()
            for _ in range(40):
                assert w.fetch(LOGIN, method="POST").status == 401


def test_more_addresses_than_the_table_has():
    """The table keeps who has tried last; nobody new is refused."""
    with World(server=SETTINGS + "keepalive_requests 10000;") as w:
        w.backend("platform").on(LOGIN)(
            lambda peer, request: peer.answer(b"", "401 Unauthorized"))
        w.start()
        with w.connect() as s:
            file = s.makefile("rb")
            for i in range(6000):
                s.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: mint\r\n"
                          b"X-Forwarded-For: 10.%d.%d.1\r\n"
                          b"Content-Length: 0\r\n\r\n" % (i >> 8, i & 255))
                assert file.readline().split()[1] == b"401"
                while file.readline() != b"\r\n":
                    pass
        assert used_up(w, "192.0.2.1").status == 429


@pytest.mark.parametrize("line", [
    "mint_signin_limit on;", "mint_signin_limit rate=0r/m burst=1;",
    "mint_signin_limit rate=1r/s burst=1;", "mint_signin_limit rate=1r/m;",
    "mint_signin_limit burst=1 rate=1r/m;",
    "mint_signin_limit rate=1r/m burst=0;",
    "mint_signin_limit rate=1r/m burst=1x;",
    "mint_signin_limit rate=10001r/m burst=1;",
    "mint_signin_limit rate=-1r/m burst=1;",
])
def test_refused_at_the_test(line):
    with World() as w:
        code, said = w.test(server=line)
        assert code != 0 and '"off" or "rate=' in said
        assert "nginx.conf:" in said
