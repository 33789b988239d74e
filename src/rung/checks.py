"""Checks for `Cascade.run(..., verify=...)`.

    from rung import checks
    cascade.run("Is this spam? ...", verify=checks.labels("spam", "ham"))

Each returns a verifier whose failure rejects the answer: it is repaired, or the next tier asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from rung.core.errors import RequestError
from rung.core.types import Weight
from rung.verifiers import function as functions
from rung.verifiers import json_schema as schemas
from rung.verifiers.base import Verifier
from rung.verifiers.cut_off import CutOff
from rung.verifiers.hedging import Hedging
from rung.verifiers.label_set import label_set
from rung.verifiers.not_empty import NotEmpty
from rung.verifiers.refusal import Refusal

__all__ = [
    "json_schema",
    "json_object",
    "labels",
    "function",
    "not_empty",
    "not_cut_off",
    "not_refused",
    "not_hedged",
    "Verify",
    "verifiers",
]

Verify = Callable[..., Any] | Verifier | Sequence[Callable[..., Any] | Verifier]


def json_schema(schema: Mapping[str, Any] | bool) -> Verifier:
    """The answer is JSON that satisfies ``schema`` (drafts 4 to 2020-12)."""
    return schemas.json_schema(schema)


def json_object() -> Verifier:
    """The answer is a JSON object, whatever is in it."""
    return replace(schemas.json_schema(None), name="json_object")


def labels(*allowed: str, ignore_case: bool = True) -> Verifier:
    """The answer is one of ``allowed`` and nothing else."""
    return label_set(allowed, ignore_case=ignore_case)


def function(
    call: Callable[..., Any],
    *,
    name: str | None = None,
    timeout_seconds: float = functions.TIMEOUT_SECONDS,
) -> Verifier:
    """What ``call`` says of the answer's text: True, False, None (cannot tell), or what is wrong.

    It may be async. An argument named ``subject`` is given the request and the whole answer.
    """
    return functions.function(call, name=name, timeout_seconds=timeout_seconds)


def not_empty() -> Verifier:
    """The answer holds text or a tool call."""
    return NotEmpty(weight=Weight.REQUIRED)


def not_cut_off() -> Verifier:
    """The answer was not cut off by a limit other than the caller's own."""
    return CutOff(weight=Weight.REQUIRED)


def not_refused() -> Verifier:
    """The answer does not decline, by the provider's word or by how it opens."""
    return Refusal(weight=Weight.REQUIRED)


def not_hedged() -> Verifier:
    """The answer is not dense with doubt ("I'm not sure, it might be ...")."""
    return Hedging(weight=Weight.REQUIRED)


def verifiers(verify: Verify) -> tuple[Verifier, ...]:
    """Whatever ``verify=`` was given, as verifiers: one callable or verifier, or several.

    Raises RequestError for anything else.
    """
    if callable(verify) or _is_verifier(verify):
        return (_one(verify),)
    if isinstance(verify, str) or not isinstance(verify, Sequence):
        return (_one(verify),)
    return tuple(_one(each) for each in verify)


def _one(given: Any) -> Verifier:
    if _is_verifier(given):
        return cast("Verifier", given)
    if callable(given):
        return functions.function(given)
    raise RequestError(
        f"verify= takes a function or one of rung.checks, not {type(given).__name__}.",
        fix="write verify=lambda text: ..., or verify=checks.json_schema(...)",
    )


def _is_verifier(given: object) -> bool:
    return all(hasattr(given, name) for name in ("name", "weight", "trust", "check"))
