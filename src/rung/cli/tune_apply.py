"""`rung tune --apply`: what was found into rung.toml, after a look at what would change."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from rung import config as configuration
from rung.cli.output import console, one_line, plain
from rung.cli.tune_options import Options
from rung.cli.tune_source import Surroundings
from rung.core.errors import ConfigError, LedgerError, RequestError
from rung.tuner.aims import Mode, Recommendation, Tuned

if TYPE_CHECKING:
    from rung.config import Config
    from rung.ledger.certificates import TierFigures
    from rung.tuner.applying import Applied
    from rung.tuner.outcomes import Outcomes

COLOURS = {"+": "green", "-": "red", "@": "dim"}
AGREED = {"y", "yes"}


def apply(
    made: Recommendation, outcomes: Outcomes, asked: Options, around: Surroundings, *, json: bool
) -> Mapping[str, Any]:
    """Show the diff, ask, write the file and its certificate; what was done, as data.

    Raises RequestError for a policy without a certificate, and where nobody agreed; ConfigError
    where the file cannot take it.
    """
    must_be_allowed(made, asked)
    from rung.tuner.applying import RungFile, applied, write_file

    ladder = around.ladder(asked.result.ladder, "--apply")
    assert around.place is not None
    now = time.time()
    file = RungFile.read(around.place, configuration.environment())
    draft = applied(file, ladder, made, asked.tiers, datetime.fromtimestamp(now, UTC).date())
    if draft.problems:
        raise ConfigError(draft.problems)
    to = console(err=json)
    _show(draft, made, to)
    for warning in (*_unmixed(made, draft), *_unchecked(made, draft, around)):
        to.print(f"[yellow]![/] {plain(warning)}")
    if draft.changed and not asked.result.yes:
        _agree(json=json)
    backup = write_file(draft)
    try:
        figures = _figures(made, draft, outcomes, asked)
        keep_promise(draft, made, figures, (around.needed("--apply"), now))
        stored = True
    except LedgerError as error:
        said = one_line(error.message, 300)
        console(err=True).print(f"[yellow]![/] the certificate was not kept in the ledger: {said}")
        stored = False
    _done(draft, to, kept=stored and made.certified)
    return {
        "path": str(around.place),
        "ladder": ladder,
        "changed": draft.changed,
        "diff": draft.diff,
        "backup": None if backup is None else str(backup),
        "certificate_stored": stored,
        "notes": list(draft.notes),
    }


def must_be_allowed(made: Recommendation, asked: Options) -> None:
    """What has no certificate is applied only by somebody who said so twice."""
    if made.certified:
        return
    if made.aim.mode is Mode.NONE and asked.result.yes and made.tuned is not None:
        return
    if made.aim.mode is Mode.NONE:
        raise RequestError(
            "without a guarantee nothing is applied unseen.", fix="--mode none --apply --yes"
        )
    raise RequestError(
        "there is no certificate, so nothing is applied.",
        fix="more outcomes, or a loss that is allowed (--max-loss 0.01); or, without any guarantee,"
        " --mode none --apply --yes",
    )


def _show(draft: Applied, made: Recommendation, to: Console) -> None:
    if not made.certified:
        to.print("\n[yellow]![/] No guarantee goes with this ladder: nothing was tested.")
    if draft.changed:
        to.print()
    for line in draft.diff.splitlines():
        colour = COLOURS.get(line[:1])
        to.print(f"[{colour}]{plain(line)}[/]" if colour else plain(line))
    for note in draft.notes:
        to.print(f"[yellow]![/] {plain(note)}")


def _unmixed(made: Recommendation, draft: Applied) -> Iterator[str]:
    """A share of requests with a ladder of its own that the file does not have."""
    part = None if made.tuned is None else made.tuned.part
    if part is not None and draft.policies.part is None:
        ladder = " -> ".join(rung.tier for rung in part.policy.rungs)
        yield (
            f"{part.share:.0%} of requests were to go by {ladder}. That is not written: no rule"
            f" leads those away who ask for {draft.ladder} by name. All go by the ladder above,"
            " which is no worse, and dearer than was said."
        )


def _unchecked(made: Recommendation, draft: Applied, around: Surroundings) -> Iterator[str]:
    """What is promised of a ladder that checks its answers is not promised of one that does not."""
    table = around.needed("--apply").file.ladders[draft.ladder]
    doubts = any(rung.min_confidence is not None for rung in draft.policies.whole.rungs)
    if made.certified and len(draft.policies.whole.rungs) > 1 and not table.verify and not doubts:
        yield (
            f"ladder {draft.ladder} has no check (`verify`): the certificate holds where answers"
            " have to pass one, be it the request's own schema, and climb where they do not."
        )


def _agree(*, json: bool) -> None:
    """Change nothing that nobody agreed to. Raises RequestError."""
    if json or not sys.stdin.isatty():
        raise RequestError("nobody is there to ask, so nothing was written.", fix="add --yes")
    console(err=True).print("Write this? [bold]y/N[/] ", end="")
    if sys.stdin.readline().strip().lower() not in AGREED:
        raise RequestError("nothing was written.", fix="answer y, or add --yes")


def keep_promise(
    draft: Applied,
    made: Recommendation,
    figures: Mapping[str, TierFigures],
    where: tuple[Config, float],
) -> None:
    """The certificate into the ledger, for `rung tune --check`. Raises LedgerError.

    ``figures`` is what each model is to come to. Without a guarantee the certificate withdraws what
    was promised of the ladder before.
    """
    from rung.ledger import Ledger
    from rung.tuner.promised import certified, keep

    assert made.tuned is not None
    config, now = where
    names = dict(_names(made.tuned, draft.policies))
    by_tier = {names[model]: each for model, each in figures.items() if model in names}
    with Ledger.open(config.ledger) as ledger:
        keep(ledger, draft.ladder, certified(made, draft, by_tier), now)


def _figures(
    made: Recommendation, draft: Applied, outcomes: Outcomes, asked: Options
) -> Mapping[str, TierFigures]:
    """What each model is to come to, of what was written."""
    from rung.tuner.advice import checking
    from rung.tuner.odds import Given
    from rung.tuner.reached import tier_figures

    assert made.tuned is not None
    by = Given.NO_CHECK if asked.check.unchecked else checking(outcomes, made.aim.errors)
    part = made.tuned.part if draft.policies.part is not None else None
    return tier_figures(outcomes, replace(made.tuned, part=part), by)


def _names(tuned: Tuned, put: Tuned) -> Iterator[tuple[str, str]]:
    """Each model with its tier of the configuration."""
    pairs = [(tuned.whole, put.whole)]
    pairs += [(tuned.by_category[name], each) for name, each in put.by_category.items()]
    if tuned.part is not None and put.part is not None:
        pairs.append((tuned.part.policy, put.part.policy))
    for ours, theirs in pairs:
        for model, tier in zip(ours.rungs, theirs.rungs, strict=True):
            yield model.tier, tier.tier


def _done(draft: Applied, to: Console, *, kept: bool) -> None:
    place = plain(str(draft.file.path))
    if not draft.changed:
        to.print(f"\n{place} has it already.")
        return
    to.print(f"\nWritten to {place}; what it was is beside it in {place}.bak.")
    to.print("A gateway that runs takes it up when it is started anew.")
    if kept:
        to.print("[dim]`rung tune --check` says later whether it still holds.[/]")
