"""A replayed ladder beside its controls, and in one sentence what that means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rung.core.errors import RequestError
from rung.tuner.aims import Errors, Estimate, Tuned
from rung.tuner.controls import controls, ladder_models, single
from rung.tuner.measures import Difference, Measured, compare, measure
from rung.tuner.odds import Checking, draw_verdicts
from rung.tuner.outcomes import Outcomes
from rung.tuner.picture import Spot, cost_quality, ladder_name
from rung.tuner.replaying import replay
from rung.tuner.simulate import expected
from rung.tuner.telling import policy

BASELINE, SHUFFLED = "baseline", "shuffled"


@dataclass(frozen=True, slots=True)
class Row:
    """A control: its figures, and what the ladder has over it on the same queries."""

    name: str
    of: str
    measured: Measured
    ladder: Difference


@dataclass(frozen=True, slots=True)
class Replay:
    """A ladder replayed. ``rows``: the baseline first, then all controls that can be told of."""

    tuned: Tuned
    measured: Measured
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]

    def row(self, name: str) -> Row | None:
        """A control by its name."""
        return next((row for row in self.rows if row.name == name), None)


def replayed(
    outcomes: Outcomes,
    tuned: Tuned,
    checking: Checking,
    baseline: str,
    *,
    seed: int = 0,
    engine: bool = False,
) -> Replay:
    """Play a ladder and its controls. ``baseline`` is a model of the outcomes.

    ``engine``: one world is drawn by ``seed`` and played by the engine itself; else all figures are
    expectations. Raises RequestError where no query can be played, and as `simulate.expected` does.
    """
    if engine:
        played = replay(outcomes, tuned, draw_verdicts(outcomes, checking, seed))
    else:
        played = expected(outcomes, tuned, checking)
    measured = measure(played, outcomes.models, outcomes.weight, seed)
    if measured is None:
        raise _nothing(outcomes, tuned)
    alone = [(BASELINE, baseline, single(outcomes, baseline))]
    others = [(each.name, each.of, each.played) for each in controls(outcomes, tuned, played)]
    rows = []
    for name, of, control in alone + others:
        figures = measure(control, outcomes.models, outcomes.weight, seed)
        difference = compare(played, control, outcomes.weight, seed)
        if figures is not None and difference is not None:
            rows.append(Row(name, of, figures, difference))
    return Replay(tuned, measured, tuple(rows), tuple(_warnings(measured, rows)))


def told(made: Replay) -> dict[str, Any]:
    """The document of `rung replay --json`. Estimates are [value, low, high]."""
    return {
        "ladder": [rung.tier for rung in made.tuned.whole.rungs],
        "policy": policy(made.tuned),
        **_measured(made.measured),
        "controls": [
            {
                "name": row.name,
                "of": row.of,
                **_measured(row.measured),
                "ladder_has": _plainly(asdict(row.ladder)),
            }
            for row in made.rows
        ],
        "meaning": meaning(made),
        "warnings": list(made.warnings),
    }


def picture(made: Replay) -> str:
    """Cost and quality of the ladder and its controls, as an SVG document."""
    spots = [
        _spot(
            row.of if row.name == BASELINE else f"{row.name}: {row.of}"[:60],
            BASELINE if row.name == BASELINE else "control",
            row.measured,
        )
        for row in made.rows
        if row.name == BASELINE or row.of != made.rows[0].of
    ]
    name = ladder_name(made.tuned.whole)
    spots.append(_spot(name, "ladder", made.measured))
    return cost_quality(f"{name} on {made.measured.n:,} recorded queries", spots)


# ------------------------------------------------------------------ in words


def meaning(made: Replay) -> str:
    """One plain sentence: against the baseline, and against blind dealing for the same money."""
    baseline, blind = made.row(BASELINE), made.row(SHUFFLED)
    said = "" if baseline is None else _against(baseline)
    if blind is None:
        return f"{said}."
    edge, points = blind.ladder.quality, _points(blind.ladder.quality)
    if edge.low > 0:
        return (
            f"{said}; dealt out blindly, the same models for the same money would be right"
            f" {points} points less often: what pays is where it stops and climbs."
        )
    if edge.high < 0:
        return (
            f"{said}; dealt out blindly, the same models for the same money would be right"
            f" {points} points more often: this ladder throws money away."
        )
    return (
        f"{said}; dealt out blindly, the same models for the same money may do as well"
        f" ({points} points lie between them): these queries do not show that the ladder pays."
    )


def _against(row: Row) -> str:
    quality, saved = row.ladder.quality, row.ladder.saved
    if quality.low > 0:
        right = f"is right more often than {row.of} alone, by {_points(quality)} points"
    elif quality.high < 0:
        right = f"is right less often than {row.of} alone, by {_points(quality)} points"
    else:
        right = (
            f"is about as often right as {row.of} alone, as far as {row.ladder.n:,} queries tell"
            f" ({_points(quality)} points)"
        )
    if saved is None:
        return f"The ladder {right}"
    span = _span(saved)
    if saved.low > 0:
        return f"The ladder {right}, and costs {saved.value:.1%} less ({span})"
    if saved.high < 0:
        more = Estimate(-saved.value, -saved.high, -saved.low)
        return f"The ladder {right}, and costs {more.value:.1%} more ({_span(more)})"
    return f"The ladder {right}, and about as much is spent ({span} saved)"


def _points(found: Estimate) -> str:
    """Of a difference, without its sign where the sentence says which way it goes."""
    if found.high < 0:
        found = Estimate(-found.value, -found.high, -found.low)
    sign = "+" if found.low <= 0 else ""
    ends = f"{100 * found.low:{sign}.1f} to {100 * found.high:{sign}.1f}"
    return f"{100 * found.value:{sign}.1f} ({ends})"


def _span(found: Estimate) -> str:
    return f"{found.low:.1%} to {found.high:.1%}"


def _warnings(measured: Measured, rows: list[Row]) -> list[str]:
    found = []
    if measured.left_out:
        found.append(
            f"{measured.left_out:,} of {measured.n + measured.left_out:,} queries are left out:"
            " what their way would meet was not recorded. They may be unlike the others."
        )
    fewer = [row.name for row in rows if row.ladder.n < measured.n]
    if fewer:
        found.append(
            f"{', '.join(fewer)}: recorded for fewer queries than the ladder's; differences are of"
            " those that both have."
        )
    return found


def _nothing(outcomes: Outcomes, tuned: Tuned) -> RequestError:
    """Why no query could be played."""
    if not len(outcomes):
        return RequestError("there are no outcomes.", fix="a file with some queries")
    models = ladder_models(tuned)
    place = outcomes.place
    for model in models:
        if np.isnan(outcomes.cost[:, place[model]]).all():
            return RequestError(
                f"the outcomes do not tell what {model} costs.",
                fix="add `cost_usd`, or reckon it from tokens: --price-file FILE",
            )
    return RequestError(
        f"none of {len(outcomes):,} queries can be played: none was asked of all the models that"
        " it would meet.",
        fix=f"outcomes of the same queries for {', '.join(models)}",
    )


# ------------------------------------------------------------------ as data


def _measured(found: Measured) -> dict[str, Any]:
    return _plainly(asdict(found))


def _plainly(found: Mapping[str, Any]) -> dict[str, Any]:
    """Estimates as [value, low, high], all else as it is."""
    return {name: _one(value) for name, value in found.items()}


def _one(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"value", "low", "high"}:
        return [value["value"], value["low"], value["high"]]
    return _plainly(value)


def _spot(label: str, kind: str, found: Measured) -> Spot:
    cost, quality = found.cost_usd, found.quality
    between = (cost.low, cost.high), (quality.low, quality.high)
    return Spot(label, cost.value, quality.value, kind, *between)


def checking_told(checking: Checking) -> dict[str, Any]:
    """The check as data."""
    if isinstance(checking, Errors):
        return {
            "kind": "rates",
            "false_accept": checking.false_accept,
            "false_reject": checking.false_reject,
            "labels": checking.labels,
        }
    return {"kind": checking.name.lower()}
