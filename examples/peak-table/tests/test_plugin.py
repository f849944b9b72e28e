import asyncio

from fastapi.testclient import TestClient
from mint_sdk import PluginActor
from mint_sdk.testing import (
    PluginTestHarness,
    RecordingContext,
    build_test_app,
)

from mint_plugin_peak_table import experiments
from mint_plugin_peak_table.plugin import PeakTablePlugin

SPECTRUM = "100 1\n101 10\n102 1\n"


def test_job_finds_the_peak() -> None:
    with PluginTestHarness(PeakTablePlugin, timeout=60) as harness:
        completed = harness.run("find-peaks", text=SPECTRUM)

    assert "101.0" in str(completed.result)


def test_endpoints() -> None:
    with TestClient(build_test_app(PeakTablePlugin())) as client:
        found = client.post("/api/peak-table/peaks", json={"text": SPECTRUM})
        bad = client.post("/api/peak-table/peaks", json={"text": "x"})
        page = client.get("/peak-table/")
        alone = client.get("/api/peak-table/experiments")
        with client.websocket_connect("/api/peak-table/live") as live:
            live.send_text(SPECTRUM)
            grown = live.receive_json()

    assert found.status_code == 200
    assert [peak["mz"] for peak in found.json()["peaks"]] == [101.0]
    assert (bad.status_code, bad.json()["message"]) == (
        422,
        "line 1: expected m/z and intensity",
    )
    assert "Peak table" in page.text
    assert alone.status_code == 503
    assert grown == {"points": 3, "base_peak": 101.0, "total": 12.0}


def test_round_trip_with_experiments() -> None:
    context = RecordingContext(
        actor=PluginActor(user_id="3"), plugin_id="peak-table"
    )
    wanted = experiments.NewExperiment(
        name="run 1", project="P", tags={"a": 1}, spectrum=SPECTRUM
    )
    answer = asyncio.run(
        experiments.round_trip(
            experiments.experiments_of(context), "peak-table", wanted
        )
    )

    assert answer["name"] == "run 1"
    assert answer["status"] == "ongoing"
    assert answer["design_data"] == {"spectrum": SPECTRUM}
    assert answer["is_own_data"] and answer["is_listed"]
    assert answer["unknown"] is None
