import asyncio

from fastapi.testclient import TestClient
from mint_sdk import PluginActor
from mint_sdk.testing import (
    PluginTestHarness,
    RecordingContext,
    build_test_app,
)

from mint_plugin_legacy_report import experiments
from mint_plugin_legacy_report.plugin import LegacyReportPlugin

SPECTRUM = "100 1\n101 10\n102 1\n"


def test_job_writes_the_report() -> None:
    with PluginTestHarness(LegacyReportPlugin, timeout=60) as harness:
        completed = harness.run("write-report", text=SPECTRUM, title="Run 7")

    assert completed.value.startswith("Run 7\n=====\n")
    assert "| base peak         | 101.0000            |" in completed.value


def test_endpoints() -> None:
    base = "/api/legacy-report"
    with TestClient(build_test_app(LegacyReportPlugin())) as client:
        made = client.post(f"{base}/report", json={"text": SPECTRUM})
        bad = client.post(f"{base}/report", json={"text": ""})
        page = client.get("/legacy-report/")
        alone = client.get(f"{base}/experiments")
        with client.websocket_connect(f"{base}/lines") as lines:
            lines.send_text("x")
            refused = lines.receive_json()
            lines.send_text(SPECTRUM)
            first = lines.receive_json()

    assert made.json()["summary"]["base_mz"] == 101.0
    assert made.json()["report"].startswith("Spectrum\n")
    assert (bad.status_code, bad.json()["message"]) == (
        422,
        "the spectrum is empty",
    )
    assert "Legacy report" in page.text
    assert alone.status_code == 503
    assert refused == {"error": "line 1: expected m/z and intensity"}
    assert first == {"name": "points", "value": "3"}


def test_round_trip_with_experiments() -> None:
    context = RecordingContext(
        actor=PluginActor(user_id="3"), plugin_id="legacy-report"
    )
    wanted = experiments.NewExperiment(
        name="run 1", project="P", tags={"a": 1}, spectrum=SPECTRUM
    )
    answer = asyncio.run(
        experiments.round_trip(
            experiments.experiments_of(context), "legacy-report", wanted
        )
    )

    assert answer["name"] == "run 1"
    assert answer["status"] == "ongoing"
    assert answer["design_data"] == {"spectrum": SPECTRUM}
    assert answer["is_own_data"] and answer["is_listed"]
    assert answer["unknown"] is None
