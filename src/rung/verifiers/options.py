"""A kind of verifier, and reading its options: each fault names its place and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rung.core.errors import ConfigError, Problem
from rung.core.verdicts import Weight
from rung.verifiers.base import Verifier

Options = Mapping[str, Any]

LONGEST_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of verifier: how to build it, which options it has (``None``: any), and what for.

    ``tiers`` are those of its options that name a tier.
    """

    name: str
    factory: Callable[[Options], Verifier]
    options: tuple[str, ...] | None
    summary: str
    example: str
    tiers: tuple[str, ...] = ()


def weight(options: Options, *, otherwise: Weight = Weight.REQUIRED) -> Weight:
    """What ``gate`` makes of the check: a required gate, or a signal."""
    if "gate" not in options:
        return otherwise
    return Weight.REQUIRED if flag(options, "gate") else Weight.SIGNAL


def flag(options: Options, key: str, *, otherwise: bool = False) -> bool:
    """True or false."""
    value = options.get(key, otherwise)
    if not isinstance(value, bool):
        raise wrong(key, f"{key} must be true or false.", f"{key} = true")
    return value


def seconds(options: Options, otherwise: float) -> float:
    """``timeout_seconds``."""
    value = options.get("timeout_seconds", otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = 0
    if not 0 < value <= LONGEST_SECONDS:
        fix = f"timeout_seconds = {otherwise:g}"
        said = f"timeout_seconds must be within 0 and {LONGEST_SECONDS}."
        raise wrong("timeout_seconds", said, fix)
    return float(value)


def text(options: Options, key: str, example: str, *, otherwise: str | None = None) -> str:
    """A text that is not empty; ``otherwise`` where it is left out, if that is allowed."""
    value = options.get(key, otherwise)
    if value is None:
        raise wrong(key, f"{key} is missing.", f"write {example}")
    if not isinstance(value, str) or (not value and value != otherwise):
        raise wrong(key, f"{key} must be a text that is not empty.", f"write {example}")
    return value


def texts(options: Options, key: str, example: str) -> tuple[str, ...]:
    """A list of texts, empty where it is left out."""
    value = options.get(key, ())
    listed = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    if not listed or not all(value):
        raise wrong(key, f"{key} must be a list of texts.", f"write {example}")
    return tuple(value)


def count(options: Options, key: str, otherwise: int) -> int:
    """A whole number from 0 up."""
    value = options.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(key, f"{key} must be a whole number from 0 up.", f"{key} = {otherwise}")
    return value


def wrong(place: str, message: str, fix: str | None) -> ConfigError:
    """The error for one option."""
    return ConfigError([Problem(place, message, fix)])
