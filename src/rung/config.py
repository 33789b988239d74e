"""rung.toml and the environment, turned into one frozen configuration.

The file holds everything but secrets; the environment holds secrets and nothing else that changes
an answer. Every fault is reported at once, each with its place and its fix: a key that is unknown,
or that does nothing where it stands, is a fault.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from rung import rule_table
from rung.core.errors import ConfigError, Problem
from rung.core.nearest import nearest
from rung.core.plan import OnExhausted, StreamMode
from rung.core.vote import Comparison
from rung.places import placed
from rung.rule_table import RuleTable

FILE_NAME = "rung.toml"
DEFAULT_PORT = 4100

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
TierName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}$")]
"""May be a model's own name: `llama3.1:8b`, `meta-llama/llama-3.3-70b-instruct`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
"""An amount as it was typed: TOML's floats are read as decimals, never as binary."""


def _share(given: object) -> object:
    """A share as people write it: ``"2%"`` or 0.02."""
    if isinstance(given, str) and given.strip().endswith("%"):
        try:
            return float(given.strip()[:-1]) / 100
        except ValueError:
            return given
    return given


Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(_share)]


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
        elif bool in kinds and given not in (None, "auto"):
            other = " or 'auto'" if Literal["auto"] in kinds else ""
            raise ValueError(f"Input should be true or false{other}")
        return given


class PriceTable(_Table):
    """A tier's own price, in US dollars per million tokens."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cache_read_usd_per_mtok: Usd | None = None
    cache_write_usd_per_mtok: Usd | None = None


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
    repairs: Annotated[int, Field(ge=0, le=5)] | Literal["auto"] = "auto"
    samples: Annotated[int, Field(ge=1, le=15)] = 1
    price: PriceTable | Literal["free"] | None = None
    usd_per_second: Usd | None = None
    constrained: bool | None = None
    model_path: Path | None = None
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    keep_alive: str | None = None
    responses: bool | None = None


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


class ServerTable(_Table):
    """Where the gateway listens. Only loopback addresses."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = DEFAULT_PORT
    max_body_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024 * 1024
    hosts: tuple[str, ...] = ()


class SandboxTable(_Table):
    """Where commands run."""

    allow_unsandboxed: bool = False
    workspace: str | None = None
    memory_mb: Annotated[int, Field(ge=64, le=1_048_576)] = 512
    processes: Annotated[int, Field(ge=8, le=4096)] = 32
    reads: tuple[str, ...] = ()


class FileTable(_Table):
    """The whole of rung.toml."""

    ledger: Path | None = None
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


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration. ``path`` is the file it came from, ``None`` for the built-in one."""

    file: FileTable
    path: Path | None
    ledger: Path
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
        ledger = folder / table.ledger if table.ledger else default_ledger(env)
        config = Config(table, path, ledger, folder, env)
        problems += [placed(problem, path, text) for problem in _cross_checks(config)]
        problems += [placed(p, path, text) for p in (inspect(config) if inspect else ())]
        if not problems:
            return config
    raise ConfigError(problems)


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
    problems += [placed(problem(each), path, text) for each in details]
    if not all(each["type"] != "missing" and _cut(raw, each["loc"]) for each in details):
        return None
    try:
        return FileTable.model_validate(raw)
    except ValidationError:
        return None


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
        part in {"PriceTable", "[key]", "constrained-int"} or part.startswith("literal[")
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
    }
    if not where:
        return list(FileTable.model_fields)
    if where[-1] == "price":
        return list(PriceTable.model_fields)
    table = tables.get(where[0])
    return list(table.model_fields) if table else []


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


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
    if (exposed := not_loopback("server.host", file.server.host)) is not None:
        found.append(exposed)
    return found


def is_command(check: str) -> bool:
    """Whether an entry of a ladder's ``verify`` is a command line and no verifier's name."""
    return bool(re.search(r"\s", check.strip())) or check.startswith(("./", "/"))


def not_loopback(place: str, host: str) -> Problem | None:
    """Why a gateway without keys must not listen at ``host``, if so."""
    if host in {"127.0.0.1", "::1", "localhost"}:
        return None
    return Problem(
        place,
        f"{host!r} can be reached from other machines, and there are no keys.",
        "use 127.0.0.1, and a tunnel or an authenticating proxy in front",
    )
