"""The workshop: what providers share, and how a tier of the configuration becomes one."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.breakers import SharedBreakers, place_name
from rung.config import Config
from rung.core.breaker import Limits
from rung.file_tables import TierTable
from rung.fittings import READY_MADE, key_variable, pricer_of, stays_local
from rung.guides import Privacy
from rung.orders import NO_PURSE, Purse, Tier
from rung.pricing import PriceBook
from rung.privacy import privacy_of
from rung.providers.base import Provider
from rung.providers.keeping import KEEP_ALIVE, kept_seconds
from rung.providers.registry import (
    ProviderKind,
    ProviderRow,
    at_address,
    is_loopback,
    lookup,
)
from rung.queues import Queues
from rung.verifiers.base import Verifier
from rung.verifiers.kit import Equippable, Kit

if TYPE_CHECKING:
    from rung.boxes import CommandRoom
    from rung.providers.embedded import EmbeddedEngine, EngineSettings
    from rung.providers.http import HttpClient
    from rung.providers.line import Endpoint
    from rung.webhook import Webhook


@dataclass(slots=True)
class Workshop:
    """What providers share: one HTTP client a connect time-out, one child process a model.

    ``process_id`` is how others that share the ledger know this process.
    """

    config: Config
    ready: Mapping[str, Provider] = field(default_factory=dict)
    process_id: str = ""
    _clients: dict[float, HttpClient] = field(default_factory=dict)
    _engines: dict[EngineSettings, EmbeddedEngine] = field(default_factory=dict)
    room: CommandRoom | None = None
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    queues: Queues = field(default_factory=Queues)
    purse: Purse = NO_PURSE
    _breakers: SharedBreakers | None = None
    _kit: Kit | None = None
    _privacy: Privacy | None = None
    _bells: dict[str, Webhook] = field(default_factory=dict)

    def http(self, connect_timeout_seconds: float | None) -> HttpClient:
        """The client with this connect time-out."""
        from rung.providers.http import CONNECT_TIMEOUT_SECONDS, HttpClient

        wait = connect_timeout_seconds or CONNECT_TIMEOUT_SECONDS
        if wait not in self._clients:
            self._clients[wait] = HttpClient(connect_timeout_seconds=wait)
        return self._clients[wait]

    def bell(self, url: str) -> Webhook:
        """What tells this address of things; rung out before the HTTP clients end."""
        from rung.webhook import Webhook

        if url not in self._bells:
            self._bells[url] = Webhook(self.http(None), url)
        return self._bells[url]

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
            consulting = Consulting(
                self.tiers, time.perf_counter, time.time, self.privacy, lambda: self.purse
            )
            self._kit = Kit(self.room, consulting)
        return verifier.equipped(self._kit)

    @property
    def breakers(self) -> SharedBreakers | None:
        """The breakers of all tiers, made once; ``None`` where the configuration wants none."""
        table = self.config.file.breakers
        if self._breakers is None and not table.off:
            limits = Limits(table.failures, table.open_seconds)
            self._breakers = SharedBreakers(limits, time.monotonic, random.random)
        return self._breakers

    @property
    def privacy(self) -> Privacy:
        """The private lane, made once. Raises ConfigError without presidio's packages."""
        if self._privacy is None:
            self._privacy = privacy_of(self.config)
        return self._privacy

    def shared_models(self) -> dict[str, tuple[str, float]]:
        """The tiers whose models others keep in memory too, as `warmth.SharedStay` has them."""
        found: dict[str, tuple[str, float]] = {}
        for name, table in self.config.file.tiers.items():
            row = None if table.provider == READY_MADE else lookup(table.provider)
            if row is not None and row.kind is ProviderKind.OLLAMA:
                kept = kept_seconds(table.keep_alive or KEEP_ALIVE)
                found[name] = place_name(_called(table, row)), kept
        return found

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
        for bell in self._bells.values():
            await bell.close()
        if self.room is not None:
            await self.room.close()
        for client in self._clients.values():
            await client.close()


# ------------------------------------------------------------------ tiers


def tier_of(name: str, table: TierTable, workshop: Workshop, book: PriceBook) -> Tier:
    """One tier of the configuration, ready to be called. Raises ConfigError for its price."""
    drains = table.on_disconnect == "drain"
    if table.provider == READY_MADE:
        row = ProviderRow(READY_MADE, ProviderKind.SCRIPTED, local=True)
        return Tier(
            name,
            name,
            local=table.local is not False,
            provider=workshop.ready[name],
            pricer=pricer_of(table, row, book),
            drains=drains,
        )
    row = lookup(table.provider)
    return Tier(
        name=name,
        model=table.model or row.name,
        local=stays_local(table, row),
        provider=_queued(name, table, row, workshop),
        pricer=pricer_of(table, row, book),
        drains=drains,
    )


def _queued(name: str, table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    """The tier's provider behind its breaker, and behind a queue where it takes so many at once.

    In this order: what stands in the queue is turned away when its turn comes, not only new calls.
    """
    inner = _broken(name, table, row, workshop)
    if row.kind is ProviderKind.EMBEDDED:
        # Its child gives one answer at a time, to all tiers that share it.
        return workshop.queues.before(name, inner, 1, workshop.engine(table).settings)
    if table.slots is None:
        return inner
    return workshop.queues.before(name, inner, table.slots)


def _broken(name: str, table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    """The tier's provider behind its breaker, if there are any."""
    inner, breakers = _PROVIDERS[row.kind](table, row, workshop), workshop.breakers
    if breakers is None:
        return inner
    return breakers.before(name, inner, table.timeout_seconds, _called(table, row))


def _called(table: TierTable, row: ProviderRow) -> Hashable:
    """What all who call the same model alike have in common, ``None`` for one of this process."""
    address = table.base_url or row.base_url
    if address is None:
        return None
    # Another machine's own address leads to another server.
    host = socket.gethostname() if is_loopback(address) else None
    return row.kind.value, address.rstrip("/"), host, table.model, key_variable(table, row)


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
