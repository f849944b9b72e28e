# SPDX-License-Identifier: MIT
"""Mixed load at a steady rate, every request of which is in the ledger."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from fault_client import Answer, NoAnswer, Pool
from fault_ledger import CLOSED, Attempt, Kind, Ledger
from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus)
from websockets.protocol import State

# nobody waits longer: the stated limits are below, and told as late
GIVE_UP_SEC = 75.0
# how long a request may wait for a process after a crash (mint_park)
PARK_SEC = 2.0
# what a busy machine may add to any of it
SLACK_SEC = 1.0
REOPEN_SEC = 0.2

_numbers = itertools.count(1)
_run = secrets.token_hex(4)


@dataclass(frozen=True)
class Stream:
    """Requests of one kind to one plugin; rate is in requests a second, ms is
    what the plugin takes for each.  Kind.MESSAGE: one open WebSocket."""

    plugin: str
    kind: Kind
    rate: float
    ms: int = 0
    wait_sec: float = PARK_SEC  # stated for what the scenario does
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def limit_sec(self) -> float:
        return self.ms / 1000 + self.wait_sec + SLACK_SEC

    @property
    def prefix(self) -> str:
        return f"/api/{self.plugin}"

    def target(self, ident: str) -> str:
        path = self.path or ("look" if self.kind is Kind.GET else "run")
        return f"{self.prefix}/{path}?id={ident}&ms={self.ms}"


def mixed(
    plugins: Iterable[str], rate: float, *, ms: int = 20,
    wait_sec: float = PARK_SEC
) -> list[Stream]:
    """GET, POST and WebSocket messages at this rate each, to each plugin, and
    some whose clients leave."""
    return [
        Stream(plugin, kind, share * rate, ms, wait_sec)
        for plugin in plugins
        for kind, share in ((Kind.GET, 1.0), (Kind.POST, 1.0),
                            (Kind.MESSAGE, 1.0), (Kind.LEAVE, 0.25))
    ]


class MixedLoad:
    """Runs in a thread of its own between enter and exit."""

    def __init__(
        self, port: int, ledger: Ledger, streams: Iterable[Stream]
    ) -> None:
        self.ledger = ledger
        self._port = port
        self._streams = list(streams)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._main)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for what is under way."""
        self._ending.set()
        self._thread.join(GIVE_UP_SEC + 30)
        assert not self._thread.is_alive(), "requests hang"
        if self._failure is not None:
            raise self._failure

    def done(self, plugin: str = "", since: float = 0.0) -> list[Attempt]:
        """Attempts so far that were answered with success, and began then."""
        return [a for a in list(self.ledger.attempts)
                if a.status == 200 and a.start >= since
                and plugin in ("", a.plugin)]

    # ---- in the thread --------------------------------------------------

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as exc:
            self._failure = exc

    async def _run(self) -> None:
        pool = Pool(self._port)
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                if stream.kind is Kind.MESSAGE:
                    group.create_task(self._converse(stream))
                else:
                    group.create_task(self._repeat(stream, pool))
        pool.close()

    async def _repeat(self, stream: Stream, pool: Pool) -> None:
        once = self._leave if stream.kind is Kind.LEAVE else self._ask
        begin = time.monotonic() + random.random() / stream.rate
        number = 0
        async with asyncio.TaskGroup() as group:
            while not self._ending.is_set():
                due = begin + number / stream.rate
                await asyncio.sleep(max(0, due - time.monotonic()))
                group.create_task(once(stream, pool))
                number += 1

    async def _ask(self, stream: Stream, pool: Pool) -> None:
        note = self._begin(stream)
        connection = None
        try:
            async with asyncio.timeout(GIVE_UP_SEC):
                connection = await pool.take()
                connection.send(stream.kind.name, stream.target(note.ident),
                                stream.headers)
                answer = await connection.receive()
        except TimeoutError:
            note.end(error=f"no answer within {GIVE_UP_SEC} s")
        except NoAnswer as exc:
            note.end(error=f"{CLOSED}: {exc}")
        except OSError as exc:
            note.end(error=repr(exc))
        else:
            note.end_answered(answer)
            if answer.keeps:
                pool.give(connection)
                return
        if connection is not None:
            connection.leave()

    async def _leave(self, stream: Stream, pool: Pool) -> None:
        """Before, while or after it is executed; a new connection may be what
        it takes, one that is left cannot be kept."""
        note = self._begin(stream)
        try:
            connection = await pool.take()
        except OSError as exc:
            note.end(error=repr(exc))
            return
        connection.send("POST", stream.target(note.ident), stream.headers)
        await asyncio.sleep(random.random() * 0.1)
        connection.leave()
        note.end()

    async def _converse(self, stream: Stream) -> None:
        url = f"ws://127.0.0.1:{self._port}{stream.prefix}/ws"
        while not self._ending.is_set():
            note = self._begin(stream, Kind.OPEN)
            try:
                async with connect(
                    url, proxy=None, open_timeout=GIVE_UP_SEC,
                    additional_headers=stream.headers,
                ) as socket:
                    note.end(status=101)
                    await self._messages(stream, socket)
            except InvalidStatus as exc:
                note.end_answered(Answer(
                    exc.response.status_code,
                    {k.lower(): v for k, v in exc.response.headers.items()},
                    exc.response.body or b""))
            except (InvalidMessage, ConnectionClosed) as exc:
                note.end(error=f"{CLOSED}: {exc!r}")
            except (InvalidHandshake, OSError, TimeoutError) as exc:
                note.end(error=repr(exc))
            await asyncio.sleep(REOPEN_SEC)

    async def _messages(self, stream: Stream, socket) -> None:
        """Until the end, which is judged like an answer: also one that was
        noticed only at the next message belongs to the time since the last."""
        note = self._begin(stream)
        while not self._ending.is_set():
            try:
                async with asyncio.timeout(GIVE_UP_SEC):
                    await socket.send(note.ident)
                    echo = await socket.recv()
            except ConnectionClosed as exc:
                note.end(error=f"{CLOSED}: {exc}")
                return
            except TimeoutError:
                note.end(error=f"no echo within {GIVE_UP_SEC} s")
                return
            fine = echo == note.ident
            note.end(status=200, error="" if fine else f"another: {echo!r}")
            note = self._begin(stream)
            await asyncio.sleep(1 / stream.rate)
            if socket.state is State.OPEN:
                note.restart()

    def _begin(self, stream: Stream, kind: Kind | None = None) -> _Note:
        return _Note(self.ledger.add, stream, kind or stream.kind)


class _Note:
    """An attempt under way; its first end counts."""

    def __init__(
        self, add: Callable[[Attempt], None], stream: Stream, kind: Kind
    ) -> None:
        self.ident = f"{_run}-{kind.value}-{next(_numbers)}"
        self._add = add
        self._stream = stream
        self._kind = kind
        self._start = time.monotonic()
        self._has_ended = False

    def restart(self) -> None:
        self._start = time.monotonic()

    def end(self, **what) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._add(Attempt(
            self.ident, self._stream.plugin, self._kind, self._start,
            time.monotonic(), self._stream.limit_sec, **what))

    def end_answered(self, answer: Answer) -> None:
        error = ""
        if answer.status == 200 and self.ident.encode() not in answer.body:
            error = "another request's answer"
        self.end(status=answer.status, headers=answer.headers,
                 body=answer.body, error=error)
