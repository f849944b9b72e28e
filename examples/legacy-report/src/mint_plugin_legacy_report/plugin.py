"""The plugin class: endpoints, one job, one WebSocket, settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import (
    APIRouter,
    HTTPException,
    Request,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import PlainTextResponse
from mint_sdk import (
    AnalysisPlugin,
    CurrentExperiment,
    CurrentPluginActor,
    JobContext,
    PluginCapabilities,
    PluginNavItem,
    PluginRouterMount,
    PluginType,
    TextResult,
    endpoint,
    job,
    mint_plugin,
)
from pydantic import BaseModel, Field

from mint_plugin_legacy_report import experiments, report


class Settings(BaseModel):
    title: str = Field(
        default="Spectrum", min_length=1, max_length=80, title="Heading"
    )


class Spectrum(BaseModel):
    """Lines of "m/z intensity"; the heading may come from the settings."""

    text: str
    title: str | None = Field(default=None, min_length=1, max_length=80)


@mint_plugin(
    analysis_type="mass_spectrometry",
    routes_prefix="/legacy-report",
    plugin_type=PluginType.ANALYSIS,
    capabilities=PluginCapabilities(
        requires_auth=True,
        requires_experiments=True,
        experiment_crud=True,
        design_data_write=True,
    ),
    icon="M6 3h9l4 4v14H6zM9 12h7M9 16h7",
    color="#A16207",
    nav_items=[PluginNavItem(path="/", label="Legacy report", id="report")],
    config=Settings,
)
class LegacyReportPlugin(AnalysisPlugin):
    @endpoint.get("/whoami")
    async def whoami(
        self, request: Request, actor: CurrentPluginActor
    ) -> dict[str, Any]:
        """The caller as the platform presents him to this plugin."""
        return {
            "plugin": self.metadata.name,
            "version": self.metadata.version,
            "user_id": actor.user_id,
            "username": actor.username,
            "role": actor.role,
            "plugin_role": actor.plugin_role,
            "permissions": sorted(actor.permissions),
            "request_id": request.headers.get("x-request-id"),
        }

    @endpoint.get("/ping", auth=False)
    async def ping(self) -> dict[str, str]:
        """For everyone, signed in or not."""
        return {"plugin": self.metadata.name, "version": self.metadata.version}

    @endpoint.post("/report")
    async def make_report(self, body: Spectrum) -> dict[str, Any]:
        """The summary of a spectrum that is not stored anywhere."""
        settings = self.settings or Settings()
        summary = self._summarise(body.text)
        return {
            "summary": asdict(summary),
            "report": report.render(summary, body.title or settings.title),
        }

    @endpoint.get("/experiments")
    async def list_experiments(
        self, skip: int = 0, limit: int = 50
    ) -> dict[str, Any]:
        repository = experiments.experiments_of(self._context)
        found, total = await repository.list_all(skip=skip, limit=limit)
        return {
            "experiments": [experiments.summary(each) for each in found],
            "total": total,
        }

    @endpoint.post("/round-trip")
    async def round_trip(
        self, body: experiments.NewExperiment
    ) -> dict[str, Any]:
        return await experiments.round_trip(
            experiments.experiments_of(self._context),
            self.metadata.name,
            body,
        )

    @endpoint.get(
        "/experiments/{experiment_id}/report",
        response_class=PlainTextResponse,
    )
    async def experiment_report(
        self, experiment_id: int, experiment: CurrentExperiment
    ) -> str:
        """The report of an experiment's stored spectrum, as a file."""
        repository = experiments.experiments_of(self._context)
        design = await repository.get_design_data(experiment_id)
        text = design.data.get("spectrum") if design else None
        if not isinstance(text, str):
            raise HTTPException(404, "The experiment has no spectrum")
        return report.render(self._summarise(text), experiment.name)

    @job(title="Report")
    def write_report(
        self, text: str, title: str = "Spectrum", *, context: JobContext
    ) -> TextResult:
        """The same report from a process of its own, for long spectra."""
        points = report.parse(text)
        context.report(percent=50, message=f"{len(points)} points")
        return TextResult(text=report.render(report.summarise(points), title))

    def get_routers(self) -> list[PluginRouterMount]:
        router = APIRouter()
        router.add_api_websocket_route("/lines", self._lines)
        return [PluginRouterMount(router=router)]

    async def _lines(self, websocket: WebSocket) -> None:
        """For each spectrum that comes, its report line by line."""
        await websocket.accept()
        try:
            while True:
                text = await websocket.receive_text()
                try:
                    summary = report.summarise(report.parse(text))
                except ValueError as exc:
                    await websocket.send_json({"error": str(exc)})
                    continue
                for name, value in report.rows(summary):
                    await websocket.send_json({"name": name, "value": value})
                await websocket.send_json({"end": True})
        except WebSocketDisconnect:
            return

    def _summarise(self, text: str) -> report.Summary:
        try:
            return report.summarise(report.parse(text))
        except ValueError as exc:
            raise HTTPException(422, str(exc)) from exc
