"""What checks say of an answer: a verdict, how much it is worth, and what it may do.

Frozen data like all of the core's nouns. Money is integer nano-dollars, times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What a verifier concluded. Crashed, missing and unavailable checks abstain."""

    PASSED = "passed"
    FAILED = "failed"
    ABSTAINED = "abstained"


class Trust(StrEnum):
    """How hard it is for the checked answer to fake this verdict.

    DATA: the answer was only data to a check outside its reach (a schema, a label set).
    CODE: the check is the operator's own Python function. SPLIT: the answer's code ran in one
    process, the tests that judged it in another. CANARY: it ran beside the tests, among which were
    some that had to fail. COMMAND: a command's exit status; where the command runs the answer's own
    code, that code can fake it. JUDGE: another model's opinion. SELF: a signal the model gives.
    """

    DATA = "data"
    CODE = "code"
    SPLIT = "split"
    CANARY = "canary"
    COMMAND = "command"
    JUDGE = "judge"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check of one attempt.

    ``score`` is a signal's estimate that the answer is right, 0..1, ``None`` for gates. ``vacuous``
    says that it passed because there was nothing to judge: it proves nothing. ``says`` is a digest
    of what the answer means to this check: in a vote, answers with equal ones say the same.
    ``cost_nanousd`` is what the check itself was billed. ``at`` is when the check ended, in seconds
    since the request began. ``left`` says that the check sent something beyond this machine.
    """

    verifier: str
    status: Status
    reason: str
    trust: Trust = Trust.DATA
    score: float | None = None
    seconds: float = 0.0
    at: float = 0.0
    vacuous: bool = False
    says: str | None = None
    cost_nanousd: int = 0
    left: bool = False


class Weight(StrEnum):
    """What a failed check may do: REQUIRED and IMPLIED gates reject, a SIGNAL lowers confidence.

    REQUIRED was asked for by the caller or the configuration: an answer that fails it is never
    served as a plain success. IMPLIED is hygiene (not empty, not cut off): it climbs while there is
    a tier above, and flags the answer when there is none.
    """

    REQUIRED = "required"
    IMPLIED = "implied"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class Check:
    """A verifier's place on a plan, by name, so that a plan can be stored and replayed."""

    name: str
    weight: Weight
