"""rung.toml and the environment, turned into one frozen configuration.

The file holds everything but secrets; the environment holds secrets and nothing else that changes
an answer. Every fault is reported at once, each with its place and its fix: a key that is unknown,
or that does nothing where it stands, is a fault.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rung import exposure, rule_table
from rung.core.addresses import is_url, with_password
from rung.core.errors import ConfigError, Problem
from rung.core.nearest import nearest
from rung.file_tables import (
    BreakersTable,
    BudgetTable,
    CacheTable,
    ConversationsTable,
    FileTable,
    LadderTable,
    LimitsTable,
    LoopsTable,
    PriceTable,
    PrivateTable,
    ProjectTable,
    RetentionTable,
    RoutingTable,
    SandboxTable,
    ServerTable,
    SpendingTable,
    TelemetryTable,
    TierTable,
)
from rung.places import placed
from rung.rule_table import RuleTable

FILE_NAME = "rung.toml"


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration. ``path`` is the file it came from, ``None`` for the built-in one.

    ``ledger`` is a file, or the URL of a database as text, with its password: never to be shown.
    """

    file: FileTable
    path: Path | None
    ledger: Path | str = field(repr=False)
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def default_ladder(self) -> str:
        """The ladder that serves when nothing else is asked for."""
        return self.file.default_ladder or next(iter(self.file.ladders))

    def secret(self, name: str) -> str | None:
        """A value of the environment; empty counts as missing."""
        return self.environment.get(name) or None


Inspector = Callable[[Config], Sequence[Problem]]
"""Finds what only the assembled parts can know: a provider's name, a verifier's options."""


def environment() -> Mapping[str, str]:
    """The process's environment. The only place that reads it."""
    return dict(os.environ)


def find(env: Mapping[str, str], folder: Path) -> Path | None:
    """The configuration in force: $RUNG_CONFIG, ./rung.toml, then the user's own."""
    if named := env.get("RUNG_CONFIG"):
        return Path(named)
    home = Path(env.get("XDG_CONFIG_HOME") or Path(env.get("HOME", "/")) / ".config")
    for candidate in (folder / FILE_NAME, home / "rung" / FILE_NAME):
        if candidate.is_file():
            return candidate
    return None


def load(path: Path, env: Mapping[str, str], inspect: Inspector | None = None) -> Config:
    """Read and check ``path``; raises ConfigError with every problem found."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist.", fix="write one with `rung init`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return parse(text, path, env, inspect)


def parse(
    text: str, path: Path, env: Mapping[str, str], inspect: Inspector | None = None
) -> Config:
    """Check the text of a configuration; ``path`` names it in errors and anchors relative paths."""
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(path), f"is not TOML: {error}.")]) from None
    problems: list[Problem] = []
    table = _validated(raw, path, text, problems)
    if table is not None:
        folder = path.resolve().parent
        ledger = _ledger(table.ledger, folder, env)
        config = Config(table, path, ledger, folder, env)
        problems += [placed(problem, path, text) for problem in _cross_checks(config)]
        problems += [placed(p, path, text) for p in (inspect(config) if inspect else ())]
        if not problems:
            return config
    raise ConfigError(problems)


def _ledger(named: str | None, folder: Path, env: Mapping[str, str]) -> Path | str:
    """The place of the ledger that a file names; of a database, with the password that is set."""
    if named is None:
        return default_ledger(env)
    if not is_url(named):
        return folder / named
    return with_password(named, env.get("RUNG_LEDGER_PASSWORD") or None)


def default_ledger(env: Mapping[str, str]) -> Path:
    """Where the ledger lives when nothing says otherwise."""
    home = Path(env.get("XDG_DATA_HOME") or Path(env.get("HOME", "/")) / ".local" / "share")
    return home / "rung" / "ledger.db"


BUILT_IN = """\
[tiers.local]
provider = "embedded"

[tiers.local-careful]
provider = "embedded"
constrained = true
samples = 3

[ladders.default]
tiers = ["local", "local-careful"]
"""
"""What runs without any configuration: the embedded model, first as it comes, then constrained and
sampled. Nothing in it can cost money or leave the machine."""


def built_in(env: Mapping[str, str]) -> Config:
    """The configuration of a machine that has none."""
    table = FileTable.model_validate(tomllib.loads(BUILT_IN))
    return Config(table, None, default_ledger(env), Path.cwd(), env)


# ------------------------------------------------------------------ all problems at once


def _validated(
    raw: dict[str, Any], path: Path, text: str, problems: list[Problem]
) -> FileTable | None:
    """Note every fault, then cut the faulty parts away so that the rest can be checked."""
    try:
        return FileTable.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False)
    details = list(_once_a_place(details))
    problems += [placed(problem(each), path, text) for each in details]
    if not all(each["type"] != "missing" and _cut(raw, each["loc"]) for each in details):
        return None
    try:
        return FileTable.model_validate(raw)
    except ValidationError:
        return None


def _once_a_place(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """One fault a value: where several kinds are possible, pydantic tells each kind's."""
    told: set[tuple[int | str, ...]] = set()
    for each in sorted(details, key=_unlikely):
        place = _place(each)
        clash = any(place[: len(other)] == other[: len(place)] for other in told)
        if each["type"] == "missing" or not clash:
            told.add(place)
            yield each


def _unlikely(each: ErrorDetails) -> tuple[bool, int]:
    """Whoever wrote a table did not mean a word."""
    word = each["type"] == "literal_error" and isinstance(each["input"], Mapping)
    return word, len(_place(each))


def _place(each: ErrorDetails) -> tuple[int | str, ...]:
    return tuple(part for part in each["loc"] if not _is_branch(part))


def _cut(raw: Any, place: Sequence[int | str]) -> bool:
    """Remove the value at ``place``; False when it is not there."""
    *way, last = [part for part in place if not _is_branch(part)] or [""]
    try:
        for part in way:
            raw = raw[part]
        del raw[last]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _is_branch(part: int | str) -> bool:
    """Whether a step of an error's place is pydantic's own name for a union's branch."""
    return isinstance(part, str) and (
        part in {"PriceTable", "[key]", "constrained-int", "bool"}
        or part.startswith(("literal[", "tuple["))
    )


def problem(each: ErrorDetails, around: Sequence[str] = ()) -> Problem:
    """One of pydantic's faults in words, with the fix; ``around`` is where the faulty table is."""
    where = [*around, *(str(part) for part in each["loc"] if not _is_branch(part))]
    place = ".".join(where) or "the file"
    match each["type"]:
        case "extra_forbidden":
            return Problem(place, "there is no such key.", nearest(where[-1], _keys_at(where[:-1])))
        case "missing":
            example = f"{where[-1]} = ..." if len(where) > 1 else f"[{where[-1]}.<name>]"
            return Problem(place, "is required.", f"add `{example}`")
        case "tuple_type":
            fix = f'as in `{where[-1]} = ["..."]`'
            return Problem(place, f"should be a list; found {_shown(each['input'])}.", fix)
        case _:
            message = each["msg"].removeprefix("Value error, ")
            return Problem(place, f"{message}; found {_shown(each['input'])}.")


def _keys_at(where: Sequence[str]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {
        "tiers": TierTable,
        "ladders": LadderTable,
        "server": ServerTable,
        "sandbox": SandboxTable,
        "rules": RuleTable,
        "routing": RoutingTable,
        "conversations": ConversationsTable,
        "private": PrivateTable,
        "projects": ProjectTable,
        "cache": CacheTable,
        "budgets": BudgetTable,
        "spending": SpendingTable,
        "loops": LoopsTable,
        "retention": RetentionTable,
        "breakers": BreakersTable,
        "telemetry": TelemetryTable,
    }
    if not where:
        return list(FileTable.model_fields)
    if where[-1] == "price":
        return list(PriceTable.model_fields)
    if where[0] == "ladders" and where[2:3] == ["limits"]:
        return list(LimitsTable.model_fields)
    table = tables.get(where[0])
    return list(table.model_fields) if table else []


def _shown(value: Any) -> str:
    text = _LOGIN.sub(r"\1***@", repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


_LOGIN = re.compile(r"(\w:/+)[^\s'\"]*@")
"""A name and a password in an address, wherever it stands."""

_NO_COMMAND = "add [verifiers.{}]; a command holds a blank, as in 'ruff check .', or begins with ./"


def _cross_checks(config: Config) -> list[Problem]:
    file = config.file
    tiers, ladders = list(file.tiers), list(file.ladders)
    found = [
        Problem(f"ladders.{name}.tiers", f"there is no tier {tier!r}.", nearest(tier, tiers))
        for name, ladder in file.ladders.items()
        for tier in ladder.tiers
        if tier not in file.tiers
    ]
    found += [
        Problem(f"ladders.{name}.tiers", f"tier {tier!r} is listed twice.", "list each tier once")
        for name, ladder in file.ladders.items()
        for tier in sorted({t for t in ladder.tiers if ladder.tiers.count(t) > 1})
    ]
    found += [
        Problem(
            f"ladders.{name}.verify",
            f"there is no verifier {verifier!r}.",
            nearest(verifier, list(file.verifiers)) or _NO_COMMAND.format(verifier),
        )
        for name, ladder in file.ladders.items()
        for verifier in ladder.verify
        if verifier not in file.verifiers and not is_command(verifier)
    ]
    if file.default_ladder is not None and file.default_ladder not in file.ladders:
        fix = nearest(file.default_ladder, ladders)
        found.append(Problem("default_ladder", f"there is no ladder {file.default_ladder!r}.", fix))
    if file.embeddings is not None and file.embeddings not in file.tiers:
        fix = nearest(file.embeddings, tiers)
        found.append(Problem("embeddings", f"there is no tier {file.embeddings!r}.", fix))
    tiers_of = {name: ladder.tiers for name, ladder in file.ladders.items()}
    found += rule_table.faults(file.rules, tiers, tiers_of, list(file.verifiers))
    server = file.server
    found += exposure.faults(server.host, server.keys, server.hosts)
    return found


def is_command(check: str) -> bool:
    """Whether an entry of a ladder's ``verify`` is a command line and no verifier's name."""
    return bool(re.search(r"\s", check.strip())) or check.startswith(("./", "/"))
