# SPDX-License-Identifier: MIT
"""Requests that two programs might cut in different places.

Each payload of tests/attacks/smuggling.json goes to a server of ours and to
one of plain nginx in the same process: client and backend must see the same
of both, and the same as the table says.
"""

import http.client
import socket
import subprocess

import pytest

import http2_client
from attack_harness import by_name, expand, table
from module_harness import LOCATION, NGINX, World, free_port, wait_for

TABLE = table("smuggling")

# the figures of the table; newer ones refuse more, of us and of themselves
IS_TABLES_NGINX = b"nginx/1.22." in subprocess.run(
    [NGINX, "-v"], stderr=subprocess.PIPE, check=True).stderr

# what tells a backend where a request ends
FRAMING = ["content-length", "transfer-encoding", "connection", "upgrade",
           "te", "trailer", "expect"]

# appended to each payload: ends the connection, and shows whether it arrives
LAST = (b"GET /api/tiny/last HTTP/1.1\r\nHost: mint\r\nConnection: close"
        b"\r\n\r\n")

PLAIN = """
    proxy_pass http://plain;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_next_upstream error;
    proxy_read_timeout 3600s;
    client_max_body_size 0;
"""

SERVERS = """
    client_header_timeout 300ms;
    client_body_timeout 300ms;
    upstream plain {{ server unix:{backend}; keepalive 32; }}
    server {{ listen 127.0.0.1:{plain}; location / {{ {plain_location} }} }}
    server {{ listen 127.0.0.1:{plain2} http2;
              location / {{ {plain_location} }} }}
    server {{ listen 127.0.0.1:{ours2} http2; mint on;
              location / {{ {location} }}
              location @mint_error {{ mint_error on; }} }}
"""


class Side:
    """One of the two servers with what has reached its backend."""

    def __init__(self, backend, port, port2):
        self.backend = backend
        self.port = port
        self.port2 = port2
        backend.routes.clear()
        backend.on("/api/tiny/a")(self.describe)
        backend.on("/api/tiny/smuggled")(self.describe)
        backend.on("/api/tiny/last")(self.describe)
        self.arrived = []

    def describe(self, peer, request):
        """Notes head and body; a body that is cut ends the connection."""
        entry = {"request": f"{request.method} {request.target}",
                 "framing": sorted((n.lower(), v) for n, v in request.headers
                                   if n.lower() in FRAMING),
                 "body": None, "connection": peer.number}
        self.arrived.append(entry)
        entry["body"] = b"".join(peer.chunks(request)).decode("latin-1")
        peer.answer(b"" if request.method == "HEAD" else b"ok")

    def seen(self):
        """Numbers of connections do not matter, only which are the same."""
        first = {}
        return [{**e, "connection": first.setdefault(e["connection"],
                                                     len(first))}
                for e in self.arrived]

    def settle(self):
        """A request on a new connection: what came before has been sent."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            s.sendall(b"GET /api/tiny/x HTTP/1.1\r\nHost: mint\r\n"
                      b"Connection: close\r\n\r\n")
            while s.recv(65536):
                pass

    def send(self, data):
        """Statuses of all answers up to the end of the connection."""
        self.arrived = []
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            s.sendall(data + LAST)
            statuses = read_statuses(s)
        self.settle()
        return statuses


def read_statuses(sock):
    statuses = []
    file = sock.makefile("rb")

    class Same:
        """http.client wants to open a file; all answers are in this one."""

        def makefile(self, *_):
            return file

    while True:
        try:
            if not file.peek(1):
                return statuses
            raw = http.client.HTTPResponse(Same())
            raw._close_conn = lambda: None
            raw.begin()
        except (ConnectionError, http.client.HTTPException):
            return statuses
        statuses.append(raw.status)
        raw.read()


@pytest.fixture(scope="module")
def sides():
    ports = {name: free_port() for name in ("plain", "plain2", "ours2")}
    with World(write=False) as w:
        w._format["http"] = SERVERS.format(
            backend=w.sock("plain"), plain_location=PLAIN, location=LOCATION,
            **ports)
        w.write()
        ours = Side(w.backend("tiny-a"), w.port, ports["ours2"])
        plain = Side(w.backend("plain"), ports["plain"], ports["plain2"])
        w.start()
        yield ours, plain


def check_same(ours, plain, row):
    """The last bytes of a request that was broken off may be on their way."""
    def requests(side):
        return [e["request"] for e in side.seen()]

    if IS_TABLES_NGINX:
        wait_for(lambda: requests(plain) == row["arrives"],
                 f"the same as ever: {plain.seen()}", 5)
    if "arrives_here" in row:
        assert requests(ours) == row["arrives_here"]
    else:
        wait_for(lambda: ours.seen() == plain.seen(),
                 f"the same: {ours.seen()} and {plain.seen()}", 5)


@pytest.mark.parametrize("row", **by_name(TABLE["cases"]))
def test_smuggling(sides, row):
    data = expand(row["send"]).encode("latin-1")
    ours, plain = sides
    statuses = plain.send(data)
    assert statuses == row["statuses"] or not IS_TABLES_NGINX
    assert ours.send(data) == statuses
    check_same(ours, plain, row)


@pytest.mark.parametrize("row", **by_name(TABLE["http2"]))
def test_http2_downgrade(sides, row):
    answers = []
    for side in sides:
        side.arrived = []
        answer = http2_client.request(
            ("127.0.0.1", side.port2), row["headers"],
            row.get("body", "").encode("latin-1"), row.get("trailers", ()))
        side.settle()
        answers.append(answer.status)
    assert answers[0] == answers[1]
    assert answers[0] == row["status"] or not IS_TABLES_NGINX
    check_same(*sides, row)
