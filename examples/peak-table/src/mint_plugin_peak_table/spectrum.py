"""Spectra as text, and the peaks in them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from prettytable import PrettyTable, TableStyle

LINES_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Peak:
    mz: float
    intensity: float
    relative: float             # to the highest peak, in percent


def parse(text: str) -> list[tuple[float, float]]:
    """Lines of "m/z intensity" (or with a comma), sorted by m/z.

    Lines that are empty or begin with "#" are skipped.  Raises ValueError
    with the number of the first bad line.
    """
    points: list[tuple[float, float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if number > LINES_MAX:
            raise ValueError(f"more than {LINES_MAX} lines")
        fields = line.replace(",", " ").split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            mz, intensity = (float(field) for field in fields)
        except ValueError:
            raise ValueError(
                f"line {number}: expected m/z and intensity"
            ) from None
        if not (0 < mz < 1e6 and 0 <= intensity < 1e300):
            raise ValueError(f"line {number}: out of range")
        points.append((mz, intensity))
    return sorted(points)


def find_peaks(
    points: list[tuple[float, float]], minimum: float = 1.0, top: int = 50
) -> list[Peak]:
    """The local maxima of at least ``minimum`` percent of the highest.

    The m/z of a peak is the centroid of its three points.
    """
    if not points:
        return []
    highest = max(intensity for _, intensity in points)
    if highest == 0:
        return []
    peaks = []
    padded = [(0.0, -1.0), *points, (0.0, -1.0)]
    for left, middle, right in zip(
        padded, padded[1:], padded[2:], strict=False
    ):
        relative = 100 * middle[1] / highest
        if not left[1] < middle[1] >= right[1] or relative < minimum:
            continue
        near = [p for p in (left, middle, right) if p[1] > 0]
        weight = sum(intensity for _, intensity in near)
        centroid = sum(mz * intensity for mz, intensity in near) / weight
        peaks.append(Peak(round(centroid, 4), middle[1], round(relative, 2)))
    strongest = sorted(peaks, key=lambda p: p.intensity, reverse=True)[:top]
    return sorted(strongest, key=lambda p: p.mz)


def spacings(peaks: list[Peak]) -> list[float]:
    """Distances between neighbours: 1.003/z apart means charge z."""
    return [round(b.mz - a.mz, 4) for a, b in pairwise(peaks)]


def render(peaks: list[Peak]) -> str:
    """The peak list as a Markdown table."""
    table = PrettyTable(["m/z", "intensity", "relative %"])
    table.set_style(TableStyle.MARKDOWN)
    table.align = "r"
    for peak in peaks:
        table.add_row(
            [f"{peak.mz:.4f}", f"{peak.intensity:.1f}", f"{peak.relative:.2f}"]
        )
    return table.get_string()
