"""`rung replay`: what a ladder would have come to on recorded outcomes, beside its controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rung.cli.output import console, print_json
from rung.cli.progress import Progress
from rung.cli.replay_options import Options, changed, checking_of, faults, policy_of
from rung.cli.replay_shown import show
from rung.cli.settings import ConfigPath, Json, load
from rung.cli.tune_options import listed
from rung.cli.tune_reference import known_model
from rung.config import Config
from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.core.plan import Policy, Rung
from rung.tuner.aims import Tuned

if TYPE_CHECKING:
    from rung.tuner.outcomes import Outcomes


def replay(
    *,
    options: Annotated[Options | None, Parameter(name="*")] = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Play a ladder over recorded outcomes: what it would have cost, and how often been right.

    Outcomes are recorded answers: who answered what, was it right, what did it cost. The ladder
    stands beside each model alone, the same money dealt out blindly, and an oracle. All figures are
    exact means over what is not recorded (errors of the check, shares of requests) with intervals
    of 95% for the choice of queries. Nothing is called.
    """
    asked = options or Options()
    faults(asked)
    with Progress() as progress:
        progress.tell("reading outcomes")
        outcomes = _outcomes(asked)
        policy, notes = _policy(asked, outcomes, path)
        checking = checking_of(asked, outcomes)
        from rung.tuner.replay_report import checking_told, picture, replayed, told

        named = asked.result.baseline
        baseline = policy.rungs[-1].tier if named is None else known_model(named, outcomes, None)
        progress.tell("playing")
        made = replayed(
            outcomes,
            Tuned(policy),
            checking,
            baseline,
            seed=asked.result.seed,
            engine=asked.result.engine,
        )
    made = replace(made, warnings=(*notes, *made.warnings))
    if asked.result.plot is not None:
        asked.result.plot.write_text(picture(made), "utf-8")
    if json:
        more = {"seed": asked.result.seed, "engine": asked.result.engine}
        print_json(told(made) | {"check": checking_told(checking)} | more)
    else:
        show(made, console())


def _outcomes(asked: Options) -> Outcomes:
    from rung.tuner.reading import read_outcomes

    assert asked.data.outcomes is not None
    outcomes = read_outcomes(asked.data.outcomes, category=asked.data.category)
    if asked.data.price_file is None:
        return outcomes
    from rung.tuner.pricing_file import repriced

    return repriced(outcomes, asked.data.price_file)


def _policy(
    asked: Options, outcomes: Outcomes, path: Path | None
) -> tuple[Policy, tuple[str, ...]]:
    """The ladder with the models of the outcomes as its tiers, and what is worth saying of it."""
    if asked.ladder.ladder is not None:
        names = listed(asked.ladder.ladder)
        return policy_of([known_model(name, outcomes, None) for name in names], asked), ()
    assert asked.ladder.config_ladder is not None
    config = load(path, parts=False)
    policy = _configured(asked.ladder.config_ladder, config, outcomes)
    there = 1 if outcomes.draws is None else 1 + outcomes.draws.shape[2]
    if asked.ladder.repairs is None and any(
        rung.repairs + rung.samples > there for rung in policy.rungs
    ):
        policy = replace(policy, rungs=tuple(replace(rung, repairs=0) for rung in policy.rungs))
        note = "Repairs are left out: the outcomes hold too few draws of a model."
        return changed(policy, asked), (note,)
    return changed(policy, asked), ()


def _configured(name: str, config: Config, outcomes: Outcomes) -> Policy:
    """A ladder of rung.toml. Raises RequestError for one that is not there."""
    from rung.fittings import policy_of as fitted

    table = config.file.ladders.get(name)
    if table is None:
        fix = nearest(name, config.file.ladders) or "`rung config show` names the ladders"
        raise RequestError(f"there is no ladder {name!r}.", status=404, fix=fix)
    policy = fitted(name, table, config)
    asks = "min_confidence" in table.model_fields_set

    def as_recorded(rung: Rung) -> Rung:
        needed = rung.min_confidence
        if needed is None and asks and outcomes.confidence is not None:
            needed = table.min_confidence
        return replace(rung, tier=known_model(rung.tier, outcomes, config), min_confidence=needed)

    return replace(policy, rungs=tuple(as_recorded(rung) for rung in policy.rungs))
