"""The kinds of verifier that a configuration can name, the built-in ones and those of plug-ins.

One row of the table at the end for each; those with options read them in their own file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from rung.core.errors import ConfigError, Problem, RequestError
from rung.core.nearest import nearest
from rung.core.types import Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers import (
    behaviour,
    code_parses,
    command,
    edit_grounded,
    judge,
    language,
    length,
    logprobs,
    names_grounded,
    numbers_grounded,
    placeholders_kept,
    quotes_present,
    regex,
    ruff,
    schema_check,
    sql,
    unit_tests,
)
from rung.verifiers import function as functions
from rung.verifiers import json_schema as schemas
from rung.verifiers.arithmetic import Arithmetic
from rung.verifiers.base import Subject, Verifier, Watch, needs_logprobs, shown, watch
from rung.verifiers.cut_off import CutOff
from rung.verifiers.diff_applies import DiffApplies
from rung.verifiers.hedging import Hedging
from rung.verifiers.label_set import label_set
from rung.verifiers.not_empty import NotEmpty
from rung.verifiers.options import Kind, Options, flag, seconds, weight, wrong
from rung.verifiers.plug_ins import GROUP, PlugIns, Unavailable, loaded
from rung.verifiers.refusal import Refusal
from rung.verifiers.repetition import Repetition

__all__ = ["GROUP", "KINDS", "Kind", "PlugIns", "Unavailable"]
__all__ += ["build", "plug_ins"]


def build(name: str, kind: Kind, options: Options) -> Verifier:
    """The verifier called ``name`` in the configuration, a required gate unless its kind says.

    Raises ConfigError, its places relative to the verifier's own table, with all faults found.
    """
    unknown = [] if kind.options is None else [key for key in options if key not in kind.options]
    if unknown:
        raise ConfigError([_unknown(key, kind) for key in unknown])
    return _named(name, kind.factory(options))


def plug_ins(found: Iterable[EntryPoint] | None = None) -> PlugIns:
    """The kinds that other packages bring; none takes the place of a built-in one."""
    return loaded(KINDS, found)


# ------------------------------------------------------------------ factories


def _json_schema(options: Options) -> Verifier:
    any_object = flag(options, "any_object")
    if any_object == ("schema" in options):
        fix = 'write schema = "answer.schema.json"'
        raise wrong("schema", "give either a schema or any_object = true.", fix)
    schema = None if any_object else _schema(options["schema"])
    limit = seconds(options, schema_check.TIMEOUT_SECONDS)
    try:
        return schemas.json_schema(schema, timeout_seconds=limit)
    except RequestError as error:
        raise wrong("schema", error.message, error.fix) from error


def _schema(given: object) -> Mapping[str, Any] | bool:
    if isinstance(given, Mapping | bool):
        return given
    if not isinstance(given, str):
        raise wrong("schema", "schema must be a path or a table.", 'schema = "answer.schema.json"')
    try:
        path = Path(given)
        if path.stat().st_size > schema_check.LARGEST_SCHEMA:
            said = f"{given} is larger than {schema_check.LARGEST_SCHEMA:,} bytes."
            raise wrong("schema", said, "take out what no answer needs")
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        said = f"{shown(given, 200)} cannot be read: {error}."
        raise wrong("schema", said, "correct the path") from error
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = f"{given} is not JSON: {shown(str(error), 100)}."
        raise wrong("schema", said, "write one JSON Schema") from error
    return cast("Mapping[str, Any] | bool", loaded)


def _label_set(options: Options) -> Verifier:
    return label_set(
        options.get("labels", ()), ignore_case=flag(options, "ignore_case", otherwise=True)
    )


def _python(options: Options) -> Verifier:
    path = options.get("function")
    if not isinstance(path, str):
        raise wrong("function", "function is missing.", 'write function = "checks:valid"')
    limit = seconds(options, functions.TIMEOUT_SECONDS)
    return functions.function(functions.load(path), weight=weight(options), timeout_seconds=limit)


def _signal(made: Refusal | Hedging) -> Callable[[Options], Verifier]:
    """A factory for a signal that ``gate = true`` turns into a required gate."""

    def factory(options: Options) -> Verifier:
        return replace(made, weight=weight(options, otherwise=made.weight))

    return factory


# ------------------------------------------------------------------ names and options


@dataclass(frozen=True, slots=True)
class _Named:
    """Another verifier under the name that the configuration gives it."""

    name: str
    of: Verifier

    @property
    def weight(self) -> Weight:
        return self.of.weight

    @property
    def trust(self) -> Trust:
        return self.of.trust

    @property
    def timeout_seconds(self) -> float:
        return self.of.timeout_seconds

    @property
    def inline(self) -> bool:
        return bool(getattr(self.of, "inline", False))

    @property
    def needs_logprobs(self) -> bool:
        return needs_logprobs(self.of)

    @property
    def check(self) -> Callable[[Subject], Any]:
        return self.of.check

    def watch(self, request: Request) -> Watch | None:
        return watch(self.of, request)


def _named(name: str, made: Verifier) -> Verifier:
    if made.name == name:
        return made
    if is_dataclass(made) and any(field.name == "name" and field.init for field in fields(made)):
        return cast("Verifier", replace(cast("Any", made), name=name))
    return _Named(name, made)


def _unknown(key: str, kind: Kind) -> Problem:
    fix = nearest(key, kind.options or ()) or "remove it, there are none"
    return Problem(key, f"{kind.name} has no option {key!r}.", fix)


_BUILT_IN = (
    Kind(
        "json_schema",
        _json_schema,
        ("schema", "any_object", "timeout_seconds"),
        "the answer is JSON that satisfies a JSON Schema",
        'kind = "json_schema"\nschema = "answer.schema.json"',
    ),
    Kind(
        "label_set",
        _label_set,
        ("labels", "ignore_case"),
        "the answer is one of the labels and nothing else",
        'kind = "label_set"\nlabels = ["spam", "ham"]',
    ),
    Kind(
        "not_empty",
        lambda _: NotEmpty(weight=Weight.REQUIRED),
        (),
        "the answer holds text or a tool call",
        'kind = "not_empty"',
    ),
    Kind(
        "cut_off",
        lambda _: CutOff(weight=Weight.REQUIRED),
        (),
        "the answer was not cut off by a limit that the caller did not set",
        'kind = "cut_off"',
    ),
    Kind(
        "repetition",
        lambda _: Repetition(weight=Weight.REQUIRED),
        (),
        "the answer is in no endless loop",
        'kind = "repetition"',
    ),
    Kind(
        "refusal",
        _signal(Refusal()),
        ("gate",),
        "the answer does not decline; a signal unless gate = true",
        'kind = "refusal"\ngate = true',
    ),
    Kind(
        "hedging",
        _signal(Hedging()),
        ("gate",),
        "the answer does not doubt itself; a signal unless gate = true",
        'kind = "hedging"\ngate = true',
    ),
    Kind(
        "logprobs",
        logprobs.from_options,
        logprobs.OPTIONS,
        "the model was sure of its own words; a signal",
        'kind = "logprobs"\nquantile = 0.1',
    ),
    Kind(
        "code_parses",
        code_parses.from_options,
        ("language", "timeout_seconds"),
        "the code in the answer parses: Python, JSON, TOML, XML, and a dozen more by an extra",
        'kind = "code_parses"\nlanguage = "python"',
    ),
    Kind(
        "ruff",
        ruff.from_options,
        ruff.OPTIONS,
        "ruff finds no fault with the Python in the answer",
        ruff.EXAMPLE,
    ),
    Kind(
        "sql",
        sql.from_options,
        ("schema", "tables", "run", "writes", "dialect", "timeout_seconds"),
        "the SQL in the answer fits the tables, as SQLite or DuckDB sees it",
        'kind = "sql"\ntables = "CREATE TABLE users (id INTEGER, name TEXT)"',
    ),
    Kind(
        "regex",
        regex.from_options,
        ("pattern", "forbid", "whole", "advice", "timeout_seconds"),
        "a pattern matches the answer, or one that is forbidden does not",
        'kind = "regex"\npattern = "[A-Z]{3}-[0-9]+"\nwhole = true\nadvice = "write the id"',
    ),
    Kind(
        "length",
        length.from_options,
        length.UNITS,
        "the answer has so many words, characters, lines or bytes",
        'kind = "length"\nwords = { min = 1, max = 200 }',
    ),
    Kind(
        "numbers_grounded",
        numbers_grounded.from_options,
        ("allow", "free_up_to", "gate"),
        "every number of the answer stands in the request; a signal with gate = false",
        'kind = "numbers_grounded"\nallow = ["100 %"]\nfree_up_to = 3',
    ),
    Kind(
        "names_grounded",
        names_grounded.from_options,
        ("allow", "gate"),
        "every name of the answer stands in the request; a signal with gate = false",
        'kind = "names_grounded"\nallow = ["Europe"]',
    ),
    Kind(
        "quotes_present",
        quotes_present.from_options,
        ("fewest_words", "fields"),
        "everything that the answer quotes stands in the request",
        'kind = "quotes_present"\nfewest_words = 3\nfields = ["evidence"]',
    ),
    Kind(
        "placeholders_kept",
        placeholders_kept.from_options,
        ("counted",),
        "the placeholders of the question are all in the answer",
        'kind = "placeholders_kept"',
    ),
    Kind(
        "language",
        language.from_options,
        ("languages", "gate"),
        "the answer is in that language, or in the question's; a signal with gate = false",
        'kind = "language"\nlanguages = ["de"]',
    ),
    Kind(
        "arithmetic",
        lambda _: Arithmetic(),
        (),
        "the calculations that the answer writes out are right",
        'kind = "arithmetic"',
    ),
    Kind(
        "diff_applies",
        lambda _: DiffApplies(),
        (),
        "the diff in the answer applies to the files in the request",
        'kind = "diff_applies"',
    ),
    Kind(
        "edit_grounded",
        edit_grounded.from_options,
        ("tools",),
        "the edits that the answer makes begin from text that was read before",
        'kind = "edit_grounded"',
    ),
    Kind(
        "command",
        command.command,
        command.OPTIONS,
        "a command that sees the answer as files exits zero, in the sandbox",
        command.EXAMPLE,
    ),
    Kind(
        "unit_tests",
        unit_tests.from_options,
        unit_tests.OPTIONS,
        "your unit tests pass on the Python in the answer, out of its code's reach",
        unit_tests.EXAMPLE,
    ),
    Kind(
        "behaviour",
        behaviour.from_options,
        behaviour.OPTIONS,
        "what a Python function gives on inputs, for votes to compare code by; a signal",
        behaviour.EXAMPLE,
    ),
    Kind(
        "judge",
        judge.from_options,
        judge.OPTIONS,
        "another tier calls the answer right; a signal, a gate only where its errors were measured",
        judge.EXAMPLE,
        tiers=("tier",),
    ),
    Kind(
        "python",
        _python,
        ("function", "gate", "timeout_seconds"),
        "a Python function of yours says so",
        'kind = "python"\nfunction = "my_checks:valid"\ntimeout_seconds = 10',
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _BUILT_IN})
