"""What `rung tune` learns from: a file of outcomes, or the ledger, with the check's errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rung import config as configuration
from rung.cli.bill import moment
from rung.cli.settings import load, open_ledger
from rung.cli.tune_options import Options
from rung.cli.tune_reference import configured, known_model, model_of, no_reference
from rung.config import Config
from rung.core.errors import ConfigError, RequestError
from rung.core.nearest import nearest
from rung.tuner.aims import SOUND, Aim, Errors

if TYPE_CHECKING:
    from rung.tuner.censored import Censored
    from rung.tuner.observing import Whole
    from rung.tuner.outcomes import Outcomes


@dataclass(frozen=True)
class Surroundings:
    """The rung.toml there is, read when somebody asks for it. ``named`` is the one given."""

    named: Path | None = None

    @cached_property
    def place(self) -> Path | None:
        """Where it is, ``None`` where there is none."""
        return self.named or configuration.find(configuration.environment(), Path.cwd())

    @cached_property
    def config(self) -> Config | None:
        """All of it but what only its parts can know."""
        return None if self.place is None else load(self.place, parts=False)

    def needed(self, what: str) -> Config:
        """The same. Raises ConfigError where there is none."""
        if self.config is None:
            raise ConfigError(f"{what} needs a rung.toml, and there is none.", fix="rung init")
        return self.config

    def ladder(self, name: str | None, what: str) -> str:
        """The ladder that is meant. Raises RequestError for one that is not there."""
        found = self.needed(what)
        meant = name or found.default_ladder
        if meant not in found.file.ladders:
            fix = nearest(meant, found.file.ladders) or "`rung config show` names the ladders"
            raise RequestError(f"there is no ladder {meant!r}.", status=404, fix=fix)
        return meant


@dataclass(frozen=True)
class Source:
    """The outcomes and the check's errors; of a ledger also what was not seen whole.

    ``reasons`` are plain sentences on what was taken for granted or left out.
    """

    outcomes: Outcomes
    errors: Errors = SOUND
    seen: Censored | None = None
    assumptions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=())


def source(asked: Options, around: Surroundings) -> Source:
    """Read what was asked for. Raises RequestError, ConfigError or LedgerError with the fault."""
    found = _ledger(asked, around) if asked.data.ledger else _file(asked)
    if not len(found.outcomes):
        raise RequestError(
            "there are no outcomes to learn from.", fix="docs/tuning.md says how to record some"
        )
    if not (found.outcomes.cost >= 0).any():
        raise RequestError(
            "the outcomes have no costs, and ladders are chosen by what they cost.",
            fix="add `cost_usd`, or tokens and prices: --price-file FILE",
        )
    if (rates := asked.told_rates) is not None:
        # What is told stands over what the outcomes have on record.
        told = replace(found.outcomes, accepted=None)
        errors = Errors(false_accept=rates[0], false_reject=rates[1])
        return replace(found, outcomes=told, errors=errors)
    return found


def aim_of(asked: Options, found: Source, around: Surroundings) -> tuple[Aim, str]:
    """The target, and which reference was taken in the caller's place, if any.

    Raises RequestError for an unknown baseline, and where no target was named and none is known.
    """
    target, search = asked.target, asked.search
    baseline, why = target.baseline, ""
    if baseline is not None:
        known = baseline in found.outcomes.place
        baseline = known_model(baseline, found.outcomes, None if known else around.config)
    elif asked.quality is None and target.budget is None:
        taken = (
            None
            if around.config is None
            else configured(around.config, asked.result.ladder, found.outcomes)
        )
        if taken is None:
            raise no_reference(found.outcomes)
        baseline, why = taken[0], f"The reference is {taken[0]}, {taken[1]}."
    aim = Aim(
        baseline=baseline,
        max_loss=asked.max_loss,
        quality=asked.quality,
        budget_usd=target.budget,
        confidence=asked.confidence,
        mode=target.mode,
        max_tiers=search.max_tiers,
        slowest_seconds=search.latency,
        by_category=search.by == "category",
        errors=found.errors,
        thresholds=not search.no_thresholds,
        give_up=not search.no_give_up,
        seed=search.seed,
    )
    return aim, why


def configured_ladder(
    around: Surroundings, name: str | None, outcomes: Outcomes
) -> tuple[str, list[str]]:
    """The name of the ladder in place, and its models; none where the outcomes miss one of them.

    Nothing depends on it: a configuration that is wrong has none.
    """
    try:
        config = around.config
    except ConfigError:
        return "", []
    if config is None:
        return "", []
    meant = name or config.default_ladder
    table = config.file.ladders.get(meant)
    models = [model_of(tier, outcomes, config) for tier in (table.tiers if table else ())]
    return meant, [] if None in models else [model for model in models if model is not None]


def _file(asked: Options) -> Source:
    from rung.tuner.reading import read_outcomes

    data = asked.data
    assert data.outcomes is not None
    outcomes = read_outcomes(data.outcomes, models=asked.models, category=data.category)
    if data.price_file is not None:
        from rung.tuner.pricing_file import repriced

        outcomes = repriced(outcomes, data.price_file)
    return Source(outcomes, _measured(outcomes, asked))


def _measured(outcomes: Outcomes, asked: Options) -> Errors:
    if asked.check.errors is None:
        return SOUND
    from rung.tuner.measured import labelled, measured_errors

    if not all(labelled(outcomes)):
        raise RequestError(
            "the file does not tell what the check said of right and of wrong answers.",
            fix="add `accepted` (0 or 1) to its lines, or tell the rates: --false-accept 5%",
        )
    return measured_errors(outcomes, asked.confidence)


def _ledger(asked: Options, around: Surroundings) -> Source:
    from rung.tuner.from_ledger import ledger_outcomes
    from rung.tuner.observing import complete

    data = asked.data
    ladder = around.ladder(asked.result.ladder, "--ledger")
    config = around.needed("--ledger")
    tiers = config.file.ladders[ladder].tiers
    since = 0.0 if data.since is None else moment(data.since, time.time())
    with open_ledger(config) as ledger:
        seen = ledger_outcomes(ledger, ladder, tiers, since)
    if data.category is not None:
        seen = _of_category(seen, data.category)
    whole = complete(seen)
    if not len(whole.outcomes):
        raise RequestError(
            f"of {len(seen):,} requests none was seen by every tier of {ladder}.",
            fix=f"have some of them asked of all tiers: rung probe run --ladder {ladder}",
        )
    outcomes = whole.outcomes
    if data.price_file is not None:
        from rung.tuner.pricing_file import repriced

        outcomes = repriced(outcomes, data.price_file)
    if asked.check.errors is not None and not seen.errors.labels:
        raise RequestError(
            "no label says how often the check errs.",
            fix='`rung label`, or `audit = "2%"` on the ladder; or tell: --false-accept 5%',
        )
    reasons = _reasons(ladder, seen, whole)
    return Source(outcomes, seen.errors, seen, whole.assumptions, tuple(reasons))


def _reasons(ladder: str, seen: Censored, whole: Whole) -> Iterator[str]:
    """What a certificate from a ledger rests on, in figures."""
    errors = seen.errors
    yield (
        f"{len(whole.outcomes):,} of {len(seen):,} requests of {ladder} were seen by every tier;"
        f" weighted by their chance they count as {whole.effective:,.0f}."
    )
    if errors.labels:
        yield (
            f"By {errors.labels:,} labels the check passes {errors.false_accept:.1%} of what is"
            f" wrong and fails {errors.false_reject:.1%} of what is right."
        )
    for why, count in (seen.left_out or {}).items():
        yield f"Left out: {count:,} requests, {why}."


def _of_category(seen: Censored, category: str) -> Censored:
    names = seen.outcomes.categories
    if category not in names:
        fix = nearest(category, [each for each in names if each])
        raise RequestError(f"the ledger has no category {category!r}.", fix=fix)
    return seen.rows(seen.outcomes.category == names.index(category))
