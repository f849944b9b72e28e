# SPDX-License-Identifier: MIT
"""What lasts, through the whole system: WebSockets end with their user's
right, and a real plugin learns in time that its client has gone."""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from system_harness import MintSystem, wait_for
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PASSWORD = "a password to leave with"

# what the system promises, and what the edge's look once a second adds
SECONDS = 5


@contextlib.contextmanager
def websocket(
    system: MintSystem, token: str, query: str = ""
) -> Iterator[ClientConnection]:
    with connect(
        f"ws://127.0.0.1:{system.port}/api/test-echo/private-ws{query}",
        additional_headers={"authorization": f"Bearer {token}"}, proxy=None,
    ) as opened:
        opened.recv(timeout=10)
        yield opened


def assert_alive(opened: ClientConnection) -> None:
    opened.send("hello")
    assert opened.recv(timeout=10) == "hello"


def code_at_the_end(opened: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as ended:
        opened.recv(timeout=20)
    return ended.value.rcvd.code if ended.value.rcvd else None


def test_websockets_end_with_the_right(
    system: MintSystem, admin: httpx.Client
) -> None:
    """One session is logged out, then the user is deactivated; another user's
    WebSocket is there all the time."""
    name, other = (f"leaver-{uuid.uuid4().hex[:8]}" for _ in range(2))
    user = system.create_user(name, PASSWORD)
    system.create_user(other, PASSWORD)
    first, second = system.login(name, PASSWORD), system.login(name, PASSWORD)
    with (
        websocket(system, first) as one, websocket(system, second) as two,
        websocket(system, system.login(other, PASSWORD)) as stays,
    ):
        with system.client(first) as client:
            assert client.post("/api/auth/logout").status_code == 200
        start = time.monotonic()
        assert code_at_the_end(one) == 1008
        assert time.monotonic() - start < SECONDS
        assert_alive(two)

        reply = admin.post(f"/api/admin/users/{user}/deactivate")
        assert reply.status_code == 200, reply.text
        start = time.monotonic()
        assert code_at_the_end(two) == 1008
        assert time.monotonic() - start < SECONDS
        assert_alive(stays)


def leave_websocket(system: MintSystem, token: str, name: str) -> float:
    """Ends the connection without a word of WebSocket's; when."""
    with websocket(system, token, f"?name={name}") as opened:
        at = time.monotonic()
        opened.socket.shutdown(socket.SHUT_RDWR)
    return at


def leave_request(
    system: MintSystem, token: str, kind: str, name: str,
    begun: Callable[[], object],
) -> float:
    """Closes the connection once the plugin has the request; when."""
    method, length = ("POST", "Content-Length: 1000000\r\n") \
        if kind == "wait-upload" else ("GET", "")
    with socket.create_connection(("127.0.0.1", system.port), 20) as sock:
        sock.sendall(
            f"{method} /api/test-echo/{kind}?name={name} HTTP/1.1\r\n"
            f"Host: mint\r\nAuthorization: Bearer {token}\r\n{length}\r\n"
            .encode())
        if length:
            sock.sendall(b"x" * 100000)
        wait_for(begun, "the request")
        return time.monotonic()


@pytest.mark.parametrize(
    "kind", ["wait", "wait-events", "wait-upload", "websocket"]
)
def test_client_that_leaves(
    system: MintSystem, member: httpx.Client, member_token: str, kind: str
) -> None:
    """Noticed by uvicorn within a second; both clocks are the machine's."""
    name = uuid.uuid4().hex

    def left() -> dict[str, float]:
        return member.get("/api/test-echo/left").json()

    if kind == "websocket":
        at = leave_websocket(system, member_token, name)
    else:
        at = leave_request(
            system, member_token, kind, name, lambda: name in left())
    assert wait_for(lambda: left().get(name), "the plugin's notice") - at < 1
