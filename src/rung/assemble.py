"""The composition root: a configuration becomes running parts. Only here are classes picked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rung.config import Config, LadderTable, PriceTable, TierTable, nearest
from rung.core.errors import ConfigError, Problem
from rung.core.money import from_usd
from rung.core.plan import Policy, Rung
from rung.core.types import Need, Request
from rung.intake import Baselines, Intake, Parts
from rung.pricing import PriceBook, PriceOverride
from rung.providers.base import Provider
from rung.providers.registry import ProviderKind, ProviderRow, is_local, lookup
from rung.runner import Pricer, Tier
from rung.verifiers.base import Verifier

if TYPE_CHECKING:
    from rung.ledger import Ledger
    from rung.providers.embedded import EmbeddedEngine, EngineSettings
    from rung.providers.http import HttpClient

READY_MADE = "ready_made"
"""The provider's name of tiers that the library was handed as objects."""

COMMON_KEYS = frozenset(
    {"provider", "context_tokens", "timeout_seconds", "retries", "repairs", "samples"}
    | {"price", "usd_per_second", "local"}
)
KEYS = {
    ProviderKind.OPENAI_COMPATIBLE: COMMON_KEYS
    | {"model", "base_url", "api_key_env", "connect_timeout_seconds"},
    ProviderKind.OLLAMA: COMMON_KEYS | {"model", "base_url", "keep_alive"},
    ProviderKind.EMBEDDED: (COMMON_KEYS - {"local"}) | {"constrained", "model_path", "threads"},
}
"""Which keys of a tier do something, by the kind of its provider. Any other is an error."""

NEEDS_MODEL = frozenset({ProviderKind.OPENAI_COMPATIBLE, ProviderKind.OLLAMA})


@dataclass(slots=True)
class Workshop:
    """What providers share: one HTTP client a connect time-out, one child process a model."""

    config: Config
    ready: Mapping[str, Provider] = field(default_factory=dict)
    _clients: dict[float, HttpClient] = field(default_factory=dict)
    _engines: dict[EngineSettings, EmbeddedEngine] = field(default_factory=dict)

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

    async def close(self) -> None:
        """End all connections; providers have ended their processes."""
        for client in self._clients.values():
            await client.close()


@dataclass(frozen=True, slots=True)
class Assembly:
    """All running parts. Close it when done."""

    config: Config
    intake: Intake
    tiers: Mapping[str, Tier]
    ledger: Ledger | None
    workshop: Workshop

    async def close(self) -> None:
        """Finish what is being written and end everything that was started."""
        for tier in self.tiers.values():
            await tier.provider.close()
        await self.workshop.close()
        if self.ledger is not None:
            self.ledger.close()


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
    book = PriceBook({}, now=_now)
    tiers = {name: _tier(name, table, workshop, book) for name, table in config.file.tiers.items()}
    policies = {name: _policy(name, table, config) for name, table in config.file.ladders.items()}
    verifiers = _verifiers(config)
    opened = _open_ledger(config) if ledger else None
    from rung.verifiers.catalogue import agreement, implied
    from rung.verifiers.json_schema import json_schema

    def schema_verifier(request: Request) -> Verifier:
        assert request.schema is not None
        return json_schema(request.schema.schema)

    parts = Parts(
        tiers=tiers,
        policies=policies,
        default_ladder=config.default_ladder,
        verifiers={**verifiers, "agreement": agreement()},
        ladder_checks={name: table.verify for name, table in config.file.ladders.items()},
        implied=implied(),
        schema_verifier=schema_verifier,
        baselines=_Baselines(dict(_baselines(config, tiers, book)), book),
        book=opened,
    )
    intake = Intake(parts, clock=time.perf_counter, wall=time.time, new_id=new_id)
    return Assembly(config, intake, tiers, opened, workshop)


def new_id() -> str:
    """A random id that sorts by time: 48 bits of milliseconds, 40 random."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(5)}"


def _now() -> datetime:
    return datetime.now(UTC)


# ------------------------------------------------------------------ what only the parts can know


def problems(config: Config, ready: Container[str] = ()) -> list[Problem]:
    """Faults that a file's shape does not show: providers, idle keys, prices, options.

    Tiers in ``ready`` were handed over as objects and have no provider to look up.
    """
    found: list[Problem] = []
    book = PriceBook({}, now=_now)
    for name, table in config.file.tiers.items():
        if name not in ready:
            found += _tier_problems(f"tiers.{name}", table, config, book)
    for name, options in config.file.verifiers.items():
        found += _collect(f"verifiers.{name}", partial(_verifier, name, options, config))
    if config.file.baseline is not None and config.file.baseline not in config.file.tiers:
        model = config.file.baseline
        found += _collect("baseline", lambda: book.pricer(None, model, None, local=False))
    return found


def _tier_problems(
    place: str, table: TierTable, config: Config, book: PriceBook
) -> Iterator[Problem]:
    try:
        row = lookup(table.provider)
        keys = KEYS[row.kind]
    except (ConfigError, KeyError) as error:
        fix = error.fix if isinstance(error, ConfigError) else "see `rung doctor --providers`"
        yield Problem(f"{place}.provider", f"there is no provider {table.provider!r}.", fix)
        return
    for key in sorted(table.model_fields_set - keys - {"model"} | _idle_model(table, row)):
        message = f"does nothing for provider {row.name!r}."
        yield Problem(f"{place}.{key}", message, nearest(key, sorted(keys)) or "remove it")
    if row.kind in NEEDS_MODEL and not table.model:
        yield Problem(f"{place}.model", "is required.", 'add `model = "..."`')
        return
    if row.kind is ProviderKind.OPENAI_COMPATIBLE and not (table.base_url or row.base_url):
        yield Problem(f"{place}.base_url", "is required.", 'add `base_url = "http://.../v1"`')
    if table.base_url is not None and not table.base_url.startswith(("http://", "https://")):
        yield Problem(f"{place}.base_url", "must begin with http:// or https://.")
    yield from _key_problems(place, table, row, config)
    yield from _collect(f"{place}.price", lambda: _pricer(table, row, book))


def _idle_model(table: TierTable, row: ProviderRow) -> set[str]:
    return {"model"} if table.model and row.kind not in NEEDS_MODEL else set()


def _key_problems(
    place: str, table: TierTable, row: ProviderRow, config: Config
) -> Iterator[Problem]:
    named = _key_variable(table, row)
    if named is not None and config.secret(named) is None:
        fix = f"export {named}=..., or name another variable with `api_key_env`"
        yield Problem(place, f"the environment variable {named} is not set.", fix)


def _key_variable(table: TierTable, row: ProviderRow) -> str | None:
    """The variable that must hold the key; a row's own only where its own address is called."""
    if table.api_key_env is not None:
        return table.api_key_env
    return row.key_variable if table.base_url is None else None


def _collect(place: str, attempt: Callable[[], object]) -> list[Problem]:
    """The problems that an attempt to build something raises, each under ``place``."""
    try:
        attempt()
    except ConfigError as error:
        return [Problem(_under(place, each), each.message, each.fix) for each in error.problems]
    return []


def _under(place: str, problem: Problem) -> str:
    return f"{place}.{problem.place}" if problem.place.isidentifier() else place


# ------------------------------------------------------------------ parts


def _tier(name: str, table: TierTable, workshop: Workshop, book: PriceBook) -> Tier:
    if table.provider == READY_MADE:
        row = ProviderRow(READY_MADE, ProviderKind.SCRIPTED, local=True)
        return Tier(
            name, name, local=True, provider=workshop.ready[name], pricer=_pricer(table, row, book)
        )
    row = lookup(table.provider)
    return Tier(
        name=name,
        model=table.model or row.name,
        local=_is_local(table, row),
        provider=_PROVIDERS[row.kind](table, row, workshop),
        pricer=_pricer(table, row, book),
    )


def _openai_compatible(table: TierTable, row: ProviderRow, workshop: Workshop) -> Provider:
    from rung.providers.openai_compatible import OpenAICompatible

    variable = _key_variable(table, row)
    return OpenAICompatible(
        workshop.http(table.connect_timeout_seconds),
        base_url=table.base_url or row.base_url or "",
        model=table.model or "",
        api_key=workshop.config.secret(variable) if variable else None,
        key_name=variable,
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
    ProviderKind.OLLAMA: _ollama,
    ProviderKind.EMBEDDED: _embedded,
}


def _is_local(table: TierTable, row: ProviderRow) -> bool:
    return is_local(row, table.base_url) if table.local is None else table.local


def _pricer(table: TierTable, row: ProviderRow, book: PriceBook) -> Pricer:
    override = _override(table)
    return book.pricer(row.prices, table.model or row.name, override, _is_local(table, row))


def _override(table: TierTable) -> PriceOverride | None:
    second = table.usd_per_second or 0
    if isinstance(table.price, PriceTable):
        return PriceOverride(**table.price.model_dump(), usd_per_second=second)
    if table.price == "free" or table.usd_per_second is not None:
        return PriceOverride.free(usd_per_second=second)
    return None


def _policy(name: str, table: LadderTable, config: Config) -> Policy:
    return Policy(
        ladder=name,
        rungs=tuple(_rung(tier, config.file.tiers[tier]) for tier in table.tiers),
        on_exhausted=table.on_exhausted,
        min_confidence=table.min_confidence,
        max_wait_seconds=table.max_wait_seconds,
        deadline_seconds=table.deadline_seconds,
        cost_cap_nanousd=None if table.max_usd is None else from_usd(table.max_usd),
    )


def _rung(name: str, table: TierTable) -> Rung:
    lacks = frozenset() if table.provider == READY_MADE else lookup(table.provider).lacks
    if table.samples > 1:
        # Answers that are compared have to be answers to the same plain question.
        lacks |= {Need.MANY_CHOICES}
    return Rung(
        tier=name,
        context_tokens=table.context_tokens,
        lacks=lacks,
        timeout_seconds=table.timeout_seconds,
        retries=table.retries,
        repairs=table.repairs,
        samples=table.samples,
    )


def _verifiers(config: Config) -> dict[str, Verifier]:
    return {
        name: _verifier(name, options, config) for name, options in config.file.verifiers.items()
    }


def _verifier(name: str, options: Mapping[str, Any], config: Config) -> Verifier:
    """One verifier of the configuration; its schema's path is taken from the file's folder."""
    from rung.verifiers.catalogue import KINDS, build, plug_ins

    wanted = str(options.get("kind", ""))
    kinds = KINDS if wanted in KINDS else {**KINDS, **plug_ins().kinds}
    if wanted not in kinds:
        said = "is required." if not wanted else f"there is no kind {wanted!r}."
        raise ConfigError([Problem("kind", said, nearest(wanted, sorted(kinds)))])
    given = {key: value for key, value in options.items() if key != "kind"}
    if isinstance(given.get("schema"), str):
        given["schema"] = str(config.folder / given["schema"])
    return build(name, kinds[wanted], given)


def verifier_from(path: str) -> Verifier:
    """A required gate from a Python function named as package.module:function."""
    from rung.verifiers.function import function, load

    return function(load(path))


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
