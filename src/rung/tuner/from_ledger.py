"""From the ledger's requests to outcomes over the tiers of a ladder, with what was never seen.

A request tells of the tiers from its entry up to where it stopped. Audits ask the auditing tier
again what a cheaper one has served; probes ask every tier. What a request itself saw stands; second
looks fill in what it did not see.

What is trusted how: a label of a person, of the caller's program or of a known answer is truth, and
so is an audit's, as far as its judge is right. What a gate said is the gate's word: it decides who
climbs, and it counts as truth only where no label of a random draw says better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rung.core.error_rates import Judged, Labelled
from rung.core.errors import RequestError
from rung.core.labels import LabelSource
from rung.core.trials import Past
from rung.core.trials import trials as found_out
from rung.ledger import Ledger
from rung.ledger.observed import Seen, seen
from rung.tuner.aims import SOUND, Errors
from rung.tuner.censored import NO_TIER, Censored, Flags, How, Word
from rung.tuner.measured import ledger_errors
from rung.tuner.outcomes import Outcomes

MOST_REQUESTS = 20_000
"""The newest requests that are read; more tell little more, and take longer than people wait."""

UNTOLD = ""
"""The category of requests of which nobody recognised what they ask for."""


def ledger_outcomes(
    ledger: Ledger,
    ladder: str,
    tiers: Sequence[str],
    since_unix: float = 0.0,
    limit: int = MOST_REQUESTS,
    beside: Sequence[str] = (),
) -> Censored:
    """What the ledger saw of the tiers of a ladder, a row a request that began since then.

    ``tiers`` are the ladder's, in its order; ``beside`` others, which probes may have asked.

    `observing.complete` gives the rows that were seen whole, weighted, for a certificate;
    `doubly_robust.value` what any policy would have come to on all of them. Blocks, about a second
    for 10,000 requests. Raises RequestError where there is nothing to read.
    """
    with ledger.reading() as connection:
        found = seen(connection, ladder, since_unix, limit)
    looks: dict[str, list[Seen]] = {}
    for one in found:
        if one.of is not None:
            looks.setdefault(one.of, []).append(one)
    left_out: Counter[str] = Counter()
    rows = []
    for one in found:
        if one.of is not None:
            continue
        row = _row(one, looks.get(one.id, ()), (*tiers, *beside))
        if one.pinned:
            left_out["pinned to a tier by their caller"] += 1
        elif row is None:
            left_out["nothing was found out"] += 1
        else:
            rows.append(row)
    if not rows:
        raise RequestError(
            f"the ledger tells nothing of ladder {ladder!r}'s tiers ({', '.join(tiers)}).",
            fix=f"send requests through it, or probe on purpose: rung probe run --ladder {ladder}",
        )
    made = _censored(ladder, (*tiers, *beside), rows, left_out)
    return replace(made, beside=len(beside))


# ------------------------------------------------------------------ one request


@dataclass(slots=True)
class _Cell:
    """What is known of one tier. ``accepted`` and ``right`` are ``None`` where nobody knows."""

    how: How
    cost: float
    seconds: float
    accepted: bool | None = None
    right: bool | None = None
    word: Word = Word.NOTHING


@dataclass(slots=True)
class _Row:
    """A request: its cells by column, which of them were probed, where it began."""

    seen: Seen
    cells: dict[int, _Cell]
    probed: set[int] = field(default_factory=set)
    entry: int = NO_TIER
    other: int = NO_TIER
    auditor: int = NO_TIER
    auditable: bool = False


def _row(one: Seen, looks: Sequence[Seen], tiers: Sequence[str]) -> _Row | None:
    """What is known of a request, ``None`` where that is nothing."""
    place = {tier: column for column, tier in enumerate(tiers)}
    cells = dict(_cells(one, place, How.TRAFFIC))
    row = _Row(one, cells)
    for look in looks:
        for column, cell in _cells(look, place, How.PROBE if look.probe else How.AUDIT):
            if look.probe and cell.accepted is not None:
                row.probed.add(column)
            elif not look.probe:
                row.auditor = column
            known = row.cells.get(column)
            if known is None or known.accepted is None:
                row.cells[column] = cell
    if not any(cell.accepted is not None for cell in row.cells.values()):
        return None
    row.entry = place.get(one.entry or "", NO_TIER)
    row.other = place.get(one.other or "", NO_TIER) if one.entry_chance < 1 else NO_TIER
    row.auditable = one.past.served is not None and one.past.verified is not False
    return row


def _cells(one: Seen, place: Mapping[str, int], how: How) -> Iterator[tuple[int, _Cell]]:
    """Of each tier that was called: whether its answer stopped the climb, and whose word that is.

    A fault that says nothing of the work leaves the outcome open; what the calls cost stands.
    """
    past = one.past
    told = {trial.tier: trial.passed for trial in found_out(_unlabelled(past))}
    for tier in dict.fromkeys(call.tier for call in past.calls):
        if tier not in place:
            continue
        places = [at for at, call in enumerate(past.calls) if call.tier == tier]
        calls = [past.calls[at] for at in places]
        cost = float(sum(call.cost_nanousd for call in calls))
        cell = _Cell(how, cost, sum(call.seconds for call in calls), told.get(tier))
        if cell.accepted is not None:
            cell.right, cell.word = cell.accepted, Word.GATE
        elif past.served in places and past.verified is None:
            # No gate was there to prove anything: it was served, and nobody knows more.
            cell.accepted = True
        labelled = [at for at in places if at in past.labels]
        if labelled:
            drawn = one.sources[labelled[-1]] is LabelSource.AUDIT
            cell.right = past.labels[labelled[-1]]
            cell.word = Word.AUDIT if drawn else Word.CHOSEN
        yield place[tier], cell


def _unlabelled(past: Past) -> Past:
    return Past(past.ladder, past.calls, past.served, past.verified)


# ------------------------------------------------------------------ all of them


def _censored(
    ladder: str, tiers: Sequence[str], rows: Sequence[_Row], left_out: Mapping[str, int]
) -> Censored:
    shape = (len(rows), len(tiers))
    correct, cost, seconds, accepted = (np.full(shape, np.nan) for _ in range(4))
    word, how = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    reach, probed = np.ones(shape), np.zeros(shape, dtype=np.bool_)
    for at, row in enumerate(rows):
        for column, cell in row.cells.items():
            cost[at, column], seconds[at, column] = cell.cost, cell.seconds
            word[at, column], how[at, column] = cell.word, cell.how
            accepted[at, column] = np.nan if cell.accepted is None else cell.accepted
            correct[at, column] = np.nan if cell.right is None else cell.right
        probed[at, sorted(row.probed)] = True
        reach[at] = [row.seen.reach.get(tier, 1.0) for tier in tiers]
    names = sorted({row.seen.past.category or UNTOLD for row in rows})
    auditors = Counter(row.auditor for row in rows if row.auditor != NO_TIER)
    auditor = auditors.most_common(1)[0][0] if auditors else NO_TIER
    outcomes = Outcomes(
        models=tuple(tiers),
        queries=tuple(row.seen.id for row in rows),
        correct=correct,
        cost=cost,
        category=np.array([names.index(row.seen.past.category or UNTOLD) for row in rows]),
        categories=tuple(names),
        seconds=seconds,
        accepted=accepted,
    )
    return Censored(
        ladder,
        outcomes,
        word=word,
        how=how,
        entry=np.array([row.entry for row in rows], dtype=np.int64),
        entry_chance=np.array([row.seen.entry_chance for row in rows]),
        other=np.array([row.other for row in rows], dtype=np.int64),
        reach=reach,
        probed=probed,
        auditor=auditor,
        auditable=_auditable(rows, accepted, auditor),
        errors=_errors(accepted, correct, word),
        left_out=dict(left_out),
    )


def _auditable(rows: Sequence[_Row], accepted: np.ndarray, auditor: int) -> Flags:
    """Requests that an audit could have looked at: served by a tier below the auditing one."""
    if auditor == NO_TIER:
        return np.zeros(len(rows), dtype=np.bool_)
    below = np.array(
        [
            [
                cell.how == How.TRAFFIC and at < auditor
                for at, cell in _dense(row, accepted.shape[1])
            ]
            for row in rows
        ]
    )
    served = np.array([row.auditable for row in rows])
    return np.asarray(served & (below & (accepted == 1)).any(axis=1))


def _dense(row: _Row, tiers: int) -> Iterator[tuple[int, _Cell]]:
    nothing = _Cell(How.NOT_SEEN, 0.0, 0.0)
    for column in range(tiers):
        yield column, row.cells.get(column, nothing)


def _errors(accepted: np.ndarray, correct: np.ndarray, word: np.ndarray) -> Errors:
    """How often gates pass what is wrong and fail what is right, by the labels that there are."""
    labelled = word >= Word.AUDIT
    count = int((labelled & ~np.isnan(accepted)).sum())
    if not count:
        return SOUND

    def judged(said: float) -> Judged:
        here = accepted == said
        chosen, drawn = here & (word == Word.CHOSEN), here & (word == Word.AUDIT)
        return Judged(int(here.sum()), _labelled(chosen, correct), _labelled(drawn, correct))

    return ledger_errors(judged(1.0), judged(0.0))


def _labelled(which: Flags, correct: np.ndarray) -> Labelled:
    return Labelled(int(which.sum()), int((correct[which] < 0.5).sum()))
