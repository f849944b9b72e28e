# SPDX-License-Identifier: MIT
"""What administrators copy does what it says: conf/mint.conf in an nginx of
theirs, by its own steps, and the location of docs/directives.md."""

import grp
import os
import re
import socket

import pytest

from module_harness import (
    MODULE, ROOT, World, bearer, echo_websocket, free_port, raw_request,
    read_head, read_response, token)

from test_module import problem

GROUP = "daemon"        # any that www-data is not in stands for mint-edge

NGINX = """
{user}
load_module {module};
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
events {{ }}
http {{
    access_log {dir}/access.log;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    {copied}
    server {{
        listen 127.0.0.1:{other};
        location / {{ return 200 "other $http_x_mint_user_id"; }}
    }}
}}
"""


def drop_in(world):
    """Step 4: the three files in their places, run directory and port."""
    for name in ("mint.conf", "mint-upstream.conf", "mint-proxy.conf"):
        text = (ROOT / "conf" / name).read_text()
        for old, new in (("/etc/nginx/mint/", f"{world.dir}/"),
                         ("/run/ngx-mint", str(world.run)),
                         ("listen 80;", f"listen 127.0.0.1:{world.port};")):
            text = text.replace(old, new)
        (world.dir / name).write_text(text)
    return f"include {world.dir}/mint.conf;"


def location_to_copy(world):
    text = (ROOT / "docs/directives.md").read_text()
    text = re.search(r"^## The location to copy\n+```nginx\n(.*?)^```$", text,
                     re.S | re.M).group(1)
    return (f"mint_run_directory {world.run};\n" + text.replace(
        "server {", f"server {{\n    listen 127.0.0.1:{world.port};"))


class Copied(World):
    """Run files and sockets as a supervisor leaves them: for the group only,
    and steps 2 and 3 for nginx."""

    def __init__(self, copy):
        super().__init__()
        self.other = free_port()
        self.copied = copy(self)
        for name in ("platform", "tiny-a", "other"):
            self.backend(name)
        self.dir.chmod(0o755)
        if os.getuid() == 0:
            self._format["user"] = f"user www-data {GROUP};"
            gid = grp.getgrnam(GROUP).gr_gid
            for path, mode in [(self.run, 0o750), (self.run / "workers", 0o660),
                               *((self.run / name, 0o640) for name in
                                 ("routes", "seats", "identity")),
                               *((path, 0o660)
                                 for path in self.dir.glob("*.sock"))]:
                os.chown(path, 0, gid)
                path.chmod(mode)

    def config(self, **changes):
        path = self.dir / "nginx.conf"
        path.write_text(NGINX.format(
            user=self._format["user"], module=MODULE, dir=self.dir,
            copied=self.copied, other=self.other))
        return path


@pytest.fixture(scope="module", params=[drop_in, location_to_copy],
                ids=["conf", "docs"])
def world(request):
    with Copied(request.param) as w:
        code, said = w.test()
        assert code == 0 and "[warn]" not in said, said
        yield w.start()


def test_a_plugin_is_reached(world):
    response = world.fetch("/api/tiny/x?y", bearer(token()),
                           ("X-MINT-User-Id", "9"), method="POST", body=b"z")
    assert response.json()["target"] == "/api/tiny/x?y"
    assert response.json()["body"] == "z"
    assert response.seen("Host") == ["mint"]
    assert response.seen("X-MINT-User-Id") == ["7"]
    assert response.seen("X-MINT-Internal-Token") == ["token-of-tiny"]
    assert response.seen("X-Forwarded-For") == ["127.0.0.1"]
    assert response.seen("X-Request-ID") == response.all("X-Request-ID")
    # a connection that is kept
    assert world.fetch("/api/tiny/x").json()["connection"] == 1
    assert world.fetch("/").json()["backend"] == "platform"


def test_large_body(world):
    body = b"b" * 3_000_000
    response = world.fetch("/api/other/x", method="POST", body=body)
    assert len(response.json()["body"]) == len(body)


def test_websocket(world):
    world.backends["tiny-a"].on("/api/tiny/ws")(echo_websocket)
    with world.open_websocket("/api/tiny/ws") as s:
        assert " 101 " in read_head(s)
        s.sendall(b"ping")
        assert s.recv(100) == b"ping"


def test_failure_names_the_plugin(world):
    world.backends["tiny-a"].on("/api/tiny/dies")(lambda peer, request: True)
    assert problem(world.fetch("/api/tiny/dies"), 502)["plugin"] == "tiny"


def test_other_servers_are_not_touched(world):
    with socket.create_connection(("127.0.0.1", world.other), 10) as s:
        s.sendall(raw_request("GET", "/", [("X-MINT-User-Id", "9")]))
        response = read_response(s)
    assert response.body == b"other 9"
    assert response.get("X-Request-ID") is None


def test_guesses_are_limited_by_the_drop_in():
    with Copied(drop_in) as w:
        w.start()
        w.backends["platform"].on("/api/auth/login")(
            lambda peer, request: peer.answer(b"", "401 Unauthorized"))
        codes = [w.fetch("/api/auth/login", method="POST").status
                 for _ in range(25)]
        assert codes[:20] == [401] * 20
        assert 429 in codes[20:]
