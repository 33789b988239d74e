"""`rung explain`: one request, and why it went the way it went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from rung.account import KINDS, called, reasons, stored_json
from rung.cli import exhibits
from rung.cli.output import NOTHING, console, money, one_line, print_json, seconds, sign, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.evidence import votes
from rung.core.plan import Route
from rung.core.types import Attempt, Request, UsageSource
from rung.deciding import decider
from rung.ledger import StoredOutcome
from rung.ledger.people import counted
from rung.plan_account import drawing, draws, limits


def explain(
    id: str = "last",  # noqa: A002 the word people type
    /,
    *,
    body: str | None = None,
    header: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Tell one request: its plan, every attempt, every verdict, and why what came next came next.

    Args:
        id: The request's id or the beginning of it; `last` is the newest.
        body: A request in a file, `-` for standard input: tell where it would start, and call
            nothing. A body of any dialect, or the prompt alone.
        header: What comes beside that request, as in "x-rung-lane: batch".
    """
    if body is not None:
        request = exhibits.request(body, exhibits.heard(header))
        _foretell(request, path, json=json)
        return
    with open_ledger(load(path, parts=False)) as ledger:
        found = ledger.find(id)
    if json:
        print_json(stored_json(found))
        return
    to = console()
    _head(found, to)
    for place, why in enumerate(reasons(found)):
        if found.history and found.request.cached_of is None:
            _attempt(place + 1, found.history[place], to)
        to.print(f"   [bold]{one_line(why, 300)}[/]")
    _foot(found, to)


def _foretell(request: Request, path: Path | None, *, json: bool) -> None:
    """What would be decided for a request that nobody has sent yet."""
    with decider(load(path, parts=False)) as decide:
        told = decide.of(request).told()
    if json:
        print_json(told)
        return
    to = console()
    because = f" ({one_line('; '.join(told['because']), 100)})" if told["because"] else ""
    to.print(f"{told['category']}, {told['difficulty']}{because}")
    rule = f" by rule [bold]{one_line(told['rule'], 60)}[/]" if told["rule"] else ""
    rule += f" ({one_line(told['drawn'], 200)})" if told["drawn"] else ""
    why = f": {one_line(told['why'], 300)}" if told["why"] else ""
    to.print(f"starts at [bold]{one_line(told['entry'] or 'no tier')}[/]{rule}{why}")
    if told["private"]:
        to.print(f"private: {one_line(told['private'], 200)}")
    for tier, times in told["expected"].items():
        first, end = seconds(times["first_token_seconds"]), seconds(times["seconds"])
        to.print(f"  {one_line(tier)}: first token after about {first}, the end after {end}")
    to.print(f"ladder {one_line(told['ladder'])}: {one_line(' -> '.join(told['tiers']), 200)}")
    for each in told["excluded"]:
        to.print(f"  not on it: {one_line(each['tier'])} ({one_line(each['why'], 200)})")


def _head(found: StoredOutcome, to: Console) -> None:
    request = found.request
    started = when(found.started_unix)
    to.print(f"[bold]{request.id}[/]  {started}  {one_line(request.project or '')}")
    asked = f", asked for {one_line(request.model)}" if request.model else ""
    to.print(f"{request.body_bytes} bytes by {one_line(request.dialect)}{asked}")
    if request.resend_of is not None:
        to.print(f"sent again after the stream of {one_line(request.resend_of)} broke")
    if request.conversation is not None:
        agent = f", sub-agent {one_line(request.agent, 60)}" if request.agent else ""
        to.print(f"conversation {one_line(request.conversation)}{agent}")
    if request.audit_of is not None:
        to.print(f"an audit of {one_line(request.audit_of)}: spent, but no request")
    if request.private:
        to.print(f"private: {one_line(request.private, 200)}")
    if request.loop:
        to.print(f"[yellow]in a circle: {one_line(request.loop, 200)}[/]")
    _planned(found, to)


def _planned(found: StoredOutcome, to: Console) -> None:
    tiers = " -> ".join(step.tier for step in found.plan.steps) or "no tier"
    stream = f", stream mode {found.plan.stream_mode.value}" if found.plan.stream else ""
    to.print(f"plan {one_line(found.plan.ladder)}: {one_line(tiers, 200)}{stream}")
    for line in _led(found.plan.route):
        to.print(f"  {one_line(line, 300)}")
    for step in found.plan.steps:
        if step.expected is not None:
            first, whole = step.expected.first_token_seconds, step.expected.seconds
            told = f"first token after {seconds(first)}, the end after {seconds(whole)}"
            to.print(f"  {one_line(step.tier)} was expected to take {told}")
        if votes(step):
            to.print(f"  {one_line(step.tier)} draws {one_line(drawing(step), 300)}")
        for limit in limits(step):
            to.print(f"  {one_line(step.tier)} {limit}")
    if found.ungated:
        to.print("[yellow]Its bytes left un-gated, as that mode asks.[/]")
    for each in found.plan.excluded:
        to.print(f"  not on it: {one_line(each.tier)} ({one_line(each.why, 200)})")


def _led(route: Route) -> Iterator[str]:
    """What led it to its ladder and its first tier, as far as that was drawn or learned."""
    if route.drawn:
        rule = f"by rule {route.rule}, " if route.rule else ""
        yield rule + "; ".join(draws(route))
    if route.why:
        yield route.why


def _attempt(place: int, attempt: Attempt, to: Console) -> None:
    usage, answer = attempt.usage, attempt.answer
    dialect = f" in {one_line(answer.dialect)}" if answer is not None and answer.dialect else ""
    counted = " (estimated)" if usage.source is UsageSource.ESTIMATED else ""
    load = f", of it {seconds(attempt.load_seconds)} loading" if attempt.load_seconds else ""
    if attempt.queued_seconds:
        load += f", of it {seconds(attempt.queued_seconds)} waiting for its turn"
    to.print()
    to.print(
        f"{place}. [bold]{one_line(attempt.tier)}[/] was {KINDS[attempt.kind]}{dialect}: "
        f"{usage.input_tokens} tokens in, {usage.output_tokens} out{counted}, "
        f"{seconds(attempt.seconds)}{load}, {money(attempt.cost_nanousd)}"
    )
    if attempt.failure is not None:
        to.print(f"   [red]![/] {one_line(attempt.failure.message, 300)}")
    if tools := called(attempt):
        to.print(f"   called {one_line(', '.join(tools), 300)}{_salvaged(attempt)}")
    if attempt.drained:
        to.print("   heard to its end after its caller had left, for what it used")
    if attempt.losses:
        to.print(f"   [yellow]left out[/] {one_line(', '.join(attempt.losses), 300)}")
    for verdict in attempt.verdicts:
        score = "" if verdict.score is None else f" (score {verdict.score:.2f})"
        nothing = " (nothing to judge)" if verdict.vacuous else ""
        billed = f", {money(verdict.cost_nanousd)}" if verdict.cost_nanousd else ""
        to.print(
            f"   {sign(verdict.status, vacuous=verdict.vacuous)} {one_line(verdict.verifier)}: "
            f"{one_line(verdict.reason, 300)}{score}{nothing}{billed}"
        )


def _salvaged(attempt: Attempt) -> str:
    """Where the model wrote its calls as text: in what notation."""
    notation = "" if attempt.answer is None else attempt.answer.salvaged
    return f", salvaged from text ({one_line(notation)})" if notation else ""


def _by(name: str | None) -> str:
    return "" if name is None else f" by {one_line(name, 40)}"


def _foot(found: StoredOutcome, to: Console) -> None:
    to.print()
    line = f"{money(found.cost_nanousd)} and {seconds(found.seconds)} in all"
    for name, cost in found.baselines.items():
        line += f"; {one_line(name)} would have been {money(cost)}"
    to.print(line)
    for each in counted(found.labels):
        which = "the human's answer" if each.attempt is None else f"answer {each.attempt + 1}"
        was = "right" if each.right else "wrong"
        note = f": {one_line(each.note, 200)}" if each.note else ""
        to.print(f"{which} was {was}, says {each.source.value}{_by(each.by)}{note}")
    if found.closing is not None:
        to.print(f"{found.closing.state.value}{_by(found.closing.by)}: `rung inbox show`")
    if found.decision is None:
        to.print(f"ended by {found.ended_by.value} while in phase {found.phase.value or NOTHING}")
