"""`rung demo`: the main job for real, on whatever this machine has, with its bill."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rung import asking, checks, config
from rung.account import outcome_json
from rung.assemble import Assembly, assemble
from rung.cli.bill import show_bill
from rung.cli.demo_tasks import TASKS, Task
from rung.cli.neighbours import chat_model
from rung.cli.output import console, money, one_line, print_json, seconds
from rung.cli.settings import Json
from rung.cli.watch import Watcher
from rung.config import Config
from rung.core.errors import ConfigError
from rung.core.outcome import Outcome
from rung.file_tables import FileTable, LadderTable, TierTable
from rung.ledger.bill import bill
from rung.ledger.bill_json import to_json
from rung.providers.embedded import find_model
from rung.surroundings import look_around

PROJECT = "demo"
MOST_USD_PER_TASK = "0.005"
"""What a task may spend at a provider whose key the demo finds."""

ENERGY_USD_PER_SECOND = "0.00000125"
"""A local second is not free: 15 watts at 0.30 US dollars a kilowatt-hour."""

PLAIN, CAREFUL = "tiny", "tiny-careful"


@dataclass(frozen=True, slots=True)
class Run:
    """One task with what came of it."""

    task: Task
    outcome: Outcome


def demo(
    *,
    baseline: str = "claude-sonnet-5-5",
    local_only: Annotated[bool, Parameter(negative="")] = False,
    ledger: Path | None = None,
    json: Json = False,
) -> None:
    """Run ten real tasks up a real ladder and show the bill. Nothing is scripted.

    The ladder: the embedded model as it comes, the same model with constrained decoding and several
    samples, then Ollama or a provider whose key is in the environment if there is one, then you.

    Args:
        baseline: The model that the same tokens are priced at, for comparison.
        local_only: Leave out providers whose key is in the environment.
        ledger: Where to record it, instead of your own ledger.
    """
    env = config.environment()
    asyncio.run(_demo(_config(env, baseline, ledger), local_only=local_only, json=json))


async def _demo(base: Config, *, local_only: bool, json: bool) -> None:
    told = console(err=json)
    began = time.time()
    found = await _with_neighbours(base, local_only=local_only)
    parts = assemble(found)
    try:
        health = await parts.tiers[PLAIN].provider.health()
        if not health.ok:
            raise ConfigError(health.message, fix=health.fix)
        tiers = [*found.file.ladders["demo"].tiers, "inbox"]
        told.print(f"[bold]The ladder:[/] {one_line(' -> '.join(tiers), 200)}")
        told.print(
            f"[dim]{PLAIN}: {one_line(find_model().stem)} as it comes; {CAREFUL}: the same, "
            f"decoding only what the schema allows, up to three answers[/]"
        )
        told.print(f"[dim]a local second costs ${ENERGY_USD_PER_SECOND}: 15 W at $0.30/kWh[/]")
        with told.status("loading the model ..."):
            await parts.tiers[PLAIN].provider.warm()
        runs = [await _run(parts, task, place, json=json) for place, task in enumerate(TASKS, 1)]
        assert parts.ledger is not None
        report = bill(parts.ledger, since_unix=began, until_unix=None, by=None, baseline=None)
    finally:
        await parts.close()
    if json:
        tasks = [{"kind": r.task.kind, **outcome_json(r.outcome)} for r in runs]
        print_json({"tasks": tasks, "bill": to_json(report)})
        return
    told.print()
    show_bill(report, told)
    _next_steps(runs, found, told)


async def _run(parts: Assembly, task: Task, place: int, *, json: bool) -> Run:
    told = console(err=json)
    told.print(f"\n[bold]{place:2}. {task.kind}[/]  [dim]{one_line(task.prompt, 100)}[/]")
    asked = asking.Options(
        schema=task.schema,
        max_tokens=task.max_tokens,
        temperature=0.0,
        seed=place,
        project=PROJECT,
    )
    request = asking.request(parts.intake.new_id(), task.prompt, asked, dialect="cli")
    with Watcher(parts, told, quiet=json) as sink:
        extra = checks.verifiers(task.check)
        served = await parts.intake.answer(request, extra=extra, sink=sink)
    outcome = served.outcome
    if outcome.answer is not None:
        told.print(f"  answer: [bold]{one_line(outcome.answer.text, 90)}[/]")
    elif outcome.inbox:
        told.print("  [yellow]nothing passed[/]: it waits in the inbox for a human")
    else:
        told.print("  [yellow]no tier gave an answer[/]")
    calls = f"{len(outcome.attempts)} call{'s' if len(outcome.attempts) > 1 else ''}"
    told.print(f"  [dim]{calls}, {seconds(outcome.seconds)}, {money(outcome.cost_nanousd)}[/]")
    return Run(task, outcome)


# ------------------------------------------------------------------ the ladder


def _config(env: Any, baseline: str, ledger: Path | None) -> Config:
    tier = {"provider": "embedded", "usd_per_second": ENERGY_USD_PER_SECOND}
    table = FileTable.model_validate(
        {
            "baseline": baseline,
            "tiers": {PLAIN: tier, CAREFUL: {**tier, "constrained": True, "samples": 3}},
            "ladders": {"demo": {"tiers": (PLAIN, CAREFUL)}},
        }
    )
    return Config(table, None, ledger or config.default_ledger(env), Path.cwd(), env)


async def _with_neighbours(base: Config, *, local_only: bool) -> Config:
    """Add what is reachable on top: the first local server's model, the first provider's."""
    around = await look_around(base)
    tiers = dict(base.file.tiers)
    names = [PLAIN, CAREFUL]
    if (chosen := chat_model(around.local)) is not None:
        found, model = chosen
        table = {"provider": found.provider, "model": model, "base_url": found.base_url}
        tiers[found.provider] = TierTable.model_validate(table)
        names.append(found.provider)
    for row in () if local_only else around.keyed[:1]:
        keyed = {"provider": row.name, "model": row.suggested, "timeout_seconds": 60}
        tiers[row.name] = TierTable.model_validate(keyed)
        names.append(row.name)
    ladder = LadderTable.model_validate({"tiers": names, "max_usd": MOST_USD_PER_TASK})
    file = base.file.model_copy(update={"tiers": tiers, "ladders": {"demo": ladder}})
    return replace(base, file=file)


def _next_steps(runs: list[Run], found: Config, told: Any) -> None:
    first = runs[0].outcome.request.id
    waiting = next((r.outcome.request.id for r in runs if r.outcome.inbox), None)
    told.print("\n[bold]What to do next[/]")
    told.print(f"  rung explain {first}   why this one went the way it went")
    if waiting:
        told.print(f"  rung explain {waiting}   what no tier could do")
    told.print("  rung bill                       your bill so far")
    if len(found.file.tiers) == len((PLAIN, CAREFUL)):
        told.print("  rung init                       a ladder of your own: Ollama, or an API key")
    told.print("  rung serve                      the gateway, for OpenAI and Anthropic clients")
