"""Where requests should start, by what became of those before them.

Tiers that are surely not worth their try are skipped for a category; where a router was trained and
may decide, it does so request by request. A small share starts at the bottom all the same, so that
a change is noticed. Of a ladder with a certificate nothing is skipped that it rests on.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rung.core.choosing import Chooser, Goal
from rung.core.draws import draw
from rung.core.features import Features
from rung.core.guidance import NOTHING_TAUGHT, Taught
from rung.core.leeway import Promise, may_skip
from rung.core.outcome import Outcome
from rung.core.plan import NO_LEAD, Lead, Policy
from rung.core.skipping import NANO, Skip, Tally, prospects, skip
from rung.core.tasks import Task
from rung.core.traits import traits
from rung.core.trials import Past, past_of, trials
from rung.core.types import Need, Request
from rung.file_tables import RoutingTable
from rung.guides import Learned

LOOKED_BACK = 5000
"""The newest requests that are counted at the start, and again now and then."""

REFRESH_SECONDS = 30.0
"""How soon a router stored by another process is taken up."""

RECOUNT = 20
"""Requests are counted anew at every so many refreshes, as other processes serve them too."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration lets be learned.

    ``classifier`` of ``None`` lets a router decide where its own report says so. ``explore`` is the
    share (0..1) of skipped requests that start at the bottom. ``second_nanousd`` prices a second.
    """

    skip: bool = True
    classifier: bool | None = None
    explore: float = 0.02
    second_nanousd: float = 0.0


def learner(
    table: RoutingTable | None, archive: Archive | None, clock: Callable[[], float]
) -> Learned:
    """What the configuration's table asks for; without one, what learns nothing."""
    if table is None:
        return Learned()
    decides = {"auto": None, "on": True, "off": False}[table.classifier]
    second = NANO * float(table.second_usd or 0)
    rules = Rules(table.skip == "auto", decides, table.explore, second)
    return Experienced(rules, archive, clock)


class Archive(Protocol):
    """What the ledger remembers."""

    def pasts(self, limit: int, since_unix: float = 0.0, *, traits: bool = True) -> Sequence[Past]:
        """What the newest requests came to, oldest first."""
        ...

    def newest_routers(self) -> Mapping[str, Chooser]:
        """Those in force, by ladder."""
        ...

    def promised(self) -> Mapping[str, Promise]:
        """What certificates in force rest on, by ladder."""
        ...


class Counts:
    """Trials of each ladder: of all requests, and by category. Not safe in several threads."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], dict[str, Tally]] = defaultdict(dict)
        self._skips: dict[tuple[str, str], Skip | None] = {}

    def note(self, past: Past) -> None:
        """Count one request."""
        for trial in trials(past):
            for category in {past.category, ""}:
                tallies = self._of[past.ladder, category]
                tallies[trial.tier] = tallies.get(trial.tier, Tally()).with_(trial)
        for key in [key for key in self._skips if key[0] == past.ladder]:
            del self._skips[key]

    def tallies(self, ladder: str, category: str = "") -> Mapping[str, Tally]:
        """Each tier's; of all categories together by default."""
        return self._of.get((ladder, category), {})

    def skip(self, policy: Policy, category: str, second_nanousd: float) -> Skip | None:
        """Which tiers of a ladder are not worth a try for a category; worked out once."""
        key = (policy.ladder, category)
        if key not in self._skips:
            tiers = [rung.tier for rung in policy.rungs]
            own, whole = self.tallies(policy.ladder, category), self.tallies(policy.ladder)
            self._skips[key] = skip(prospects(tiers, own, whole, second_nanousd))
        return self._skips[key]


class Experienced(Learned):
    """Learns as requests end, and from the ledger. `of` and `note` are safe on the event loop."""

    def __init__(
        self,
        rules: Rules,
        archive: Archive | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._rules = rules
        self._archive = archive
        self._clock = clock
        self._counts = Counts()
        self._routers: Mapping[str, Chooser] = {}
        self._promised: Mapping[str, Promise] = {}
        self._lock = threading.Lock()
        self._due = 0.0
        self._refreshed = 0

    def of(
        self,
        policy: Policy,
        request: Request,
        seen: Features,
        task: Callable[[], Task],
        seed: int,
    ) -> Taught:
        """Where to start; ``task`` recognises what is asked for, once."""
        if Need.EMBEDDINGS in seen.needs:
            return NOTHING_TAUGHT
        found = task()
        known = traits(request, seen, found)
        lead, other = self.leads(policy, found.category.value, known, seed)
        return Taught(lead, other, known, found.category.value, found.difficulty.value)

    def leads(
        self, policy: Policy, category: str, known: tuple[int, ...], seed: int
    ) -> tuple[Lead, Lead]:
        """The tier to start from, unless it is drawn to try the bottom again; and the other one."""
        proposed = self._proposed(policy, category, known)
        if proposed is None or proposed.entry == policy.rungs[0].tier:
            return NO_LEAD, NO_LEAD
        share = self._rules.explore
        again = Lead(None, f"drawn to try it again, though {proposed.why}", share)
        taught = Lead(proposed.entry, proposed.why, 1 - share)
        return (again, taught) if draw("explore", seed) < share else (taught, again)

    def note(self, outcome: Outcome) -> None:
        """Learn from a finished request."""
        request, plan = outcome.request, outcome.plan
        if request.audit_of is None and request.resend_of is None and not plan.private:
            with self._lock:
                self._counts.note(past_of(outcome))

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        if self._archive is None or self._clock is None or self._clock() < self._due:
            return False
        self._due = self._clock() + REFRESH_SECONDS
        return True

    def refresh(self) -> None:
        """Take up routers, and count the ledger's requests now and then. Raises LedgerError."""
        if self._archive is None:
            return
        # First: what is learned below may break what was promised.
        self._promised = self._archive.promised()
        self._routers = self._archive.newest_routers()
        if self._rules.skip and self._refreshed % RECOUNT == 0:
            counts = Counts()
            for past in self._archive.pasts(LOOKED_BACK, traits=False):
                counts.note(past)
            with self._lock:
                self._counts = counts
        self._refreshed += 1

    def _proposed(self, policy: Policy, category: str, known: tuple[int, ...]) -> Skip | None:
        if not may_skip(policy, self._promised.get(policy.ladder)):
            return None
        router = self._router(policy)
        if router is not None:
            entry, chance = router.entry(known)
            return Skip(entry, _told(router, entry, chance))
        if not self._rules.skip:
            return None
        with self._lock:
            return self._counts.skip(policy, category, self._rules.second_nanousd)

    def _router(self, policy: Policy) -> Chooser | None:
        """The one that may decide: trained for the tiers that the ladder has now."""
        found = self._routers.get(policy.ladder)
        if found is None or self._rules.classifier is False:
            return None
        if found.tiers != tuple([rung.tier for rung in policy.rungs]):
            return None
        return found if found.on or self._rules.classifier else None


def _told(router: Chooser, entry: str, chance: float) -> str:
    aim = "saves money" if router.terms.goal is Goal.COST else "gains more than it costs"
    return f"like requests pass {entry} {chance:.0%} of the time: to start there {aim}"
