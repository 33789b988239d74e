"""What every answer is checked for without being asked.

Apart from the catalogue, so that a gateway without verifiers of its own starts without loading
every kind there is.
"""

from __future__ import annotations

from rung.verifiers.base import Verifier
from rung.verifiers.cut_off import CutOff
from rung.verifiers.hedging import Hedging
from rung.verifiers.not_empty import NotEmpty
from rung.verifiers.refusal import Refusal
from rung.verifiers.repetition import Repetition


def implied() -> tuple[Verifier, ...]:
    """These checks, in the order they run."""
    return (NotEmpty(), CutOff(), Repetition(), Refusal(), Hedging())
