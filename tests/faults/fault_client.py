# SPDX-License-Identifier: MIT
"""A client of few lines that knows what became of each byte: no retries, no
redirects, one request at a time on a kept connection.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

# less than nginx keeps a connection, so that it is never closed under us
KEEP_SEC = 30.0
HEAD_MAX = 65536


class NoAnswer(Exception):
    """The connection ended before the answer did."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def keeps(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class Connection:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.used = time.monotonic()

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection(
            "127.0.0.1", port, limit=HEAD_MAX))

    def is_usable(self) -> bool:
        return (not self._reader.at_eof()
                and time.monotonic() - self.used < KEEP_SEC)

    def send(self, method: str, target: str, headers: dict[str, str]) -> None:
        lines = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1",
                 "accept: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method != "GET":
            lines.append("content-length: 0")
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    async def receive(self) -> Answer:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = await self._body(headers)
        except asyncio.IncompleteReadError as exc:
            raise NoAnswer(f"after {exc.partial[:200]!r}") from exc
        except OSError as exc:
            raise NoAnswer(repr(exc)) from exc
        self.used = time.monotonic()
        return Answer(int(first.split(" ")[1]), headers, body)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(headers.get("content-length", "0"))
            return await self._reader.readexactly(length)
        body = b""
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            body += (await self._reader.readexactly(size + 2))[:-2]
            if size == 0:
                return body

    def leave(self) -> None:
        """At once, whatever is under way."""
        self._writer.transport.abort()


class Pool:
    """Connections that are kept between requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.leave()
        return await Connection.open(self._port)

    def give(self, connection: Connection) -> None:
        self._idle.append(connection)

    def close(self) -> None:
        for connection in self._idle:
            connection.leave()
        self._idle.clear()
