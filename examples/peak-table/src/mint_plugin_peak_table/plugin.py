"""The plugin class: endpoints, one job, one WebSocket, settings."""

from __future__ import annotations

from typing import Any

from fastapi import (
    APIRouter,
    HTTPException,
    Request,
    WebSocket,
    WebSocketDisconnect,
)
from mint_sdk import (
    AnalysisPlugin,
    CurrentExperiment,
    CurrentPluginActor,
    JobContext,
    PluginCapabilities,
    PluginNavItem,
    PluginRouterMount,
    PluginType,
    TableResult,
    endpoint,
    job,
    mint_plugin,
)
from pydantic import BaseModel, Field

from mint_plugin_peak_table import experiments, spectrum


class Settings(BaseModel):
    minimum_percent: float = Field(
        default=1.0, ge=0, le=100, title="Smallest peak, in % of the highest"
    )
    top: int = Field(default=50, ge=1, le=1000, title="Longest table")


class Spectrum(BaseModel):
    """Lines of "m/z intensity"; what is left out comes from the settings."""

    text: str
    minimum_percent: float | None = Field(default=None, ge=0, le=100)
    top: int | None = Field(default=None, ge=1, le=1000)


@mint_plugin(
    analysis_type="mass_spectrometry",
    routes_prefix="/peak-table",
    plugin_type=PluginType.ANALYSIS,
    capabilities=PluginCapabilities(
        requires_auth=True,
        requires_experiments=True,
        experiment_crud=True,
        design_data_write=True,
    ),
    icon="M4 19h16M7 16V8m5 8V4m5 12v-6",
    color="#0EA5E9",
    nav_items=[PluginNavItem(path="/", label="Peak table", id="peaks")],
    config=Settings,
)
class PeakTablePlugin(AnalysisPlugin):
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

    @endpoint.post("/peaks")
    async def peaks(self, body: Spectrum) -> dict[str, Any]:
        """The peaks of a spectrum that is not stored anywhere."""
        return self._find(body.text, body.minimum_percent, body.top)

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

    @endpoint.post("/experiments")
    async def create_experiment(
        self, body: experiments.NewExperiment
    ) -> dict[str, Any]:
        """Stores a spectrum as a new experiment."""
        self._points(body.spectrum)
        repository = experiments.experiments_of(self._context)
        created = await repository.create(
            body.name,
            experiments.EXPERIMENT_TYPE,
            project=body.project,
            notes=body.notes,
            tags=body.tags,
        )
        await repository.save_design_data(
            created.id, self.metadata.name, {"spectrum": body.spectrum}, "2.0"
        )
        return experiments.summary(created)

    @endpoint.post("/round-trip")
    async def round_trip(
        self, body: experiments.NewExperiment
    ) -> dict[str, Any]:
        return await experiments.round_trip(
            experiments.experiments_of(self._context),
            self.metadata.name,
            body,
        )

    @endpoint.get("/experiments/{experiment_id}/peaks")
    async def experiment_peaks(
        self, experiment_id: int, experiment: CurrentExperiment
    ) -> dict[str, Any]:
        """The peaks of an experiment's stored spectrum."""
        repository = experiments.experiments_of(self._context)
        design = await repository.get_design_data(experiment_id)
        text = design.data.get("spectrum") if design else None
        if not isinstance(text, str):
            raise HTTPException(404, "The experiment has no spectrum")
        return {"name": experiment.name, **self._find(text, None, None)}

    @job(title="Peak table")
    def find_peaks(
        self,
        text: str,
        minimum_percent: float = 1.0,
        top: int = 50,
        *,
        context: JobContext,
    ) -> TableResult:
        """The same search in a process of its own, for long spectra."""
        points = spectrum.parse(text)
        context.report(percent=50, message=f"{len(points)} points")
        found = spectrum.find_peaks(points, minimum_percent, top)
        return TableResult(
            columns=["mz", "intensity", "relative"],
            rows=[
                {
                    "mz": peak.mz,
                    "intensity": peak.intensity,
                    "relative": peak.relative,
                }
                for peak in found
            ],
        )

    def get_routers(self) -> list[PluginRouterMount]:
        router = APIRouter()
        router.add_api_websocket_route("/live", self._live)
        return [PluginRouterMount(router=router)]

    async def _live(self, websocket: WebSocket) -> None:
        """A spectrum grows line by line; the base peak is sent back."""
        await websocket.accept()
        points: list[tuple[float, float]] = []
        try:
            while len(points) < spectrum.LINES_MAX:
                text = await websocket.receive_text()
                try:
                    points += spectrum.parse(text)
                except ValueError as exc:
                    await websocket.send_json({"error": str(exc)})
                    continue
                base = max(points, key=lambda p: p[1], default=None)
                await websocket.send_json({
                    "points": len(points),
                    "base_peak": base[0] if base else None,
                    "total": sum(intensity for _, intensity in points),
                })
            await websocket.close(1009, "the spectrum is too long")
        except WebSocketDisconnect:
            return

    def _points(self, text: str) -> list[tuple[float, float]]:
        try:
            return spectrum.parse(text)
        except ValueError as exc:
            raise HTTPException(422, str(exc)) from exc

    def _find(
        self, text: str, minimum: float | None, top: int | None
    ) -> dict[str, Any]:
        settings = self.settings or Settings()
        points = self._points(text)
        found = spectrum.find_peaks(
            points,
            settings.minimum_percent if minimum is None else minimum,
            settings.top if top is None else top,
        )
        return {
            "points": len(points),
            "peaks": [
                {
                    "mz": peak.mz,
                    "intensity": peak.intensity,
                    "relative": peak.relative,
                }
                for peak in found
            ],
            "spacings": spectrum.spacings(found),
            "table": spectrum.render(found),
        }
