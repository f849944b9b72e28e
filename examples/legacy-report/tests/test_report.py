import pytest

from mint_plugin_legacy_report import report

SPECTRUM = "100 2\n101 10\n# noise\n102, 2\n103 2\n104 4\n"


def test_summary() -> None:
    summary = report.summarise(report.parse(SPECTRUM))

    assert (summary.points, summary.total) == (5, 20.0)
    assert (summary.base_mz, summary.base_intensity) == (101.0, 10.0)
    assert (summary.lowest_mz, summary.highest_mz) == (100.0, 104.0)
    assert summary.mean_mz == pytest.approx(101.8)
    assert summary.median_intensity == 2.0
    assert summary.signal_to_noise == 5.0


def test_flat_and_single() -> None:
    silent = report.summarise([(100.0, 0.0), (101.0, 0.0)])
    single = report.summarise([(100.0, 3.0)])

    assert (silent.mean_mz, silent.signal_to_noise) == (100.0, None)
    assert (single.noise, single.signal_to_noise) == (3.0, 1.0)
    assert "signal/noise" in report.render(silent)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "empty"), ("100 1\nabc", "line 2: expected"), ("0 1", "line 1")],
)
def test_bad_spectra(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        report.summarise(report.parse(text))


def test_layout_of_the_archive() -> None:
    text = report.render(report.summarise([(100.0, 3.0)]), "Run 1")

    assert text.splitlines()[:4] == [
        "Run 1",
        "=====",
        "| quantity          | value               |",
        "| points            | 1                   |",
    ]
