"""Summary statistics of a spectrum, and the report's text.

The layout is the one that the lab's archive has been searched by for years;
it is what prettytable 2 prints (MSWORD_FRIENDLY, with its own padding).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from prettytable import MSWORD_FRIENDLY, PrettyTable

LINES_MAX = 200_000
NOISE_PERCENTILE = 20


@dataclass(frozen=True, slots=True)
class Summary:
    points: int
    lowest_mz: float
    highest_mz: float
    mean_mz: float              # weighted by intensity
    base_mz: float
    base_intensity: float
    total: float
    median_intensity: float
    noise: float                # the 20th percentile of the intensities
    signal_to_noise: float | None


def parse(text: str) -> list[tuple[float, float]]:
    """Lines of "m/z intensity"; empty ones and comments are skipped.

    Raises ValueError with the number of the first bad line.
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


def summarise(points: list[tuple[float, float]]) -> Summary:
    """Raises ValueError when there is nothing to summarise."""
    if not points:
        raise ValueError("the spectrum is empty")
    intensities = [intensity for _, intensity in points]
    total = sum(intensities)
    base_mz, base_intensity = max(points, key=lambda p: p[1])
    noise = percentile(intensities, NOISE_PERCENTILE)
    return Summary(
        points=len(points),
        lowest_mz=points[0][0],
        highest_mz=points[-1][0],
        mean_mz=(
            round(sum(mz * i for mz, i in points) / total, 4)
            if total
            else points[0][0]
        ),
        base_mz=base_mz,
        base_intensity=base_intensity,
        total=total,
        median_intensity=statistics.median(intensities),
        noise=noise,
        signal_to_noise=round(base_intensity / noise, 1) if noise else None,
    )


def percentile(values: list[float], percent: int) -> float:
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def render(summary: Summary, title: str = "Spectrum") -> str:
    table = PrettyTable(["quantity", "value"])
    table.set_style(MSWORD_FRIENDLY)
    table.align = "l"
    for name, value in rows(summary):
        table.add_row([name, value])
    return f"{title}\n{'=' * len(title)}\n{table.get_string()}\n"


def rows(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "points", str(summary.points)
    yield "m/z range", f"{summary.lowest_mz:.4f} - {summary.highest_mz:.4f}"
    yield "mean m/z", f"{summary.mean_mz:.4f}"
    yield "base peak", f"{summary.base_mz:.4f}"
    yield "base intensity", f"{summary.base_intensity:.1f}"
    yield "total ion current", f"{summary.total:.1f}"
    yield "median intensity", f"{summary.median_intensity:.1f}"
    yield "noise", f"{summary.noise:.1f}"
    ratio = summary.signal_to_noise
    yield "signal/noise", "-" if ratio is None else f"{ratio:.1f}"
