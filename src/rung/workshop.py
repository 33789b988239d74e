"""The workshop: what providers share, and how a tier of the configuration becomes one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.config import Config
from rung.file_tables import TierTable
from rung.fittings import READY_MADE, key_variable, pricer_of, stays_local
from rung.guides import Privacy
from rung.orders import Tier
from rung.pricing import PriceBook
from rung.privacy import privacy_of
from rung.providers.base import Provider
from rung.providers.registry import ProviderKind, ProviderRow, at_address, lookup
from rung.queues import Queues
from rung.verifiers.base import Verifier
from rung.verifiers.kit import Equippable, Kit

if TYPE_CHECKING:
    from rung.boxes import CommandRoom
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
    queues: Queues = field(default_factory=Queues)
    _kit: Kit | None = None
    _privacy: Privacy | None = None

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
            consulting = Consulting(self.tiers, time.perf_counter, time.time, self.privacy)
            self._kit = Kit(self.room, consulting)
        return verifier.equipped(self._kit)

    @property
    def privacy(self) -> Privacy:
        """The private lane, made once. Raises ConfigError without presidio's packages."""
        if self._privacy is None:
            self._privacy = privacy_of(self.config)
        return self._privacy

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


# ------------------------------------------------------------------ tiers


def tier_of(name: str, table: TierTable, workshop: Workshop, book: PriceBook) -> Tier:
    """One tier of the configuration, ready to be called. Raises ConfigError for its price."""
    if table.provider == READY_MADE:
        row = ProviderRow(READY_MADE, ProviderKind.SCRIPTED, local=True)
        return Tier(
            name,
            name,
            local=table.local is not False,
            provider=workshop.ready[name],
            pricer=pricer_of(table, row, book),
        )
    row = lookup(table.provider)
    return Tier(
        name=name,
        model=table.model or row.name,
        local=stays_local(table, row),
        provider=_queued(name, table, row, workshop),
        pricer=pricer_of(table, row, book),
    )


def _queued(name: str, table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    """The tier's provider, behind a queue where its model takes only so many calls at once."""
    inner = _PROVIDERS[row.kind](table, row, workshop)
    if row.kind is ProviderKind.EMBEDDED:
        # Its child gives one answer at a time, to all tiers that share it.
        return workshop.queues.before(name, inner, 1, workshop.engine(table).settings)
    if table.slots is None:
        return inner
    return workshop.queues.before(name, inner, table.slots)


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
        caches=table.cache != "off",
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
