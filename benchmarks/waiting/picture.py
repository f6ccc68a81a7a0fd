"""A picture of requests a job over the number of tasks that wait, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmarks.waiting.clients import FIXED, HTTP, OURS, SDK

Line = Sequence[Sequence[float]]
"""Points: how many wait, and requests a job."""

_COLOURS = {OURS: "#0b6e4f", FIXED: "#c0392b", HTTP: "#8e44ad", SDK: "#b9770e"}
_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 50, 60


class Scale:
    """Where on a line of pixels a number has its place.

    :param low: at ``first``
    :param high: at ``last``
    """

    def __init__(self, *, low: float, high: float, first: float, last: float) -> None:
        self._low, self._per_decade = math.log10(low), (last - first) / (math.log10(high) - math.log10(low))
        self._first = first

    def __call__(self, number: float) -> float:
        return self._first + (math.log10(number) - self._low) * self._per_decade


def picture(chart: Mapping[str, Line]) -> str:
    """An SVG of the runs with many tasks running.

    :param chart: label -> line; a label begins with the client's name
    """
    lines = {label: sorted(line, key=list) for label, line in chart.items()}
    sizes = sorted({size for line in lines.values() for size, _ in line})
    most = max(requests for line in lines.values() for _, requests in line)
    x = Scale(low=sizes[0], high=max(sizes[-1], sizes[0] * 2), first=_LEFT, last=_WIDTH - _RIGHT)
    y = Scale(low=0.8, high=max(100.0, most * 1.2), first=_HEIGHT - _BOTTOM, last=_TOP)
    parts = [*_frame(x, y, sizes=sizes, most=max(100.0, most * 1.2))]
    places = _apart({label: y(line[-1][1]) for label, line in lines.items()})
    for label, line in lines.items():
        parts += _drawn(line, x, y, label=label, place=places[label])
    style = "font-family='Helvetica, Arial, sans-serif' font-size='13'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' {style} role='img'>"
    return "\n".join([head, *parts, "</svg>", ""])


def _frame(x: Scale, y: Scale, *, sizes: Sequence[float], most: float) -> list[str]:
    parts = [
        "<title>Requests a job, by how many tasks wait</title>",
        f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='white'/>",
        f"<text x='{_LEFT}' y='26' font-size='15'>Status requests for each task, all rendering at once</text>",
        f"<text x='{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}' y='{_HEIGHT - 16}' text-anchor='middle'>tasks that wait</text>",
    ]
    for number in (number for number in (1, 10, 100, 1000, 10000) if number <= most):
        at = y(number)
        parts.append(f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{at:.1f}' y2='{at:.1f}' stroke='#ddd'/>")
        parts.append(f"<text x='{_LEFT - 8}' y='{at + 4:.1f}' text-anchor='end'>{number:,}</text>")
    for size in sizes:
        at = x(size)
        parts.append(f"<text x='{at:.1f}' y='{_HEIGHT - _BOTTOM + 20}' text-anchor='middle'>{size:,}</text>")
    return parts


def _drawn(line: Line, x: Scale, y: Scale, *, label: str, place: float) -> list[str]:
    colour = next(colour for client, colour in _COLOURS.items() if label.startswith(client))
    dots = [(x(size), y(max(0.8, requests))) for size, requests in line]
    path = " ".join(f"{across:.1f},{down:.1f}" for across, down in dots)
    return [
        f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'/>",
        *(f"<circle cx='{across:.1f}' cy='{down:.1f}' r='4' fill='{colour}'/>" for across, down in dots),
        f"<text x='{dots[-1][0] + 12:.1f}' y='{place + 4:.1f}' fill='{colour}'>{label}</text>",
    ]


def _apart(places: dict[str, float], *, least: float = 18.0) -> dict[str, float]:
    """The labels' heights, moved down where they would overlap."""
    moved: dict[str, float] = {}
    last = -math.inf
    for client, place in sorted(places.items(), key=lambda entry: entry[1]):
        last = moved[client] = max(place, last + least)
    return moved
