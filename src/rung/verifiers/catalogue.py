"""The kinds of verifier that a configuration can name, the built-in ones and those of plug-ins.

A plug-in is an entry point in the group ``rung.verifiers``: a callable that takes the options from
rung.toml as a mapping and returns a `Verifier`. One that cannot be loaded stands for a check that
always abstains: what it was to guard is never served as verified.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

from rung.core.errors import ConfigError, Problem, RequestError
from rung.core.nearest import nearest
from rung.core.types import Request, Trust, Weight
from rung.verifiers import function as functions
from rung.verifiers import json_schema as schemas
from rung.verifiers import schema_check
from rung.verifiers.agreement import Agreement
from rung.verifiers.base import Finding, Subject, Verifier, Watch, abstained, shown, watch
from rung.verifiers.cut_off import CutOff
from rung.verifiers.hedging import Hedging
from rung.verifiers.label_set import label_set
from rung.verifiers.not_empty import NotEmpty
from rung.verifiers.refusal import Refusal
from rung.verifiers.repetition import Repetition

GROUP = "rung.verifiers"

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of verifier: how to build it, which options it has (``None``: any), and what for."""

    name: str
    factory: Callable[[Options], Verifier]
    options: tuple[str, ...] | None
    summary: str
    example: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Stands for a check that could not be loaded: always abstains, so nothing passes by it."""

    name: str
    why: str
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.CODE
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:  # noqa: ARG002 - the contract's signature
        """Abstain with the reason it is missing."""
        return abstained(f"the check is not available: {self.why}")


@dataclass(frozen=True, slots=True)
class PlugIns:
    """The kinds that other packages bring, and what went wrong with those that cannot be had."""

    kinds: Mapping[str, Kind]
    warnings: tuple[str, ...]


def implied() -> tuple[Verifier, ...]:
    """What every answer is checked for unless the configuration says otherwise."""
    return (NotEmpty(), CutOff(), Repetition(), Refusal(), Hedging())


def agreement() -> Verifier:
    """The check that the engine adds where several answers are drawn and nothing can prove one."""
    return Agreement()


def build(name: str, kind: Kind, options: Options) -> Verifier:
    """The verifier called ``name`` in the configuration, a required gate unless its kind says.

    Raises ConfigError, its places relative to the verifier's own table, with all faults found.
    """
    unknown = [] if kind.options is None else [key for key in options if key not in kind.options]
    if unknown:
        raise ConfigError([_unknown(key, kind) for key in unknown])
    return _named(name, kind.factory(options))


def plug_ins(found: Iterable[EntryPoint] | None = None) -> PlugIns:
    """Load the plug-ins that are installed. Never raises: one that is broken becomes a warning."""
    kinds: dict[str, Kind] = {}
    warnings: list[str] = []
    for entry in entry_points(group=GROUP) if found is None else found:
        if entry.name in KINDS or entry.name in kinds:
            warnings.append(f"the plug-in {entry.value} is ignored: {entry.name!r} is taken")
            continue
        try:
            factory = entry.load()
            why = None if callable(factory) else f"{entry.value} cannot be called"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - boundary: importing runs other people's code
            factory, why = None, f"{entry.value} cannot be imported: {_said(error)}"
        if why is not None:
            warnings.append(f"the plug-in {entry.name!r} is not available: {why}")
        guarded = _guarded(entry.name, factory, why)
        kinds[entry.name] = Kind(entry.name, guarded, None, f"plug-in {entry.value}", "")
    return PlugIns(MappingProxyType(kinds), tuple(warnings))


# ------------------------------------------------------------------ factories


def _json_schema(options: Options) -> Verifier:
    any_object = _flag(options, "any_object")
    if any_object == ("schema" in options):
        fix = 'write schema = "answer.schema.json"'
        raise _wrong("schema", "give either a schema or any_object = true.", fix)
    schema = None if any_object else _schema(options["schema"])
    seconds = _seconds(options, schema_check.TIMEOUT_SECONDS)
    try:
        return schemas.json_schema(schema, timeout_seconds=seconds)
    except RequestError as error:
        raise _wrong("schema", error.message, error.fix) from error


def _schema(given: object) -> Mapping[str, Any] | bool:
    if isinstance(given, Mapping | bool):
        return given
    if not isinstance(given, str):
        raise _wrong("schema", "schema must be a path or a table.", 'schema = "answer.schema.json"')
    try:
        path = Path(given)
        if path.stat().st_size > schema_check.LARGEST_SCHEMA:
            said = f"{given} is larger than {schema_check.LARGEST_SCHEMA:,} bytes."
            raise _wrong("schema", said, "take out what no answer needs")
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        said = f"{shown(given, 200)} cannot be read: {error}."
        raise _wrong("schema", said, "correct the path") from error
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = f"{given} is not JSON: {shown(str(error), 100)}."
        raise _wrong("schema", said, "write one JSON Schema") from error
    return cast("Mapping[str, Any] | bool", loaded)


def _label_set(options: Options) -> Verifier:
    return label_set(
        options.get("labels", ()), ignore_case=_flag(options, "ignore_case", otherwise=True)
    )


def _python(options: Options) -> Verifier:
    path = options.get("function")
    if not isinstance(path, str):
        raise _wrong("function", "function is missing.", 'write function = "checks:valid"')
    seconds = _seconds(options, functions.TIMEOUT_SECONDS)
    weight = _weight(options, otherwise=Weight.REQUIRED)
    return functions.function(functions.load(path), weight=weight, timeout_seconds=seconds)


def _signal(made: Refusal | Hedging) -> Callable[[Options], Verifier]:
    """A factory for a signal that ``gate = true`` turns into a required gate."""

    def factory(options: Options) -> Verifier:
        return replace(made, weight=_weight(options, otherwise=made.weight))

    return factory


def _guarded(
    name: str, factory: Callable[[Options], Any] | None, why: str | None
) -> Callable[[Options], Verifier]:
    """A plug-in's factory that gives an `Unavailable` where it fails; ConfigErrors pass."""

    def guarded(options: Options) -> Verifier:
        if factory is None or why is not None:
            return Unavailable(name, why or "it is missing")
        try:
            made = factory(options)
            lacking = _lacking(made)
        except (ConfigError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - boundary: other people's code
            return Unavailable(name, f"it cannot be built: {_said(error)}")
        return Unavailable(name, f"it is no verifier: {lacking}") if lacking else made

    return guarded


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


def _lacking(made: Any) -> str | None:
    """What keeps an object from being a verifier."""
    wanted = {"name": str, "weight": Weight, "trust": Trust, "timeout_seconds": int | float}
    for attribute, kind in wanted.items():
        if not isinstance(getattr(made, attribute, None), kind):
            return f"{type(made).__name__} has no {attribute}"
    return None if callable(getattr(made, "check", None)) else "it has no check"


def _weight(options: Options, *, otherwise: Weight) -> Weight:
    if "gate" not in options:
        return otherwise
    return Weight.REQUIRED if _flag(options, "gate") else Weight.SIGNAL


def _flag(options: Options, key: str, *, otherwise: bool = False) -> bool:
    value = options.get(key, otherwise)
    if not isinstance(value, bool):
        raise _wrong(key, f"{key} must be true or false.", f"{key} = true")
    return value


def _seconds(options: Options, otherwise: float) -> float:
    value = options.get("timeout_seconds", otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        fix = f"timeout_seconds = {otherwise:g}"
        raise _wrong("timeout_seconds", "timeout_seconds must be within 0 and 3600.", fix)
    return float(value)


def _unknown(key: str, kind: Kind) -> Problem:
    fix = nearest(key, kind.options or ()) or "remove it, there are none"
    return Problem(key, f"{kind.name} has no option {key!r}.", fix)


def _wrong(place: str, message: str, fix: str | None) -> ConfigError:
    return ConfigError([Problem(place, message, fix)])


def _said(error: BaseException) -> str:
    return shown(f"{type(error).__name__}: {error}", 200)


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
        "python",
        _python,
        ("function", "gate", "timeout_seconds"),
        "a Python function of yours says so",
        'kind = "python"\nfunction = "my_checks:valid"\ntimeout_seconds = 10',
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _BUILT_IN})
