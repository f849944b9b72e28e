# SPDX-License-Identifier: MIT
"""Requests at a steady rate, whatever becomes of them, and what became."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Target:
    """What is asked how often; rate is in requests a second."""

    name: str
    path: str
    rate: float
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """One request; status 0: no answer, error says why."""

    name: str
    start: float
    end: float
    status: int
    headers: httpx.Headers
    body: bytes
    error: str = ""

    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.name}: {self.status} {self.error} {self.body[:300]!r}"


class Load:
    """Runs in a thread of its own between enter and exit."""

    def __init__(self, url: str, targets: list[Target]) -> None:
        self.url = url
        self.targets = targets
        self.outcomes: list[Outcome] = []
        self.sent = 0
        self._senders = len(targets)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._main)
        self._failure: BaseException | None = None

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Waits for what is under way."""
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "requests hang"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Sends no more; what is under way goes on."""
        self._ending.set()
        while self._senders and self._thread.is_alive():
            time.sleep(0.01)

    def of(self, name: str) -> list[Outcome]:
        return [o for o in list(self.outcomes) if o.name == name]

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as exc:
            self._failure = exc

    async def _run(self) -> None:
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=200
        )
        async with httpx.AsyncClient(
            base_url=self.url, limits=limits, timeout=30, trust_env=False
        ) as client:
            async with asyncio.TaskGroup() as group:
                for target in self.targets:
                    group.create_task(self._repeat(client, target))

    async def _repeat(
        self, client: httpx.AsyncClient, target: Target
    ) -> None:
        begin = time.monotonic()
        number = 0
        async with asyncio.TaskGroup() as group:
            while not self._ending.is_set():
                group.create_task(self._once(client, target))
                self.sent += 1
                number += 1
                due = begin + number / target.rate
                await asyncio.sleep(max(0, due - time.monotonic()))
            self._senders -= 1

    async def _once(self, client: httpx.AsyncClient, target: Target) -> None:
        start = time.monotonic()
        status, headers, body, error = 0, httpx.Headers(), b"", ""
        try:
            reply = await client.request(
                target.method, target.path, headers=target.headers
            )
            status, headers, body = (
                reply.status_code, reply.headers, reply.content
            )
        except httpx.HTTPError as exc:
            error = repr(exc)
        self.outcomes.append(Outcome(
            target.name, start, time.monotonic(), status, headers, body, error
        ))
