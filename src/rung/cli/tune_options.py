"""What `rung tune` may be told, and the faults of it that show before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from rung.core.errors import RequestError
from rung.tuner.aims import Mode

MOST_TIERS = 4
"""Orders of more are too many to try."""

_OUTCOMES, _TARGET, _SEARCH, _CHECK, _RESULT = (
    Group(name, sort_key=place)
    for place, name in enumerate(("Outcomes", "Target", "Search", "Check", "Result"), 1)
)

CHECKED = Group("Afterwards", sort_key=6)
"""What is asked of certificates that are in force."""


@dataclass(frozen=True, slots=True)
class Data:
    """Which outcomes to learn from."""

    outcomes: Annotated[
        Path | None, Parameter(group=_OUTCOMES, help="A file: JSON lines, CSV (.gz too), Parquet.")
    ] = None
    ledger: Annotated[
        bool,
        Parameter(group=_OUTCOMES, negative="", help="The ledger: what became of real requests."),
    ] = False
    since: Annotated[
        str | None, Parameter(group=_OUTCOMES, help="Of the ledger: 30d, 24h, or 2026-11-01.")
    ] = None
    models: Annotated[
        str | None, Parameter(group=_OUTCOMES, help="Only these of the file: a,b,c.")
    ] = None
    category: Annotated[
        str | None, Parameter(group=_OUTCOMES, help="Only queries of this category.")
    ] = None
    price_file: Annotated[
        Path | None, Parameter(group=_OUTCOMES, help="Reckon costs by these prices instead.")
    ] = None


@dataclass(frozen=True, slots=True)
class Target:
    """What has to hold, and how surely."""

    baseline: Annotated[
        str | None, Parameter(group=_TARGET, help="At least as good as this model, or nearly.")
    ] = None
    max_loss: Annotated[
        str | None,
        Parameter(group=_TARGET, help="How much worse it may be: 0.01 or 1%. Nothing if left out."),
    ] = None
    quality: Annotated[
        str | None, Parameter(group=_TARGET, help="At least this share right: 0.74 or 74%.")
    ] = None
    budget: Annotated[
        float | None, Parameter(group=_TARGET, help="The best for this many dollars a request.")
    ] = None
    confidence: Annotated[
        str, Parameter(group=_TARGET, help="How sure the target has to be met.")
    ] = "0.9"
    mode: Annotated[
        Mode,
        Parameter(
            group=_TARGET,
            help="`default`: the reference kept, or exact tests. `proof`: holds for any number of"
            " outcomes, and finds less. `none`: no guarantee.",
        ),
    ] = Mode.DEFAULT


@dataclass(frozen=True, slots=True)
class Search:
    """Which ladders may be found."""

    max_tiers: Annotated[int, Parameter(group=_SEARCH, help="How long a ladder may be.")] = 3
    latency: Annotated[
        float | None, Parameter(group=_SEARCH, help="The most seconds a request may take, mean.")
    ] = None
    by: Annotated[
        Literal["category"] | None,
        Parameter(group=_SEARCH, help="A ladder for each category, where that pays."),
    ] = None
    no_give_up: Annotated[
        bool,
        Parameter(group=_SEARCH, negative="", help="Never stop below the top to save money."),
    ] = False
    no_thresholds: Annotated[
        bool, Parameter(group=_SEARCH, negative="", help="Use no thresholds on confidence.")
    ] = False
    seed: Annotated[int, Parameter(group=_SEARCH, help="The same seed gives the same answer.")] = 0


@dataclass(frozen=True, slots=True)
class Check:
    """How often the check errs that answers will have to pass."""

    false_accept: Annotated[
        str | None, Parameter(group=_CHECK, help="Of wrong answers, how many it passes: 0.05, 5%.")
    ] = None
    false_reject: Annotated[
        str | None, Parameter(group=_CHECK, help="Of right answers, how many it fails.")
    ] = None
    errors: Annotated[
        Literal["measured"] | None,
        Parameter(group=_CHECK, help="`measured`: both as labels have shown them."),
    ] = None
    unchecked: Annotated[
        bool,
        Parameter(
            group=_CHECK,
            negative="",
            help="There is no check: answers are believed for their confidence.",
        ),
    ] = False
    as_top: Annotated[
        bool,
        Parameter(
            group=_CHECK,
            negative="",
            help="With --unchecked: nobody knows what is right, so what the baseline says is.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Result:
    """What to do with what was found."""

    ladder: Annotated[
        str | None,
        Parameter(group=_RESULT, help="The ladder of rung.toml to read or write; the default one."),
    ] = None
    apply: Annotated[
        bool, Parameter(group=_RESULT, negative="", help="Write it into rung.toml, with a diff.")
    ] = False
    yes: Annotated[
        bool, Parameter(group=_RESULT, negative="", help="With --apply: write without asking.")
    ] = False
    tiers: Annotated[
        str | None,
        Parameter(group=_RESULT, help="With --apply: which tier a model is: model=tier,..."),
    ] = None
    plot: Annotated[
        Path | None, Parameter(group=_RESULT, help="Draw cost and quality into this .svg.")
    ] = None


@dataclass(frozen=True, slots=True)
class Options:
    """All of them."""

    data: Annotated[Data, Parameter(name="*")] = Data()
    target: Annotated[Target, Parameter(name="*")] = Target()
    search: Annotated[Search, Parameter(name="*")] = Search()
    check: Annotated[Check, Parameter(name="*")] = Check()
    result: Annotated[Result, Parameter(name="*")] = Result()

    @property
    def confidence(self) -> float:
        """0..1."""
        return share("--confidence", self.target.confidence)

    @property
    def max_loss(self) -> float:
        """0..1."""
        return 0.0 if self.target.max_loss is None else share("--max-loss", self.target.max_loss)

    @property
    def quality(self) -> float | None:
        """0..1."""
        asked = self.target.quality
        return None if asked is None else share("--quality", asked)

    @property
    def told_rates(self) -> tuple[float, float] | None:
        """False accepts and false rejects as they were told, ``None`` where neither was."""
        given = (self.check.false_accept, self.check.false_reject)
        if given == (None, None):
            return None
        accept, reject = (
            0.0 if text is None else share(name, text)
            for name, text in zip(("--false-accept", "--false-reject"), given, strict=True)
        )
        return accept, reject

    @property
    def models(self) -> list[str] | None:
        """Those named, in order; ``None`` for all."""
        return None if self.data.models is None else listed(self.data.models)

    @property
    def tiers(self) -> dict[str, str]:
        """Model to tier, as told."""
        return pairs("--tiers", self.result.tiers or "")


def faults(asked: Options) -> None:
    """Refuse what cannot be meant. Raises RequestError for the first fault."""
    for found in (_of_data, _of_target, _of_search, _of_check, _of_result):
        for said, fix in found(asked):
            raise RequestError(said, fix=fix)


Fault = tuple[str, str]


def _of_data(asked: Options) -> Iterator[Fault]:
    data = asked.data
    if data.outcomes is not None and data.ledger:
        yield "--outcomes and --ledger are two places to learn from.", "give one of them"
    if data.outcomes is None and not data.ledger:
        yield "there is nothing to learn from.", "--outcomes FILE, or --ledger"
    if data.since is not None and not data.ledger:
        yield "--since is of the ledger.", "leave it out, or give --ledger"
    if data.ledger and data.models is not None:
        yield "--models is of a file; the ledger has the tiers of its ladder.", "--ladder NAME"
    if asked.models is not None and not asked.models:
        yield "--models names no model.", "--models cheap,strong"


def _of_target(asked: Options) -> Iterator[Fault]:
    target = asked.target
    named = {
        "--baseline": target.baseline,
        "--quality": target.quality,
        "--budget": target.budget,
    }
    given = [name for name, value in named.items() if value is not None]
    if len(given) > 1:
        yield f"{' and '.join(given)} are different targets.", "give one of them"
    if target.max_loss is not None and given not in ([], ["--baseline"]):
        yield f"--max-loss is of a baseline, not of {given[0]}.", "leave one of them out"
    yield from _outside("--max-loss", asked.max_loss, asked.max_loss < 1, "below 100%: 0.01 or 1%")
    if (quality := asked.quality) is not None:
        yield from _outside("--quality", quality, 0 < quality < 1, "between 0% and 100%: 0.74")
    sure = asked.confidence
    yield from _outside("--confidence", sure, 0.5 <= sure < 1, "from 50% to below 100%: 0.9")
    if (budget := target.budget) is not None:
        yield from _outside("--budget", budget, budget > 0, "dollars a request, above 0: 0.05")


def _of_search(asked: Options) -> Iterator[Fault]:
    search = asked.search
    most = search.max_tiers
    yield from _outside("--max-tiers", most, 1 <= most <= MOST_TIERS, f"from 1 to {MOST_TIERS}")
    if (slowest := search.latency) is not None:
        yield from _outside("--latency", slowest, slowest > 0, "seconds, above 0")
    yield from _outside("--seed", search.seed, search.seed >= 0, "0 or more")


def _of_check(asked: Options) -> Iterator[Fault]:
    rates, check = asked.told_rates, asked.check
    if rates is not None and check.errors is not None:
        yield "--errors measured and rates that are told contradict each other.", "give one"
    for name, rate in zip(("--false-accept", "--false-reject"), rates or (), strict=False):
        yield from _outside(name, rate, rate < 1, "below 100%: 0.05 or 5%")
    if check.unchecked and (rates is not None or check.errors is not None):
        yield "--unchecked leaves no check that could err.", "leave one of them out"
    if check.as_top and not check.unchecked:
        yield "--as-top goes with --unchecked.", "add --unchecked, or leave it out"


def _of_result(asked: Options) -> Iterator[Fault]:
    result = asked.result
    for name, there in (("--yes", result.yes), ("--tiers", bool(asked.tiers))):
        if there and not result.apply:
            yield f"{name} goes with --apply.", "add --apply, or leave it out"
    if result.ladder is not None and not (result.apply or asked.data.ledger):
        yield "--ladder goes with --ledger or --apply.", "--models names models of a file"
    if result.plot is not None and result.plot.suffix.lower() != ".svg":
        yield f"--plot writes SVG, and {result.plot.name} is no such name.", "--plot front.svg"
    if result.plot is not None and not result.plot.absolute().parent.is_dir():
        yield f"there is no folder {result.plot.parent}.", "make it, or name another place"


def _outside(name: str, value: float, within: bool, may: str) -> Iterator[Fault]:
    """A value that is none is never within."""
    if not within or not isfinite(value):
        yield f"{name} {value:g} is out of range.", may


def share(name: str, text: str) -> float:
    """A share as people write it: ``1%`` or ``0.01``. Raises RequestError unless from 0 to 1."""
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise RequestError(f"{name} {text!r} is no share of 1.", fix=f"{name} 0.05, or {name} 5%")
    return found


def listed(text: str) -> list[str]:
    """Names with commas between. Raises RequestError for one that is named twice."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{name!r} is named twice.", fix="name each once: a,b,c")
    return names


def pairs(name: str, text: str) -> dict[str, str]:
    """``a=x,b=y``; a model's own name may hold an equals sign, a tier's cannot."""
    found: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        model, equals, tier = (part.strip() for part in each.rpartition("="))
        if not (equals and model and tier):
            raise RequestError(f"{name} {each!r} is no model=tier.", fix=f"{name} model=tier,...")
        if model in found:
            raise RequestError(f"{name} names {model!r} twice.", fix="give each model one tier")
        found[model] = tier
    return found
