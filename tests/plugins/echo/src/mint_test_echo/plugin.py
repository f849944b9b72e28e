# SPDX-License-Identifier: MIT
"""Answers with what it was sent (a plugin for tests only)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from mint_sdk import (
    AnalysisPlugin,
    CurrentPluginActor,
    PluginRouterMount,
    endpoint,
    job,
    mint_plugin,
)
from starlette.requests import ClientDisconnect

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

# what clients have left behind: name -> when it was noticed (monotonic)
_left: dict[str, float] = {}


@mint_plugin(analysis_type="custom", routes_prefix="/test-echo")
class EchoPlugin(AnalysisPlugin):
    @endpoint.get("/headers")
    async def headers(self, request: Request) -> dict[str, Any]:
        """Every header in the order received, doubled ones included."""
        return {"headers": _headers(request), "pid": os.getpid()}

    @endpoint.get("/whoami", auth=True)
    async def whoami(
        self, request: Request, actor: CurrentPluginActor
    ) -> dict[str, Any]:
        return {
            "user_id": actor.user_id,
            "username": actor.username,
            "role": actor.role,
            "plugin_role": actor.plugin_role,
            "permissions": sorted(actor.permissions),
            "request_id": request.headers.get("x-request-id"),
        }

    @endpoint.get("/events")
    async def events(
        self, count: int = 10, gap_ms: int = 50
    ) -> StreamingResponse:
        return StreamingResponse(
            _events(count, gap_ms / 1000),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )

    @endpoint.post("/upload")
    async def upload(self, request: Request) -> dict[str, Any]:
        """Counts the body; says in how many pieces it came."""
        digest = hashlib.sha256()
        size = pieces = 0
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
            pieces += bool(piece)
        return {
            "bytes": size,
            "pieces": pieces,
            "sha256": digest.hexdigest(),
        }

    @endpoint.get("/download")
    async def download(self, size: int = 1024) -> StreamingResponse:
        return StreamingResponse(
            _zeros(size), media_type="application/octet-stream"
        )

    @endpoint.get("/left")
    async def left(self) -> dict[str, float]:
        """The requests below whose client has gone, and when."""
        return _left

    @endpoint.get("/wait")
    async def wait(self, request: Request, name: str) -> dict[str, Any]:
        """Answers only to a client that has gone."""
        _left[name] = 0
        while (await request.receive())["type"] != "http.disconnect":
            pass
        _left[name] = time.monotonic()
        return {}

    @endpoint.get("/wait-events")
    async def wait_events(self, name: str) -> StreamingResponse:
        return StreamingResponse(
            _events_until_left(name), media_type="text/event-stream"
        )

    @endpoint.post("/wait-upload")
    async def wait_upload(self, request: Request, name: str) -> dict[str, Any]:
        _left[name] = 0
        try:
            async for _ in request.stream():
                pass
        except ClientDisconnect:
            _left[name] = time.monotonic()
        return {}

    @endpoint.get("/environment")
    async def environment(self) -> dict[str, Any]:
        """What the process sees of itself; secrets are left out."""
        names = ("HOME", "TMPDIR", "MINT_PLUGIN_DATA_DIR", "MINT_INSTANCE")
        return {
            "pid": os.getpid(),
            "prefix": sys.prefix,
            "uid": os.getuid(),
            "gid": os.getgid(),
            "groups": os.getgroups(),
            "cwd": os.getcwd(),
            "environment": {name: os.environ.get(name) for name in names},
            "variables": sorted(os.environ),
        }

    @job
    def sleep_for(self, seconds: float = 0.0) -> dict[str, Any]:
        """Says as whom and where it ran."""
        time.sleep(seconds)
        return {
            "pid": os.getpid(),
            "plugin": os.environ.get("MINT_PLUGIN_NAME", ""),
            "tmpdir": os.environ.get("TMPDIR", ""),
            "main": getattr(sys.modules["__main__"], "__file__", None),
        }

    def get_routers(self) -> list[Any]:
        public = APIRouter()
        public.add_api_websocket_route("/ws", _echo)
        public.add_api_route("/any/{path:path}", _any, methods=METHODS)
        private = APIRouter()
        private.add_api_websocket_route("/private-ws", _echo)
        return [
            PluginRouterMount(router=public, auth=False),
            PluginRouterMount(router=private, auth=True),
        ]


def _headers(connection: Any) -> list[list[str]]:
    return [
        [name.decode("latin-1"), value.decode("latin-1")]
        for name, value in connection.headers.raw
    ]


async def _any(request: Request, path: str) -> dict[str, Any]:
    body = await request.body()
    return {
        "method": request.method,
        "path": request.scope["path"],
        "raw_path": request.scope["raw_path"].decode("latin-1"),
        "query": request.scope["query_string"].decode("latin-1"),
        "scheme": request.url.scheme,
        "client": request.client.host if request.client else None,
        "body": body.decode("utf-8", "replace"),
        "headers": _headers(request),
    }


async def _events(count: int, gap_sec: float) -> AsyncIterator[str]:
    for number in range(count):
        yield f"id: {number}\ndata: {number}\n\n"
        await asyncio.sleep(gap_sec)


async def _events_until_left(name: str) -> AsyncIterator[str]:
    _left[name] = 0
    try:
        yield "data: first\n\n"
        await asyncio.sleep(3600)
    finally:
        _left[name] = time.monotonic()


async def _zeros(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        piece = min(size, 65536)
        yield bytes(piece)
        size -= piece


async def _echo(websocket: WebSocket) -> None:
    """Sends the headers of the upgrade, then back whatever comes."""
    await websocket.accept()
    await websocket.send_json({"headers": _headers(websocket)})
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                name = websocket.query_params.get("name")
                if name is not None:
                    _left[name] = time.monotonic()
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return
