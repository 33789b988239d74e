"""`rung verify`: a verifier run by hand, tried with mutants of good answers, and all there are."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter, validators
from rich.console import Console
from rich.status import Status as RichStatus

from rung.cli import exhibits, named
from rung.cli.exhibits import Exhibit
from rung.cli.named import Wanted
from rung.cli.output import console, money, one_line, percent, print_json, sign
from rung.cli.output import seconds as lasting
from rung.cli.settings import ConfigPath, Json, load
from rung.cli.trials import Row, Trial, judged, share, tried
from rung.core.errors import RequestError
from rung.core.stats import Rate
from rung.core.types import Request
from rung.core.verdicts import Status, Verdict, Weight
from rung.verifiers.base import Verifier

PASSED = {Status.PASSED: True, Status.FAILED: False, Status.ABSTAINED: None}
STATUS = {Status.PASSED: 0, Status.FAILED: 1, Status.ABSTAINED: 3}
"""Exit statuses: 2 is a wrong call, 3 says that nothing was judged."""

WEIGHTS = {
    Weight.REQUIRED: "required gate",
    Weight.IMPLIED: "implied gate",
    Weight.SIGNAL: "signal",
}
SAME = (
    "A mutant may be as good as its original: a word beside the code, a value that the gate was "
    "never to check. See what slipped through before you call it a fault."
)
Option = Annotated[
    tuple[str, ...],
    Parameter(name=["--option"], negative="", help="An option of the kind as key=value; TOML."),
]
Asked = Annotated[
    str | None,
    Parameter(
        name=["--request"],
        allow_leading_hyphen=True,
        help="What was asked: a JSON body of any dialect, or the question; `-` is standard input.",
    ),
]
Answered = Annotated[
    str,
    Parameter(
        name=["--answer"],
        allow_leading_hyphen=True,
        help="The answer's text, or a provider's whole body; `-` is standard input.",
    ),
]
GoodOnes = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--answer"],
        negative="",
        consume_multiple=True,
        help="Good answers, as files, behind NAME; `--answer=-` is standard input.",
    ),
]
Name = Annotated[str, Parameter(allow_leading_hyphen=True)]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))]


@dataclass(frozen=True)
class Common:
    """Options that both commands have."""

    asked: Asked = None
    option: Option = ()
    path: ConfigPath = None


CommonOptions = Annotated[Common | None, Parameter(name="*")]

# ------------------------------------------------------------------ run


def run(
    name: Name,
    /,
    *,
    answer: Answered,
    common: CommonOptions = None,
    json: Json = False,
) -> None:
    """Run one verifier on one answer and say what it concludes.

    The exit status is 0 where it passed, 1 where it failed, 3 where it could not judge.

    Args:
        name: A verifier of rung.toml, a kind, a function as module:name, or a command line.
    """
    given = common or Common()
    request, shown = _read(given.asked, (answer,))
    wanted = Wanted(name, given.option, given.path)
    with _own_output():
        verdict, verifier = asyncio.run(_run(wanted, request, shown[0]))
    if json:
        print_json(_verdict(verdict, verifier) | {"answer_read_as": shown[0].read_as})
    else:
        _tell(verdict, verifier)
    sys.exit(STATUS[verdict.status])


@contextmanager
def _own_output() -> Iterator[None]:
    """Standard output is for the result: what a check of the user's own prints goes beside it."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


async def _run(wanted: Wanted, request: Request, given: Exhibit) -> tuple[Verdict, Verifier]:
    async with named.ready(wanted) as verifier:
        return await judged(verifier, request, given.answer), verifier


def _verdict(verdict: Verdict, verifier: Verifier) -> dict[str, Any]:
    return {
        "passed": PASSED[verdict.status],
        "reason": verdict.reason,
        "trust": verdict.trust.value,
        "verifier": verdict.verifier,
        "seconds": round(verdict.seconds, 6),
        "weight": verifier.weight.value,
        "vacuous": verdict.vacuous,
        "score": verdict.score,
        "cost_nanousd": verdict.cost_nanousd,
    }


def _tell(verdict: Verdict, verifier: Verifier) -> None:
    notes = [f"trust {verdict.trust.value}", WEIGHTS[verifier.weight], lasting(verdict.seconds)]
    notes += [] if verdict.score is None else [f"score {verdict.score:.2f}"]
    notes += ["nothing to judge"] if verdict.vacuous else []
    notes += [money(verdict.cost_nanousd)] if verdict.cost_nanousd else []
    console().print(
        f"{sign(verdict.status, vacuous=verdict.vacuous)} {one_line(verdict.verifier)} "
        f"{verdict.status.value}: {one_line(verdict.reason, 500)} [dim]({', '.join(notes)})[/]"
    )


def _read(asked: str | None, answers: tuple[str, ...]) -> tuple[Request, tuple[Exhibit, ...]]:
    if [asked, *answers].count("-") > 1:
        said = "standard input is one text, and was named twice."
        raise RequestError(said, fix="put the others into files")
    return exhibits.request(asked), tuple(map(exhibits.exhibit, answers))


# ------------------------------------------------------------------ test


@dataclass(frozen=True)
class Spoiling:
    """How answers are spoiled."""

    variants: Count = 3
    "How many mutants each mutation makes of an answer, at most."
    seed: int = 0
    "The same seed makes the same mutants."


def test(  # it is a command and no test, whose defaults pytest would not fill
    name: Name,
    /,
    *,
    answer: GoodOnes,
    common: CommonOptions = None,  # noqa: PT028 see above
    spoiling: Annotated[Spoiling | None, Parameter(name="*")] = None,  # noqa: PT028 as above
    json: Json = False,  # noqa: PT028 as above
) -> None:
    """Spoil good answers in many ways and report which of them the verifier catches.

    The exit status is 0 where all good answers pass, 1 where one fails, 3 where one is not judged.

    Args:
        name: A verifier of rung.toml, a kind, a function as module:name, or a command line.
    """
    if not answer:
        raise RequestError("a good answer is needed.", fix="give one with --answer FILE")
    given, how = common or Common(), spoiling or Spoiling()
    request, shown = _read(given.asked, answer)
    quiet = json or not sys.stderr.isatty()
    began = time.perf_counter()
    bench = _Bench(request, how, console(err=True), quiet=quiet)
    wanted = Wanted(name, given.option, given.path)
    with _own_output():
        verifier, good, trial = asyncio.run(_test(wanted, shown, bench))
    if json:
        facts = asdict(how) | {"seconds": time.perf_counter() - began}
        print_json(_trial_json(verifier, good, trial) | facts)
    else:
        _show(verifier, good, trial, console())
    sys.exit(max((STATUS[verdict.status] for _, verdict in good), key=(0, 3, 1).index))


Good = tuple[tuple[Exhibit, Verdict], ...]


@dataclass(frozen=True, slots=True)
class _Bench:
    """What a trial is done with."""

    request: Request
    how: Spoiling
    to: Console
    quiet: bool


async def _test(
    wanted: Wanted, shown: Sequence[Exhibit], bench: _Bench
) -> tuple[Verifier, Good, Trial]:
    trial, good = Trial(), []
    status = nullcontext() if bench.quiet else bench.to.status("judging the good answers ...")
    async with named.ready(wanted) as verifier:
        with status as progress:
            for each in shown:
                verdict = await judged(verifier, bench.request, each.answer)
                good.append((each, verdict))
                trial.cost_nanousd += verdict.cost_nanousd
                if verdict.status is Status.PASSED:
                    tell = partial(_progress, progress, trial, each.name)
                    await _spoil(verifier, each, bench, (trial, tell))
    return verifier, tuple(good), trial


async def _spoil(
    verifier: Verifier,
    good: Exhibit,
    bench: _Bench,
    counting: tuple[Trial, Callable[[str], None]],
) -> None:
    from rung.verifiers.mutations import mutants

    spoiled = mutants(good.answer, seed=bench.how.seed, variants=bench.how.variants)
    try:
        await tried(verifier, bench.request, (good.name, good.answer), spoiled, *counting)
    except ValueError as error:
        said = f"--answer {good.name} cannot be mutated: {error}."
        raise RequestError(said, fix="give a shorter good answer") from None


def _progress(progress: RichStatus | None, trial: Trial, name: str, mutation: str) -> None:
    if progress is not None:
        progress.update(f"{one_line(name, 40)}: {mutation} ({trial.total.tried} judged) ...")


def _trial_json(verifier: Verifier, good: Good, trial: Trial) -> dict[str, Any]:
    total = trial.total
    return {
        "verifier": verifier.name,
        "weight": verifier.weight.value,
        "trust": verifier.trust.value,
        "good": [
            {"answer": each.name, "read_as": each.read_as, **_verdict(verdict, verifier)}
            for each, verdict in good
        ],
        "mutations": [_row_json(row) for row in trial.rows.values()],
        "total": _row_json(total)
        | {
            "caught_rate": _rate_json(share(total.caught, total)),
            "missed_rate": _rate_json(share(total.missed, total)),
        },
        "cost_nanousd": trial.cost_nanousd,
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "mutation": row.mutation,
        "tried": row.tried,
        "caught": row.caught,
        "abstained": row.abstained,
        "missed": row.missed,
        "example": None if row.example is None else asdict(row.example),
    }


def _rate_json(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, "low": rate.low, "high": rate.high}


def _show(verifier: Verifier, good: Good, trial: Trial, to: Console) -> None:
    for each, verdict in good:
        nothing = " [dim](nothing to judge)[/]" if verdict.vacuous else ""
        to.print(
            f"{sign(verdict.status, vacuous=verdict.vacuous)} {one_line(each.name, 60)}: "
            f"{one_line(verdict.reason, 200)}{nothing}"
        )
    if any(verdict.vacuous for _, verdict in good):
        to.print("[yellow]Give good answers that hold what it checks: some hold nothing of it.[/]")
    if any(verdict.status is Status.FAILED for _, verdict in good):
        to.print(f"[red]{one_line(verifier.name)} rejects good answers.[/]")
    elif any(verdict.status is Status.ABSTAINED for _, verdict in good):
        to.print(f"[yellow]{one_line(verifier.name)} could not judge all good answers.[/]")
    if trial.rows:
        _show_rows(verifier, trial, to)


def _show_rows(verifier: Verifier, trial: Trial, to: Console) -> None:
    rows = tuple(trial.rows.values())
    widest = max(len(row.mutation) for row in rows)
    kind = WEIGHTS[verifier.weight]
    to.print(f"\n[bold]{one_line(verifier.name)}, a {kind}[/]")
    to.print(f"[dim]{'mutation':{widest}}  tried  caught  not judged  missed[/]")
    for row in rows:
        to.print(
            f"{row.mutation:{widest}}  {row.tried:5}  {row.caught or '-':>6}  "
            f"{row.abstained or '-':>10}  {row.missed or '-':>6}"
        )
    if any(row.missed for row in rows):
        to.print("\n[bold]What slipped through, one of each[/]")
    for row in rows:
        _slipped(row, widest, to)
    total = trial.total
    required = verifier.weight is Weight.REQUIRED and total.abstained
    stopped = " (a required gate lets none of them through)" if required else ""
    billed = f" It cost {money(trial.cost_nanousd)}." if trial.cost_nanousd else ""
    to.print(
        f"\nCaught {total.caught} of {total.tried}, {percent(share(total.caught, total))}; "
        f"{total.abstained} not judged{stopped}; "
        f"{total.missed} slipped through, {percent(share(total.missed, total))}.{billed}"
    )
    to.print(f"[dim]{SAME}[/]")


def _slipped(row: Row, widest: int, to: Console) -> None:
    found = row.example
    if found is not None:
        nothing = " [dim](nothing to judge)[/]" if found.vacuous else ""
        was, now = (one_line(each, 60) or "[dim]nothing[/]" for each in (found.was, found.now))
        to.print(f"{row.mutation:{widest}}  {was} [dim]->[/] {now}{nothing}")


# ------------------------------------------------------------------ list


def list(*, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A001 the word people type
    """List the verifiers of rung.toml, and the kinds that there are to make others of."""
    configured = named.configured(load(path, parts=False))
    kinds = tuple(map(named.kind_told, named.kinds().values()))
    if json:
        print_json({"configured": configured, "kinds": kinds})
        return
    to = console()
    if configured:
        _lines("Configured", configured, "kind", to)
        to.print()
    _lines("Kinds", kinds, "summary", to)
    to.print("\n[dim]rung verify run NAME --answer FILE; docs/verifiers.md has the options[/]")


def _lines(title: str, found: Sequence[dict[str, Any]], last: str, to: Console) -> None:
    """One line each: a table would cut what is wider than a pipe."""
    widest = max(len(each["name"]) for each in found)
    to.print(f"[bold]{title}[/]")
    for each in found:
        nature = f"{each['weight'] or '-':9} {each['trust'] or '-':8}"
        ladders = ", ".join(each.get("ladders", ()))
        where = f" on {one_line(ladders, 80)}" if ladders else ""
        why = f" [red]{one_line(each['problem'], 200)}[/]" if each["problem"] else ""
        name = one_line(each["name"]) + " " * (widest - len(each["name"]))
        to.print(f"{name}  {nature} {one_line(each[last], 120)}{where}{why}")
