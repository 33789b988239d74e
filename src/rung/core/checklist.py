"""The order in which a plan's checks run."""

from __future__ import annotations

from rung.core.verdicts import Check, Weight
from rung.core.vote import AGREEMENT

HEAVIEST_FIRST = (Weight.REQUIRED, Weight.IMPLIED, Weight.SIGNAL)


def in_order(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Gates before signals, each name once with the greatest weight it was given.

    Agreement is a signal whatever was asked: it compares draws and cannot reject one of them.
    """
    found: dict[str, Check] = {}
    for check in checks:
        known = found.setdefault(check.name, check)
        if HEAVIEST_FIRST.index(check.weight) < HEAVIEST_FIRST.index(known.weight):
            found[check.name] = check
    if AGREEMENT in found:
        found[AGREEMENT] = Check(AGREEMENT, Weight.SIGNAL)
    gates = [check for check in found.values() if check.weight is not Weight.SIGNAL]
    return (*gates, *[check for check in found.values() if check.weight is Weight.SIGNAL])
