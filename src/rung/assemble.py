"""The composition root: a configuration becomes running parts. Only here are classes picked."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.config import Config, TierTable
from rung.core.errors import ConfigError, RungError
from rung.core.types import Request
from rung.desk import HUMAN, Desk
from rung.experience import Experience
from rung.fittings import (
    READY_MADE,
    audit_policy,
    auto_of,
    command_of,
    commands_of,
    embeddings_policy,
    key_variable,
    policy_of,
    pricer_of,
    rules_of,
    secrets_of,
    stays_local,
    verifier_of,
)
from rung.gates import Gates
from rung.inspection import problems
from rung.intake import Baselines, Intake, Parts
from rung.pricing import PriceBook
from rung.providers.base import Health, Provider
from rung.providers.registry import ProviderKind, ProviderRow, at_address, lookup
from rung.routing import Router
from rung.runner import Pricer, Tier
from rung.verifiers.base import Verifier
from rung.verifiers.kit import Equippable, Kit
from rung.ways import Ways

if TYPE_CHECKING:
    from rung.audits import Audits
    from rung.boxes import CommandRoom
    from rung.ledger import Ledger
    from rung.providers.embedded import EmbeddedEngine, EngineSettings
    from rung.providers.http import HttpClient
    from rung.providers.line import Endpoint


@dataclass(slots=True)
class Workshop:
    """What providers share: one HTTP client a connect time-out, one child process a model."""

    config: Config
    ready: Mapping[str, Provider] = field(default_factory=dict)
    _clients: dict[float, HttpClient] = field(default_factory=dict)
    _engines: dict[EngineSettings, EmbeddedEngine] = field(default_factory=dict)
    room: CommandRoom | None = None
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    _kit: Kit | None = None

    def http(self, connect_timeout_seconds: float | None) -> HttpClient:
        """The client with this connect time-out."""
        from rung.providers.http import CONNECT_TIMEOUT_SECONDS, HttpClient

        wait = connect_timeout_seconds or CONNECT_TIMEOUT_SECONDS
        if wait not in self._clients:
            self._clients[wait] = HttpClient(connect_timeout_seconds=wait)
        return self._clients[wait]

    def engine(self, table: TierTable) -> EmbeddedEngine:
        """The child process that holds this tier's model; tiers with equal settings share it."""
        from rung.providers.embedded import EmbeddedEngine, EngineSettings

        given: dict[str, Any] = {"threads": table.threads}
        if table.model_path is not None:
            given["model_path"] = self.config.folder / table.model_path
        if table.context_tokens is not None:
            given["context_tokens"] = table.context_tokens
        settings = EngineSettings(**given)
        if settings not in self._engines:
            self._engines[settings] = EmbeddedEngine(settings, environment=self.config.environment)
        return self._engines[settings]

    def equipped(self, verifier: Verifier) -> Verifier:
        """The same check with what it needs: a place to run commands in, tiers to ask."""
        if not isinstance(verifier, Equippable):
            return verifier
        if self._kit is None:
            from rung.consulting import Consulting

            self.room = self.new_room()
            self._kit = Kit(self.room, Consulting(self.tiers, time.perf_counter, time.time))
        return verifier.equipped(self._kit)

    def new_room(self) -> CommandRoom:
        """A place to run commands in, as the configuration has it."""
        from rung.boxes import room_for
        from rung.sandbox import MEBIBYTE, Limits

        table = self.config.file.sandbox
        limits = Limits(
            memory_bytes=table.memory_mb * MEBIBYTE,
            processes=table.processes,
        )
        return room_for(limits, tuple(map(Path, table.reads)), bare=table.allow_unsandboxed)

    async def close(self) -> None:
        """End all connections and commands; providers have ended their processes."""
        if self.room is not None:
            await self.room.close()
        for client in self._clients.values():
            await client.close()


@dataclass(frozen=True, slots=True)
class Assembly:
    """All running parts. Close it when done."""

    config: Config
    intake: Intake
    tiers: Mapping[str, Tier]
    ledger: Ledger | None
    prices: PriceBook
    workshop: Workshop
    audits: Audits | None = None

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
            if self.ledger is not None:
                parts.callback(self.ledger.close)
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
    workshop = Workshop(config, ready or {})
    book = PriceBook(now=lambda: datetime.now(UTC))
    tiers = {name: _tier(name, table, workshop, book) for name, table in config.file.tiers.items()}
    policies = {name: policy_of(name, table, config) for name, table in config.file.ladders.items()}
    named = config.file.verifiers.items()
    verifiers = {name: verifier_of(name, options, config) for name, options in named}
    verifiers |= {line: command_of(line, config) for line in commands_of(config)}
    workshop.tiers = tiers
    verifiers = {name: workshop.equipped(each) for name, each in verifiers.items()}
    opened = _open_ledger(config) if ledger else None
    from rung.verifiers.agreement import Agreement
    from rung.verifiers.implied import implied
    from rung.verifiers.json_schema import json_schema
    from rung.verifiers.tool_calls import ToolCalls

    def schema_verifier(request: Request) -> Verifier:
        assert request.schema is not None
        return json_schema(request.schema.schema)

    gates = Gates(
        configured=verifiers,
        by_ladder={name: table.verify for name, table in config.file.ladders.items()},
        implied=implied(),
        agreement=Agreement(),
        schema=schema_verifier,
        tools=ToolCalls(),
    )
    autos = {name: auto_of(table, config) for name, table in config.file.ladders.items()}
    experience = Experience(autos, opened, time.monotonic)
    experience.take_up()
    parts = Parts(
        ways=Ways(tiers, policies, config.default_ladder, embeddings_policy(config)),
        gates=gates,
        baselines=_Baselines(dict(_baselines(config, tiers, book)), book),
        book=opened,
        desk=None if opened is None else _desk(config, opened, workshop),
        equipped=workshop.equipped,
        experience=experience,
        router=Router(rules_of(config), policies),
        secrets=secrets_of(config),
    )
    audits = None if opened is None else _audits(config, opened, parts)
    if audits is not None:
        parts = replace(parts, after=audits.consider)
    return Assembly(config, _intake(parts), tiers, opened, book, workshop, audits)


def _intake(parts: Parts) -> Intake:
    return Intake(parts, clock=time.perf_counter, wall=time.time, new_id=new_id)


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
    again = Parts(ways, main.gates, NoBaselines(), ledger, equipped=main.equipped)
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


# ------------------------------------------------------------------ tiers


def _tier(name: str, table: TierTable, workshop: Workshop, book: PriceBook) -> Tier:
    if table.provider == READY_MADE:
        row = ProviderRow(READY_MADE, ProviderKind.SCRIPTED, local=True)
        return Tier(
            name,
            name,
            local=True,
            provider=workshop.ready[name],
            pricer=pricer_of(table, row, book),
        )
    row = lookup(table.provider)
    return Tier(
        name=name,
        model=table.model or row.name,
        local=stays_local(table, row),
        provider=_PROVIDERS[row.kind](table, row, workshop),
        pricer=pricer_of(table, row, book),
    )


def _openai_compatible(table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    from rung.providers.openai_compatible import OpenAICompatible

    there = at_address(row, table.base_url)
    return OpenAICompatible(
        workshop.http(table.connect_timeout_seconds),
        _endpoint(table, row, workshop),
        responses_too=there.responses if table.responses is None else table.responses,
    )


def _anthropic(table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    from rung.providers.anthropic import Anthropic

    http = workshop.http(table.connect_timeout_seconds)
    return Anthropic(http, _endpoint(table, row, workshop))


def _endpoint(table: TierTable, row: ProviderRow, workshop: Workshop) -> Endpoint:
    from rung.providers.line import Endpoint

    variable = key_variable(table, row)
    return Endpoint(
        base_url=table.base_url or row.base_url or "",
        model=table.model or "",
        api_key=workshop.config.secret(variable) if variable else None,
        key_name=variable,
        quirks=at_address(row, table.base_url).quirks,
    )


def _ollama(table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    from rung.providers.ollama import OllamaProvider

    options: dict[str, Any] = {} if table.keep_alive is None else {"keep_alive": table.keep_alive}
    return OllamaProvider(
        workshop.http(None),
        base_url=table.base_url or row.base_url or "",
        model=table.model or "",
        context_tokens=table.context_tokens,
        **options,
    )


def _embedded(table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:  # noqa: ARG001 one signature
    from rung.providers.embedded import EmbeddedProvider

    return EmbeddedProvider(workshop.engine(table), constrained=bool(table.constrained))


_PROVIDERS: Mapping[ProviderKind, Callable[[TierTable, ProviderRow, Workshop], Provider]] = {
    ProviderKind.OPENAI_COMPATIBLE: _openai_compatible,
    ProviderKind.ANTHROPIC: _anthropic,
    ProviderKind.OLLAMA: _ollama,
    ProviderKind.EMBEDDED: _embedded,
}


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


def _open_ledger(config: Config) -> Ledger:
    from rung.ledger import Ledger

    return Ledger.open(config.ledger)
