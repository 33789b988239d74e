"""Cost against quality as SVG: the same bytes for the same figures, for light and dark pages.

It says in words what it shows, for those who cannot see it, and needs nothing from anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from math import floor, isfinite, log10

from rung.core.plan import Policy
from rung.tuner.aims import Alternative, Estimate, Recommendation

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 52, 58
MOST_TICKS = 7
LONGEST_NAME = 44
FAR = 20.0
"""How many times as dear the dearest is for logarithms to be of use."""

COLOURS = {  # light, dark: contrast of 4.5 and more on their ground; also told apart by shape
    "ladder": ("#0b62c4", "#6cb1ff"),
    "front": ("#137a3f", "#56d364"),
    "model": ("#656d76", "#9aa4af"),
    "baseline": ("#b4500b", "#ffa657"),
    "control": ("#8034b8", "#d2a8ff"),
}
"""By what a spot is."""

GROUND, INK, FAINT = ("#ffffff", "#0d1117"), ("#1f2328", "#e6edf3"), ("#d8dee4", "#30363d")
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"


@dataclass(frozen=True, slots=True)
class Spot:
    """One policy: its cost in dollars a request and its quality (0..1), with their intervals.

    ``kind`` is one of `COLOURS`. ``named``: its label stands beside it; else it is a tooltip alone.
    """

    label: str
    cost_usd: float
    quality: float
    kind: str = "model"
    cost_between: tuple[float, float] | None = None
    quality_between: tuple[float, float] | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values stand on one side of the picture; ``low`` and ``high`` of logarithms if so."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        if self.logarithmic:
            value = log10(value) if value > 0 else self.low
        part = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, part)) * (self.end - self.start)


def cost_quality(title: str, spots: Sequence[Spot], target: float | None = None) -> str:
    """Spots with their intervals; those of kind ``front`` are joined. An SVG document.

    ``target`` (0..1) is drawn as a line. What is no number is left out.
    """
    shown = [spot for spot in spots if isfinite(spot.cost_usd) and isfinite(spot.quality)]
    x = _cost_scale([spot.cost_usd for spot in shown], [v for s in shown for v in _costs(s)])
    quality = [v for spot in shown for v in _qualities(spot)] + ([] if target is None else [target])
    y = _scale(quality, None, HEIGHT - BOTTOM, TOP)
    body = [*_axes(x, y), *_target(target, y), *_front(shown, x, y)]
    for spot in shown:
        body += _spot(spot, x, y)
    body += _names(shown, x, y)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">',
            f'<title id="t">{_safe(title)}</title>',
            f'<desc id="d">{_safe(_in_words(shown, target))}</desc>',
            f"<style>{_style()}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            f'<text class="title" x="{LEFT}" y="26">{_safe(_cut(title, 90))}</text>',
            *body,
            "</svg>\n",
        ]
    )


def picture(made: Recommendation, singles: Mapping[str, tuple[float, float]]) -> str:
    """A recommendation beside its alternatives and all models alone, as an SVG document.

    ``singles``: each model's quality (0..1) and cost in dollars a request.
    """
    baseline = made.baseline
    spots = [
        Spot(model, cost, quality, named=False)
        for model, (quality, cost) in singles.items()
        if baseline is None or model != baseline.model
    ]
    spots += [_alternative(each) for each in made.alternatives if each.why_not]
    if baseline is not None:
        spots.append(_estimated(baseline.model, "baseline", baseline.cost_usd, baseline.quality))
    if made.tuned is not None:
        label = ladder_name(made.tuned.whole)
        if made.tuned.by_category:
            label += " (others for some categories)"
        if made.tuned.part is not None:
            part = made.tuned.part
            label = f"{part.share:.0%} {ladder_name(part.policy)}, else {label}"
        spots.append(_estimated(label, "ladder", made.cost_usd, made.quality))
    title = "Ladders on these outcomes" + (", certified" if made.certified else ", not certified")
    return cost_quality(title, spots, made.target)


def ladder_name(ladder: Policy) -> str:
    """Its models in the order of their calls."""
    return " -> ".join(rung.tier for rung in ladder.rungs)


def _alternative(each: Alternative) -> Spot:
    name = ladder_name(each.tuned.whole)
    return Spot(name, each.cost_usd.value, each.quality.value, "front", named=each.certified)


def _estimated(label: str, kind: str, cost: Estimate, quality: Estimate) -> Spot:
    between = (cost.low, cost.high), (quality.low, quality.high)
    return Spot(label, cost.value, quality.value, kind, *between)


def _in_words(spots: Sequence[Spot], target: float | None) -> str:
    lines = [
        f"{spot.label}: quality {spot.quality:.1%} at ${spot.cost_usd:.4g} a request."
        for spot in sorted(spots, key=lambda spot: spot.cost_usd)
    ]
    aim = [] if target is None else [f"The target is {target:.1%}."]
    return " ".join(["Quality over cost a request.", *lines, *aim])


def _costs(spot: Spot) -> tuple[float, ...]:
    return (spot.cost_usd, *(spot.cost_between or ()))


def _qualities(spot: Spot) -> tuple[float, ...]:
    return (spot.quality, *(spot.quality_between or ()))


# ------------------------------------------------------------------ axes


def _scale(values: Sequence[float], low: float | None, start: float, end: float) -> _Scale:
    """Room for all values, with some around them."""
    found = [value for value in values if isfinite(value)] or [0.0, 1.0]
    least = min(found) if low is None else min(low, *found)
    most = max(found)
    spare = (most - least) * 0.06 or abs(most) * 0.06 or 0.5
    bottom = least - spare if low is None else least
    return _Scale(bottom, most + spare, start, end)


def _cost_scale(costs: Sequence[float], values: Sequence[float]) -> _Scale:
    """From nothing on; where the dearest costs far more than the cheapest, by logarithms."""
    if costs and min(costs) > 0 and max(costs) >= FAR * min(costs):
        logs = [log10(max(value, min(costs) / 3)) for value in values if isfinite(value)]
        return replace(_scale(logs, None, LEFT, WIDTH - RIGHT), logarithmic=True)
    return _scale(values, 0.0, LEFT, WIDTH - RIGHT)


def _ticks(scale: _Scale) -> list[float]:
    """Round numbers within a scale."""
    if scale.logarithmic:
        powers = range(floor(scale.low), floor(scale.high) + 1)
        wide = scale.high - scale.low
        digits = (1, 2, 5) if wide < 3 else (1,)
        every = 1 + floor(wide / MOST_TICKS)
        found = [digit * 10.0**power for power in powers[::every] for digit in digits]
        return [tick for tick in found if scale.low <= log10(tick) <= scale.high]
    rough = (scale.high - scale.low) / (MOST_TICKS - 1)
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough)
    first = -floor(-scale.low / step)
    return [n * step for n in range(first, floor(scale.high / step) + 1)]


def _axes(x: _Scale, y: _Scale) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    found = []
    for tick in _ticks(x):
        at = _n(x.at(tick))
        found.append(f'<line class="grid" x1="{at}" y1="{TOP}" x2="{at}" y2="{bottom}"/>')
        found.append(_words(f"${tick:.4g}", x.at(tick), bottom + 18, "middle"))
    for tick in _ticks(y):
        at = _n(y.at(tick))
        found.append(f'<line class="grid" x1="{LEFT}" y1="{at}" x2="{right}" y2="{at}"/>')
        found.append(
            _words(
                f"{tick:.4g}" if y.high > 2 else f"{tick * 100:.4g}%",
                LEFT - 8,
                y.at(tick) + 4,
                "end",
            )
        )
    label = "cost of a request" + (", logarithmic" if x.logarithmic else "")
    found.append(_words(label, (LEFT + right) / 2, bottom + 42, "middle"))
    middle = _n((TOP + bottom) / 2)
    found.append(
        f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">'
        "right answers</text>"
    )
    return [*found, f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>']


def _target(target: float | None, y: _Scale) -> list[str]:
    if target is None:
        return []
    at, right = y.at(target), WIDTH - RIGHT
    line = f'<line class="target" x1="{LEFT}" y1="{_n(at)}" x2="{right}" y2="{_n(at)}"/>'
    return [line, _words(f"target {target:.1%}", right - 4, at - 5, "end")]


# ------------------------------------------------------------------ spots


def _front(spots: Sequence[Spot], x: _Scale, y: _Scale) -> list[str]:
    """Those on the front, joined in the order of their cost."""
    front = sorted((s for s in spots if s.kind == "front"), key=lambda s: (s.cost_usd, s.quality))
    if len(front) < 2:
        return []
    path = "L".join(f"{_n(x.at(each.cost_usd))} {_n(y.at(each.quality))}" for each in front)
    return [f'<path class="joined s-front" d="M{path}"/>']


def _spot(spot: Spot, x: _Scale, y: _Scale) -> list[str]:
    kind = spot.kind if spot.kind in COLOURS else "model"
    at_x, at_y = x.at(spot.cost_usd), y.at(spot.quality)
    told = f"{spot.label}: {spot.quality:.1%} at ${spot.cost_usd:.4g}"
    found = []
    if spot.quality_between is not None:
        low, high = (_n(y.at(value)) for value in spot.quality_between)
        found.append(f'<path class="bar s-{kind}" d="M{_n(at_x)} {low}V{high}"/>')
    if spot.cost_between is not None:
        low, high = (_n(x.at(value)) for value in spot.cost_between)
        found.append(f'<path class="bar s-{kind}" d="M{low} {_n(at_y)}H{high}"/>')
    mark = f'<path class="f-{kind}" d="{_mark(kind, at_x, at_y)}">'
    return [*found, f"{mark}<title>{_safe(told)}</title></path>"]


def _mark(kind: str, x: float, y: float) -> str:
    """A shape of its own for each kind, so that no eye needs the colours."""
    match kind:
        case "ladder" | "front":
            return f"M{_n(x)} {_n(y - 7)}l7 7 -7 7 -7 -7z"
        case "baseline":
            return f"M{_n(x - 5)} {_n(y - 5)}h10v10h-10z"
        case "control":
            return f"M{_n(x)} {_n(y - 6)}l6 11h-12z"
        case _:
            return f"M{_n(x - 4.5)} {_n(y)}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"


def _names(spots: Sequence[Spot], x: _Scale, y: _Scale) -> list[str]:
    """Labels beside their spots, moved down where they would stand on one another."""
    found, taken = [], list[tuple[float, float, float]]()
    for spot in sorted((s for s in spots if s.named), key=lambda s: -s.quality):
        label = _cut(spot.label, LONGEST_NAME)
        wide = 6.6 * len(label)
        at = x.at(spot.cost_usd) + 11
        left = at if at + wide < WIDTH - 4 else x.at(spot.cost_usd) - 11 - wide
        down = y.at(spot.quality) - 6
        while any(abs(down - d) < 13 and left < r and ll < left + wide for ll, r, d in taken):
            down += 13
        taken.append((left, left + wide, down))
        found.append(_words(label, left, down, "start"))
    return found


# ------------------------------------------------------------------ words and style


def _style() -> str:
    """Plain rules first, for renderers that know no media queries."""
    return (
        f"text{{{FONT};font-size:12px}}.title{{font-weight:600;font-size:14px}}"
        ".joined,.axis{fill:none;stroke-width:2}.bar{fill:none;stroke-width:1.2;opacity:.65}"
        ".target{stroke-width:1.5;stroke-dasharray:5 4}"
        f"{_shade(0)}@media(prefers-color-scheme:dark){{{_shade(1)}}}"
    )


def _shade(which: int) -> str:
    grey = COLOURS["model"][which]
    rules = f".ground{{fill:{GROUND[which]}}}text{{fill:{INK[which]}}}"
    rules += f".grid{{stroke:{FAINT[which]}}}.axis,.target{{stroke:{grey}}}"
    for name, pair in COLOURS.items():
        rules += f".s-{name}{{stroke:{pair[which]}}}.f-{name}{{fill:{pair[which]}}}"
    return rules


def _words(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    """Names come from files: no markup of theirs, and nothing that XML cannot hold."""
    return escape("".join(c if c.isprintable() else "?" for c in text))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
