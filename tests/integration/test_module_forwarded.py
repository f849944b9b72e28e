# SPDX-License-Identifier: MIT
"""The nginx module: what proxies in front say is believed of trusted ones
only, and upstreams get ours, once; the trace context is passed on or made."""

import json
import re
import socket
import ssl
import subprocess

import pytest

from module_harness import (
    World, free_port, raw_request, read_response, token, wait_for)

FORGED = [
    ("X-Forwarded-For", "6.6.6.6"), ("x-forwarded-for", "6.6.6.7"),
    ("X_Forwarded_For", "6.6.6.8"), ("X-Real-IP", "6.6.6.6"),
    ("x_real_ip", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
    ("X-FORWARDED-HOST", "evil.example"), ("X-Forwarded_Host", "evil"),
    ("X-Forwarded-Port", "666"), ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-User", "boss"), ("X-Forwarded-Ssl", "on"),
    ("Forwarded", "for=6.6.6.6;proto=https;host=evil"),
]
TARGETS = ["/api/tiny/x", "/tiny/x", "/api/health"]

REALIP = """
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
"""


def forwarding(response):
    """What the backend was told about the way, in its order."""
    assert response.status == 200, response.body
    return sorted((n.lower(), v) for n, v in response.json()["headers"]
                  if re.match(r"(x[-_]forwarded[-_]|forwarded$|x[-_]real)",
                              n.lower()))


def told(address="127.0.0.1", proto="http", host=None):
    return sorted([("x-real-ip", address), ("x-forwarded-for", address),
                   ("x-forwarded-proto", proto)]
                  + ([("x-forwarded-host", host)] if host else []))


def backends(w):
    for name in ("platform", "tiny-a"):
        w.backend(name)
    return w.start()


@pytest.fixture(scope="module")
def world():
    with World(server="underscores_in_headers on;") as w:
        yield backends(w)


@pytest.fixture(scope="module")
def trusting():
    with World(server="mint_trusted_proxies 127.0.0.1 10.0.0.0/8 2001:db8::/32;"
                      "underscores_in_headers on;") as w:
        yield backends(w)


@pytest.mark.parametrize("target", TARGETS)
def test_clients_are_not_believed(world, target):
    assert forwarding(world.fetch(target)) == told()
    assert forwarding(world.fetch(target, *FORGED)) == told()
    for header in FORGED:
        assert forwarding(world.fetch(target, header)) == told()


def test_http2():
    with World(listen="http2", server="underscores_in_headers on;") as w:
        backends(w)
        args = [x for h in FORGED for x in ("-H", ": ".join(h))]
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "20",
             f"http://127.0.0.1:{w.port}/api/tiny/x", *args], check=True,
            stdout=subprocess.PIPE, text=True)
        names = [(n.lower(), v) for n, v in json.loads(done.stdout)["headers"]
                 if "forwarded" in n.lower() or "real" in n.lower()]
        assert sorted(names) == told()


# headers of a trusted proxy, and what the upstream is told
BELIEVED = [
    ([], told()),
    ([("X-Forwarded-For", "192.0.2.9")], told("192.0.2.9")),
    ([("X-Forwarded-For", "6.6.6.6, 192.0.2.9, 10.1.1.1")],
     told("192.0.2.9")),
    ([("X-Forwarded-For", "6.6.6.6, 192.0.2.9"),
      ("X-Forwarded-For", "10.1.1.1, 10.1.1.2")], told("192.0.2.9")),
    ([("X-Forwarded-For", "10.1.1.1")], told("10.1.1.1")),
    ([("X-Forwarded-For", "6.6.6.6, nonsense")], told()),
    ([("X-Forwarded-For", "6.6.6.6, nonsense, 10.1.1.1")], told("10.1.1.1")),
    ([("X-Forwarded-For", "2001:db8::1, 2001:db9::7, 2001:db8::2")],
     told("2001:db9::7")),
    ([("X-Forwarded-For", "192.0.2.9:4711")], told("192.0.2.9")),
    ([("X-Forwarded-Proto", "https")], told(proto="https")),
    ([("x-forwarded-proto", "HTTPS")], told(proto="https")),
    ([("X-Forwarded-Proto", "wss")], told(proto="https")),
    ([("X-Forwarded-Proto", "http")], told()),
    ([("X-Forwarded-Proto", "gopher")], told()),
    ([("X-Forwarded-Proto", "https, http")], told()),
    ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")],
     told()),
    ([("X-Forwarded-Proto", "https"), ("X_Forwarded_Proto", "http")],
     told()),
    ([("X-Forwarded-Host", "mint.example.org")],
     told(host="mint.example.org")),
    ([("X-Forwarded-Host", "[2001:db8::1]:8443")],
     told(host="[2001:db8::1]:8443")),
    ([("X-Forwarded-Host", "a, b")], told()),
    ([("X-Forwarded-Host", "a/b")], told()),
    ([("X-Forwarded-Host", "a"), ("X-Forwarded-Host", "a")], told()),
    ([("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=6.6.6.6"),
      ("X-Forwarded-Port", "1"), ("X-Forwarded-Prefix", "/x")], told()),
]


@pytest.mark.parametrize("headers,expected", BELIEVED)
def test_a_trusted_proxy_is_believed(trusting, headers, expected):
    for target in TARGETS:
        assert forwarding(trusting.fetch(target, *headers)) == expected


def test_others_are_not_when_some_are():
    with World(server="mint_trusted_proxies 10.0.0.0/8 ::1;") as w:
        backends(w)
        assert forwarding(w.fetch("/tiny/x", *FORGED)) == told()


def test_trusted_unix_socket():
    with World() as w:
        path = w.sock("front")
        w._format["server"] = (f"listen unix:{path};"
                               "mint_trusted_proxies unix:;")
        backends(w)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(raw_request("GET", "/tiny/x", [
                ("X-Forwarded-For", "192.0.2.9"),
                ("X-Forwarded-Proto", "https")]))
            assert forwarding(read_response(s)) == told("192.0.2.9", "https")
        assert forwarding(w.fetch("/tiny/x", *FORGED)) == told()


@pytest.mark.parametrize("where", ["http", "server", "location_extra"])
@pytest.mark.parametrize("trusted", [False, True])
def test_realip(where, trusted):
    """It finds what it needs wherever it is configured, and the scheme is
    believed of the proxy, not of the address that realip has put there."""
    options = {where: REALIP}
    if trusted:
        options["server"] = (options.get("server", "")
                             + "mint_trusted_proxies 127.0.0.1;")
    with World(**options) as w:
        backends(w)
        response = w.fetch("/tiny/x", ("X-Forwarded-For", "6.6.6.6, 192.0.2.9"
                                       ", 127.0.0.3"),
                           ("X-Forwarded-Proto", "https"))
        assert forwarding(response) == told("192.0.2.9",
                                            "https" if trusted else "http")


def test_realip_makes_nobody_trusted():
    with World(server=REALIP + "mint_trusted_proxies 192.0.2.9;") as w:
        backends(w)
        response = w.fetch("/tiny/x", ("X-Forwarded-For", "192.0.2.9"),
                           ("X-Forwarded-Proto", "https"))
        assert forwarding(response) == told("192.0.2.9")


def test_tls():
    """The scheme is the connection's, for upstreams and for origins."""
    port = free_port()
    with World() as w:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=mint",
             "-keyout", w.dir / "key.pem", "-out", w.dir / "cert.pem"],
            check=True, stderr=subprocess.DEVNULL, timeout=60)
        w._format["server"] = (
            f"listen 127.0.0.1:{port} ssl; ssl_certificate {w.dir}/cert.pem;"
            f"ssl_certificate_key {w.dir}/key.pem;")
        backends(w)
        context = ssl.create_default_context(cafile=str(w.dir / "cert.pem"))
        context.check_hostname = False

        def fetch(*headers, method="GET"):
            with socket.create_connection(("127.0.0.1", port), 20) as s, \
                    context.wrap_socket(s) as tls:
                tls.sendall(raw_request(method, "/tiny/x", headers))
                return read_response(tls, method)

        assert forwarding(fetch(("X-Forwarded-Proto", "http"))) == told(
            proto="https")
        cookie = ("Cookie", "mint_access_token=" + token())
        for origin, status in (("https://mint", 200), ("http://mint", 403)):
            assert fetch(cookie, ("Origin", origin), method="POST"
                         ).status == status


def test_in_a_location_only():
    """Realip may have run before the module: nobody is believed."""
    with World(server="mint_trusted_proxies 127.0.0.1;",
               location_extra="mint on;") as w:
        config = w.config

        def without(**changes):
            path = config(**changes)
            path.write_text(path.read_text().replace(
                "        mint on;\n", "", 1))
            return path

        w.config = without
        backends(w)
        response = w.fetch("/tiny/x", ("X-Forwarded-Proto", "https"),
                           ("X-Forwarded-For", "192.0.2.9"))
        assert forwarding(response) == told()
        [made] = response.seen("traceparent")
        assert re.fullmatch(MADE, made)


def test_variables_do_not_bring_it_back():
    with World(location_extra="""
            proxy_set_header X-Added $proxy_add_x_forwarded_for;
            proxy_set_header X-Raw $http_x_forwarded_for;
            proxy_set_header X-Other $http_x_real_ip;
            """) as w:
        backends(w)
        response = w.fetch("/tiny/x", *FORGED)
        assert response.seen("X-Added") == ["127.0.0.1"]
        assert response.seen("X-Raw") == []
        assert response.seen("X-Other") == []
        assert forwarding(response) == told()


def test_an_own_line_wins():
    with World(location_extra="proxy_set_header X-Forwarded-Proto https;"
               ) as w:
        backends(w)
        assert forwarding(w.fetch("/tiny/x")) == told(proto="https")


def test_other_locations_keep_theirs():
    """A proxy to something else, in the same server."""
    with World() as w:
        other = w.backend("elsewhere")
        w._format["server"] = ("location /else { proxy_pass http://unix:%s; }"
                               % other.address)
        backends(w)
        response = w.fetch("/else", ("X-Forwarded-Proto", "https"))
        assert response.seen("X-Forwarded-Proto") == ["https"]


def test_subrequests_get_no_forged_ones():
    """auth_request and mirror copy the headers after they were cleaned."""
    with World(location_extra="auth_request /api/tiny/check;"
                              "mirror /api/tiny/mirror;") as w:
        backends(w)
        assert forwarding(w.fetch("/tiny/x", *FORGED)) == told()
        seen = {}
        wait_for(lambda: {"/api/tiny/check", "/api/tiny/mirror"} <= {
            seen.setdefault(r.target, r).target
            for r in w.backends["tiny-a"].requests}, "subrequests")
        for request in seen.values():
            assert not [v for _, v in request.headers
                        if "6.6.6" in v or "evil" in v]


def test_scheme_and_host_of_a_proxy_count_for_origins(world, trusting):
    cookie = ("Cookie", "mint_access_token=" + token())
    way = [("X-Forwarded-Proto", "https"),
           ("X-Forwarded-Host", "mint.example.org")]
    origin = ("Origin", "https://mint.example.org")
    for w, headers, status in ((trusting, [*way, origin], 200),
                               (trusting, [origin], 403),
                               (trusting, [way[1], origin], 403),
                               (world, [*way, origin], 403)):
        assert w.fetch("/api/tiny/x", cookie, *headers, method="POST"
                       ).status == status


@pytest.mark.parametrize("line,complaint", [
    ("mint_trusted_proxies nobody;", "is not an address or a network"),
    ("mint_trusted_proxies 10.0.0.0/33;", "is not an address or a network"),
    ("mint_trusted_proxies 10.0.0.0/8; mint_trusted_proxies ::1;",
     "is duplicate"),
    ("mint_trusted_proxies;", "invalid number of arguments"),
])
def test_refused_at_the_test(line, complaint):
    with World() as w:
        for level in ("http", "server"):
            code, said = w.test(**{level: line})
            assert code != 0 and complaint in said and "nginx.conf:" in said
        code, said = w.test(location_extra="mint_trusted_proxies ::1;")
        assert code != 0 and "is not allowed here" in said
        code, said = w.test(http="mint_trusted_proxies 10.0.0.1/8;")
        assert code == 0 and "low address bits" in said


# ---- trace context ----------------------------------------------------

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GOOD = [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00",
        f"00-{TRACE}-{PARENT}-03", f"cc-{TRACE}-{PARENT}-01-later"]
BAD = ["", "00", f"00-{TRACE}-{PARENT}-01-x", f"ff-{TRACE}-{PARENT}-01",
       f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
       f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-1",
       f"00-{TRACE[1:]}-{PARENT}-01", f"00-{TRACE}-{PARENT}-zz",
       f"00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01"]
STATE = [("tracestate", "congo=t61rcWkgMzE"), ("TraceState", "rojo=1")]
MADE = r"00-([0-9a-f]{32})-[0-9a-f]{16}-01"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("value", GOOD)
def test_trace_is_passed_on(world, target, value):
    response = world.fetch(target, ("Traceparent", value), *STATE)
    assert response.seen("traceparent") == [value]
    assert response.seen("tracestate") == [v for _, v in STATE]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("headers", [
    [], STATE, *[[("traceparent", v), *STATE] for v in BAD],
    [("traceparent", GOOD[0]), ("Traceparent", GOOD[0]), *STATE]])
def test_trace_is_made(world, target, headers):
    response = world.fetch(target, *headers)
    [value] = response.seen("traceparent")
    assert re.fullmatch(MADE, value)
    assert TRACE not in value
    assert response.seen("tracestate") == []
    # ours both: one look-up for whoever has either
    assert value[3:35] == response.get("X-Request-ID")
    # the other way round: a made trace beside an accepted request id
    response = world.fetch(target, ("X-Request-ID", "mine"), *headers)
    [other] = response.seen("traceparent")
    assert re.fullmatch(MADE, other) and other != value


def test_traces_differ(world):
    made = [world.fetch("/tiny/x", ("X-Request-ID", "mine")
                        ).seen("traceparent")[0] for _ in range(20)]
    assert len({v[3:35] for v in made}) == len({v[36:52] for v in made}) == 20


def test_trace_variable():
    with World(location_extra="add_header X-Trace $mint_trace_id;") as w:
        backends(w)
        response = w.fetch("/tiny/x", ("traceparent", GOOD[0]))
        assert response.get("X-Trace") == TRACE
        response = w.fetch("/tiny/x")
        assert response.get("X-Trace") == response.seen("traceparent")[0][3:35]
