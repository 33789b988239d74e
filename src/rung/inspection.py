"""Faults of a configuration that only the parts it names can know."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rung import budgeting, privacy, projects
from rung.config import Config, is_command
from rung.core.errors import ConfigError, Problem, RungError
from rung.core.nearest import nearest
from rung.core.plan import TOOL_CALLS, OnExhausted
from rung.core.vote import AGREEMENT, Comparison
from rung.desk import HUMAN
from rung.file_tables import TierTable
from rung.fittings import command_of, key_variable, pricer_of, stays_local, verifier_of
from rung.pricing import PriceBook
from rung.providers.keeping import kept_seconds
from rung.providers.registry import (
    PROVIDERS,
    ProviderKind,
    ProviderRow,
    is_private_address,
    lookup,
)

COMMON_KEYS = frozenset(
    {"provider", "context_tokens", "timeout_seconds", "retries", "repairs", "samples"}
    | {"price", "usd_per_second", "local", "on_disconnect"}
)
KEYS = {
    ProviderKind.OPENAI_COMPATIBLE: COMMON_KEYS
    | {"slots", "model", "base_url", "api_key_env", "connect_timeout_seconds", "responses"}
    | {"cache"},
    ProviderKind.ANTHROPIC: COMMON_KEYS
    | {"slots", "model", "base_url", "api_key_env", "connect_timeout_seconds", "cache"},
    ProviderKind.OLLAMA: COMMON_KEYS | {"slots", "model", "base_url", "keep_alive", "keep_warm"},
    ProviderKind.EMBEDDED: (COMMON_KEYS - {"local"})
    | {"constrained", "model_path", "threads", "keep_warm"},
}
"""Which keys of a tier do something, by the kind of its provider. Any other is an error."""

NEEDS_MODEL = frozenset(
    {ProviderKind.OPENAI_COMPATIBLE, ProviderKind.ANTHROPIC, ProviderKind.OLLAMA}
)


TAKEN = {
    AGREEMENT: "the vote among a tier's samples",
    TOOL_CALLS: "the gate on tool calls, which needs no configuration",
}
"""Names of checks that nobody can configure."""


def problems(config: Config, ready: Container[str] = ()) -> list[Problem]:
    """Faults that a file's shape does not show: providers, idle keys, prices, options.

    Tiers in ``ready`` were handed over as objects and have no provider to look up.
    """
    found: list[Problem] = []
    book = PriceBook(now=lambda: datetime.now(UTC))
    for name, table in config.file.tiers.items():
        if name not in ready:
            found += _tier_problems(f"tiers.{name}", table, config, book)
    for name, options in config.file.verifiers.items():
        found += _name_problems(name, str(options.get("kind", "")))
        found += _collect(f"verifiers.{name}", partial(verifier_of, name, options, config))
    for name, ladder in config.file.ladders.items():
        for line in ladder.verify:
            if line not in config.file.verifiers and is_command(line):
                found += _collect(f"ladders.{name}.verify", partial(command_of, line, config))
    found += _limit_problems(config)
    found += _inbox_problems(config)
    found += _vote_problems(config)
    found += _sandbox_problems(config)
    found += _audit_problems(config)
    found += projects.faults(config)
    found += budgeting.faults(config)
    found += privacy.faults(config)
    if config.file.baseline is not None and config.file.baseline not in config.file.tiers:
        model = config.file.baseline
        found += _collect("baseline", lambda: book.pricer(None, model, None, local=False))
    return found


def _tier_problems(
    place: str, table: TierTable, config: Config, book: PriceBook
) -> Iterator[Problem]:
    if table.provider not in PROVIDERS:
        fix = nearest(table.provider, PROVIDERS)
        yield Problem(f"{place}.provider", f"there is no provider {table.provider!r}.", fix)
        return
    row = lookup(table.provider)
    keys = KEYS[row.kind]
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
    if table.keep_warm and table.keep_alive is not None and not kept_seconds(table.keep_alive):
        said = "does nothing with a keep_alive of no time."
        yield Problem(f"{place}.keep_warm", said, 'as in `keep_alive = "30m"`')
    if table.usd_per_second is not None and table.price is None and not stays_local(table, row):
        said = "is for local tiers; this one's tokens have a price of their own."
        yield Problem(f"{place}.usd_per_second", said, "remove it, or give the tier a `price` too")
    yield from _collect(f"{place}.price", lambda: pricer_of(table, row, book))


CLIMBING = frozenset({"most_spent_usd", "reach"})
"""Limits on whether a request climbs to a tier."""


def _limit_problems(config: Config) -> Iterator[Problem]:
    """Limits of tiers that have no use for them."""
    for name, ladder in config.file.ladders.items():
        for tier, limits in ladder.limits.items():
            place = f"ladders.{name}.limits.{tier}"
            if tier not in ladder.tiers:
                near = nearest(tier, ladder.tiers) or "add it to `tiers`, or remove the table"
                yield Problem(place, f"tier {tier!r} does not stand on the ladder.", near)
            elif tier == ladder.tiers[0]:
                for key in sorted(limits.model_fields_set & CLIMBING):
                    said = "does nothing for the lowest tier, which nothing climbs to."
                    yield Problem(f"{place}.{key}", said, "remove it")


def _inbox_problems(config: Config) -> Iterator[Problem]:
    for name, table in config.file.ladders.items():
        if table.wait_seconds and table.on_exhausted is not OnExhausted.INBOX:
            said = f"does nothing with on_exhausted = {table.on_exhausted.value!r}."
            yield Problem(f"ladders.{name}.wait_seconds", said, "remove it")
    url = config.file.inbox_webhook
    if url is None:
        return
    private = url.startswith("http://") and is_private_address(url)
    if not private and not url.startswith("https://"):
        said = "is neither https nor an address of this machine or network."
        yield Problem("inbox_webhook", said, 'as in "http://127.0.0.1:9000/rung"')


def _vote_problems(config: Config) -> Iterator[Problem]:
    for name, table in config.file.ladders.items():
        place = f"ladders.{name}.compare_fields"
        if table.compare_fields and table.compare is not Comparison.FIELDS:
            said = f"does nothing with compare = {table.compare.value!r}."
            yield Problem(place, said, 'add `compare = "fields"`, or remove it')
        for each in table.compare_fields:
            if not all(each.split(".")):
                yield Problem(place, f"{each!r} names no field.", 'as in "buyer.city"')


def _audit_problems(config: Config) -> Iterator[Problem]:
    tiers = config.file.tiers
    for name, table in config.file.ladders.items():
        place, by = f"ladders.{name}.audit_by", table.audit_by
        if by is not None and not table.audit:
            fix = 'add `audit = "2%"`, or remove it'
            yield Problem(place, "does nothing without `audit`.", fix)
        if by is not None and by != HUMAN and by not in tiers:
            fix = nearest(by, [HUMAN, *tiers]) or f"name one of these: {HUMAN}, {', '.join(tiers)}"
            yield Problem(place, f"there is no tier {by!r}.", fix)
        lowest = table.audit and (by or table.tiers[-1]) == table.tiers[0]
        if lowest and table.audit_by is None:
            said = "the ladder has one tier, and nobody above it to look again."
            fix = f'name another tier with `audit_by`, or `audit_by = "{HUMAN}"`'
            yield Problem(f"ladders.{name}.audit", said, fix)
        elif lowest:
            said = f"{by!r} is the lowest tier of the ladder: nothing below it could be audited."
            yield Problem(place, said, f'leave it out for {table.tiers[-1]!r}, or write "{HUMAN}"')


def _sandbox_problems(config: Config) -> Iterator[Problem]:
    """Folders that commands are to see: programs are, what rung or people keep is not."""
    reads = config.file.sandbox.reads
    if not reads:
        return
    from rung.sandbox.tools import checked

    for name in reads:
        folder, place = Path(name), "sandbox.reads"
        try:
            if not folder.is_absolute() or not folder.is_dir():
                said = f"{name!r} is no folder that begins with /."
                yield Problem(place, said, 'reads = ["/opt/tool"]')
            elif _is_below(config.ledger, checked(folder)):
                said = f"the ledger is below {name!r}, and commands would see it."
                yield Problem(place, said, "name a folder that holds programs alone")
        except RungError as error:
            yield Problem(place, f"{error.message}.", error.fix)
        except (OSError, ValueError) as error:
            yield Problem(place, f"{name!r} cannot be looked at: {error}.", "correct the path")


def _is_below(ledger: Path | str, folder: Path) -> bool:
    """Whether it is a file there; a database elsewhere is no file."""
    return isinstance(ledger, Path) and ledger.resolve().is_relative_to(folder.resolve())


def _idle_model(table: TierTable, row: ProviderRow) -> set[str]:
    return {"model"} if table.model and row.kind not in NEEDS_MODEL else set()


def _name_problems(name: str, kind: str) -> Iterator[Problem]:
    """A check's name says what it checks: one that rung gives to its own means nothing else."""
    from rung.verifiers.implied import implied

    if name in TAKEN:
        said = f"is the name of {TAKEN[name]}."
        yield Problem(f"verifiers.{name}", said, "choose another name")
    elif name != kind and name in {each.name for each in implied()}:
        said = f"is the name of a built-in check, and this one is of the kind {kind!r}."
        yield Problem(f"verifiers.{name}", said, f'choose another name, or write `kind = "{name}"`')


def _key_problems(
    place: str, table: TierTable, row: ProviderRow, config: Config
) -> Iterator[Problem]:
    named = key_variable(table, row)
    if named is None:
        return
    key = config.secret(named)
    if key is None:
        fix = f"export {named}=..., or name another variable with `api_key_env`"
        yield Problem(place, f"the environment variable {named} is not set.", fix)
    elif not (key.isascii() and key.isprintable()) or " " in key:
        said = f"the key in {named} holds a space, a line end or another sign that no key has."
        yield Problem(place, said, "copy it anew")


def _collect(place: str, attempt: Callable[[], object]) -> list[Problem]:
    """The problems that an attempt to build something raises, each under ``place``."""
    try:
        attempt()
    except ConfigError as error:
        return [Problem(_under(place, each), each.message, each.fix) for each in error.problems]
    return []


def _under(place: str, problem: Problem) -> str:
    return f"{place}.{problem.place}" if problem.place.isidentifier() else place
