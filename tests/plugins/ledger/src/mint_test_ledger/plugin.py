# SPDX-License-Identifier: MIT
"""Writes down what it executes (a plugin for tests only)."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from mint_sdk import (
    AnalysisPlugin,
    CurrentPluginActor,
    PlatformContext,
    PluginRouterMount,
    endpoint,
    job,
    mint_plugin,
)

from mint_test_ledger import trouble
from mint_test_ledger.journal import Journal

trouble.at_import()


@mint_plugin(analysis_type="custom", routes_prefix="/test-ledger")
class LedgerPlugin(AnalysisPlugin):
    async def initialize(
        self, context: PlatformContext | None = None
    ) -> None:
        await super().initialize(context)
        self.journal = Journal()
        await trouble.at_initialize()

    @endpoint.post("/run")
    async def run(self, id: str, ms: int = 0) -> dict[str, Any]:
        """An execution that must not happen twice."""
        self.journal.write(id)
        await asyncio.sleep(ms / 1000)
        return {"id": id, "pid": os.getpid()}

    @endpoint.get("/look")
    async def look(self, id: str, ms: int = 0) -> dict[str, Any]:
        """May be asked again by the edge, so it is not written down."""
        await asyncio.sleep(ms / 1000)
        return {"id": id, "pid": os.getpid(),
                "version": os.environ.get("MINT_PLUGIN_VERSION")}

    @endpoint.get("/whoami", auth=True)
    async def whoami(
        self, actor: CurrentPluginActor, id: str
    ) -> dict[str, Any]:
        """Asks the platform who that is, while it is served."""
        return {"id": id, "pid": os.getpid(), "user": actor.username}

    @endpoint.post("/trouble")
    async def trouble(self, name: str, seconds: float = 0) -> dict[str, Any]:
        trouble.begin(name, seconds)
        return {"pid": os.getpid()}

    @job
    def analyse(self, seconds: float = 0.0) -> dict[str, Any]:
        time.sleep(seconds)
        return {"version": os.environ["MINT_PLUGIN_VERSION"]}

    def get_routers(self) -> list[Any]:
        router = APIRouter()
        router.add_api_websocket_route("/ws", self.converse)
        return [PluginRouterMount(router=router, auth=False)]

    async def converse(self, websocket: WebSocket) -> None:
        """Each message is an id; it comes back once it is executed."""
        await websocket.accept()
        try:
            while True:
                ident = await websocket.receive_text()
                self.journal.write(ident)
                await websocket.send_text(ident)
        except WebSocketDisconnect:
            return
