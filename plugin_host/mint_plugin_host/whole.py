# SPDX-License-Identifier: MIT
"""Answers whose head and body leave in one write.

A process killed between the two would leave the gateway with a head that it
has passed on already, and the client with an empty answer instead of a 502
that names the plugin.
"""

from __future__ import annotations

import asyncio
from typing import Any

JOIN_MAX = 65536                # bytes; more is written at once


class Whole:
    """Sends the head of an answer of known length only with its body.

    Streams have no length: their head leaves at once.
    """

    def __init__(self, send: Any) -> None:
        self.send = send
        self.head: Any = None

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start" and any(
            name.lower() == b"content-length"
            for name, _ in message.get("headers", ())
        ):
            self.head = message
            return
        if self.head is not None:
            head, self.head = self.head, None
            await self.send(head)
        await self.send(message)


class JoiningTransport:
    """Joins the writes of one turn of the event loop."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(bytes(data))
        self._size += len(data)
        if self._size > JOIN_MAX:
            self._flush()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if not self._pieces:
            return
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if not self._transport.is_closing():
            self._transport.write(data)
