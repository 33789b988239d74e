"""What is asked of the tuner, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rung.core.plan import Policy


class Mode(StrEnum):
    """How a ladder that does not end in the reference has to earn its certificate."""

    DEFAULT = "default"
    PROOF = "proof"
    NONE = "none"


class Basis(StrEnum):
    """What a certificate rests on."""

    REFERENCE_KEPT = "reference kept"
    """Each request that the reference would pass is passed: nothing was tested."""
    TESTED = "tested"
    """Exact paired tests against the target, corrected for all that were tried."""
    PROOF = "proof"
    """A bound that holds for every sample size, on data that chose nothing."""
    NOTHING = "no guarantee"


@dataclass(frozen=True, slots=True)
class Errors:
    """How often the check errs: of wrong answers that it lets pass, of right ones it turns down.

    Rates are 0..1. ``highest`` are upper confidence bounds where the rates were measured, else the
    rates themselves; ``labels`` is how many labelled answers they were measured on, 0 where they
    were told. ``doubt`` is the chance that either bound is too low, which a certificate has to take
    off its confidence.
    """

    false_accept: float = 0.0
    false_reject: float = 0.0
    highest_accept: float | None = None
    highest_reject: float | None = None
    labels: int = 0
    doubt: float = 0.0

    @property
    def any(self) -> bool:
        """Whether the check is anything but perfect."""
        return max(self.false_accept, self.highest_accept or 0.0, self.false_reject) > 0


SOUND = Errors()


@dataclass(frozen=True, slots=True)
class Aim:
    """One target: ``baseline`` less ``max_loss`` (0..1), ``quality`` (0..1), or ``budget_usd``.

    ``budget_usd`` is the most that a request may cost on the mean, ``slowest_seconds`` the most
    that it may take on the mean. ``errors`` are those of the check that ladders climb by.
    ``thresholds`` and ``give_up`` say whether policies may use them.
    """

    baseline: str | None = None
    max_loss: float = 0.0
    quality: float | None = None
    budget_usd: float | None = None
    confidence: float = 0.9
    mode: Mode = Mode.DEFAULT
    max_tiers: int = 3
    slowest_seconds: float | None = None
    by_category: bool = False
    errors: Errors = SOUND
    thresholds: bool = True
    give_up: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval, in the figure's own unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Part:
    """A share (0..1) of all requests, drawn by a hash of each, and the ladder that they go by."""

    share: float
    policy: Policy


@dataclass(frozen=True, slots=True)
class Tuned:
    """A policy as data: one ladder for all, others for some categories, one for a share of all.

    The ladders are the engine's own `core.plan.Policy`; a rung's ``tier`` is the model's name in
    the outcomes. ``ladder`` of each is "" for all and the category's name for that category.
    ``part``: these requests go by its ladder, whatever their category; all others by the rest.
    """

    whole: Policy
    by_category: Mapping[str, Policy] = field(default_factory=dict)
    part: Part | None = None

    def of(self, category: str) -> Policy:
        """The ladder of a request of this category."""
        return self.by_category.get(category, self.whole)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another policy on the front of cost and quality, on these data.

    ``why_not``: why it is not the answer, "" if it is. Money is dollars a request.
    """

    tuned: Tuned
    quality: Estimate
    cost_usd: Estimate
    certified: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why the target holds: with probability ``confidence`` over the draw of the data.

    ``assumptions`` are plain sentences. ``p_value`` is that of the test, ``level`` what it had to
    stay under; both ``None`` where nothing was tested.
    """

    basis: Basis
    confidence: float
    assumptions: tuple[str, ...]
    p_value: float | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The reference: the model that would have answered had there been no ladder."""

    model: str
    quality: Estimate
    cost_usd: Estimate


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The tuner's answer. Money is dollars a request; qualities and shares are 0..1.

    Where nothing could be certified, ``tuned`` is the baseline alone (or ``None`` without one),
    and ``certificate.basis`` says so. ``saved``: 1 - cost / the baseline's cost, of these data.
    ``quality_lower`` and ``cost_upper`` are one-sided bounds at the confidence asked for.
    ``needed`` is about how many queries would certify the cheapest that looks good enough,
    ``None`` where no number would. ``advice`` are plain sentences: what to drop, what would pay.
    """

    aim: Aim
    tuned: Tuned | None
    certificate: Certificate
    target: float | None
    quality: Estimate
    quality_lower: float
    cost_usd: Estimate
    cost_upper: float
    saved: Estimate | None
    baseline: Baseline | None
    alternatives: tuple[Alternative, ...]
    n: int
    needed: int | None
    advice: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def certified(self) -> bool:
        """Whether the promise of the aim holds for what is recommended."""
        return self.certificate.basis is not Basis.NOTHING
