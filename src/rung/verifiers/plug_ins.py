"""Verifiers of other packages, by entry points in the group ``rung.verifiers``.

An entry point is a callable that takes the options from rung.toml as a mapping and returns a
`Verifier`. One that cannot be loaded stands for a check that always abstains: what it was to guard
is never served as verified.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, ClassVar

from rung.core.errors import ConfigError
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, Verifier, abstained, shown
from rung.verifiers.options import Kind, Options

GROUP = "rung.verifiers"


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


def loaded(taken: Container[str], found: Iterable[EntryPoint] | None = None) -> PlugIns:
    """Load the plug-ins that are installed, but those whose names are ``taken``.

    Never raises: one that is broken becomes a warning.
    """
    kinds: dict[str, Kind] = {}
    warnings: list[str] = []
    for entry in entry_points(group=GROUP) if found is None else found:
        if entry.name in taken or entry.name in kinds:
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


def _lacking(made: Any) -> str | None:
    """What keeps an object from being a verifier."""
    wanted = {"name": str, "weight": Weight, "trust": Trust, "timeout_seconds": int | float}
    for attribute, kind in wanted.items():
        if not isinstance(getattr(made, attribute, None), kind):
            return f"{type(made).__name__} has no {attribute}"
    return None if callable(getattr(made, "check", None)) else "it has no check"


def _said(error: BaseException) -> str:
    return shown(f"{type(error).__name__}: {error}", 200)
