"""The tables and figures of docs/routing_curves.md, from the results of the study."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markdown import between, number, percent, table
from svg import Axis, Figure, Panel, Series

Results = Mapping[str, Any]
_BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

PUBLISHED = {"GSM8K": (0.622, 0.336), "MMLU": (0.603, 0.354)}
"""APGR and CPT50 of the best router in RouteLLM (Ong et al. 2024, arXiv 2406.18665, tables)."""

SHARE = Axis("share of requests sent to the strong model", 0, 1, (0, 0.25, 0.5, 0.75, 1))
GAP = Axis("gap recovered", 0, 1, (0, 0.25, 0.5, 0.75, 1))
NAMES = {
    "routellm_gsm8k": "GSM8K",
    "routellm_mmlu.dev": "MMLU",
    "routerbench_3sets.dev": "RouterBench",
}


def renewed(page: str, results: Results) -> str:
    """The page with every marked table made anew."""
    return _BLOCK.sub(lambda found: block(found[1], results), page)


def block(name: str, results: Results) -> str:
    """A table between its marks."""
    return f"<!-- table: {name} -->\n\n{TABLES[name](results)}\n\n<!-- end -->"


# ------------------------------------------------------------------ tables


def _pairs(results: Results) -> str:
    rows = []
    for name, row in results["pairs"].items():
        apgr, half = PUBLISHED.get(name, (None, None))
        gain = row["gain"]
        rows.append(
            [
                name,
                f"{row['n']:,}",
                f"{percent(row['low'])}, {percent(row['high'])}",
                between(row["auroc_low"], lambda v: number(v, 2)),
                between(gain["apgr"]),
                between(gain["cpt50"], percent),
                between(gain["cpt80"], percent),
                "-" if apgr is None else f"{apgr:.3f}, {percent(half)}",
                number(row["alone"]["apgr"][0]),
            ]
        )
    heads = [
        "",
        "requests",
        "right: cheap, strong",
        "AUROC, cheap passes",
        "APGR",
        "CPT50",
        "CPT80",
        "RouteLLM: APGR, CPT50",
        "APGR by the cheap tier's chance alone",
    ]
    return table(heads, rows)


def _kinds(results: Results) -> str:
    heads = ["only", "requests", "AUROC, cheap passes", "AUROC, strong passes", "APGR"]
    return table(
        heads,
        (
            [
                kind,
                str(row["n"]),
                between(row["auroc_low"], lambda v: number(v, 2)),
                between(row["auroc_high"], lambda v: number(v, 2)),
                between(row["gain"]["apgr"]),
            ]
            for kind, row in results["kinds"].items()
        ),
    )


def _auto(results: Results) -> str:
    heads = [
        "set",
        "ladder",
        "at stake",
        "by traits: right, cost",
        "shuffled",
        "always the cheapest",
        "always the top",
        "oracle",
        "better than shuffled by",
        "`auto`",
    ]
    return table(heads, _decisions(results))


def _decisions(results: Results) -> Iterator[list[str]]:
    for row in results["auto"]:
        edge = next(each for each in row["edges"] if each["than"] == "shuffled")
        # RouteLLM recorded no costs: there a strong call counts as one.
        counted = not row["set"].startswith("routerbench")
        models = row["models"]
        ladder = f"{len(models)} models" if len(models) > 3 else ", ".join(map(_short, models))
        worth = row["terms"]["worth"] if row["terms"]["goal"] == "quality" else None
        yield [
            NAMES[row["set"]],
            ladder,
            row["terms"]["goal"],
            *(
                _made(each, counted=counted)
                for each in (
                    row["chosen"],
                    row["shuffled"],
                    row["constants"][0],
                    row["constants"][-1],
                    row["oracle"],
                )
            ),
            _edge(edge, worth),
            _decision(row),
        ]


def _decision(row: Mapping[str, Any]) -> str:
    if row["on"]:
        return "**on**"
    more = row["more"]
    hint = "" if more is None else f"; about {more:,} more outcomes would tell"
    return f"off: {_without_paths(row['why'])}{hint}"


def _without_paths(why: str) -> str:
    return re.sub(r"[\w.-]+/", "", why)


def _edge(edge: Mapping[str, float], worth: float | None) -> str:
    """In points of right answers at equal cost, where that is what counts; else in dollars."""
    values = [edge["mean"], edge["low"], edge["high"]]
    if worth is None:
        return "nothing" if not any(values) else between([v / 1e9 for v in values], _usd)
    return between([100 * value / worth for value in values], lambda v: f"{v:.1f}") + " points"


def _made(made: Mapping[str, float], *, counted: bool) -> str:
    cost = percent(made["cost"] / 1e9) if counted else _usd(made["cost"] / 1e9)
    return f"{percent(made['quality'])}, {cost}"


def _usd(value: float) -> str:
    return f"${value:.2g}"


def _short(model: str) -> str:
    return model.rpartition("/")[2]


def _learning(results: Results) -> str:
    return table(
        ["outcomes learned from", "APGR on the rest (least to most of five draws)"],
        ([f"{row['outcomes']:,}", between(row["apgr"])] for row in results["learning"]),
    )


def _transfer(results: Results) -> str:
    return table(
        ["fitted on", "asked of", "requests", "AUROC"],
        (
            [
                row["from"],
                row["to"],
                f"{row['n']:,}",
                between([row["auroc"], *row["between"]], lambda v: number(v, 2)),
            ]
            for row in results["transfer"]
        ),
    )


def _few(results: Results) -> str:
    return table(
        ["set", "own outcomes", "AUROC from nothing", "AUROC from a prior of the other sets"],
        (
            [row["set"], str(row["outcomes"]), number(row["without"], 2), number(row["with"], 2)]
            for row in results["few"]
        ),
    )


TABLES: Mapping[str, Callable[[Results], str]] = {
    "pairs": _pairs,
    "kinds": _kinds,
    "auto": _auto,
    "learning": _learning,
    "transfer": _transfer,
    "few": _few,
}

# ------------------------------------------------------------------ figures


def figures(results: Results) -> list[Figure]:
    """All figures of the page."""
    legend = (
        Series("by what is gained", "blue", (), marked=False),
        Series("by the cheap tier's chance alone", "orange", (), marked=False, dashed=True),
        Series("oracle, cut at 1", "green", (), marked=False),
        Series("random: the shuffled control", "grey", (), marked=False, dashed=True),
    )
    panels = [_panel(name, row) for name, row in results["pairs"].items()]
    curves = Figure(
        "routing_curves",
        "Share of the quality gap recovered against the share of strong calls, on three data sets",
        [*panels, _grown(results)],
        legend=legend,
    )
    return [curves]


def _panel(name: str, row: Mapping[str, Any]) -> Panel:
    return Panel(
        f"{name}: APGR {row['gain']['apgr'][0]:.3f}",
        SHARE,
        GAP,
        (
            _line("oracle", "green", row["oracle"]["points"]),
            _line("alone", "orange", row["alone"]["points"], dashed=True),
            _line("gain", "blue", row["gain"]["points"]),
        ),
        diagonal=True,
    )


def _line(label: str, colour: str, points: list[list[float]], *, dashed: bool = False) -> Series:
    kept = [(x, min(1.0, max(0.0, y))) for x, y in points]
    return Series(label, colour, kept, marked=False, dashed=dashed)


def _grown(results: Results) -> Panel:
    rows = results["learning"]
    published = PUBLISHED["MMLU"][0]
    return Panel(
        "MMLU: what more outcomes bring",
        Axis("outcomes learned from", 0, 3000, (0, 1000, 2000, 3000), percent=False),
        Axis("APGR on the rest", 0.5, 0.7, (0.5, 0.55, 0.6, 0.65, 0.7), percent=False),
        (
            Series(
                "this",
                "blue",
                [(row["outcomes"], row["apgr"][0]) for row in rows],
                bars=[(row["outcomes"], *row["apgr"][1:]) for row in rows],
            ),
            Series(
                "RouteLLM, as published",
                "purple",
                [(0, published), (3000, published)],
                marked=False,
                dashed=True,
            ),
        ),
        names_inside=True,
    )
