import pytest

from mint_plugin_peak_table import spectrum

ISOTOPES = """
# a doubly charged ion
500.00 1
500.25 1000
500.50 10
500.75 600
501.00 5
501.25, 180
501.50 2
"""


def test_peaks_of_an_isotope_pattern() -> None:
    peaks = spectrum.find_peaks(spectrum.parse(ISOTOPES))

    assert [peak.relative for peak in peaks] == [100.0, 60.0, 18.0]
    assert [round(peak.mz, 1) for peak in peaks] == [500.3, 500.7, 501.2]
    assert spectrum.spacings(peaks) == pytest.approx([0.5, 0.5], abs=0.01)


def test_small_peaks_and_long_tables_are_cut() -> None:
    points = spectrum.parse(ISOTOPES)

    assert len(spectrum.find_peaks(points, minimum=50)) == 2
    assert [p.relative for p in spectrum.find_peaks(points, top=1)] == [100.0]
    assert spectrum.find_peaks([]) == []
    assert spectrum.find_peaks([(1.0, 0.0)]) == []


def test_a_flat_top_is_one_peak() -> None:
    points = [(1.0, 5.0), (2.0, 9.0), (3.0, 9.0), (4.0, 1.0)]

    assert len(spectrum.find_peaks(points)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("100 1\nabc", "line 2: expected"),
        ("100", "line 1: expected"),
        ("-1 5", "line 1: out of range"),
        ("100 nan", "line 1: out of range"),
        ("1 2 3", "line 1: expected"),
    ],
)
def test_bad_lines_are_named(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        spectrum.parse(text)


def test_table() -> None:
    text = spectrum.render([spectrum.Peak(100.5, 10.0, 100.0)])

    assert "|      m/z | intensity | relative % |" in text
    assert "| 100.5000 |      10.0 |     100.00 |" in text
