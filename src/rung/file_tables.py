"""The tables of rung.toml, as pydantic checks them one by one.

What several of them say together is checked by `rung.config`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from rung.core.addresses import is_place
from rung.core.budgets import Per, Scope
from rung.core.plan import OnExhausted, StreamMode
from rung.core.sensitive_kinds import Kind
from rung.core.types import Lane
from rung.core.vote import Comparison
from rung.rule_table import RuleTable, as_share

DEFAULT_PORT = 4100

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
TierName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}$")]
"""May be a model's own name: `llama3.1:8b`, `meta-llama/llama-3.3-70b-instruct`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
"""An amount as it was typed: TOML's floats are read as decimals, never as binary."""


def _is_list_for(given: object, kinds: Sequence[object]) -> bool:
    """Whether it is a list where one may stand."""
    return isinstance(given, list) and any(get_origin(kind) is tuple for kind in kinds)


Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(as_share)]
Repairs = Annotated[int, Field(ge=0, le=5)] | Literal["auto"]
Samples = Annotated[int, Field(ge=1, le=15)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, given: object, info: ValidationInfo) -> object:
        """``audit = true`` would be all of it, ``carry = 1`` a yes: neither was said."""
        kind = cls.model_fields[str(info.field_name)].annotation
        kinds = get_args(kind) or (kind,)
        if isinstance(given, bool):
            if bool not in kinds:
                raise ValueError("Input should not be true or false")
        elif bool in kinds and given not in (None, "auto") and not _is_list_for(given, kinds):
            other = " or 'auto'" if Literal["auto"] in kinds else ""
            raise ValueError(f"Input should be true or false{other}")
        return given


class PriceTable(_Table):
    """A price, in US dollars per million tokens, and for each search."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cache_read_usd_per_mtok: Usd | None = None
    cache_write_usd_per_mtok: Usd | None = None
    cache_write_1h_usd_per_mtok: Usd | None = None
    image_usd_per_mtok: Usd | None = None
    audio_usd_per_mtok: Usd | None = None
    audio_output_usd_per_mtok: Usd | None = None
    image_output_usd_per_mtok: Usd | None = None
    web_search_usd: Usd = Decimal(0)
    file_search_usd: Usd = Decimal(0)


class TierTable(_Table):
    """One model at one provider."""

    provider: str
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    local: bool | None = None
    context_tokens: Annotated[int, Field(ge=256)] | None = None
    timeout_seconds: Seconds = 120.0
    connect_timeout_seconds: Seconds | None = None
    retries: Annotated[int, Field(ge=0, le=5)] = 1
    repairs: Repairs = "auto"
    samples: Samples = 1
    price: PriceTable | Literal["free"] | None = None
    usd_per_second: Usd | None = None
    constrained: bool | None = None
    model_path: Path | None = None
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    keep_alive: str | None = None
    responses: bool | None = None
    slots: Annotated[int, Field(ge=1, le=4096)] | None = None
    keep_warm: bool | None = None
    cache: Literal["auto", "off"] | None = None
    on_disconnect: Literal["cancel", "drain"] = "cancel"


class LimitsTable(_Table):
    """What goes for a tier on one ladder; what is not said is as the ladder or the tier has it."""

    min_confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    most_spent_usd: Usd | None = None
    reach: Share | None = None
    samples: Samples | None = None
    repairs: Repairs | None = None


NO_LIMITS = LimitsTable()


class LadderTable(_Table):
    """Tiers in order, cheap to dear, and what an answer has to pass."""

    tiers: Annotated[tuple[str, ...], Field(min_length=1)]
    verify: tuple[str, ...] = ()
    on_exhausted: OnExhausted = OnExhausted.INBOX
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.8
    compare: Comparison = Comparison.AUTO
    compare_fields: tuple[str, ...] = ()
    vote_certainty: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    carry: bool | Literal["auto"] = False
    audit: Share = 0.0
    audit_by: str | None = None
    max_wait_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    wait_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    stream: StreamMode | None = None
    deadline_seconds: Seconds | None = None
    max_usd: Usd | None = None
    hedge_seconds: Seconds | None = None
    compress: bool = False
    store_bodies: bool = False
    limits: dict[TierName, LimitsTable] = Field(default_factory=dict)

    def limits_of(self, tier: str) -> LimitsTable:
        """What goes for a tier on this ladder alone."""
        return self.limits.get(tier, NO_LIMITS)


class ServerTable(_Table):
    """Where the gateway listens, and who may ask it."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = DEFAULT_PORT
    max_body_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024 * 1024
    hosts: tuple[str, ...] = ()
    keys: Literal["auto", "required", "off"] = "auto"
    metrics: Literal["auto", "open", "keys", "off"] = "auto"


class SandboxTable(_Table):
    """Where commands run."""

    allow_unsandboxed: bool = False
    workspace: str | None = None
    memory_mb: Annotated[int, Field(ge=64, le=1_048_576)] = 512
    processes: Annotated[int, Field(ge=8, le=4096)] = 32
    reads: tuple[str, ...] = ()


class RoutingTable(_Table):
    """What is learned from outcomes about where requests start."""

    skip: Literal["auto", "off"] = "auto"
    classifier: Literal["auto", "on", "off"] = "auto"
    explore: Share = 0.02
    second_usd: Usd | None = None


class ConversationsTable(_Table):
    """How requests of one conversation hold together."""

    sticky: bool = True
    raise_after: Annotated[int, Field(ge=0, le=100)] = 3
    cache_seconds: Seconds = 300.0


class PrivateTable(_Table):
    """Which requests must not leave this machine."""

    projects: tuple[str, ...] = ()
    detect: bool | tuple[Kind, ...] = False
    unread: Literal["private", "allow"] = "private"
    presidio: bool = False


class ProjectTable(_Table):
    """What holds for all requests of one project."""

    ladder: str | None = None
    tier: str | None = None
    ceiling: str | None = None
    max_usd: Usd | None = None
    deadline_seconds: Seconds | None = None
    lane: Lane | None = None
    private: bool = False
    key_env: tuple[str, ...] = ()
    store_bodies: bool | None = None


class CacheTable(_Table):
    """Answers that are served again."""

    max_mb: Annotated[int, Field(ge=1, le=65_536)] = 64
    max_age_seconds: Seconds = 3600.0


class BudgetTable(_Table):
    """A cap on what may be spent in a while. ``of`` names the one that it is for; else each has it.

    Shares of the cap: ``warn_at`` tells the webhook, ``degrade_at`` leaves the dearer tiers out,
    ``pause_at`` turns work away for which nobody waits.
    """

    name: Name
    scope: Scope = Scope.TOTAL
    of: str | None = None
    usd: Usd
    per: Per = Per.MONTH
    warn_at: Share | None = 0.8
    degrade_at: Share | None = None
    pause_at: Share | None = None


class SpendingTable(_Table):
    """How paid calls are let through."""

    ledger_away: Literal["refuse", "allow"] = "refuse"
    allowance_usd: Usd = Decimal("0.50")
    output_tokens: Annotated[int, Field(ge=256, le=1_000_000)] = 16_384
    wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    webhook: str | None = None


class LoopsTable(_Table):
    """When a conversation is taken for a runaway agent's, and what then. 0 calls: never."""

    same_calls: Annotated[int, Field(ge=0, le=1000)] = 8
    then: Literal["warn", "pause", "stop"] = "warn"

    @field_validator("same_calls")
    @classmethod
    def _is_no_accident(cls, given: int) -> int:
        if 0 < given < 3:
            raise ValueError("should be 3 or more, or 0 to look for none")
        return given


class RetentionTable(_Table):
    """How long rows are kept, and how much room they may take."""

    days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    max_mb: Annotated[int, Field(ge=16)] | None = None
    bodies_days: Annotated[float, Field(gt=0, le=36_500)] = 7.0


class BreakersTable(_Table):
    """When a tier that fails is left alone, and for how long at first."""

    off: bool = False
    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    open_seconds: Seconds = 10.0


class TelemetryTable(_Table):
    """What is told to the operator's tools."""

    logs: Literal["text", "json"] = "text"
    otlp_endpoint: str | None = None
    service_name: Annotated[str, Field(min_length=1, max_length=100)] = "rung"
    sample: Share = 1.0

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_an_address(cls, given: str | None) -> str | None:
        if given is not None and not given.startswith(("http://", "https://")):
            raise ValueError("should be an address: http://127.0.0.1:4318")
        return given


class FileTable(_Table):
    """The whole of rung.toml."""

    ledger: str | None = None
    baseline: str | None = None
    default_ladder: str | None = None
    embeddings: str | None = None
    inbox_webhook: str | None = None
    server: ServerTable = ServerTable()
    sandbox: SandboxTable = SandboxTable()
    tiers: Annotated[dict[TierName, TierTable], Field(min_length=1)]
    ladders: Annotated[dict[Name, LadderTable], Field(min_length=1)]
    verifiers: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    rules: tuple[RuleTable, ...] = ()
    routing: RoutingTable | None = None
    conversations: ConversationsTable = ConversationsTable()
    private: PrivateTable = PrivateTable()
    projects: dict[Name, ProjectTable] = Field(default_factory=dict)
    cache: CacheTable | None = None
    budgets: tuple[BudgetTable, ...] = ()
    spending: SpendingTable = SpendingTable()
    loops: LoopsTable = LoopsTable()
    retention: RetentionTable = RetentionTable()
    breakers: BreakersTable = BreakersTable()
    telemetry: TelemetryTable = TelemetryTable()

    @field_validator("ledger")
    @classmethod
    def _is_a_place(cls, given: str | None) -> str | None:
        if given is not None and not is_place(given):
            raise ValueError("should be a path, or postgresql://USER@HOST:PORT/DATABASE")
        return given
