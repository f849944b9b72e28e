# SPDX-License-Identifier: MIT
"""Answers whose head and body leave in one write.

A process killed between the two would leave the gateway with a head that it
has passed on already, and the client with an empty answer instead of a 502
that names the plugin.
"""

from __future__ import annotations

from typing import Any


class JoiningTransport:
    """Can hold back writes and do them as one."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._held: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def hold(self) -> None:
        if self._held is None:
            self._held = []

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self._transport.write(b"".join(held))

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(bytes(data))

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self.release()
        self._transport.write_eof()

    def close(self) -> None:
        self.release()
        self._transport.close()


class Whole:
    """Sends the head of an answer of known length only with its body.

    Streams have no length: their head leaves at once.
    """

    def __init__(self, send: Any) -> None:
        self.send = send
        self.head: Any = None
        # uvicorn hands out a method of the request's own object
        cycle = getattr(send, "__self__", None)
        transport = getattr(cycle, "transport", None)
        self.transport = (
            transport if isinstance(transport, JoiningTransport) else None
        )

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start" and any(
            name.lower() == b"content-length"
            for name, _ in message.get("headers", ())
        ):
            self.head = message
            return
        if self.head is None:
            await self.send(message)
            return
        head, self.head = self.head, None
        if self.transport is not None:
            self.transport.hold()
        try:
            await self.send(head)
            await self.send(message)
        finally:
            if self.transport is not None:
                self.transport.release()
