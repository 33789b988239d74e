"""Does a certificate still hold? The newest one of a ladder against what the ledger saw since.

Two things can break it: fewer requests are served a right answer than was promised, or the check
lets more wrong ones pass than was reckoned with. Both are tested on answers that a random draw had
looked at again, by `core.drift`: with nothing moved, anything is called broken with a chance of 5%
at most, however often and however long one looks. Labels that somebody chose to give, and each
tier's share of accepted answers and mean cost, can only raise a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rung.core.drift import (
    NOTICED,
    SUSPICION,
    Evidence,
    State,
    Window,
    least_share,
    shift,
    wagered,
)
from rung.core.errors import RequestError
from rung.core.stats import rate
from rung.ledger import Ledger
from rung.ledger.certificates import Certified, StoredCertificate, TierFigures
from rung.ledger.watched import Tried, Watched, watched

QUALITY_DOUBT = 0.025
SHARE_DOUBT = 0.0025
BASELINE_DOUBT = 0.01
PASSED_DOUBT = 0.01
"""Of the labels of served answers, of each of two counted shares, of a baseline's own share, of
wrong answers that passed: together 5%."""

ERRING = 0.01
"""A second look errs too: nothing is held to fewer wrong answers than this."""

MOVED = 0.02
"""A tier's share of accepted answers, or its cost by so large a part, has to move more."""

_WORST = (State.HOLDS, State.LITTLE, State.DOUBTFUL, State.BROKEN)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was watched: its ``state``, and in words what was seen.

    ``observed`` and ``limit`` are shares (0..1), of a tier's cost nano-dollars, over ``n`` answers
    or requests. ``doubt`` is how likely such evidence is at most where nothing has moved.
    """

    about: str
    state: State
    said: str
    n: int = 0
    observed: float | None = None
    limit: float | None = None
    doubt: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a certificate ``now``. ``since_unix`` is when it was made."""

    ladder: str
    since_unix: float
    now: float
    certified: Certified
    requests: int
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """Broken or doubtful where any finding is; else what quality itself is."""
        worst = max((one.state for one in self.findings), key=_WORST.index)
        return worst if worst in {State.DOUBTFUL, State.BROKEN} else self.findings[0].state

    @property
    def said(self) -> str:
        """The whole in one line: the first finding that is as bad as it gets."""
        first = next(one for one in self.findings if one.state is self.state)
        return f"{self.state.value}: {first.said}"


def check(ledger: Ledger, ladder: str, now: float, *, tiers: bool = True) -> Watch:
    """Hold a ladder's certificate against its requests, labels and audits since.

    Without ``tiers`` it is not asked whether those cost and pass what they did: that breaks none.
    Raises RequestError (404) where nothing is certified, LedgerError where the ledger is away.
    """
    row = ledger.certificate(ladder)
    if row is None or row.made is None or not row.made.promises:
        raise RequestError(
            f"Nothing is certified of ladder {ladder!r}: {_why_nothing(row)}.",
            status=404,
            param="ladder",
            fix="`rung tune --apply` certifies a ladder; `rung tune --help` says how",
        )
    with ledger.reading() as connection:
        seen = watched(connection, _ladders(ladder, row.made), row.created_unix, tiers=tiers)
    return judged(ladder, row, seen, now)


def standing(ledger: Ledger, now: float, *, tiers: bool = True) -> list[Watch]:
    """Every certificate that is in force, by ladder, as `check`. Raises LedgerError."""
    newest: dict[str, StoredCertificate] = {}
    for row in ledger.certificates():
        newest.setdefault(row.ladder, row)
    promised = [
        name for name, row in sorted(newest.items()) if row.made is not None and row.made.promises
    ]
    return [check(ledger, ladder, now, tiers=tiers) for ladder in promised]


def _ladders(ladder: str, made: Certified) -> frozenset[str]:
    """Those by which the requests go that something was promised of."""
    return made.beside | {ladder}


def _why_nothing(row: StoredCertificate | None) -> str:
    if row is None:
        return "it was never tuned with --apply"
    if row.unreadable is not None:
        return row.unreadable
    if row.made is not None:
        return "it was tuned without a guarantee"
    return f"the certificate was withdrawn ({row.why})" if row.why else "it was withdrawn"


def judged(ladder: str, row: StoredCertificate, seen: Watched, now: float) -> Watch:
    """The same of what was seen."""
    made = row.made
    assert made is not None
    findings = (
        _quality(made, seen),
        _false_accepts(made, seen),
        *_people(made, seen),
        *_tiers(made.tiers, seen.tiers),
    )
    return Watch(ladder, row.created_unix, now, made, seen.requests, findings)


# ------------------------------------------------------------------ what was promised


def held_to(made: Certified) -> float:
    """The share (0..1) that live requests are held to.

    A target that is a baseline's share was itself measured, on ``n`` queries: of that its lower
    bound counts. One that was told is what it is.
    """
    assert made.target is not None
    if made.baseline is None or not made.n:
        return made.target
    return rate(round(made.target * made.n), made.n, 1 - 2 * BASELINE_DOUBT).low


def _promised(made: Certified) -> str:
    target = held_to(made)
    if target == made.target:
        return f"{target:.1%}"
    return f"{made.target:.1%} (as far as {made.n:,} queries tell, at least {target:.1%})"


def _quality(made: Certified, seen: Watched) -> Finding:
    """Whether fewer requests than promised are served a right answer.

    Wrong are the requests that nothing passed, which are counted, and the part of the accepted
    answers that audits find wrong. Answers of tiers that no audit has looked at count as right.
    """
    target = held_to(made)
    drawn = [one for one in seen.told if one.served and one.drawn]
    looked = {one.tier for one in drawn}
    below = sum(n for tier, n in seen.served.items() if tier in looked)
    allowed = 1 - target - least_share(seen.unanswered, seen.requests, SHARE_DOUBT)
    promised = f"certified: {_promised(made)} of requests are served a right answer"
    if allowed < 0:
        share = seen.unanswered / seen.requests
        said = f"{promised}; {share:.1%} of {seen.requests:,} since got no accepted answer"
        return Finding("quality", State.BROKEN, said, seen.requests, 1 - share, target)
    if not drawn:
        said = f"{promised}; none of {seen.requests:,} requests since was looked at again"
        return Finding("quality", State.LITTLE, said, 0, None, target)
    part = least_share(below, seen.requests, SHARE_DOUBT)
    limit = min(1.0, max(ERRING, allowed / part)) if part else 1.0
    found = wagered((float(not one.right) for one in drawn), limit, doubt=QUALITY_DOUBT)
    wrong = sum(not one.right for one in drawn)
    quality = 1 - (seen.unanswered + below * found.mean) / seen.requests
    said = (
        f"{promised}; about {quality:.1%} of {seen.requests:,} since: audits found {wrong} of"
        f" {len(drawn)} accepted answers wrong, the limit is {limit:.1%}"
        f"{_odds(found, QUALITY_DOUBT)}"
    )
    state = _state(found, limit, QUALITY_DOUBT)
    return Finding("quality", state, said, found.n, quality, target, found.doubt)


def _false_accepts(made: Certified, seen: Watched) -> Finding:
    """Whether the check lets more wrong answers pass than the certificate reckons with."""
    rate = max(made.errors.highest_accept, made.errors.false_accept)
    limit = max(rate, ERRING)
    wrong = [one for one in seen.told if one.drawn and not one.right and one.passed is not None]
    reckoned = f"reckoned with: the checks let {rate:.1%} of wrong answers pass"
    if not wrong:
        said = f"{reckoned}; no wrong answer has been found by an audit since"
        return Finding("false accepts", State.LITTLE, said, 0, None, limit)
    found = wagered((float(bool(one.passed)) for one in wrong), limit, doubt=PASSED_DOUBT)
    passed = sum(bool(one.passed) for one in wrong)
    said = (
        f"{reckoned}; {passed} of {len(wrong)} that audits found since had passed"
        f"{_odds(found, PASSED_DOUBT)}"
    )
    state = _state(found, limit, PASSED_DOUBT)
    return Finding("false accepts", state, said, found.n, found.mean, limit, found.doubt)


def _state(found: Evidence, limit: float, doubt: float) -> State:
    # Where all may be wrong nothing can go against it, and nothing was to be noticed.
    return State.HOLDS if limit >= 1 else found.state(doubt)


def _odds(found: Evidence, doubt: float) -> str:
    if found.doubt < SUSPICION:
        return f": less than {found.doubt:.2g} likely if nothing had moved"
    if found.state(doubt) is State.HOLDS:
        return ""
    missing = found.enough - found.n
    return f"; it takes about {missing:,} more labels to notice {100 * NOTICED:.0f} points"


# ------------------------------------------------------------------ what can raise a doubt


def _people(made: Certified, seen: Watched) -> Iterator[Finding]:
    """Labels that somebody chose to give are of what stood out: alone they prove nothing."""
    chosen = [one for one in seen.told if one.served and not one.drawn]
    if not chosen:
        return
    limit = max(ERRING, 1 - held_to(made))
    found = wagered((float(not one.right) for one in chosen), limit)
    wrong = sum(not one.right for one in chosen)
    said = f"people and programs called {wrong} of {len(chosen)} served answers wrong"
    more = "; they choose what they look at, so it proves nothing: set `audit` on the ladder"
    alarmed = found.doubt <= QUALITY_DOUBT and bool(wrong)
    state = State.DOUBTFUL if alarmed else State.LITTLE
    yield Finding(
        "labels", state, said + (more if alarmed else ""), found.n, found.mean, limit, found.doubt
    )


def _tiers(before: Mapping[str, TierFigures], after: Mapping[str, Tried]) -> Iterator[Finding]:
    """Whether requests end at a tier as often, and cost as much there, as by the tuning data."""
    doubt = SUSPICION / (4 * max(1, len(before)))
    for tier, figures in before.items():
        if tier not in after:
            continue
        n = round(figures.n)
        spread = (figures.accepted * (1 - figures.accepted)) ** 0.5
        accepted = Window(n, figures.accepted, spread)
        cost = Window(n, figures.cost_nanousd, figures.cost_deviation)
        live = after[tier]
        yield _moved(f"{tier}: accepted", (accepted, live.accepted), doubt, MOVED, _percent)
        slack = MOVED * figures.cost_nanousd
        yield _moved(f"{tier}: cost", (cost, live.cost), doubt, slack, _usd)


def _moved(
    about: str, windows: tuple[Window, Window], doubt: float, slack: float, shown: Any
) -> Finding:
    before, after = windows
    found = shift(before, after, doubt)
    moved = found.low > slack or found.high < -slack
    said = (
        f"{about} {shown(after.mean)} of {after.n:,} requests,"
        f" {shown(before.mean)} by the tuning data"
    )
    state = State.HOLDS
    if moved:
        state = State.DOUBTFUL
    elif found.high - found.low > 2 * max(slack, NOTICED * max(before.mean, slack)):
        state = State.LITTLE
    return Finding(about, state, said, after.n, after.mean, before.mean, doubt if moved else None)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _usd(nanousd: float) -> str:
    return f"${nanousd / 1e9:.3g}"


# ------------------------------------------------------------------ as JSON


def told(watch: Watch) -> dict[str, Any]:
    """As plain JSON values."""
    return {
        "ladder": watch.ladder,
        "state": watch.state.value,
        "said": watch.said,
        "since_unix": watch.since_unix,
        "now_unix": watch.now,
        "requests": watch.requests,
        "certificate": {
            "basis": watch.certified.basis,
            "target": watch.certified.target,
            "confidence": watch.certified.confidence,
            "baseline": watch.certified.baseline,
            "n": watch.certified.n,
        },
        "findings": [
            {
                "about": one.about,
                "state": one.state.value,
                "said": one.said,
                "n": one.n,
                "observed": one.observed,
                "limit": one.limit,
                "doubt": one.doubt,
            }
            for one in watch.findings
        ],
    }
