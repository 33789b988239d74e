"""The tables of the tuner's studies, each from the JSON that its script writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown import number, percent, points, table

Results = Mapping[str, Any]

NAMES = {
    "naive": "naive: the cheapest that looks good enough",
    "textbook": "textbook: Learn then Test, told the true number",
    "reference kept": "the reference kept last, cheapest such ladder",
    "default": "**rung, default**",
    "plain": "rung, default, one whole ladder for all",
    "proof": "**rung, `--mode proof`**",
    "none": "rung, `--mode none` (no guarantee)",
    "number": "rung, default, a number for target and no reference",
    "hindsight": "the cheapest plain ladder in hindsight",
    "mixture": "the cheapest mixture of ladders, with give-up, in hindsight",
}
RANKS = {"0": "best single", "2": "third best"}


def share(row: Mapping[str, float]) -> str:
    """A share with its interval."""
    return f"{percent(row['share'])} ({percent(row['low'])} to {percent(row['high'])})"


# ------------------------------------------------------------------ the guarantee


def guarantee_overall(found: Results) -> str:
    """One row a way, over all cells, beside the earlier figures."""
    heads = [
        "",
        "cells",
        "violations, mean",
        "worst cell (95% interval)",
        "cells above 10%: seen, surely",
        "without certificate",
        "cost / reference",
        "best single, third best",
        "earlier: mean, worst, cost",
    ]
    return table(heads, [_overall(found, way) for way in found["overall"]])


def _overall(found: Results, way: str) -> list[str]:
    row = found["overall"][way]
    ranks = [found["by_rank"].get(rank, {}).get(way) for rank in RANKS]
    costs = ", ".join("-" if each is None else number(each["cost"]) for each in ranks)
    held = "violated" in row
    return [
        NAMES[way],
        str(row["cells"]),
        percent(row["violated"]) if held else "-",
        share(row["worst"]) if held else "-",
        f"{row['above']}, {row['surely_above']}" if held else "-",
        percent(row["uncertified"]) if held else "-",
        number(row["cost"]),
        costs,
        _earlier(found["earlier"].get(way)),
    ]


def _earlier(row: list[float] | None) -> str:
    if row is None:
        return "-"
    return f"{percent(row[0])}, {percent(row[1])}, {number(row[3])}"


def guarantee_swebench(found: Results) -> str:
    """Cost on SWE-bench with 200 tasks, by margin."""
    margins = list(next(iter(found["swebench"].values())))
    heads = ["cost / best single", *(f"margin {100 * float(m):g}" for m in margins)]
    heads.append("earlier: margins 0, 3, 10")
    rows = []
    for way, costs in found["swebench"].items():
        known = found["earlier_swebench"].get(way)
        told = "-" if known is None else ", ".join(number(each) for each in known)
        rows.append([NAMES[way], *(number(costs.get(m)) for m in margins), told])
    return table(heads, rows)


def guarantee_split(found: Results, key: str, label: str) -> str:
    """Violations (mean, worst) and cost by one thing that cells differ in."""
    ways = [way for way in ("naive", "textbook", "default", "proof") if way in found["overall"]]
    heads = [label]
    for way in ways:
        heads += [f"{way}: violations, worst", "cost"]
    rows = []
    for value, row in found[f"by_{key}"].items():
        line = [value]
        for way in ways:
            each = row[way]
            line += [
                f"{percent(each['violated'])}, {percent(each['worst']['share'])}",
                number(each["cost"]),
            ]
        rows.append(line)
    return table(heads, rows)


def guarantee_bounds(found: Results) -> str:
    """Whether the bounds that come with a recommendation hold, and what it says of savings."""
    heads = ["", "cost above its bound", "quality below its bound", "saved, told", "saved, true"]
    heads.append("seconds")
    rows = [
        [
            NAMES[way],
            percent(row["over_cost_upper"]),
            percent(row["under_quality_lower"]),
            percent(row["saved_told"]),
            percent(row["saved"]),
            number(row["seconds"], 2),
        ]
        for way, row in found["overall"].items()
        if "saved_told" in row
    ]
    return table(heads, rows)


def guarantee_cells(found: Results) -> str:
    """Every cell: violations of the draws, certificates, cost."""
    heads = ["set", "reference", "n", "margin", "way", "violations", "uncertified", "cost"]
    rows = []
    for row in found["cells"]:
        held = "violations" in row
        rows.append(
            [
                row["set"],
                RANKS[str(row["rank"])],
                str(row["size"]),
                f"{100 * row['margin']:g}",
                row["way"],
                f"{row['violations']} / {row['draws']}" if held else "-",
                f"{row['uncertified']}" if held else "-",
                number(row["cost"]),
            ]
        )
    return table(heads, rows)


# ------------------------------------------------------------------ adversaries and known truth


def adversaries(found: Results) -> str:
    """Every trap with every way: violations, cost."""
    ways = found["ways"]
    heads = ["trap", "n", "margin"]
    for way in ways:
        heads += [f"{way}: violations", "cost"]
    rows = []
    for name, row in found["cells"].items():
        line = [name, str(row["size"]), f"{100 * row['margin']:g}"]
        for way in ways:
            each = row["ways"].get(way)
            line += ["-", "-"] if each is None else [share(each["violated"]), number(each["cost"])]
        rows.append(line)
    return table(heads, rows)


def adversaries_worst(found: Results) -> str:
    """Over all traps: means and the worst."""
    heads = ["", "traps", "violations, mean", "worst trap (95% interval)", "which"]
    heads += ["traps above 10%: seen, surely", "cost / reference"]
    rows = [
        [
            NAMES[way],
            str(row["cells"]),
            percent(row["violated"]),
            share(row["worst"]),
            row["worst_cell"],
            f"{row['above']}, {row['surely_above']}",
            number(row["cost"]),
        ]
        for way, row in found["overall"].items()
    ]
    return table(heads, rows)


def synthetic(found: Results) -> str:
    """Each distribution: coverage, and what the answer costs more than the best there is."""
    heads = ["distribution", "n", "draws", "target met (95% interval)", "cost / reference"]
    heads += ["best plain ladder", "best mixture", "regret to the plain", "what was chosen"]
    rows = []
    for row in found["cells"]:
        met = row["met"]
        rows.append(
            [
                row["name"],
                f"{row['size']:,}",
                f"{row['draws']:,}",
                f"{percent(met['share'])} ({percent(met['low'])} to {percent(met['high'])})",
                number(row["cost"]),
                number(row["best_plain"]),
                number(row["best_mixed"]),
                points(row["cost"] - row["best_plain"]),
                row["chosen"],
            ]
        )
    return table(heads, rows)


# ------------------------------------------------------------------ held out, and speed


def heldout(found: Results) -> str:
    """Half splits: told on the one half, true on the other."""
    heads = ["set", "way", "saved, in-sample", "saved, held out (p10 to p90)"]
    heads += ["quality less the best single's, held out, points (p10 to p90)"]
    heads += ["splits below it", "mean shortfall there, points"]
    rows = [
        [
            row["set"],
            NAMES.get(row["way"], row["way"]),
            percent(row["saved_in"]["mean"]),
            _spread(row["saved_out"], percent),
            _spread(row["gain_out"], points),
            percent(row["below"]),
            "-" if row["shortfall"] is None else points(-row["shortfall"]),
        ]
        for row in found["rows"]
    ]
    return table(heads, rows)


def _spread(row: Mapping[str, float], show: Any) -> str:
    return f"{show(row['mean'])} ({show(row['p10'])} to {show(row['p90'])})"


def speed(found: Results) -> str:
    """Seconds and memory, beside what was aimed for."""
    heads = ["", "seconds, reading", "seconds, tuning", "seconds in all", "peak memory, MiB", "aim"]
    rows = [
        [
            row["name"],
            number(row["reading"], 2),
            number(row["tuning"], 2),
            number(row["reading"] + row["tuning"], 2),
            f"{row['peak_mib']:.0f}",
            row["aim"],
        ]
        for row in found["rows"]
    ]
    return table(heads, rows)


# ------------------------------------------------------------------ the page


def adversaries_short(found: Results) -> str:
    """Every trap: the share of draws that were violated, by sample size and way."""
    ways = [way for way in ("default", "proof", "none") if way in found["ways"]]
    sizes = sorted({row["size"] for row in found["cells"].values()})
    heads = ["trap", *(f"{way}, n = {size}" for size in sizes for way in ways)]
    heads.append(f"cost / reference, n = {sizes[-1]}: {', '.join(ways)}")
    rows: dict[str, dict[int, Any]] = {}
    for row in found["cells"].values():
        rows.setdefault(row["trap"], {})[row["size"]] = row["ways"]
    return table(
        heads,
        (
            [
                name,
                *(percent(of[size][way]["violated"]["share"]) for size in sizes for way in ways),
                ", ".join(number(of[sizes[-1]][way]["cost"], 2) for way in ways),
            ]
            for name, of in rows.items()
        ),
    )
