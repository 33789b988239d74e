"""The tables of docs/confidence.md, from the results of the study."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from markdown import between, number, percent, percents, points, signed, table

Results = Mapping[str, Any]
_BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def renewed(page: str, results: Results) -> str:
    """The page with every marked table made anew."""
    return _BLOCK.sub(lambda found: block(found[1], results), page)


def block(name: str, results: Results) -> str:
    """A table between its marks."""
    return f"<!-- table: {name} -->\n\n{TABLES[name](results)}\n\n<!-- end -->"


def _agreement(results: Results) -> str:
    heads = [
        "",
        "samples",
        "votes",
        "first right",
        "vote right",
        "unanimous",
        "right of those",
        "right of the others",
        "AUROC",
    ]
    return table(
        heads,
        (
            [
                row["group"],
                str(row["samples"]),
                f"{row['votes']:,}",
                *percents(
                    row, "first_right", "voted_right", "unanimous", "unanimous_right", "split_right"
                ),
                between(row["auroc"]),
            ]
            for row in results["agreement"]
        ),
    )


def _seconds(results: Results) -> str:
    return table(
        [
            "the second answer is of",
            "agree",
            "right of those",
            "AUROC",
            "dates read out: agree",
            "right of those",
            "AUROC",
        ],
        ([row["second"], *_told(row), *_told(row["read"])] for row in results["second_opinions"]),
    )


def _told(row: Mapping[str, Any]) -> list[str]:
    return [percent(row["agreed"]), percent(row["agreed_right"]), between(row["auroc"])]


def _panels(results: Results) -> str:
    return table(
        ["models", "panels", "one right", "vote right", "unanimous", "right of those", "AUROC"],
        (
            [
                str(row["size"]),
                f"{row['panels']:,}",
                percent(row["first_right"][0]),
                percent(row["voted_right"][0]),
                between(row["unanimous"], percent),
                between(row["unanimous_right"], percent),
                between(row["auroc"]),
            ]
            for row in results["panel"]["panels"]
        ),
    )


def _makers(results: Results) -> str:
    return table(
        ["pairs of", "pairs", "right where they agree", "both wrong: say the same"],
        (
            [
                row["kind"],
                str(row["pairs"]),
                between(row["unanimous_right"], percent),
                between(row["same_when_wrong"], percent),
            ]
            for row in results["panel"]["makers"]
        ),
    )


def _calibrated(name: str, row: Mapping[str, Any]) -> list[str]:
    return [
        name,
        number(row["ece_before"][0]),
        number(row["ece_after"][0]),
        between(row["ece_change"], signed),
        number(row["brier_before"][0]),
        number(row["brier_after"][0]),
        between(row["brier_change"], signed),
        number(row["auroc_before"][0]),
        number(row["auroc_after"][0]),
    ]


_CALIBRATED = ["", "ECE", "after", "change", "Brier", "after", "change", "AUROC", "after"]


def _calibration(results: Results) -> str:
    return table(
        _CALIBRATED, (_calibrated(name, row) for name, row in results["calibration"].items())
    )


def _judges(results: Results) -> str:
    return table(_CALIBRATED, (_calibrated(name, row) for name, row in results["judges"].items()))


def _selective(results: Results) -> str:
    return table(
        ["judge", "wrong at most", "no threshold", "accepted", "wrong of those", "broken"],
        (
            [
                name,
                *percents(row, "risk", "none"),
                between(row["coverage"], percent),
                between(row["wrong"], percent),
                percent(row["broken"]),
            ]
            for name, judge in results["judges"].items()
            for row in judge["selective"]
        ),
    )


def _few(results: Results) -> str:
    return table(
        [
            "labels",
            "ECE",
            "Brier",
            "worse than none",
            "with a prior: ECE",
            "Brier",
            "worse than none",
        ],
        (
            [
                str(row["labels"]),
                number(row["ece"]),
                number(row["brier"], 4),
                percent(row["worse"]),
                number(row["ece_prior"]),
                number(row["brier_prior"], 4),
                percent(row["worse_prior"]),
            ]
            for row in results["few_labels"]
        ),
    )


def _elsewhere(results: Results) -> str:
    return table(
        ["", "ECE", "by other tasks", "Brier", "by other tasks", "own weight, bias"],
        (
            [
                row["group"],
                number(row["ece_none"]),
                number(row["ece_elsewhere"]),
                number(row["brier_none"]),
                number(row["brier_elsewhere"]),
                ", ".join(number(value, 2) for value in row["own"]),
            ]
            for row in results["elsewhere"]
        ),
    )


def _adaptive(results: Results) -> str:
    shown = [r for r in results["adaptive"] if r["samples"] >= 10 or r["certainty"] == 0.95]
    return table(
        [
            "",
            "samples",
            "certainty",
            "all draws right",
            "change, points",
            "draws",
            "saved",
            "AUROC, all draws",
            "stopped",
        ],
        (
            [
                row["group"],
                str(row["samples"]),
                number(row["certainty"], 2),
                percent(row["fixed_right"]),
                between(row["change"], points),
                number(row["draws"], 2),
                percent(row["saved"]),
                number(row["auroc_fixed"]),
                number(row["auroc_stopped"]),
            ]
            for row in shown
        ),
    )


def _thresholds(results: Results) -> str:
    held = [row for row in results["accepting"] if row["rule"] == "all"]
    groups = dict.fromkeys(row["group"] for row in held)
    steps = sorted({row["threshold"] for row in held})
    found = {(row["group"], row["threshold"]): row for row in held}
    heads = [
        "",
        *(f"accepted at {step:g}" for step in steps),
        *(f"right at {step:g}" for step in steps),
    ]
    return table(
        heads,
        (
            [
                group,
                *(percent(found[group, step]["accepted"]) for step in steps),
                *(percent(found[group, step]["accepted_right"]) for step in steps),
            ]
            for group in groups
        ),
    )


_RULES = {"all": "every draw", "leader": "the leader is certain", "threshold": "accepted or not"}


def _stopping(results: Results) -> str:
    shown = [
        row
        for row in results["accepting"]
        if row["samples"] == 5 and row["threshold"] in {0.8, 1.0}
    ]
    return table(
        ["", "threshold", "drawn until", "draws", "accepted", "right of those"],
        (
            [
                row["group"],
                f"{row['threshold']:g}",
                _RULES[row["rule"]],
                number(row["draws"], 2),
                *percents(row, "accepted", "accepted_right"),
            ]
            for row in shown
        ),
    )


_COMPARED = (
    "gpt-3.5-turbo on date",
    "llama2-13b on date",
    "llama2-13b on gsm",
    "gpt-4 on asdiv",
    "gpt-4 on tabmwp",
    "gpt-4 on crepe",
)


def _comparisons(results: Results) -> str:
    heads = [
        "",
        "compare",
        "right ones parted",
        "right and wrong joined",
        "vote right",
        "unanimous right",
        "AUROC",
    ]
    return table(
        heads,
        (
            [
                row["group"],
                row["comparison"],
                *percents(row, "parted", "joined", "voted_right", "unanimous_right"),
                number(row["auroc"]),
            ]
            for row in results["comparisons"]
            if row["group"] in _COMPARED
        ),
    )


def _crossed(results: Results) -> str:
    return table(
        ["compare", "right ones parted", "right and wrong joined", "agree", "right of those"],
        (
            [
                row["comparison"],
                *percents(row, "parted", "joined", "agreed", "agreed_right"),
            ]
            for row in results["panel"]["comparisons"]
        ),
    )


def _cascades(results: Results) -> str:
    return table(
        [
            "cheap tier",
            "threshold",
            "escalated",
            "cost",
            "right",
            "escalated at random",
            "against the strong model, points",
        ],
        (
            [
                name,
                f"{point['threshold']:.2g}",
                percent(point["escalated"]),
                number(point["cost"], 2),
                *percents(point, "right", "shuffled_right"),
                between(point["against_strong"], points),
            ]
            for name, held in results["cascades"].items()
            for point in held["points"][:-1]
        ),
    )


def _ends(results: Results) -> str:
    rows = [
        [
            name,
            *percents(held, "single_right", "voted_right", "strong_right", "oracle_right"),
            percent(held["held_out"]["none"]),
            between(held["held_out"]["against_strong"], points),
            between(held["held_out"]["saved"], percent),
        ]
        for name, held in results["cascades"].items()
    ]
    pair = results["panel"]["cascade"]["held_out"]
    rows.append(
        [
            "two cheap models on gsm",
            "",
            "",
            percent(results["panel"]["cascade"]["strong_right"]),
            "",
            percent(pair["none"]),
            between(pair["against_strong"], points),
            between(pair["saved"], percent),
        ]
    )
    heads = [
        "cheap tier",
        "one answer",
        "its vote",
        "strong model",
        "either right",
        "no threshold",
        "held out: against strong, points",
        "held out: saved",
    ]
    return table(heads, rows)


TABLES: Mapping[str, Callable[[Results], str]] = {
    "agreement": _agreement,
    "seconds": _seconds,
    "panels": _panels,
    "makers": _makers,
    "thresholds": _thresholds,
    "calibration": _calibration,
    "few": _few,
    "elsewhere": _elsewhere,
    "adaptive": _adaptive,
    "stopping": _stopping,
    "comparisons": _comparisons,
    "crossed": _crossed,
    "cascades": _cascades,
    "ends": _ends,
    "judges": _judges,
    "selective": _selective,
}
