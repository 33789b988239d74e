"""`rung tune`: the cheapest ladder that meets a target, with the certificate that it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rung.cli.output import console, print_json
from rung.cli.progress import Progress
from rung.cli.settings import ConfigPath, Json
from rung.cli.tune_options import CHECKED, Options, Result, faults
from rung.cli.tune_reference import single_figures
from rung.cli.tune_shown import Shown, show
from rung.cli.tune_source import Source, Surroundings, aim_of, configured_ladder, source
from rung.core.errors import RequestError
from rung.core.money import NANOUSD
from rung.core.plan import Policy, Rung
from rung.tuner.aims import Aim, Mode, Recommendation, Tuned
from rung.tuner.telling import told

if TYPE_CHECKING:
    from rung.tuner.advice import Advice
    from rung.tuner.doubly_robust import Valued


@dataclass(frozen=True)
class Found:
    """What was recommended, with what else these outcomes say."""

    source: Source
    made: Recommendation
    advice: tuple[Advice, ...]
    valued: Valued | None = None
    reasons: tuple[str, ...] = field(default=())


def tune(
    *,
    options: Annotated[Options | None, Parameter(name="*")] = None,
    check: Annotated[
        bool,
        Parameter(
            group=CHECKED, negative="", help="Tune nothing: does what was certified still hold?"
        ),
    ] = False,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Find the cheapest ladder that is as good as a model of yours, or as a number, and certify it.

    A ladder asks its models in order until a check passes an answer. Outcomes are recorded answers:
    who answered what, was it right, what did it cost. Without --baseline, --quality or --budget the
    reference is the configured baseline, or the top tier. Where nothing can be certified, the
    answer is the reference, and how many queries would change that.
    """
    asked = options or Options()
    if check:
        _check(asked, path, json=json)
        return
    faults(asked)
    around = Surroundings(path)
    if asked.result.apply:
        around.ladder(asked.result.ladder, "--apply")
    found = _found(asked, around)
    if asked.result.plot is not None:
        _draw(found, asked.result.plot)
    if not json:
        show(_shown(found, asked, around), console())
    document = told(found.made, found.advice) | _more(found)
    if asked.result.apply:
        from rung.cli.tune_apply import apply

        done = apply(found.made, found.source.outcomes, asked, around, json=json)
        document |= {"applied": done}
    if json:
        print_json(document)


def _check(asked: Options, path: Path | None, *, json: bool) -> None:
    """`--check` looks at certificates alone, all or one ladder's."""
    ladder = asked.result.ladder
    if asked != Options(result=Result(ladder=ladder)):
        raise RequestError(
            "--check tunes nothing, so there is nothing to say about tuning.",
            fix="`rung tune --check`, or with --ladder NAME",
        )
    from rung.cli.tune_check import tune_check

    tune_check(ladder, path, json=json)


def _found(asked: Options, around: Surroundings) -> Found:
    """Read, search, test, ask further. Most of the time goes here."""
    with Progress() as progress:
        progress.tell("reading outcomes")
        read = source(asked, around)
        aim, why = aim_of(asked, read, around)
        made = _searched(asked, read, aim, progress)
        progress.tell("asking what else would pay")
        reasons = (*((why,) if why else ()), *read.reasons)
        # Without a check no tier rescues what another got wrong: other questions have to be asked.
        advice = () if asked.check.unchecked else _advice(read, made, asked, around)
        return Found(read, made, advice, _valued(read, made), reasons)


def _searched(asked: Options, read: Source, aim: Aim, progress: Progress) -> Recommendation:
    if asked.check.unchecked:
        from rung.tuner.unverified import tune_unverified

        return tune_unverified(read.outcomes, aim, progress.tell, as_top=asked.check.as_top)
    from rung.tuner.tuning import tune as search

    return search(read.outcomes, aim, progress.tell)


def _advice(
    read: Source, made: Recommendation, asked: Options, around: Surroundings
) -> tuple[Advice, ...]:
    """Held against the baseline, without one against the best model."""
    from rung.tuner.advice import advice, dropped

    aim, outcomes = made.aim, read.outcomes
    singles = single_figures(outcomes)
    best = max(singles, key=lambda model: (singles[model][0], -singles[model][1]))
    found = advice(outcomes, aim, best if made.baseline is None else made.baseline.model)
    if made.tuned is not None:
        found += dropped(outcomes, aim, made.tuned, chosen_here=True)
    name, models = configured_ladder(around, asked.result.ladder, outcomes)
    ladder = [] if made.tuned is None else [rung.tier for rung in made.tuned.whole.rungs]
    if models and models != ladder:
        own = Tuned(Policy(name, tuple(Rung(model) for model in models)))
        found += dropped(outcomes, aim, own, chosen_here=False, name=f"your ladder {name}")
    return found


def _valued(read: Source, made: Recommendation) -> Valued | None:
    """What the policy would have come to on all requests of a ledger, if it can tell."""
    if read.seen is None or made.tuned is None:
        return None
    from rung.tuner.doubly_robust import value

    try:
        return value(read.seen, made.tuned, confidence=made.aim.confidence, seed=made.aim.seed)
    except RequestError:
        # Not every policy can be told of by what a ledger saw; the answer stands without it.
        return None


def _draw(found: Found, file: Path) -> None:
    from rung.tuner.picture import picture

    try:
        file.write_text(picture(found.made, _singles(found.source)), "utf-8")
    except OSError as error:
        raise RequestError(f"{file} cannot be written: {error.strerror or error}.") from None


def _singles(read: Source) -> dict[str, tuple[float, float]]:
    """Each model's quality (0..1) and cost (dollars a request)."""
    figures = single_figures(read.outcomes).items()
    return {model: (quality, cost / NANOUSD) for model, (quality, cost, _) in figures}


def _shown(found: Found, asked: Options, around: Surroundings) -> Shown:
    reasons = list(found.reasons)
    valued = found.valued
    if valued is not None:
        reasons.append(valued.refusal or _over_all(valued))
    return Shown(
        found.made,
        found.advice,
        _singles(found.source),
        tuple(reasons),
        _next(found.made, asked, around),
        found.source.assumptions,
    )


def _over_all(valued: Valued) -> str:
    quality, cost = valued.quality, valued.cost_usd
    return (
        f"On all {valued.n:,} requests, seen in full or not, it would have come to"
        f" {quality.value:.1%} right ({quality.low:.1%} to {quality.high:.1%}) at"
        f" ${cost.value:.3g} (${cost.low:.3g} to ${cost.high:.3g}); {valued.reach.share:.0%} of its"
        " calls rest on what was seen."
    )


def _more(found: Found) -> dict[str, Any]:
    """What a ledger adds to the document."""
    valued, seen = found.valued, found.source.seen
    if seen is None:
        return {}
    of_ledger: dict[str, Any] = {"ladder": seen.ladder, "requests": len(seen)}
    if valued is not None:
        of_ledger |= {
            "quality": valued.quality.value,
            "quality_interval": [valued.quality.low, valued.quality.high],
            "cost_usd": valued.cost_usd.value,
            "cost_usd_interval": [valued.cost_usd.low, valued.cost_usd.high],
            "reach": valued.reach.share,
            "refusal": valued.refusal or None,
        }
    return {"ledger": of_ledger, "assumptions": list(found.source.assumptions)}


def _next(made: Recommendation, asked: Options, around: Surroundings) -> str:
    """The one thing to do now."""
    if asked.result.apply:
        return ""
    if made.tuned is None:
        return "the same with --baseline MODEL instead."
    if not made.certified and made.aim.mode is not Mode.NONE:
        if asked.data.ledger:
            return "`rung probe run` has stored requests asked of every tier, within a budget."
        return "record more outcomes, or allow a loss: --max-loss 0.01."
    sure = " --yes" if made.aim.mode is Mode.NONE else ""
    if around.place is None:
        return f"`rung init` writes a rung.toml; the same with --apply{sure} puts the ladder there."
    return f"the same with --apply{sure} writes it into {around.place}, after a look at the diff."
