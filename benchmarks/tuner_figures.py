"""The figures of docs/tuning_figures.md, from the results of the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from svg import Axis, Figure, Panel, Series

Results = Mapping[str, Any]

QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
LABELS = {
    "swebench_verified_bashonly.dev": "SWE-bench Verified",
    "routerbench_3sets.dev": "RouterBench, three sets",
    "routerbench_3sets.dev/arc_challenge": "RouterBench, ARC",
    "routerbench_3sets.dev/mbpp": "RouterBench, MBPP",
    "routerbench_3sets.dev/winograde": "RouterBench, Winogrande",
    "zeroeval_gsm": "ZeroEval, GSM8K",
}
STYLES = {
    "naive": ("naive", "orange", "triangle"),
    "textbook": ("Learn then Test", "purple", "diamond"),
    "reference kept": ("reference kept", "grey", "square"),
    "default": ("rung, default", "blue", "circle"),
    "proof": ("rung, proof", "green", "square"),
}


def guarantee_figure(found: Results) -> Figure:
    """Violations against cost, a point a cell; the promise is a line."""
    panels = [_cells(found, rank, title) for rank, title in _RANKS]
    legend = [
        Series(label, colour, (), shape=shape, joined=False)
        for way, (label, colour, shape) in STYLES.items()
        if way in found["overall"]
    ]
    return Figure(
        "tuning_guarantee",
        "Share of draws that miss the target against cost, for each way to choose a ladder",
        panels,
        legend=legend,
    )


_RANKS = ((0, "reference: the best single"), (2, "reference: the third best"))


def _cells(found: Results, rank: int, title: str) -> Panel:
    series = [
        Series("", "grey", [(0.0, 0.1), (1.5, 0.1)], marked=False, dashed=True),
        *(
            Series(
                way,
                colour,
                [
                    (min(row["cost"], 1.5), row["violations"] / row["draws"])
                    for row in found["cells"]
                    if row["way"] == way and row["rank"] == rank
                ],
                shape=shape,
                joined=False,
                sizes=[2.5]
                * sum(row["way"] == way and row["rank"] == rank for row in found["cells"]),
            )
            for way, (_, colour, shape) in STYLES.items()
            if way in found["overall"]
        ),
    ]
    cost = Axis("cost / reference's cost", 0, 1.5, (0, 0.5, 1.0, 1.5), percent=False)
    return Panel(title, cost, Axis("draws that miss the target", 0, 1, QUARTERS), series)


def heldout_figure(found: Results) -> Figure:
    """A panel a set: what is saved against the change in quality; bars from p10 to p90."""
    shown = ("naive", "reference kept", "default", "proof")
    rows: dict[str, dict[str, Any]] = {}
    for row in found["rows"]:
        rows.setdefault(row["set"], {})[row["way"]] = row
    panels = [
        Panel(
            LABELS.get(name, name),
            Axis("saved, held out", 0, 1, QUARTERS),
            Axis("quality less the best single's", -0.1, 0.2, (-0.1, 0.0, 0.1, 0.2)),
            [_point(way, of_way[way]) for way in shown if way in of_way],
        )
        for name, of_way in rows.items()
    ]
    legend: Sequence[Series] = [
        Series(STYLES[way][0], STYLES[way][1], (), shape=STYLES[way][2], joined=False)
        for way in shown
    ]
    return Figure(
        "tuning_heldout",
        "Savings and change in quality on the half that was not tuned on, for six sets",
        panels,
        legend=legend,
    )


def _point(way: str, row: Mapping[str, Any]) -> Series:
    _, colour, shape = STYLES[way]
    saved = min(1.0, max(0.0, row["saved_out"]["mean"]))
    mean, low, high = (min(0.2, max(-0.1, row["gain_out"][key])) for key in ("mean", "p10", "p90"))
    return Series(way, colour, [(saved, mean)], shape, joined=False, bars=[(saved, low, high)])
