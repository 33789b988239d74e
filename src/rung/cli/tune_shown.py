"""A recommendation for people: the answer first, then what it rests on, then what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from rung.cli.output import NOTHING, one_line, plain, table
from rung.cli.tune_plot import Point, drawn
from rung.core.money import NANOUSD, readable
from rung.core.plan import Rung
from rung.tuner.aims import Alternative, Basis, Estimate, Mode, Recommendation, Tuned
from rung.tuner.telling import saved_by

if TYPE_CHECKING:
    from rung.tuner.advice import Advice

RECOMMENDED, BASELINE, SINGLE = "#", "B", "."
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST_NAME = 80
WIDTH = 110
"""Narrower, the table's ladders would be torn to pieces."""

MOST_SHOWN = 8
"""Alternatives in the table; all are in the JSON document."""

SIGNS = {True: "[green]✓[/]", False: "[dim]-[/]", None: "[yellow]?[/]"}
"""Whether something pays."""

ROOM = 0.1
"""Models alone that are worse than all that matters by more than this are not drawn."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show beside the recommendation.

    ``singles``: quality (0..1) and cost (dollars a request) of each model alone. ``reasons``:
    plain sentences on what was taken in the caller's place. ``assumptions`` are the data's own.
    """

    made: Recommendation
    advice: Sequence[Advice]
    singles: Mapping[str, tuple[float, float]]
    reasons: Sequence[str] = ()
    next_step: str = ""
    assumptions: Sequence[str] = ()


def show(shown: Shown, to: Console) -> None:
    """The whole report."""
    to.width = max(to.width, WIDTH)
    for line in headline(shown.made):
        to.print(line)
    for line in shown.reasons:
        to.print(f"[dim]{plain(line)}[/]")
    if shown.made.tuned is not None or shown.made.baseline is not None or shown.made.alternatives:
        to.print()
        to.print(_table(shown.made))
    for line in (*_categories(shown.made.tuned), *_picture(shown), *_told(shown)):
        to.print(line)
    if shown.next_step:
        to.print(f"\nNext: {plain(shown.next_step)}")


# ------------------------------------------------------------------ the answer


def headline(made: Recommendation) -> Iterator[str]:
    """What to use, what it saves, and whether that is certain: one or two lines."""
    if made.tuned is None:
        yield f"[bold yellow]Not certified:[/] {_unmet(made)}."
        yield f"{_lacking(made)} A reference always has an answer: --baseline MODEL."
        return
    name = arrow(made.tuned)
    if made.certified:
        yield f"[bold]Use {name}[/]{_saving(made)}"
        yield f"[green]Certified[/] {_sure(made)}: {_promise(made)}."
    elif made.aim.mode is Mode.NONE:
        yield f"[bold]{name}[/] looks best{_saving(made)}"
        yield f"[yellow]No guarantee:[/] {_promise(made)} on these data, nothing was tested."
    else:
        yield f"[bold yellow]Not certified:[/] [bold]use {name}[/]{_saving(made)}"
        yield _lacking(made)


def arrow(tuned: Tuned) -> str:
    """The ladder for all, with what is special about its tiers."""
    whole = " -> ".join(map(_rung, tuned.whole.rungs))
    if tuned.part is not None:
        part = " -> ".join(map(_rung, tuned.part.policy.rungs))
        whole += f", and for {tuned.part.share:.0%} of requests {part}"
    return one_line(whole, 600)


def _rung(rung: Rung) -> str:
    """A tier with its conditions."""
    said = []
    if rung.samples > 1:
        said.append(f"{rung.samples} draws")
    if rung.repairs:
        said.append(f"{rung.repairs} repairs" if rung.repairs > 1 else "1 repair")
    if rung.min_confidence is not None:
        said.append(f"from {rung.min_confidence:.2g} confidence")
    if rung.most_spent_nanousd is not None:
        said.append(f"unless {readable(rung.most_spent_nanousd)} is spent")
    if rung.reach < 1:
        said.append(f"for {rung.reach:.0%} of requests")
    return f"{rung.tier} ({', '.join(said)})" if said else rung.tier


def _saving(made: Recommendation) -> str:
    """How its cost stands beside the baseline's; alone it is no ladder."""
    saved, baseline = made.saved, made.baseline
    if saved is None or baseline is None:
        return f": {_usd(made.cost_usd.value)} a request."
    name = one_line(baseline.model, LONGEST_NAME)
    if made.tuned is not None and [r.tier for r in made.tuned.whole.rungs] == [baseline.model]:
        if not made.certified:
            return "."
        return ": one model, and no ladder is both cheaper and as surely good."
    word = "cheaper" if saved.value >= 0 else "dearer"
    return f": {abs(saved.value):.1%} {word} than {name} alone ({_span(saved)} saved)."


def _sure(made: Recommendation) -> str:
    return f"with {100 * made.aim.confidence:.4g}% confidence"


def _promise(made: Recommendation) -> str:
    aim = made.aim
    if aim.baseline is not None:
        name = one_line(aim.baseline, LONGEST_NAME)
        if aim.max_loss > 0:
            return f"at most {100 * aim.max_loss:.3g} points less right than {name}"
        return f"at least as often right as {name}"
    if aim.quality is not None:
        return f"at least {aim.quality:.1%} right"
    return f"at most {_usd(aim.budget_usd or 0.0)} a request"


def _unmet(made: Recommendation) -> str:
    verb = "cost" if made.aim.quality is None and made.aim.baseline is None else "be"
    return f"no ladder of these models is shown to {verb} {_promise(made)}"


def _lacking(made: Recommendation) -> str:
    """What would certify a cheaper one, if anything."""
    if made.needed is None:
        return f"More queries like these {made.n:,} would not change that."
    return (
        f"About {made.needed:,} queries would certify the cheapest ladder that looks good enough;"
        f" there are {made.n:,}."
    )


# ------------------------------------------------------------------ the table and the picture


def _table(made: Recommendation) -> Table:
    columns = [("", "left"), ("right", "right"), ("a request", "right"), ("saved", "right")]
    shown = table("", columns)
    shown.title = None
    shown.add_column("ladder", overflow="fold")
    if made.tuned is not None:
        saved = None if made.saved is None else made.saved.value
        more = ", for all but some categories" if made.tuned.by_category else ""
        name, why = arrow(made.tuned), f"recommended{more}"
        _add(shown, RECOMMENDED, made.quality, made.cost_usd, (saved, name, why))
    if made.baseline is not None:
        name = one_line(made.baseline.model, LONGEST_NAME)
        figures = (made.baseline.quality, made.baseline.cost_usd)
        _add(shown, BASELINE, *figures, (None, name, "the reference"))
    for letter, each in zip(LETTERS, _others(made), strict=False):
        told = (saved_by(each.cost_usd.value, made), arrow(each.tuned), each.why_not)
        _add(shown, letter, each.quality, each.cost_usd, told)
    return shown


def _add(
    shown: Table,
    sign: str,
    quality: Estimate,
    cost: Estimate,
    told: tuple[float | None, str, str],
) -> None:
    """A line of two: the ladder, and why it stands there."""
    saved, name, why = told
    below = f"\n[dim]{one_line(why, 200)}[/]" if why else ""
    figures = (_quality(quality), _cost(cost), NOTHING if saved is None else f"{saved:.1%}")
    shown.add_row(f"[bold]{sign}[/]", *figures, name + below)


def _others(made: Recommendation) -> list[Alternative]:
    """Those worth a line: evenly from all of the front, cheapest first."""
    others = [each for each in made.alternatives if made.tuned is None or each.tuned != made.tuned]
    others.sort(key=lambda each: each.cost_usd.value)
    if len(others) <= MOST_SHOWN:
        return others
    places = {round(step * (len(others) - 1) / (MOST_SHOWN - 1)) for step in range(MOST_SHOWN)}
    return [others[place] for place in sorted(places)]


def _categories(tuned: Tuned | None) -> Iterator[str]:
    """The ladders of categories."""
    if tuned is None:
        return
    for name, ladder in tuned.by_category.items():
        rungs = one_line(" -> ".join(map(_rung, ladder.rungs)), 300)
        yield f"  {one_line(name or NOTHING, 40)}: {rungs}"


def _picture(shown: Shown) -> Iterator[str]:
    lines = drawn(_points(shown))
    if lines:
        yield ""
        yield from (f"  {plain(line)}" for line in lines)
        yield f"  [dim]{_legend(shown.made)}[/]"


def _points(shown: Shown) -> list[Point]:
    """Models alone first, so that what matters is drawn over them."""
    made = shown.made
    points = [
        Point(letter, each.cost_usd.value, each.quality.value)
        for letter, each in zip(LETTERS, _others(made), strict=False)
    ]
    if made.baseline is not None:
        points.append(Point(BASELINE, made.baseline.cost_usd.value, made.baseline.quality.value))
    if made.tuned is not None:
        points.append(Point(RECOMMENDED, made.cost_usd.value, made.quality.value))
    least = min((each.quality for each in points if isfinite(each.quality)), default=0.0) - ROOM
    alone = shown.singles.values()
    return [*(Point(SINGLE, cost, quality) for quality, cost in alone if quality >= least), *points]


def _legend(made: Recommendation) -> str:
    signs = [f"{RECOMMENDED} recommended"] if made.tuned is not None else []
    if made.baseline is not None:
        signs.append(f"{BASELINE} the reference")
    if _others(made):
        signs.append("letters as in the table")
    return ", ".join([*signs, f"{SINGLE} one model alone"])


# ------------------------------------------------------------------ what it rests on


def _told(shown: Shown) -> Iterator[str]:
    for title, lines in _sections(shown):
        if lines:
            yield f"\n[bold]{title}[/]"
            yield from (f"  {line}" for line in lines)


def _sections(shown: Shown) -> Iterator[tuple[str, list[str]]]:
    made = shown.made
    yield "What is known", list(_figures(made))
    assumed = [plain(each) for each in (*made.certificate.assumptions, *shown.assumptions)]
    rests = made.certificate.basis is not Basis.NOTHING
    yield "What the certificate rests on" if rests else "What this rests on", assumed
    advised = [f"{SIGNS[each.pays]} {plain(each.says)}" for each in shown.advice]
    yield "On these data", [*(f"  {plain(each)}" for each in made.advice), *advised]
    yield "Mind", [f"[yellow]![/] {plain(each)}" for each in made.warnings]


def _figures(made: Recommendation) -> Iterator[str]:
    if made.tuned is not None:
        sure = _sure(made)
        least, most = _percent(made.quality_lower), _usd(made.cost_upper)
        yield f"right    {_percent(made.quality.value)}, at least {least} {sure}"
        yield f"cost     {_usd(made.cost_usd.value)} a request, at most {most} {sure}"
        if made.certified and made.target is not None and made.quality_lower < made.target:
            yield "         (the certificate is surer than that: it compares query by query)"
    proof = made.certificate
    by = proof.basis.value
    if proof.p_value is not None and proof.level is not None:
        by += f": p = {proof.p_value:.2g}, which had to stay under {proof.level:.2g}"
    if made.certified and made.needed is not None:
        by += f"; about {made.needed:,} queries would certify a cheaper one"
    yield f"proof    {by}"
    count = "1 query" if made.n == 1 else f"{made.n:,} queries"
    yield f"data     {count}, in {made.seconds:.1f} s, seed {made.aim.seed}"


def _quality(found: Estimate) -> str:
    return f"{_percent(found.value)} ({100 * found.low:.1f}-{100 * found.high:.1f})"


def _cost(found: Estimate) -> str:
    return f"{_usd(found.value)} ({_usd(found.low)}-{_usd(found.high)})"


def _span(found: Estimate) -> str:
    return f"{_percent(found.low)} to {_percent(found.high)}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if isfinite(share) else "?"


def _usd(amount: float) -> str:
    return readable(round(amount * NANOUSD)) if isfinite(amount) else "?"
