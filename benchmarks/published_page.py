"""The tables and the figure of docs/tuning_published.md, from the results of the study."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markdown import between, number, percent, points, table
from published_noise import NOISE
from svg import Axis, Figure, Panel, Series

Results = Mapping[str, Any]
_BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

ROUTELLM = {"GSM8K": (0.622, 0.336), "MMLU": (0.603, 0.354)}
"""APGR and CPT50 of the best router (Ong et al. 2024, arXiv 2406.18665)."""

AREAS = {
    "low": (70.5, 83.2, 84.5, 84.5, 87.2),
    "medium": (70.5, 74.6, 73.6, 75.1, 77.6),
    "high": (70.5, 72.7, 69.8, 70.3, 74.4),
}
"""RouterBench, 11 models, zero-shot: no estimates, routing, cascade, the paper's own cascade,
cascade routing (Dekoninck et al. 2024, arXiv 2410.10347, its published notebook)."""

SWEBENCH = (40.5, 54.1)
"""Routing and cascade routing, ten agents of 2024 (the same paper)."""

WAYS = ("no estimates", "routing", "cascade of all", "ladder", "cascade routing")
NAMES = {
    "routerbench_3sets.dev": "RouterBench, 3 sets",
    "zeroeval_gsm": "GSM8K (ZeroEval)",
    "swebench_verified_bashonly.dev": "SWE-bench Verified",
}
COLOURS = ("grey", "orange", "purple", "blue", "green")


def renewed(page: str, results: Results) -> str:
    """The page with every marked table made anew."""
    return _BLOCK.sub(lambda found: block(found[1], results), page)


def block(name: str, results: Results) -> str:
    """A table between its marks."""
    return f"<!-- table: {name} -->\n\n{TABLES[name](results)}\n\n<!-- end -->"


# ------------------------------------------------------------------ tables


def _routellm(results: Results) -> str:
    heads = ["", "questions", "right: cheap, strong", "APGR", "CPT50", "CPT80", "RouteLLM: APGR"]
    rows = []
    for name, row in results["routellm"].items():
        apgr, half = ROUTELLM[name]
        rows.append(
            [
                name,
                f"{row['questions']:,}",
                f"{percent(row['weak_right'])}, {percent(row['strong_right'])}",
                between(row["apgr"]),
                between(row["cpt50"], percent),
                between(row["cpt80"], percent),
                f"{number(apgr)}",
                percent(half),
            ]
        )
    return table([*heads, "CPT50"], rows)


def _saved(results: Results) -> str:
    heads = [
        "",
        "models",
        "way",
        "saved, in-sample",
        "saved, held out",
        "change in points",
        "below the best",
        "certified",
    ]
    rows = []
    for name, row in results["ladders"].items():
        for mode, each in row["modes"].items():
            rows.append(
                [
                    NAMES[name],
                    str(row["models"]),
                    "check, tuned" if mode == "default" else "check, tuned without a guarantee",
                    percent(each["in_sample"][0]),
                    between(each["saved"], percent),
                    between(each["change"], points),
                    percent(each["below"]),
                    percent(each["certified"]),
                ]
            )
    router = results["router"]
    rows.append(
        [
            NAMES["routerbench_3sets.dev"],
            str(router["models"]),
            "no check, router by traits",
            "-",
            between(router["saved"], percent),
            between(router["change"], points),
            percent(router["below"]),
            "-",
        ]
    )
    return table(heads, rows)


def _noise(results: Results) -> str:
    rows = []
    for level in NOISE:
        made = results["noise"][f"RouterBench, {level} noise"]["areas"]
        none, routing, cascade, own, both = AREAS[level]
        rows.append([level, "here", *(_area(made[way]) for way in WAYS)])
        shown = [none, routing, f"{cascade}, its own {own}", "-", both]
        rows.append([level, "published", *map(str, shown)])
    return table(["noise", "", *WAYS], rows)


def _swebench(results: Results) -> str:
    rows = [
        [name.partition(", ")[2], *(_area(row["areas"][way]) for way in WAYS)]
        for name, row in results["noise"].items()
        if name.startswith("SWE-bench")
    ]
    routing, both = SWEBENCH
    rows.append(["published, 10 agents of 2024", "-", str(routing), "-", "-", str(both)])
    return table(["", *WAYS], rows)


def _area(values: Sequence[float]) -> str:
    return between(values, lambda value: number(value, 1))


def _mixture(results: Results) -> str:
    rows = []
    for name, row in results["mixture"].items():
        right = f"{percent(row['weak_right'])}, {percent(row['strong_right'])}"
        rows += [[name, right, *_chosen(each)] for each in row["margins"]]
    return table([*_HELD[:1], "right: weak, strong", *_HELD[1:]], rows)


_HELD = ["", "may lose, points", "none found", "saved", "change in points", "lost more"]


def _chosen(each: Mapping[str, Any]) -> list[str]:
    return [
        "nothing" if not each["margin"] else points(each["margin"]).lstrip("+"),
        percent(each["none"]),
        between(each["saved"], percent),
        between(each["change"], points),
        percent(each["below"]),
    ]


def _agreement(results: Results) -> str:
    row = results["agreement"]
    rows = [["the pair is chosen", *_chosen(each)] for each in row["margins"]]
    every = row["every"]
    shown = [between(every["saved"], percent), between(every["change"], points)]
    rows.append([f"all {row['pairs']} pairs", "-", "-", *shown, "-"])
    return table(_HELD, rows)


def _judges(results: Results) -> str:
    heads = [
        "may differ",
        "none certified",
        "accepted",
        "of those, differ",
        "more than allowed, on 112",
        "asked the dearest",
    ]
    rows = [
        [
            percent(row["target"]),
            percent(row["none"]),
            between(row["coverage"], percent),
            between(row["differs"], percent),
            percent(row["above"]),
            between(row["asked_dearest"], percent),
        ]
        for row in results["judges"]
    ]
    return table(heads, rows)


TABLES: Mapping[str, Callable[[Results], str]] = {
    "routellm": _routellm,
    "saved": _saved,
    "noise": _noise,
    "swebench": _swebench,
    "mixture": _mixture,
    "agreement": _agreement,
    "judges": _judges,
}

# ------------------------------------------------------------------ the figure


def figures(results: Results) -> list[Figure]:
    """Quality over cost of the ways that were tuned for ten budgets."""
    shown = [
        *(f"RouterBench, {level} noise" for level in NOISE),
        next(name for name in reversed(results["noise"]) if name.startswith("SWE-bench")),
    ]
    legend = [
        Series(way, colour, (), marked=False) for way, colour in zip(WAYS, COLOURS, strict=True)
    ]
    legend[0] = Series("a model alone", "grey", (), joined=False)
    panels = [_panel(name, results["noise"][name]) for name in shown]
    return [
        Figure(
            "tuning_published",
            "Share of right answers against dollars a query, held out, by way of using estimates",
            panels,
            legend=legend,
        )
    ]


def _panel(name: str, row: Mapping[str, Any]) -> Panel:
    singles = [(cost, right) for _, cost, right in row["singles"]]
    highest = max(cost for cost, _ in singles)
    lines = [
        Series(way, colour, [(x, y) for x, y in row["points"][way]], marked=False)
        for way, colour in zip(WAYS[1:], COLOURS[1:], strict=True)
    ]
    alone = Series("a model alone", "grey", singles, joined=False, sizes=[3.0] * len(singles))
    known = [y for _, y in singles] + [y for line in lines for _, y in line.points]
    low, high = int(10 * min(known)) / 10, min(1.0, int(10 * max(known) + 1) / 10)
    step = 0.1 if high - low < 0.55 else 0.2
    ticks = [low + step * place for place in range(int((high - low) / step + 0.001) + 1)]
    marks = tuple(float(f"{highest * part:.2g}") for part in (0.0, 0.25, 0.5, 0.75, 1.0))
    return Panel(
        name,
        Axis("dollars a query, mean", 0, 1.05 * highest, marks, percent=False),
        Axis("right", low, high, tuple(ticks)),
        (alone, *lines),
    )
