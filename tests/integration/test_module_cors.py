# SPDX-License-Identifier: MIT
"""The nginx module: pages of other origins are let in by the configuration
alone, whatever plugins say."""

import pytest

from module_harness import World, bearer, token

from test_module import problem

FRIEND = "https://lims.example.org"
LOCAL = "http://localhost:5173"
STRANGERS = ["https://evil.example", "null", "", "https://lims.example.org/",
             "http://lims.example.org", "https://lims.example.org:444",
             "https://lims.example.org.evil.example", "*",
             "https://xlims.example.org", f"{FRIEND}, {LOCAL}"]

# what mint-sdk says to everybody
LAX = [("Access-Control-Allow-Origin", "https://evil.example"),
       ("Access-Control-Allow-Credentials", "true"),
       ("Access-Control-Expose-Headers", "X-Secret"),
       ("Vary", "Accept-Encoding")]


@pytest.fixture(scope="module")
def world():
    with World(server=f"mint_cors_origins {FRIEND} {LOCAL};") as w:
        for name in ("platform", "tiny-a"):
            w.backend(name)
        w.backends["tiny-a"].on("/api/tiny/lax")(
            lambda peer, request: peer.answer(b"lax", headers=LAX))
        yield w.start()


@pytest.fixture(scope="module")
def bare():
    with World() as w:
        for name in ("platform", "tiny-a"):
            w.backend(name)
        yield w.start()


def cors(response):
    return sorted((n.lower()[len("access-control-"):], v)
                  for n, v in response.headers
                  if n.lower().startswith("access-control-"))


def let_in(origin):
    return [("allow-credentials", "true"), ("allow-origin", origin),
            ("expose-headers", "X-Request-ID")]


def varies(response):
    return {word.strip() for value in response.all("Vary")
            for word in value.split(",")}


def preflight(w, target, *headers, method="POST"):
    before = {n: len(b.requests) for n, b in w.backends.items()}
    response = w.fetch(target, ("Access-Control-Request-Method", method),
                       *headers, method="OPTIONS")
    assert before == {n: len(b.requests) for n, b in w.backends.items()}
    return response


@pytest.mark.parametrize("target", ["/api/tiny/x", "/tiny/", "/api/auth/login",
                                    "/api/nowhere"])
@pytest.mark.parametrize("origin", [FRIEND, LOCAL])
def test_preflight_of_a_friend(world, target, origin):
    response = preflight(
        world, target, ("Origin", origin),
        ("Access-Control-Request-Headers", "authorization, x-mint-job-x"))
    assert (response.status, response.body) == (204, b"")
    assert cors(response) == sorted(let_in(origin) + [
        ("allow-headers", "authorization, x-mint-job-x"),
        ("allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("max-age", "600")])
    assert varies(response) == {"Origin", "Access-Control-Request-Method",
                                "Access-Control-Request-Headers"}
    assert response.get("X-Request-ID")


def test_preflight_without_headers(world):
    response = preflight(world, "/api/tiny/x", ("Origin", FRIEND))
    assert response.status == 204
    assert "allow-headers" not in dict(cors(response))


@pytest.mark.parametrize("origin", STRANGERS)
def test_preflight_of_a_stranger(world, bare, origin):
    for w in (world, bare):
        for target in ("/api/tiny/x", "/api/experiments"):
            response = preflight(w, target, ("Origin", origin))
            problem(response, 403)
            assert cors(response) == []
    # a refusal may be a page
    assert varies(preflight(world, "/x", ("Origin", origin))) \
        == {"Origin", "Accept"}


@pytest.mark.parametrize("headers", [
    [("Origin", FRIEND), ("Origin", LOCAL)],
    [("Origin", FRIEND), ("Access-Control-Request-Method", "PUT")],
    [("Origin", FRIEND), ("Access-Control-Request-Headers", "a"),
     ("Access-Control-Request-Headers", "b")],
    [("Origin", FRIEND), ("Access-Control-Request-Headers", "a: b")],
    [("Origin", FRIEND), ("Access-Control-Request-Headers", "a" * 1025)],
])
def test_malformed_preflight(world, headers):
    problem(preflight(world, "/api/tiny/x", *headers), 403)


def test_options_that_are_no_preflight(world):
    for headers in ([], [("Origin", FRIEND)],
                    [("Access-Control-Request-Method", "GET")]):
        response = world.fetch("/api/tiny/x", *headers, method="OPTIONS")
        assert response.status == 200
        assert response.json()["backend"] == "tiny-a"


def test_hidden_paths_stay_hidden(world):
    assert preflight(world, "/api/internal/x", ("Origin", FRIEND)
                     ).status == 404


@pytest.mark.parametrize("origin", [FRIEND, LOCAL])
def test_answers_to_a_friend(world, origin):
    for target in ("/api/tiny/x", "/api/tiny/lax", "/tiny/x", "/api/x"):
        response = world.fetch(target, ("Origin", origin))
        assert response.status == 200
        assert cors(response) == let_in(origin)
        assert "Origin" in varies(response)


def test_errors_are_readable_for_a_friend(world):
    """Also those of the edge: a page must be able to see a 401."""
    expired = bearer(token(exp=1000))
    for target, headers, status in (("/api/tiny/x", [expired], 401),
                                    ("/api/tiny/%2f", [], 400),
                                    ("/api/other/x", [], 502)):
        response = world.fetch(target, ("Origin", FRIEND), *headers)
        assert response.status == status
        assert cors(response) == let_in(FRIEND)


@pytest.mark.parametrize("origin", STRANGERS)
def test_answers_to_a_stranger(world, bare, origin):
    for target in ("/api/tiny/x", "/api/tiny/lax"):
        response = world.fetch(target, ("Origin", origin))
        assert response.status == 200
        assert cors(response) == []
        assert "Origin" in varies(response)
        response = bare.fetch("/api/tiny/x", ("Origin", origin))
        assert cors(response) == [] and varies(response) == set()


def test_two_origins_are_none(world):
    response = world.fetch("/api/tiny/x", ("Origin", FRIEND),
                           ("Origin", FRIEND))
    assert cors(response) == []


def test_answers_without_an_origin_vary_too(world):
    response = world.fetch("/api/tiny/lax")
    assert cors(response) == []
    assert varies(response) == {"Accept-Encoding", "Origin"}
