"""Plans in two parts: what many requests share, stored once, and what is each request's own.

The own part is a list of values in a fixed order, which takes a tenth of the whole. Rows of older
versions hold whole plans and name no shared part.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec

from rung.core.plan import Plan

OWN: Final = ("seed", "deadline_seconds", "cost_cap_nanousd", "excluded")
"""Of a plan, what goes by the request."""

OWN_OF_ROUTE: Final = ("why", "propensity")
OWN_OF_STEP: Final = ("worst_cost_nanousd", "worst_draft_nanousd", "expected")

_plans = msgspec.json.Decoder(Plan)
_shared = msgspec.json.Decoder(dict[str, Any])
_own = msgspec.json.Decoder(list[Any])


def split(plan: Plan, encode: Callable[[object], str]) -> tuple[str, str, str]:
    """The shared part's id, equal for equal ones in every ledger; that part, and the own one."""
    told: dict[str, Any] = msgspec.to_builtins(plan, enc_hook=str)
    own: list[Any] = [told.pop(name) for name in OWN]
    own += [told["route"].pop(name) for name in OWN_OF_ROUTE]
    own += [step.pop(name) for step in told["steps"] for name in OWN_OF_STEP]
    shared = encode(told)
    return sha256(shared.encode()).hexdigest()[:16], shared, encode(own)


def joined(shared: str | None, own: str) -> Plan:
    """The plan of both parts, or of one that is whole. Raises ValueError."""
    if shared is None:
        return _plans.decode(own)
    told, values = _shared.decode(shared), iter(_own.decode(own))
    try:
        told |= {name: next(values) for name in OWN}
        told["route"] |= {name: next(values) for name in OWN_OF_ROUTE}
        for step in told["steps"]:
            step |= {name: next(values) for name in OWN_OF_STEP}
    except (StopIteration, KeyError, TypeError) as error:
        raise ValueError(f"the two parts of a plan do not fit: {type(error).__name__}") from error
    return msgspec.convert(told, Plan)
