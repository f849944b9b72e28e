# SPDX-License-Identifier: MIT
"""The nginx module: what a client reads of a plugin that takes no requests, as
a page or as problem+json."""

import base64
import hashlib
import html.parser
import re

import pytest

from http2_streams import Connection
from module_harness import LOCATION, World, bearer, token

from test_module import problem

BROWSER = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,"
           "image/avif,image/webp,*/*;q=0.8")
ADMIN = bearer(token(9))


class Page(html.parser.HTMLParser):
    """A page that is well-formed; what it says, and what it would load."""

    VOID = {"meta", "br"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.texts = {}
        self.elements = []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open:
            self.texts.setdefault(self.open[-1], []).append(data.strip())

    @property
    def heading(self):
        return " ".join(self.texts["h1"])

    @property
    def message(self):
        return " ".join(self.texts["p"])

    @property
    def facts(self):
        """What an administrator is told."""
        return dict(zip(self.texts.get("dt", []),
                        self.texts.get("dd", []) + self.texts["code"]))

    @property
    def refresh_sec(self):
        values = [a["content"] for t, a in self.elements
                  if t == "meta" and a.get("http-equiv") == "refresh"]
        assert len(values) <= 1
        return int(values[0]) if values else None


def page(response, status, *, has_body=True):
    """Checks an answer that is a page and returns it."""
    assert response.status == status
    assert response.get("Content-Type") == "text/html; charset=utf-8"
    assert response.get("Cache-Control") == "no-store"
    assert response.get("Vary") == "Accept"
    assert response.get("X-Content-Type-Options") == "nosniff"
    if not has_body:
        return None
    text = response.body.decode()
    found = Page(text)
    assert found.elements[0] == ("html", {"lang": "en"})
    assert {t for t, _ in found.elements} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "p",
        "a", "dl", "dt", "dd", "footer", "code", "br"}
    for _, attributes in found.elements:
        assert not {"src", "style", "action", "onload"} & attributes.keys()
        assert attributes.get("href", "") == ""

    # the policy allows the page's own style and nothing else
    style = re.search("<style>(.*?)</style>", text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest())
    assert response.get("Content-Security-Policy") == (
        f"default-src 'none'; style-src 'sha256-{digest.decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
    assert response.get("X-Request-ID") in found.texts["code"]
    assert found.texts["title"] == found.texts["h1"]
    return found


@pytest.fixture(scope="module")
def shared():
    with World(server="mint_park off;") as w:
        for name in ("platform", "tiny-a", "tiny-b"):
            w.backend(name)
        yield w.start()


@pytest.fixture()
def world(shared):
    yield shared
    shared.seat(0, "ready")
    shared.seat(6, "ready")


# ---- which kind -------------------------------------------------------


@pytest.mark.parametrize("accept", [None, "*/*", "application/json",
                                    "application/json, text/plain, */*"])
def test_programs_get_a_problem(world, accept):
    world.seat(6, "closed", cause="failed", retry_after=240)
    headers = [("Accept", accept)] if accept else []
    response = world.fetch("/api/tiny/x", *headers)
    body = problem(response, 503)
    assert (body["plugin"], body["state"], body["cause"]) \
        == ("tiny", "closed", "failed")
    assert response.get("Retry-After") == "240"
    assert response.get("Vary") == "Accept"
    assert response.get("Content-Security-Policy") is None


def test_two_accept_headers(world):
    world.seat(6, "closed")
    page(world.fetch("/tiny/", ("Accept", "*/*;q=0.1"),
                     ("ACCEPT", "text/html")), 503)


# ---- states -----------------------------------------------------------


@pytest.mark.parametrize("state,cause,heading,refresh_sec", [
    ("starting", "first_start", "tiny is starting", 2),
    ("starting", "none", "tiny is starting", 2),
    ("starting", "stopped", "tiny is starting", 2),
    ("starting", "crashed", "tiny is being restarted", 2),
    ("starting", "failed", "tiny is being restarted", 2),
    ("starting", "restart", "tiny is being restarted", 2),
    ("draining", "upgrading", "tiny is being upgraded", 2),
    ("closed", "installing", "tiny is being installed", 5),
    ("closed", "failed", "tiny has failed", 60),
    ("closed", "stopped", "tiny is stopped", None),
    ("closed", "none", "tiny is not available", 10),
])
def test_page_of_a_state(world, state, cause, heading, refresh_sec):
    world.seat(6, state, cause=cause, retry_after=2)
    for target in ("/tiny/", "/api/tiny/x"):
        response = world.fetch(target, BROWSER, bearer(token()))
        found = page(response, 503)
        assert found.heading == heading
        assert found.refresh_sec == refresh_sec
        assert found.facts == {}, "this is no administrator"
        assert "Try again now" in found.texts["a"]
        assert response.get("Retry-After") == "2"


def test_page_waits_as_long_as_the_seat_says(world):
    for said, waits in ((30, 30), (300, 60)):
        world.seat(6, "closed", cause="crashed", retry_after=said)
        found = page(world.fetch("/tiny/", BROWSER), 503)
        assert found.refresh_sec == waits
        assert f"every {waits} seconds" in found.message


def test_administrators_read_the_cause(world):
    world.seat(6, "closed", cause="failed", retry_after=240)
    facts = page(world.fetch("/tiny/", BROWSER, ADMIN), 503).facts
    assert facts["State"] == "closed"
    assert facts["Cause"] == ("failed: its process died too often, or never "
                              "became ready")
    assert facts["Plugin"] == "tiny 1.2.3"
    assert "mintctl logs tiny" in facts.values()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_sent_again_by_itself(world, method):
    world.seat(6, "starting", cause="crashed")
    found = page(world.fetch("/api/tiny/x", BROWSER, bearer(token()),
                             method=method, body=b"x"), 503)
    assert found.refresh_sec is None
    assert "a" not in found.texts
    assert "sent once more" in found.message


def test_head(world):
    world.seat(6, "starting", cause="crashed")
    full = world.fetch("/tiny/", BROWSER, ("X-Request-ID", "h-1"))
    head = world.fetch("/tiny/", BROWSER, ("X-Request-ID", "h-1"),
                       method="HEAD")
    page(head, 503, has_body=False)
    assert head.body == b""
    assert head.get("Content-Length") == str(len(full.body))
    assert head.get("Retry-After") == full.get("Retry-After")


def test_maintenance():
    with World() as w:
        w.backend("tiny-a")
        w.spec["routes"][0]["flags"] = ["maintenance"]
        w.write()
        w.start()
        found = page(w.fetch("/tiny/", BROWSER), 503)
        assert found.heading == "tiny is under maintenance"
        assert found.refresh_sec == 30
        response = w.fetch("/api/tiny/x")
        body = problem(response, 503)
        assert (body["plugin"], body["state"]) == ("tiny", "maintenance")
        assert response.get("Retry-After") == "30"
        # who does the work sees it
        assert w.fetch("/api/tiny/x", BROWSER, ADMIN).status == 200


def test_queue_full():
    with World(server="mint_park requests=1 crash=1m;") as w:
        w.backend("tiny-a")
        w.seat(6, "starting", cause="crashed", retry_after=3)
        w.start()
        from test_module_parking import Records, send, wait_parked
        with send(w, "/tiny/") as s:
            wait_parked(Records(w), 1)
            found = page(w.fetch("/tiny/", BROWSER), 503)
            assert found.heading == "tiny is being restarted"
            assert "Too many others" in found.message
            assert found.refresh_sec == 3
            s.close()


# ---- the platform -----------------------------------------------------


@pytest.mark.parametrize("state,cause", [
    ("closed", "none"), ("closed", "failed"), ("closed", "stopped"),
    ("empty", "none")])
def test_platform_down(world, state, cause):
    world.seat(0, state, cause=cause)
    found = page(world.fetch("/", BROWSER), 503)
    assert found.heading == "The platform is not running"
    assert found.refresh_sec == 5
    body = problem(world.fetch("/api/health"), 503)
    assert body["state"] == state and "plugin" not in body
    assert body["detail"].startswith("the platform ")


def test_platform_starting(world):
    world.seat(0, "starting", cause="first_start")
    found = page(world.fetch("/", BROWSER), 503)
    assert found.heading == "The platform is starting"


def test_platform_refuses_connections():
    with World() as w:
        w.start()
        response = w.fetch("/", BROWSER)
        found = page(response, 502)
        assert found.heading == "The platform is not running"
        assert int(response.get("Retry-After")) > 0
        body = problem(w.fetch("/api/health"), 502)
        assert body["detail"] == "the platform cannot be reached"
        body = problem(w.fetch("/api/tiny/x"), 502)
        assert body["detail"] == 'plugin "tiny" cannot be reached'


def test_no_run_files_yet():
    with World(write=False) as w:
        w.start()
        found = page(w.fetch("/tiny/", BROWSER), 503)
        assert "The system has not started yet." in found.message
        assert found.refresh_sec == 2


# ---- what has failed --------------------------------------------------


def test_bad_gateway_is_not_tried_again(world):
    """It may be what the process died of."""
    backend = world.backends["tiny-a"]
    backend.on("/tiny/die")(lambda peer, request: True)
    before = len(backend.requests)
    found = page(world.fetch("/tiny/die", BROWSER, ADMIN), 502)
    assert found.heading == "Bad Gateway"
    assert found.message.startswith('Plugin "tiny" ended the connection')
    assert found.refresh_sec is None
    assert found.facts["Reason"] == "upstream failed"
    assert found.facts["State"] == "ready"
    assert len(backend.requests) == before + 1


def test_gateway_timeout():
    with World(location=LOCATION.replace("3600s", "200ms")) as w:
        w.backend("tiny-a").on("/tiny/slow")(
            lambda peer, request: peer.file.read1(1))
        w.start()
        found = page(w.fetch("/tiny/slow", BROWSER), 504)
        assert found.message.startswith(
            'Plugin "tiny" did not answer in time.')


@pytest.mark.parametrize("target,headers,status,message", [
    ("/api/internal/x", [], 404, "There is nothing at this address."),
    ("/api/tiny/%2f", [], 400, "Ambiguous path."),
    ("/api/tiny/x", [bearer(token(11))], 403,
     "The role lacks permission plugins.use."),
    ("/api/tiny/x", [bearer(token(exp=1000))], 401, "Expired. Please sign in again."),
])
def test_refusals_are_pages_too(world, target, headers, status, message):
    found = page(world.fetch(target, BROWSER, *headers), status)
    assert found.message == message
    assert found.refresh_sec is None and found.facts == {}


# ---- what comes from elsewhere ----------------------------------------


def test_values_are_text():
    """Names are the supervisor's to check; here they are anything."""
    with World(server="mint_park off;", write=False) as w:
        w.backend("tiny-a")
        w.spec["routes"][0]["name"] = name = "<b>\"'&amp;"
        w.spec["routes"][0]["version"] = "<1>"
        w.write()
        w.seat(6, "closed", cause="failed")
        w.start()
        response = w.fetch("/tiny/", BROWSER, ADMIN)
        found = page(response, 503)
        assert found.heading == name + " has failed"
        assert found.facts["Plugin"] == name + " <1>"
        assert problem(w.fetch("/tiny/"), 503)["plugin"] == name


def test_http2():
    with World(server="mint_park off;", listen="http2") as w:
        w.backend("tiny-a")
        w.seat(6, "starting", cause="crashed", retry_after=2)
        w.start()
        with Connection(w.port) as c:
            response = c.fetch("/tiny/", BROWSER)
            assert page(response, 503).heading == "tiny is being restarted"
            assert response.get("retry-after") == "2"
            head = c.fetch("/tiny/", BROWSER, method="HEAD")
            page(head, 503, has_body=False)
            assert head.body == b""
            response = c.fetch("/api/tiny/x")
            assert response.get("content-type") == "application/problem+json"
