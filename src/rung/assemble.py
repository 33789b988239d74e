"""The composition root: a configuration becomes running parts. Only here are classes picked."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rung.bodies import bodies_of
from rung.budgeting import purse_of
from rung.callers import callers_of
from rung.config import Config, default_ledger
from rung.conversations import remembered
from rung.core.errors import ConfigError, RungError
from rung.core.types import Request
from rung.desk import HUMAN, Desk
from rung.experience import Experience
from rung.fittings import (
    audit_policy,
    auto_of,
    command_of,
    commands_of,
    embeddings_policy,
    policy_of,
    rules_of,
    secrets_of,
    verifier_of,
)
from rung.gates import Gates
from rung.guides import Answers, Breakers, Compression, Loops, Pace
from rung.inspection import problems
from rung.intake import Baselines, Intake, Parts
from rung.learned import learner
from rung.marks import PrivateMarks
from rung.orders import Pricer, Tier
from rung.pace import MeasuredPace
from rung.planning import Guides
from rung.pricing import PriceBook
from rung.projects import keys_of, projects_of
from rung.providers.base import Health, Provider
from rung.resending import Resends
from rung.routing import Router
from rung.telemetry.spans import Model
from rung.telemetry.watching import Sights, Watching, watching
from rung.verifiers.base import Verifier
from rung.ways import Ways
from rung.workshop import Workshop, tier_of

if TYPE_CHECKING:
    from rung.audits import Audits
    from rung.ledger import Ledger
    from rung.ledger.notices import Board
    from rung.ledger.upkeep import Chore


MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Assembly:
    """All running parts. Close it when done."""

    config: Config
    intake: Intake
    tiers: Mapping[str, Tier]
    ledger: Ledger | None
    prices: PriceBook
    workshop: Workshop
    pace: MeasuredPace
    watching: Watching
    audits: Audits | None = None
    board: Board | None = None

    async def health(self, tier: str, seconds: float) -> Health:
        """Look at one tier for at most so long. Never raises."""
        try:
            async with asyncio.timeout(seconds):
                return await self.tiers[tier].provider.health()
        except TimeoutError:
            return Health(ok=False, message=f"no answer within {seconds:g} s")
        except RungError as error:
            return Health(ok=False, message=error.message, fix=error.fix)

    async def close(self) -> None:
        """Finish what is being written and end everything that was started.

        One part that fails to close keeps none of the others open.
        """
        async with AsyncExitStack() as parts:
            parts.push_async_callback(self.watching.close)
            if self.ledger is not None:
                parts.callback(self.ledger.close)
                parts.callback(self.workshop.purse.close)
            if self.board is not None:
                parts.push_async_callback(asyncio.to_thread, self.board.close)
            parts.push_async_callback(self.intake.parts.callers.close)
            parts.push_async_callback(self.workshop.close)
            for tier in self.tiers.values():
                parts.push_async_callback(tier.provider.close)
            parts.push_async_callback(self.intake.close)
            if self.audits is not None:
                parts.push_async_callback(self.audits.close)


def assemble(
    config: Config, *, ledger: bool = True, ready: Mapping[str, Provider] | None = None
) -> Assembly:
    """Build everything that ``config`` names. Raises ConfigError or LedgerError with the fix.

    ``ready`` holds provider objects, by tier, that the library was handed.
    """
    found = problems(config, ready or ())
    if found:
        raise ConfigError(found)
    workshop = Workshop(config, ready or {}, new_id())
    book = PriceBook(now=lambda: datetime.now(UTC))
    ways = ways_of(config, workshop, book)
    gates = gates_of(config, workshop)
    opened = _open_ledger(config, workshop.process_id) if ledger else None
    pace = pace_of(ways, workshop, opened)
    board = None if opened is None else board_of(opened, workshop, pace)
    callers = callers_of(config, keys_of(config), ways, opened)
    watcher = watching_of(ways, workshop)
    if opened is not None:
        workshop.purse = purse_of(
            config, opened, workshop.process_id, callers.accounts, workshop.bell
        )
    guides = replace(guides_of(opened, ways, workshop, pace, board), keys=callers)
    parts = Parts(
        ways=ways,
        gates=gates,
        baselines=_Baselines(dict(_baselines(config, ways.tiers, book)), book),
        book=None if opened is None else watcher.over(opened, config.ledger),
        desk=None if opened is None else _desk(config, opened, workshop),
        equipped=workshop.equipped,
        guides=guides,
        answers=_answers(config, opened),
        callers=callers,
        secrets=secrets_of(config),
        resends=None if opened is None else Resends(time.time, opened, workshop.process_id),
        traced=None if watcher.traces is None else config.file.telemetry.sample,
        bodies=bodies_of(config, opened, secrets_of(config), time.time),
    )
    audits = None if opened is None else _audits(config, opened, parts)
    if audits is not None:
        parts = replace(parts, after=audits.consider)
    intake = _intake(parts)
    return Assembly(
        config, intake, ways.tiers, opened, book, workshop, pace, watcher, audits, board
    )


def _intake(parts: Parts) -> Intake:
    return Intake(parts, clock=time.perf_counter, wall=time.time, new_id=new_id)


def watching_of(ways: Ways, workshop: Workshop) -> Watching:
    """What watches these parts. Raises ConfigError without the packages that traces need."""
    tables = workshop.config.file.tiers
    models = {name: Model(each.model, tables[name].provider) for name, each in ways.tiers.items()}
    local = frozenset(name for name, each in ways.tiers.items() if each.local)

    def refusing() -> dict[str, bool]:
        standings = {} if workshop.breakers is None else workshop.breakers.standings()
        return {tier: bool(each.why) for tier, each in standings.items()}

    sights = Sights(models, local, workshop.queues.standing, refusing)
    return watching(workshop.config, sights, workshop.process_id)


def ways_of(config: Config, workshop: Workshop, book: PriceBook) -> Ways:
    """The tiers and ladders. Raises ConfigError for prices that nobody knows."""
    tiers = {
        name: tier_of(name, table, workshop, book) for name, table in config.file.tiers.items()
    }
    policies = {name: policy_of(name, table, config) for name, table in config.file.ladders.items()}
    workshop.tiers = tiers
    return Ways(tiers, policies, config.default_ladder, embeddings_policy(config))


def gates_of(config: Config, workshop: Workshop) -> Gates:
    """All checks. Raises ConfigError for options that are wrong."""
    from rung.verifiers.agreement import Agreement
    from rung.verifiers.implied import implied
    from rung.verifiers.json_schema import json_schema
    from rung.verifiers.tool_calls import ToolCalls

    def schema_verifier(request: Request) -> Verifier:
        assert request.schema is not None
        return json_schema(request.schema.schema)

    named = config.file.verifiers.items()
    verifiers = {name: verifier_of(name, options, config) for name, options in named}
    verifiers |= {line: command_of(line, config) for line in commands_of(config)}
    return Gates(
        configured={name: workshop.equipped(each) for name, each in verifiers.items()},
        by_ladder={name: table.verify for name, table in config.file.ladders.items()},
        implied=implied(),
        agreement=Agreement(),
        schema=schema_verifier,
        tools=ToolCalls(),
    )


def pace_of(ways: Ways, workshop: Workshop, ledger: Ledger | None) -> MeasuredPace:
    """How fast the tiers are; queues ask it how long what is before them will take."""
    pace = MeasuredPace(ways.tiers, ledger, time.monotonic)
    workshop.queues.forecast = pace.forecast
    return pace


def board_of(ledger: Ledger, workshop: Workshop, pace: MeasuredPace) -> Board:
    """Where this process tells other replicas what it knows, and hears what they do."""
    from rung.ledger.notices import Board
    from rung.warmth import SharedStay

    board = Board(ledger, workshop.process_id, time.monotonic)
    if workshop.breakers is not None:
        workshop.breakers.share(board)
    stay = SharedStay(workshop.shared_models(), board, time.monotonic)
    pace.used, pace.elsewhere = stay.used, stay.elsewhere
    return board


def guides_of(
    ledger: Ledger | None, ways: Ways, workshop: Workshop, pace: Pace, board: Board | None = None
) -> Guides:
    """Everybody who has a say in where a request starts."""
    config = workshop.config
    autos = {name: auto_of(table, config) for name, table in config.file.ladders.items()}
    experience = Experience(autos, ledger, time.monotonic)
    experience.take_up()
    private = PrivateMarks()
    if board is not None:
        private.share(board)
    return Guides(
        projects=projects_of(config, ways),
        router=Router(rules_of(config), ways.policies),
        experience=experience,
        conversations=remembered(
            config.file.conversations, ways, time.time, ledger, _second_usd(config), private
        ),
        privacy=workshop.privacy,
        compression=_compression(config),
        learned=learner(config.file.routing, ledger, time.monotonic),
        pace=pace,
        breakers=workshop.breakers or Breakers(),
        loops=loops_of(workshop, board),
        hearing=() if board is None else (board,),
        purse=workshop.purse,
    )


def loops_of(workshop: Workshop, board: Board | None) -> Loops:
    """What looks out for agents that go round in circles, together with other processes."""
    table, url = workshop.config.file.loops, workshop.config.file.spending.webhook
    if not table.same_calls:
        return Loops()
    from rung.loops import Then, WatchedLoops, notice

    then = Then(table.then)

    def tell(request: Request) -> None:
        if url is not None:
            private = request.directions.private
            workshop.bell(url).send(request.id, notice(request, then), private=private)

    watched = WatchedLoops(table.same_calls, then, time.monotonic, tell)
    if board is not None:
        watched.share(board)
    return watched


def _second_usd(config: Config) -> float:
    """What a second of somebody's waiting is worth, where that is configured."""
    routing = config.file.routing
    return float(routing.second_usd or 0) if routing is not None else 0.0


def _compression(config: Config) -> Compression:
    """What shortens new results of tools: nothing, unless a ladder asks for it."""
    if not any(table.compress for table in config.file.ladders.values()):
        return Compression()
    from rung.compression import Shortening

    return Shortening()


def _answers(config: Config, ledger: Ledger | None) -> Answers:
    """What keeps answers: nothing, unless the configuration asks for it."""
    table = config.file.cache
    if table is None:
        return Answers()
    from rung.replies import Replies

    size = table.max_mb * MEBIBYTE
    return Replies(size, table.max_age_seconds, time.monotonic, ledger)


def _audits(config: Config, ledger: Ledger, main: Parts) -> Audits | None:
    ladders = {name: table for name, table in config.file.ladders.items() if table.audit}
    if not ladders:
        return None
    from rung.audits import Auditors, Audits, NoBaselines, Rule

    rules = {name: Rule(t.audit, t.audit_by or t.tiers[-1]) for name, t in ladders.items()}
    policies = {
        name: audit_policy(name, ladders[name], config)
        for name, rule in rules.items()
        if rule.by != HUMAN
    }
    ways = Ways(main.ways.tiers, policies, config.default_ladder)
    # Answers are looked at, too: what a model has written may be private where the request is not.
    guides = Guides(privacy=main.guides.privacy, purse=main.guides.purse)
    again = Parts(ways, main.gates, NoBaselines(), main.book, equipped=main.equipped, guides=guides)
    judge = replace(again, gates=replace(main.gates, by_ladder={}))
    return Audits(rules, Auditors(_intake(again), _intake(judge)), ledger, time.time)


def _desk(config: Config, ledger: Ledger, workshop: Workshop) -> Desk:
    patience = {name: table.wait_seconds for name, table in config.file.ladders.items()}
    url = config.file.inbox_webhook
    if url is None:
        return Desk(ledger, time.monotonic, patience)
    from rung.webhook import Webhook

    webhook = Webhook(workshop.http(None), url)
    return Desk(ledger, time.monotonic, patience, webhook.tell, webhook.close)


def new_id() -> str:
    """A random id that sorts by time: 48 bits of milliseconds, 40 random."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(5)}"


class _Baselines(Baselines):
    """The configured baselines, and whatever model a client asks for by name."""

    def __init__(self, named: Mapping[str, Pricer], book: PriceBook) -> None:
        self._named = named
        self._book = book

    def named(self) -> Iterable[tuple[str, Pricer]]:
        return self._named.items()

    def requested(self, model: str) -> Pricer | None:
        return self._book.requested(model)


def _baselines(
    config: Config, tiers: Mapping[str, Tier], book: PriceBook
) -> Iterator[tuple[str, Pricer]]:
    """The configured one, else the top of the default ladder where it costs anything."""
    named = config.file.baseline
    if named is not None:
        priced = tiers[named].pricer if named in tiers else None
        yield named, priced or book.pricer(None, named, None, local=False)
        return
    top = tiers[config.file.ladders[config.default_ladder].tiers[-1]]
    if not top.local:
        yield top.name, top.pricer


def _open_ledger(config: Config, process_id: str) -> Ledger:
    from rung.ledger import Ledger

    opened = Ledger.open(config.ledger)
    try:
        opened.attend(process_id, spool_of(config), (_retention(config, opened, process_id),))
    except BaseException:
        opened.close()
        raise
    return opened


def _retention(config: Config, ledger: Ledger, process_id: str) -> Chore:
    """What keeps the ledger within its age and size."""
    from rung.ledger.retention import MB, Limits, Retention

    told = config.file.retention
    most = None if told.max_mb is None else told.max_mb * MB
    return Retention(ledger, Limits(told.days, most, told.bodies_days), process_id).chore


def spool_of(config: Config) -> Path:
    """Where outcomes wait that the ledger cannot take: beside its file, or at the default one's."""
    place = config.ledger
    if isinstance(place, Path):
        return place.with_name(f"{place.name}-spool")
    return default_ledger(config.environment).with_name("spool")
