"""Which verifier a person means: one of rung.toml, a kind, a Python function, a command line."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rung.assemble import assemble
from rung.cli.output import stripped
from rung.cli.settings import load
from rung.config import Config, is_command
from rung.core.errors import ConfigError, Problem, RequestError, RungError
from rung.core.nearest import nearest
from rung.core.plan import TOOL_CALLS
from rung.fittings import command_of, commands_of, verifier_from, verifier_of
from rung.verifiers.base import Verifier
from rung.verifiers.options import Kind
from rung.workshop import Workshop

PATHS = ("schema", "workspace")
"""Options that are paths: on the command line, of the current folder."""

SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "json_schema": {"any_object": True},
    "python": {"function": "builtins:len"},
}
"""Options with which those kinds can be built whose example names a file."""

_NOT_BY_ITSELF = frozenset({"kind", "gate", "measured_false_accept"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A verifier as it was asked for. ``options`` are `key=value` as they were typed."""

    name: str
    options: tuple[str, ...] = ()
    config: Path | None = None


@asynccontextmanager
async def ready(wanted: Wanted) -> AsyncIterator[Verifier]:
    """The verifier with all that it needs to run, which is ended on leaving.

    Raises RequestError where nothing has that name, ConfigError for wrong options. A rung.toml is
    read where there is one; only a check that asks tiers needs all of it in order.
    """
    config = load(wanted.config, parts=False)
    made = built(wanted, config)
    async with AsyncExitStack() as parts:
        if _asks_tiers(wanted.name, config):
            assembly = assemble(load(wanted.config), ledger=False)
            parts.push_async_callback(assembly.close)
            yield assembly.workshop.equipped(made)
            return
        workshop = Workshop(config)
        parts.push_async_callback(workshop.close)
        yield workshop.equipped(made)


def built(wanted: Wanted, config: Config) -> Verifier:
    """The verifier, without what it needs to run."""
    name, given = wanted.name, options(wanted.options)
    configured = config.file.verifiers.get(name)
    try:
        if configured is not None:
            if given:
                said = f"{name} is configured in rung.toml, with its options."
                raise RequestError(said, fix="change them there, or name its kind instead")
            return verifier_of(name, configured, config)
        if is_command(name):
            return _command(name, given, config)
        return _by_itself(name, given, config)
    except ConfigError as error:
        raise _placed(name, error) from None


def _by_itself(name: str, given: Mapping[str, Any], config: Config) -> Verifier:
    """A kind, the gate on tool calls, or a function."""
    found = kinds()
    if name in found:
        return verifier_of(name, {"kind": name, **given}, config)
    if given:
        raise RequestError(f"{stripped(name)} takes no options.", fix="they are for kinds")
    if name == TOOL_CALLS:
        from rung.verifiers.tool_calls import tool_calls_gate

        return tool_calls_gate()
    if ":" in name:
        return verifier_from(name)
    known = [*config.file.verifiers, *found, TOOL_CALLS]
    fix = nearest(name, known) or "see `rung verify list`"
    said = f"there is no verifier {stripped(name)!r}; a command holds a blank or begins with ./."
    raise RequestError(said, fix=fix)


def _command(line: str, given: Mapping[str, Any], config: Config) -> Verifier:
    if not given:
        return command_of(line, config)
    return verifier_of(line, {"kind": "command", "run": line, **given}, config)


def kinds() -> dict[str, Kind]:
    """All kinds by name, those of plug-ins last."""
    from rung.verifiers.catalogue import KINDS, plug_ins

    return {**KINDS, **plug_ins().kinds}


def options(typed: Iterable[str]) -> dict[str, Any]:
    """`key=value` pairs as a table of rung.toml would have them; what is no TOML is a text."""
    found: dict[str, Any] = {}
    for each in typed:
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            said = f"--option {stripped(each)} is no key=value."
            raise RequestError(said, fix='as in --option words="{ max = 200 }"')
        if key.strip() in found:
            said = f"--option {stripped(key)} is given twice."
            raise RequestError(said, fix='lists are written as in --option labels=["a","b"]')
        found[key.strip()] = _value(value)
    for key in PATHS:
        if isinstance(found.get(key), str):
            found[key] = str(Path(found[key]).absolute())
    return found


def _value(typed: str) -> Any:
    try:
        return tomllib.loads(f"value = {typed}")["value"] if "\n" not in typed else typed
    except (tomllib.TOMLDecodeError, KeyError, RecursionError):
        return typed


def _asks_tiers(name: str, config: Config) -> bool:
    kind = str(config.file.verifiers.get(name, {}).get("kind", name))
    found = kinds()
    return kind in found and bool(found[kind].tiers)


def _placed(name: str, error: ConfigError) -> ConfigError:
    """The error with the verifier's name before each place."""
    shown = stripped(name)
    placed = [Problem(f"{shown}: {each.place}", each.message, each.fix) for each in error.problems]
    return ConfigError(placed)


# ------------------------------------------------------------------ all there are


def configured(config: Config) -> tuple[dict[str, Any], ...]:
    """The verifiers of rung.toml and the command lines on its ladders, for people and programs."""
    found = dict.fromkeys(commands_of(config), "command") | {
        name: str(given.get("kind", "")) for name, given in config.file.verifiers.items()
    }
    ladders = config.file.ladders.items()
    return tuple(
        {
            "name": name,
            **_nature(partial(built, Wanted(name), config)),
            "kind": kind,
            "ladders": tuple(ladder for ladder, table in ladders if name in table.verify),
        }
        for name, kind in found.items()
    )


def kind_told(kind: Kind) -> dict[str, Any]:
    """One kind: what it is unless options say otherwise, its options, and how it is written."""
    written = SAMPLES.get(kind.name) or tomllib.loads(kind.example)
    given = {key: value for key, value in written.items() if key not in _NOT_BY_ITSELF}
    return {
        "name": kind.name,
        **_nature(partial(kind.factory, given)),
        "summary": kind.summary,
        "options": kind.options,
        "example": kind.example,
    }


def _nature(build: Callable[[], Verifier]) -> dict[str, Any]:
    """The weight and trust of a verifier, or why it cannot be built."""
    try:
        made = build()
    except RungError as error:
        return {"weight": None, "trust": None, "problem": error.message}
    return {"weight": made.weight.value, "trust": made.trust.value, "problem": None}
