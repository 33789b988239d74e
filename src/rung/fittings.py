"""What a table of the configuration means: a price, a policy, a verifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rung.config import Config, is_command
from rung.core.errors import ConfigError, Problem
from rung.core.money import from_usd
from rung.core.nearest import nearest
from rung.core.plan import OnExhausted, Policy, Rung
from rung.core.rules import Rule
from rung.core.types import Need
from rung.core.vote import Vote
from rung.experience import Auto
from rung.file_tables import NO_LIMITS, LadderTable, LimitsTable, PriceTable, TierTable
from rung.orders import Pricer
from rung.pricing import PriceBook, PriceOverride
from rung.providers.registry import ProviderRow, is_local, lacks_of, lookup, runs_elsewhere
from rung.verifiers.base import Verifier

EMBEDDINGS = "embeddings"
"""What the ledger calls the way of requests for embeddings."""

READY_MADE = "ready_made"
"""The provider's name of tiers that the library was handed as objects."""


AUTO = "auto"
MOST_REPAIRS = 1
"""How often an answer is repaired where the configuration leaves it to experience."""


def key_variable(table: TierTable, row: ProviderRow) -> str | None:
    """The variable that must hold the key; a row's own only where its own address is called."""
    if table.api_key_env is not None:
        return table.api_key_env
    return row.key_variable if table.base_url is None else None


def secrets_of(config: Config) -> tuple[str, ...]:
    """The keys of all tiers and of all projects' clients, each once."""
    tables = (table for table in config.file.tiers.values() if table.provider != READY_MADE)
    variables = {key_variable(table, lookup(table.provider)) for table in tables}
    variables |= {name for project in config.file.projects.values() for name in project.key_env}
    found = (config.secret(variable) for variable in sorted(filter(None, variables)))
    return tuple(secret for secret in found if secret is not None)


def stays_local(table: TierTable, row: ProviderRow) -> bool:
    """Whether requests of this tier stay on this machine or network.

    The configuration's own word, if it says so: a name may lead to this network, and an address of
    it to a proxy that leads away.
    """
    if table.local is not None:
        return table.local
    return is_local(row, table.base_url) and not runs_elsewhere(row, table.model)


def pricer_of(table: TierTable, row: ProviderRow, book: PriceBook) -> Pricer:
    """What this tier's calls cost. Raises ConfigError where nobody knows."""
    local = stays_local(table, row)
    return book.pricer(row.prices, table.model or row.name, _override(table, local=local), local)


def _override(table: TierTable, *, local: bool) -> PriceOverride | None:
    second = table.usd_per_second or 0
    if isinstance(table.price, PriceTable):
        return PriceOverride(**table.price.model_dump(), usd_per_second=second)
    if table.price == "free" or (table.usd_per_second is not None and local):
        return PriceOverride.free(usd_per_second=second)
    return None


def policy_of(name: str, table: LadderTable, config: Config) -> Policy:
    """A ladder's rules."""
    return Policy(
        ladder=name,
        rungs=tuple(
            _rung(t, config.file.tiers[t], table.limits_of(t), carry=table.carry is True)
            for t in table.tiers
        ),
        stream_mode=table.stream,
        on_exhausted=table.on_exhausted,
        min_confidence=table.min_confidence,
        vote=Vote(table.compare, table.compare_fields, table.vote_certainty),
        max_wait_seconds=table.max_wait_seconds,
        deadline_seconds=table.deadline_seconds,
        cost_cap_nanousd=None if table.max_usd is None else from_usd(table.max_usd),
        hedge_seconds=table.hedge_seconds,
        compress=table.compress,
    )


def audit_policy(name: str, table: LadderTable, config: Config) -> Policy:
    """The rules of a second look at a ladder's answers: one tier, and nobody asked after it."""
    by = table.audit_by or table.tiers[-1]
    cap = None if table.max_usd is None else from_usd(table.max_usd)
    return Policy(
        name,
        (_rung(by, config.file.tiers[by]),),
        on_exhausted=OnExhausted.ERROR,
        vote=Vote(table.compare, table.compare_fields, table.vote_certainty),
        max_wait_seconds=table.max_wait_seconds,
        cost_cap_nanousd=cap,
    )


def auto_of(table: LadderTable, config: Config) -> Auto:
    """What a ladder leaves to experience."""
    tiers = config.file.tiers
    repairs = {tier: _repairs(tiers[tier], table.limits_of(tier)) for tier in table.tiers}
    open_ones = frozenset(tier for tier in table.tiers if repairs[tier] == AUTO)
    return Auto(open_ones, table.carry == AUTO)


def rules_of(config: Config) -> tuple[Rule, ...]:
    """The rules that say where requests start, in their order."""
    return tuple(table.rule(number) for number, table in enumerate(config.file.rules, 1))


def embeddings_policy(config: Config) -> Policy | None:
    """The way of requests for embeddings: one tier, since two models' do not compare."""
    tier = config.file.embeddings
    if tier is None:
        return None
    return Policy(
        EMBEDDINGS, (_rung(tier, config.file.tiers[tier]),), on_exhausted=OnExhausted.ERROR
    )


def _rung(
    name: str, table: TierTable, limits: LimitsTable = NO_LIMITS, *, carry: bool = False
) -> Rung:
    lacks: frozenset[Need] = frozenset()
    local = table.local is not False
    if table.provider != READY_MADE:
        row = lookup(table.provider)
        lacks, local = lacks_of(row, table.model or ""), stays_local(table, row)
    samples, repairs = limits.samples or table.samples, _repairs(table, limits)
    if samples > 1:
        # Answers that are compared have to be answers to the same plain question.
        lacks |= {Need.MANY_CHOICES}
    most = limits.most_spent_usd
    return Rung(
        tier=name,
        context_tokens=table.context_tokens,
        lacks=lacks,
        timeout_seconds=table.timeout_seconds,
        retries=table.retries,
        repairs=repairs if isinstance(repairs, int) else MOST_REPAIRS,
        samples=samples,
        carry=carry,
        local=local,
        min_confidence=limits.min_confidence,
        most_spent_nanousd=None if most is None else from_usd(most),
        reach=1.0 if limits.reach is None else limits.reach,
    )


def _repairs(table: TierTable, limits: LimitsTable) -> int | str:
    return table.repairs if limits.repairs is None else limits.repairs


def verifier_of(name: str, options: Mapping[str, Any], config: Config) -> Verifier:
    """One verifier of the configuration; its schema's path is taken from the file's folder."""
    from rung.verifiers.catalogue import KINDS, build, plug_ins

    wanted = str(options.get("kind", ""))
    kinds = KINDS if wanted in KINDS else {**KINDS, **plug_ins().kinds}
    if wanted not in kinds:
        said = "is required." if not wanted else f"there is no kind {wanted!r}."
        raise ConfigError([Problem("kind", said, nearest(wanted, sorted(kinds)))])
    given = {key: _plain(value) for key, value in options.items() if key != "kind"}
    for key in ("schema", "workspace", *(("tests", "cases") if wanted == "unit_tests" else ())):
        if isinstance(given.get(key), str):
            given[key] = str(config.folder / given[key])
    unknown = [_unknown_tier(k, given[k], config) for k in kinds[wanted].tiers if k in given]
    if any(unknown):
        raise ConfigError([problem for problem in unknown if problem is not None])
    return build(name, kinds[wanted], given)


def _plain(value: object) -> Any:
    """An option as JSON would have it: the file's numbers are read exactly, for money's sake."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


def _unknown_tier(key: str, tier: object, config: Config) -> Problem | None:
    if not isinstance(tier, str) or tier in config.file.tiers:
        return None
    fix = nearest(tier, list(config.file.tiers)) or f"add [tiers.{tier}]"
    return Problem(key, f"there is no tier {tier!r}.", fix)


def commands_of(config: Config) -> Iterator[str]:
    """The command lines that stand in the ladders' ``verify``, each once."""
    named = (check for ladder in config.file.ladders.values() for check in ladder.verify)
    yield from dict.fromkeys(c for c in named if c not in config.file.verifiers and is_command(c))


def command_of(line: str, config: Config) -> Verifier:
    """The gate that a command line in a ladder's ``verify`` is. Raises ConfigError."""
    folder = config.file.sandbox.workspace
    place = {} if folder is None else {"workspace": folder}
    return verifier_of(line, {"kind": "command", "run": line, **place}, config)


def verifier_from(path: str) -> Verifier:
    """A required gate from a Python function named as package.module:function."""
    from rung.verifiers.function import function, load

    return function(load(path))
