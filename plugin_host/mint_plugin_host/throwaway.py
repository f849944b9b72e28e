# SPDX-License-Identifier: MIT
"""A plugin that is run once, in the warm interpreter, and thrown away.

It declares a little of everything that plugins have, so that what the SDK
and the web stack do at the first of each is done before plugins are forked.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, WebSocket
from mint_sdk import (
    AnalysisPlugin,
    CurrentPluginActor,
    JobContext,
    PluginCapabilities,
    PluginRouterMount,
    PluginType,
    TableResult,
    endpoint,
    generated_ui,
    job,
    mint_plugin,
)
from pydantic import BaseModel, Field

PREFIX = "/mint-throw-away"


class Settings(BaseModel):
    number: float = Field(default=1.0, ge=0, le=100, title="A number")
    text: str = Field(default="", title="A text")


class Body(BaseModel):
    text: str
    number: float | None = None


@mint_plugin(
    analysis_type="none",
    routes_prefix=PREFIX,
    plugin_type=PluginType.ANALYSIS,
    capabilities=PluginCapabilities(requires_auth=True),
    config=Settings,
)
@generated_ui()
class ThrowAway(AnalysisPlugin):
    @endpoint.get("/whoami")
    async def whoami(
        self, request: Request, actor: CurrentPluginActor
    ) -> dict[str, Any]:
        return {"user_id": actor.user_id}

    @endpoint.get("/ping", auth=False)
    async def ping(self) -> dict[str, str]:
        return {"answer": "pong"}

    @endpoint.post("/echo", auth=False)
    async def echo(self, body: Body) -> dict[str, Any]:
        return {"text": body.text}

    @job(title="Count")
    def count(self, length: int = 1, *, context: JobContext) -> TableResult:
        return TableResult(columns=["n"], rows=[{"n": length}])

    def get_routers(self) -> list[PluginRouterMount]:
        router = APIRouter()
        router.add_api_websocket_route("/live", self._live)
        return [PluginRouterMount(router=router)]

    async def _live(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()
