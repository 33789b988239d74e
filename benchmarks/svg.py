"""Small charts as SVG: the same bytes for the same figures, legible on light and on dark pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

COLOURS = {  # light, dark: contrast of 4.5 and more on their ground; also told apart by shape
    "blue": ("#0b62c4", "#6cb1ff"),
    "orange": ("#b4500b", "#ffa657"),
    "green": ("#137a3f", "#56d364"),
    "purple": ("#8034b8", "#d2a8ff"),
    "grey": ("#656d76", "#9aa4af"),
}
GROUND = ("#ffffff", "#0d1117")
INK = ("#1f2328", "#e6edf3")
FAINT = ("#d8dee4", "#30363d")
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a chart: what it shows with its unit, and where its marks stand."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    percent: bool = True

    def text(self, value: float) -> str:
        return f"{value * 100:.0f}%" if self.percent else f"{value:g}"

    def part(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one colour: joined, marked, or both. ``bars`` are vertical intervals."""

    label: str
    colour: str
    points: Sequence[Point]
    shape: str = "circle"
    joined: bool = True
    dashed: bool = False
    marked: bool = True
    sizes: Sequence[float] = ()
    bars: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with its axes."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    diagonal: bool = False
    names_inside: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels in rows, ``columns`` of them, under one legend."""

    name: str
    description: str
    panels: Sequence[Panel]
    columns: int = 2
    width: int = 380
    height: int = 300
    legend: Sequence[Series] = field(default=())


TOP, LEFT, RIGHT, BOTTOM = 34, 62, 26, 50
LEGEND_LINE = 22


def drawn(figure: Figure) -> str:
    """The figure as an SVG document."""
    rows = -(-len(figure.panels) // figure.columns)
    width = figure.columns * figure.width
    legend_rows = _legend_rows(figure.legend, width)
    head = 8 + LEGEND_LINE * len(legend_rows)
    height = head + rows * figure.height
    body = [f'<rect class="ground" width="{width}" height="{height}" rx="6"/>']
    for row, entries in enumerate(legend_rows):
        for left, series in entries:
            body.append(_legend_entry(series, left, 20 + row * LEGEND_LINE))
    for place, panel in enumerate(figure.panels):
        left = (place % figure.columns) * figure.width
        top = head + place // figure.columns * figure.height
        inside = "\n".join(_panel(panel, figure.width, figure.height))
        body.append(f'<g transform="translate({left},{top})">\n{inside}\n</g>')
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t">',
            f'<title id="t">{escape(figure.description)}</title>',
            f"<style>{_style()}</style>",
            *body,
            "</svg>\n",
        ]
    )


def _style() -> str:
    """Plain rules first, for renderers that know no media queries."""
    shades = [_shade(which) for which in (0, 1)]
    return (
        f"text{{{FONT};font-size:12px}}.title{{font-weight:600;font-size:13px}}"
        f".line{{fill:none;stroke-width:2}}.bar{{stroke-width:1.5}}"
        f"{shades[0]}@media(prefers-color-scheme:dark){{{shades[1]}}}"
    )


def _shade(which: int) -> str:
    rules = f".ground{{fill:{GROUND[which]}}}text{{fill:{INK[which]}}}"
    rules += f".grid{{stroke:{FAINT[which]}}}.axis{{stroke:{COLOURS['grey'][which]}}}"
    for name, pair in COLOURS.items():
        rules += f".s-{name}{{stroke:{pair[which]}}}.f-{name}{{fill:{pair[which]}}}"
    return rules


def _legend_rows(legend: Sequence[Series], width: int) -> list[list[tuple[float, Series]]]:
    rows: list[list[tuple[float, Series]]] = []
    left = float(width)
    for series in legend:
        needed = 46 + 6.9 * len(series.label)
        if left + needed > width - 10:
            rows.append([])
            left = LEFT - 20
        rows[-1].append((left, series))
        left += needed
    return rows


def _legend_entry(series: Series, left: float, middle: float) -> str:
    parts = []
    if series.joined:
        parts.append(_line([(left, middle), (left + 22, middle)], series))
    if series.marked:
        parts.append(_mark(series, left + 11, middle, 4.5))
    words = escape(series.label)
    return "".join(parts) + f'<text x="{_n(left + 29)}" y="{_n(middle + 4)}">{words}</text>'


def _panel(panel: Panel, width: int, height: int) -> list[str]:
    right, bottom = width - RIGHT, height - BOTTOM

    def at(point: Point) -> Point:
        x = LEFT + panel.x.part(point[0]) * (right - LEFT)
        return x, bottom - panel.y.part(point[1]) * (bottom - TOP)

    found = [f'<text class="title" x="{LEFT}" y="{TOP - 12}">{escape(panel.title)}</text>']
    for tick in panel.x.ticks:
        x, _ = at((tick, panel.y.low))
        found.append(f'<line class="grid" x1="{_n(x)}" y1="{TOP}" x2="{_n(x)}" y2="{bottom}"/>')
        found.append(_words(panel.x.text(tick), x, bottom + 17, "middle"))
    for tick in panel.y.ticks:
        _, y = at((panel.x.low, tick))
        found.append(f'<line class="grid" x1="{LEFT}" y1="{_n(y)}" x2="{right}" y2="{_n(y)}"/>')
        found.append(_words(panel.y.text(tick), LEFT - 8, y + 4, "end"))
    found.append(_words(panel.x.label, (LEFT + right) / 2, bottom + 38, "middle"))
    middle = (TOP + bottom) / 2
    found.append(
        f'<text x="16" y="{_n(middle)}" text-anchor="middle" '
        f'transform="rotate(-90 16 {_n(middle)})">{escape(panel.y.label)}</text>'
    )
    found.append(f'<path class="line axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    if panel.diagonal:
        line = Series("", "grey", (), dashed=True)
        low, high = max(panel.x.low, panel.y.low), min(panel.x.high, panel.y.high)
        found.append(_line([at((low, low)), at((high, high))], line))
    for place, series in enumerate(panel.series):
        if panel.names_inside:
            lowest = bottom - 16 - 18 * (len(panel.series) - 1)
            found.append(_legend_entry(series, LEFT + 10, lowest + 18 * place))
        found += _series(series, [at(point) for point in series.points], at)
    return found


def _series(series: Series, points: Sequence[Point], at: Callable[[Point], Point]) -> list[str]:
    found = []
    for x, low, high in series.bars:
        (left, bottom), (_, top) = at((x, low)), at((x, high))
        found.append(
            f'<line class="bar s-{series.colour}" x1="{_n(left)}" y1="{_n(bottom)}" '
            f'x2="{_n(left)}" y2="{_n(top)}"/>'
        )
    if series.joined and len(points) > 1:
        found.append(_line(points, series))
    if series.marked:
        sizes = series.sizes or [4.5] * len(points)
        found += [_mark(series, x, y, size) for (x, y), size in zip(points, sizes, strict=True)]
    return found


def _line(points: Sequence[Point], series: Series) -> str:
    path = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    dash = ' stroke-dasharray="5 4"' if series.dashed else ""
    return f'<path class="line s-{series.colour}" d="M{path}"{dash}/>'


def _mark(series: Series, x: float, y: float, size: float) -> str:
    match series.shape:
        case "square":
            box = f'x="{_n(x - size)}" y="{_n(y - size)}" width="{_n(2 * size)}"'
            return f'<rect class="f-{series.colour}" {box} height="{_n(2 * size)}"/>'
        case "diamond":
            reach = size * 1.3
            path = f"M{_n(x)} {_n(y - reach)}l{_n(reach)} {_n(reach)} {_n(-reach)} {_n(reach)} "
            return f'<path class="f-{series.colour}" d="{path}{_n(-reach)} {_n(-reach)}z"/>'
        case "triangle":
            reach = size * 1.25
            path = f"M{_n(x)} {_n(y - reach)}l{_n(reach)} {_n(2 * reach)}h{_n(-2 * reach)}z"
            return f'<path class="f-{series.colour}" d="{path}"/>'
        case _:
            place = f'cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}"'
            return f'<circle class="f-{series.colour}" {place}/>'


def _words(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
