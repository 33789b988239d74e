"""What was promised of a tuned ladder, as the ledger keeps it for the watch."""

from __future__ import annotations

from collections.abc import Mapping

from rung.ledger import Ledger, certificates
from rung.ledger.certificates import Certified, CheckErrors, TierFigures
from rung.tuner.aims import Errors, Part, Recommendation
from rung.tuner.applying import Applied


def certified(
    made: Recommendation, put: Applied, tiers: Mapping[str, TierFigures] | None = None
) -> Certified:
    """The certificate of a recommendation by the configuration's names.

    ``tiers`` is what each tier is to come to, by the same names.
    """
    return Certified(
        target=made.target,
        confidence=made.certificate.confidence,
        basis=made.certificate.basis.value,
        n=made.n,
        policy=put.policies.whole,
        by_category=dict(put.policies.by_category),
        part=_part(put.policies.part),
        baseline=put.baseline or (None if made.baseline is None else made.baseline.model),
        assumptions=made.certificate.assumptions,
        errors=_errors(made.aim.errors),
        quality=made.quality.value,
        quality_lower=made.quality_lower,
        cost_usd=made.cost_usd.value,
        cost_upper=made.cost_upper,
        tiers=tiers or {},
    )


def _part(tuned: Part | None) -> certificates.Part | None:
    return None if tuned is None else certificates.Part(tuned.share, tuned.policy)


def _errors(told: Errors) -> CheckErrors:
    """A rate that was told and not measured is its own bound."""
    accept, reject = told.highest_accept, told.highest_reject
    return CheckErrors(
        false_accept=told.false_accept,
        false_reject=told.false_reject,
        highest_accept=told.false_accept if accept is None else accept,
        highest_reject=told.false_reject if reject is None else reject,
        labels=told.labels,
    )


def keep(ledger: Ledger, ladder: str, made: Certified, now: float) -> bool:
    """Put a ladder's certificate in force; says whether it is another than the one that was.

    A ladder tuned without a guarantee withdraws what was promised of it before. Raises LedgerError.
    """
    newest = ledger.certificate(ladder)
    if newest is not None and newest.made == made:
        return False
    ledger.add_certificate(ladder, made, now, "tuned")
    return True
