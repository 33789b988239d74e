"""The figures of docs/confidence.md, from the results of the study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

from svg import Axis, Figure, Panel, Series

from rung.core.stats import rate

Results = Mapping[str, Any]
RIGHT = "right, % of the accepted"
FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def figures(results: Results) -> Iterator[Figure]:
    """One after the other, in the order of the page."""
    yield _coverage(results)
    yield _reliability(results)
    yield _draws(results)
    yield _cascades(results)


# ------------------------------------------------------------------ what is accepted

WEAK = {
    "gpt-3.5-turbo on date": ("blue", "circle"),
    "llama2-13b on date": ("orange", "square"),
    "llama2-13b on gsm": ("green", "triangle"),
    "llama2-13b on crepe": ("purple", "diamond"),
}
STRONG = {
    "gpt-4 on asdiv": ("blue", "circle"),
    "gpt-4 on gsm": ("orange", "square"),
    "gpt-4 on navigate": ("green", "triangle"),
    "gpt-4 on crepe": ("purple", "diamond"),
}


def _coverage(results: Results) -> Figure:
    weak = Axis("answers accepted, % of all", 0, 1, FIFTHS)
    strong = Axis("answers accepted, % of all", 0.88, 1, (0.88, 0.91, 0.94, 0.97, 1))
    panels = [
        Panel("Weak models", weak, Axis(RIGHT, 0, 1, FIFTHS), _curves(results, WEAK)),
        Panel(
            "A strong model",
            strong,
            Axis(RIGHT, 0.8, 1, (0.8, 0.85, 0.9, 0.95, 1)),
            _curves(results, STRONG),
        ),
    ]
    return Figure(
        "coverage",
        "Share of accepted answers that are right, as the threshold on agreement falls and more "
        "are accepted.",
        [replace(panel, names_inside=True) for panel in panels],
    )


def _curves(results: Results, looks: Mapping[str, tuple[str, str]]) -> list[Series]:
    return [
        Series(
            group,
            colour,
            [(share, right) for _, share, right in results["coverage"][group]],
            shape,
        )
        for group, (colour, shape) in looks.items()
    ]


# ------------------------------------------------------------------ calibration

BEFORE = Series("score as it is", "orange", (), "circle")
AFTER = Series("calibrated, on questions not fitted on", "blue", (), "square")
DIAGRAMS = (
    "gpt-3.5-turbo on date",
    "llama2-13b on gsm",
    "llama2-13b on crepe",
    "gpt-4-turbo",
)


def _reliability(results: Results) -> Figure:
    panels = []
    for name in DIAGRAMS:
        judge = results["judges"].get(name)
        bins = judge["diagram"] if judge else results["diagrams"][name]
        panels.append(
            Panel(
                f"{name} as a judge" if judge else f"{name}, agreement",
                Axis("stated confidence", 0, 1, FIFTHS),
                Axis("right, % of the answers", 0, 1, FIFTHS),
                [_bins(bins["before"], BEFORE), _bins(bins["after"], AFTER)],
                diagonal=True,
            )
        )
    return Figure(
        "reliability",
        "Share right against stated confidence, before and after the calibrator. "
        "Dots on the dashed line are calibrated; bars are 95% intervals.",
        panels,
        legend=[BEFORE, AFTER],
    )


def _bins(bins: Sequence[Mapping[str, Any]], look: Series) -> Series:
    total = sum(each["count"] for each in bins)
    shares = [rate(round(each["right"] * each["count"]), each["count"]) for each in bins]
    return Series(
        look.label,
        look.colour,
        [(each["score"], each["right"]) for each in bins],
        look.shape,
        sizes=[3 + 6 * sqrt(each["count"] / total) for each in bins],
        bars=[(each["score"], s.low, s.high) for each, s in zip(bins, shares, strict=True)],
    )


# ------------------------------------------------------------------ draws

LENGTHS = {5: ("blue", "circle"), 10: ("orange", "square"), 20: ("green", "triangle")}


def _draws(results: Results) -> Figure:
    rows = [row for row in results["adaptive"] if row["group"] == "gpt-3.5-turbo on date"]
    by_length = {n: [row for row in rows if row["samples"] == n] for n in LENGTHS}
    made = Axis("answers drawn, mean a request", 0, 20, (0, 5, 10, 15, 20), percent=False)
    change = [
        Series(
            f"{n} samples at most",
            LENGTHS[n][0],
            [(row["draws"], 100 * row["change"][0]) for row in found],
            LENGTHS[n][1],
            bars=[(r["draws"], 100 * r["change"][1], 100 * r["change"][2]) for r in found],
        )
        for n, found in by_length.items()
    ]
    ranking = [
        Series(
            f"{n} samples at most",
            LENGTHS[n][0],
            [(row["draws"], row["auroc_stopped"]) for row in found],
            LENGTHS[n][1],
        )
        for n, found in by_length.items()
    ]
    fixed = Series(
        "every draw made",
        "grey",
        sorted({(float(row["samples"]), row["auroc_fixed"]) for row in rows}),
        "diamond",
        dashed=True,
    )
    return Figure(
        "draws",
        "gpt-3.5-turbo on dates: stopping early changes the accuracy of the vote hardly at all, "
        "but its agreement tells right from wrong less well.",
        [
            Panel(
                "Accuracy lost by stopping early",
                made,
                Axis("change, percentage points", -1, 1, (-1, -0.5, 0, 0.5, 1), percent=False),
                change,
            ),
            Panel(
                "How well agreement ranks",
                made,
                Axis("AUROC", 0.6, 0.8, (0.6, 0.65, 0.7, 0.75, 0.8), percent=False),
                [fixed, *ranking],
            ),
        ],
        legend=[*ranking, fixed],
    )


# ------------------------------------------------------------------ cascades

VOTE = Series("vote of one tier, then the strong model", "blue", (), "circle")
SHUFFLED = Series("as many escalated at random", "grey", (), dashed=True, marked=False)
SINGLE = Series("one cheap answer", "orange", (), "square", joined=False)
ALONE = Series("the strong model alone", "purple", (), "diamond", joined=False)
TWO = Series(
    "two prompts or models agree, else the strong model",
    "green",
    (),
    "triangle",
    joined=False,
)


def _cascades(results: Results) -> Figure:
    panels = [
        _cascade(results, group, low)
        for group, low in (
            ("gpt-3.5-turbo on date", 0.6),
            ("llama2-13b on gsm", 0.2),
            ("llama2-13b on crepe", 0.4),
        )
    ]
    return Figure(
        "cascade",
        "Accuracy against cost: agreement of a tier with itself, of two prompts, of two models.",
        [*panels, _pairs(results)],
        legend=[VOTE, SINGLE, TWO, ALONE, SHUFFLED],
    )


def _cascade(results: Results, group: str, low: float) -> Panel:
    held = results["cascades"][group]
    points = [(p["cost"], p["right"]) for p in held["points"]]
    ends = [(p["cost"], p["shuffled_right"]) for p in (held["points"][0], held["points"][-1])]
    series = [
        _placed(SHUFFLED, ends),
        _placed(VOTE, points),
        _placed(SINGLE, [(held["cheap_cost"] / held["samples"], held["single_right"])]),
        _placed(ALONE, [(held["strong_cost"], held["strong_right"])]),
    ]
    if two := results["cascades"].get(f"{group}, two prompts"):
        point = two["points"][1]
        series.append(_placed(TWO, [(point["cost"], point["right"])]))
    ticks = tuple(t / 10 for t in range(round(low * 10), 11, 1 if low >= 0.4 else 2))
    return Panel(
        f"{group}, gpt-4 above",
        Axis(
            "cost of a request, one strong call = 1",
            0,
            1.3,
            (0, 0.25, 0.5, 0.75, 1, 1.25),
            percent=False,
        ),
        Axis("right, % of the requests", low, 1, ticks),
        series,
    )


def _pairs(results: Results) -> Panel:
    held = results["panel"]["cascade"]
    pairs = [(point["cost"], point["right"]) for point in held["pairs"]]
    return Panel(
        "Pairs of cheap models on gsm",
        Axis("cost, $ for 1,000 requests (list prices)", 0, 2, (0, 0.5, 1, 1.5, 2), percent=False),
        Axis("right, % of the requests", 0.92, 0.98, (0.92, 0.94, 0.96, 0.98)),
        [
            replace(TWO, points=pairs, sizes=[3.0] * len(pairs)),
            _placed(ALONE, [(held["strong_cost"], held["strong_right"])]),
        ],
    )


def _placed(look: Series, points: Sequence[tuple[float, float]]) -> Series:
    return replace(look, points=points)
