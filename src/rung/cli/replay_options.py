"""What `rung replay` may be told, and the policy that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from cyclopts import Group, Parameter

from rung.cli.tune_options import listed, share
from rung.core.errors import RequestError
from rung.core.money import from_usd
from rung.core.plan import OnExhausted, Policy, Rung

if TYPE_CHECKING:
    from rung.tuner.odds import Checking
    from rung.tuner.outcomes import Outcomes

V = TypeVar("V")

_OUTCOMES, _LADDER, _LIMITS, _CHECK, _RESULT = (
    Group(name, sort_key=place)
    for place, name in enumerate(("Outcomes", "Ladder", "Limits", "Check", "Result"), 1)
)


@dataclass(frozen=True, slots=True)
class Data:
    """Which outcomes are played over."""

    outcomes: Annotated[
        Path | None, Parameter(group=_OUTCOMES, help="A file: JSON lines, CSV (.gz too), Parquet.")
    ] = None
    category: Annotated[
        str | None, Parameter(group=_OUTCOMES, help="Only queries of this category.")
    ] = None
    price_file: Annotated[
        Path | None, Parameter(group=_OUTCOMES, help="Reckon costs by these prices instead.")
    ] = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """Which ladder, and how its tiers are used."""

    ladder: Annotated[
        str | None, Parameter(group=_LADDER, help="Models of the outcomes, in order: a,b,c.")
    ] = None
    config_ladder: Annotated[
        str | None,
        Parameter(group=_LADDER, help="A ladder of rung.toml instead, with its own limits."),
    ] = None
    thresholds: Annotated[
        str | None,
        Parameter(
            group=_LADDER,
            help="Confidence from which a tier's answer is accepted, tier by tier: 0.6,0.7."
            " `-`, or one that is missing: any.",
        ),
    ] = None
    draws: Annotated[
        str | None, Parameter(group=_LADDER, help="Answers drawn at most, tier by tier: 3,1.")
    ] = None
    repairs: Annotated[
        str | None, Parameter(group=_LADDER, help="Repairs at most, tier by tier; each a draw.")
    ] = None
    give_up_above: Annotated[
        str | None,
        Parameter(
            group=_LADDER,
            help="Climb no further once a request has cost more dollars than this: one amount, or"
            " one for each tier above the first: 0.1,0.5.",
        ),
    ] = None
    reach: Annotated[
        str | None,
        Parameter(
            group=_LADDER,
            help="The share of requests that may climb: one, or one for each tier above the first.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take, and what becomes of those that nothing passes."""

    max_usd: Annotated[
        str | None, Parameter(group=_LIMITS, help="The most that a request may cost.")
    ] = None
    deadline: Annotated[
        float | None, Parameter(group=_LIMITS, help="The most seconds that a request may take.")
    ] = None
    on_exhausted: Annotated[
        OnExhausted | None,
        Parameter(group=_LIMITS, help="`best` serves the best answer where none passed."),
    ] = None


@dataclass(frozen=True, slots=True)
class Check:
    """How it is told whether an answer passes."""

    check: Annotated[
        Literal["truth", "measured", "recorded", "none"],
        Parameter(
            group=_CHECK,
            help="`truth`: what is right passes, but for errors that are told. `measured`: errors"
            " as often as the file's `accepted` shows. `recorded`: by `accepted` itself. `none`:"
            " there is no check, only confidence.",
        ),
    ] = "truth"
    false_accept: Annotated[
        str | None, Parameter(group=_CHECK, help="Of wrong answers, how many it passes: 0.2, 20%.")
    ] = None
    false_reject: Annotated[
        str | None, Parameter(group=_CHECK, help="Of right answers, how many it fails.")
    ] = None


@dataclass(frozen=True, slots=True)
class Result:
    """What it is held against, and how it is told."""

    baseline: Annotated[
        str | None, Parameter(group=_RESULT, help="Held against this model; else the last tier.")
    ] = None
    engine: Annotated[
        bool,
        Parameter(
            group=_RESULT,
            negative="",
            help="Draw one world and have production's own engine play it, call by call.",
        ),
    ] = False
    seed: Annotated[int, Parameter(group=_RESULT, help="The same seed gives the same answer.")] = 0
    plot: Annotated[
        Path | None, Parameter(group=_RESULT, help="Draw cost and quality into this .svg.")
    ] = None


@dataclass(frozen=True, slots=True)
class Options:
    """All of them."""

    data: Annotated[Data, Parameter(name="*")] = Data()
    ladder: Annotated[Ladder, Parameter(name="*")] = Ladder()
    limits: Annotated[Limits, Parameter(name="*")] = Limits()
    check: Annotated[Check, Parameter(name="*")] = Check()
    result: Annotated[Result, Parameter(name="*")] = Result()


def faults(asked: Options) -> None:
    """Refuse what cannot be meant. Raises RequestError for the first fault."""
    for said, fix in (*_of_ladder(asked), *_of_rest(asked)):
        raise RequestError(said, fix=fix)


def _of_ladder(asked: Options) -> Iterator[tuple[str, str]]:
    if asked.data.outcomes is None:
        yield "there is nothing to play over.", "--outcomes FILE"
    given = [asked.ladder.ladder, asked.ladder.config_ladder]
    if given == [None, None]:
        yield "there is no ladder to play.", "--ladder cheap,strong, or --config-ladder NAME"
    if None not in given:
        yield "--ladder and --config-ladder are two ladders.", "give one of them"
    if asked.ladder.ladder is not None and not listed(asked.ladder.ladder):
        yield "--ladder names no model.", "--ladder cheap,strong"


def _of_rest(asked: Options) -> Iterator[tuple[str, str]]:
    check, result, deadline = asked.check, asked.result, asked.limits.deadline
    told = check.false_accept is not None or check.false_reject is not None
    if told and check.check != "truth":
        yield f"--check {check.check} and rates that are told contradict each other.", "give one"
    if deadline is not None and not (isfinite(deadline) and deadline > 0):
        yield f"--deadline {deadline:g} is no time: it must be above 0.", "--deadline 30"
    if result.seed < 0:
        yield f"--seed {result.seed} must be 0 or more.", "--seed 0"
    if result.plot is not None and result.plot.suffix.lower() != ".svg":
        yield f"--plot writes SVG, and {result.plot.name} is no such name.", "--plot ladder.svg"
    if result.plot is not None and not result.plot.absolute().parent.is_dir():
        yield f"there is no folder {result.plot.parent}.", "make it, or name another place"


# ------------------------------------------------------------------ the policy


def policy_of(models: Sequence[str], asked: Options) -> Policy:
    """A ladder of these models with all that was asked for."""
    return changed(Policy("", tuple(Rung(model) for model in models)), asked)


def changed(policy: Policy, asked: Options) -> Policy:
    """A policy with what was asked for, and its own where nothing was."""
    limits, ladder = asked.limits, asked.ladder
    policy = replace(policy, rungs=tuple(_rungs(policy.rungs, ladder)))
    if limits.max_usd is not None:
        policy = replace(policy, cost_cap_nanousd=_nanousd("--max-usd", limits.max_usd))
    if limits.deadline is not None:
        policy = replace(policy, deadline_seconds=limits.deadline)
    if limits.on_exhausted is not None:
        policy = replace(policy, on_exhausted=limits.on_exhausted)
    return policy


def _rungs(rungs: Sequence[Rung], asked: Ladder) -> Iterator[Rung]:
    count = len(rungs)
    columns: dict[str, Sequence[Any]] = {}
    if asked.thresholds is not None:
        found = _values("--thresholds", asked.thresholds, count, share)
        # Where some are named, a tier without one takes any answer, not what a ladder would ask.
        columns["min_confidence"] = [0.0 if each is None else each for each in found]
    if asked.draws is not None:
        found = _values("--draws", asked.draws, count, _whole(1))
        columns["samples"] = [1 if each is None else each for each in found]
    if asked.repairs is not None:
        found = _values("--repairs", asked.repairs, count, _whole(0))
        columns["repairs"] = [each or 0 for each in found]
    if asked.give_up_above is not None:
        name = "--give-up-above"
        columns["most_spent_nanousd"] = [None, *_above(name, asked.give_up_above, count, _nanousd)]
    if asked.reach is not None:
        shares = _above("--reach", asked.reach, count, share)
        columns["reach"] = [1.0, *(1.0 if each is None else each for each in shares)]
    for place, rung in enumerate(rungs):
        yield replace(rung, **{name: column[place] for name, column in columns.items()})


def _values(name: str, text: str, most: int, read: Callable[[str, str], V]) -> list[V | None]:
    """One for each tier, ``None`` where there is none. Raises RequestError for too many."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > most:
        raise RequestError(
            f"{name} has {len(parts)} values for {most} tiers.", fix="at most one for each"
        )
    found = [None if part in {"", "-"} else read(name, part) for part in parts]
    return found + [None] * (most - len(parts))


def _above(name: str, text: str, count: int, read: Callable[[str, str], V]) -> list[V | None]:
    """One for each tier above the first; one alone is for all of them."""
    if count == 1:
        raise RequestError(
            f"{name} is of climbing, and the ladder has one tier.", fix="leave it out"
        )
    found = _values(name, text, count - 1, read)
    return found[:1] * (count - 1) if "," not in text else found


def _whole(least: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 4 and least <= int(text) <= 100):
            raise RequestError(
                f"{name} {text[:40]!r} is no number of answers.",
                fix=f"whole numbers from {least} to 100",
            )
        return int(text)

    return read


def _nanousd(name: str, text: str) -> int:
    try:
        return from_usd(Decimal(text.removeprefix("$")))
    except (InvalidOperation, ValueError):
        raise RequestError(f"{name} {text[:40]!r} is no amount.", fix=f"{name} 0.25") from None


def checking_of(asked: Options, outcomes: Outcomes) -> Checking:
    """How it is told whether an answer passes. Raises RequestError where the file cannot tell."""
    from rung.tuner.aims import Errors
    from rung.tuner.odds import Given

    check = asked.check
    if check.check == "none":
        return Given.NO_CHECK
    if check.check == "truth":
        accept, reject = check.false_accept or "0", check.false_reject or "0"
        return Errors(share("--false-accept", accept), share("--false-reject", reject))
    if outcomes.accepted is None:
        raise RequestError(
            f"--check {check.check} needs what the check said, and the file does not tell.",
            fix="add `accepted` (0 or 1) to its lines, or tell the rates: --false-accept 5%",
        )
    if check.check == "recorded":
        return Given.RECORDED
    from rung.tuner.measured import labelled, measured_errors

    if not all(labelled(outcomes)):
        raise RequestError(
            "the file does not tell what the check said of right and of wrong answers.",
            fix="more lines with `accepted`, or tell the rates: --false-accept 5%",
        )
    return measured_errors(outcomes)
