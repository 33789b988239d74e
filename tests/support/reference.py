"""A second opinion on how a request ends: the cascade's rules told once more, as plain loops.

It shares no code with the engine. A script is the list of what the world says, in order, one token
for each call or check: so that all scripts of a plan can be counted out, and each be played to the
engine as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from rung.core.engine import Accept, Call, Exhausted, Exhaustion
from rung.core.plan import Plan, Step, StreamMode
from rung.core.types import Fault, History
from rung.core.verdicts import Check, Status, Weight
from support.histories import Opinion, Reply

CALL_SECONDS = 1.0
CHECK_SECONDS = 0.5

REPLIES = {
    "A": Reply("A"),
    "B": Reply("B"),
    "long": Reply("A", long=True),
    "doomed": Reply("A", doomed=True),
    "busy": Reply(fault=Fault.OVERLOADED, retry_after_seconds=0.0),
    "broken": Reply(fault=Fault.AUTH),
}
OPINIONS = {
    "pass": Opinion(Status.PASSED, None, CHECK_SECONDS),
    "fail": Opinion(Status.FAILED, None, CHECK_SECONDS),
    "empty": Opinion(Status.PASSED, None, CHECK_SECONDS, vacuous=True),
    "abstain": Opinion(Status.ABSTAINED, None, CHECK_SECONDS),
    "high": Opinion(Status.PASSED, 0.9, CHECK_SECONDS),
    "low": Opinion(Status.PASSED, 0.1, CHECK_SECONDS),
}


ANSWERS = {"A", "B", "long", "doomed"}
SCORES = {"high": 0.9, "low": 0.1}


def options(plan: Plan, step: Step, check: Check | None = None) -> tuple[str, ...]:
    """What the world may say to a call of this tier, or to a check there."""
    if check is None:
        told_apart = any(each.name == "agreement" for each in step.checks)
        early = plan.stream and plan.stream_mode is not StreamMode.HOLD
        texts = ("A", "B") if told_apart else ("A", "long", "doomed") if early else ("A",)
        return (*texts, "busy", "broken")
    if check.weight is Weight.SIGNAL:
        return ("high", "low")
    empty = ("empty",) if check.name == "tool_calls" else ()
    return ("pass", "fail", "abstain", *empty)


class Open(Exception):  # noqa: N818 not an error: the script may go on in these ways
    """The script is at its end and the request is not."""

    def __init__(self, ways: tuple[str, ...]) -> None:
        super().__init__(ways)
        self.ways = ways


@dataclass
class Script:
    """Tokens, read one by one."""

    tokens: tuple[str, ...]
    read: int = 0

    def take(self, ways: tuple[str, ...]) -> str:
        if self.read == len(self.tokens):
            raise Open(ways)
        token = self.tokens[self.read]
        assert token in ways, f"{token!r} is no answer here: {self.tokens}"
        self.read += 1
        return token


@dataclass
class Told:
    """A world that goes by a script."""

    plan: Plan
    script: Script

    def reply(self, history: History, call: Call) -> Reply:
        if call.timeout_seconds < CALL_SECONDS:
            return Reply(seconds=CALL_SECONDS)
        step = next(step for step in self.plan.steps if step.tier == call.tier)
        return REPLIES[self.script.take(options(self.plan, step))]

    def opinion(self, history: History, check: Check) -> Opinion:
        step = next(step for step in self.plan.steps if step.tier == history[-1].tier)
        return OPINIONS[self.script.take(options(self.plan, step, check))]


@dataclass
class Made:
    """One call as the reference keeps it. ``text`` is None when there was no answer."""

    place: int
    text: str | None
    said: dict[str, str] = field(default_factory=dict)
    watched: bool = False


@dataclass
class Reference:
    """One request, played by the book."""

    plan: Plan
    script: Script
    made: list[Made] = field(default_factory=list)
    draws: Counter[int] = field(default_factory=Counter)
    now: float = 0.0
    spent: int = 0

    def play(self) -> Accept | Exhausted:
        """Go up tier by tier; stop at the first that is good enough."""
        refused = None
        for place, step in enumerate(self.plan.steps):
            left = {"retry": step.retries, "repair": step.repairs, "draw": step.samples}
            purposes = ["draw"]
            while purposes:
                refused = self.refused(place)
                if refused:
                    break
                left[purposes[0]] -= 1
                self.draws[place] += purposes[0] == "draw"
                self.call(place)
                if self.leaks(place):
                    return self.serve(self.made[-1], refused)
                wishes = self.wishes(place)
                if wishes is None:
                    return self.serve(self.pick([place]), None)
                purposes = [wish for wish in wishes if left[wish] > 0]
        everywhere = list(range(len(self.plan.steps)))
        return self.serve(self.pick(everywhere), refused)

    def refused(self, place: int) -> Exhaustion | None:
        step, cap = self.plan.steps[place], self.plan.cost_cap_nanousd
        if self.late():
            return Exhaustion.DEADLINE
        if cap is not None and cap < self.spent + step.worst_cost_nanousd:
            return Exhaustion.COST_CAP
        new = all(one.place != place for one in self.made)
        return Exhaustion.GAVE_UP if new and self.gives_up(step, self.spent) else None

    def gives_up(self, step: Step, spent: int) -> bool:
        return step.most_spent_nanousd is not None and step.most_spent_nanousd < spent

    def bar(self, place: int) -> float:
        """What an answer of this tier has to reach."""
        own = self.plan.steps[place].min_confidence
        return self.plan.min_confidence if own is None else own

    def short(self, place: int, said: Iterable[str | None]) -> bool:
        """Whether any of these signals falls short of that."""
        return any(SCORES[each] < self.bar(place) for each in said if each in SCORES)

    def late(self) -> bool:
        limit = self.plan.deadline_seconds
        return limit is not None and self.now >= limit

    def call(self, place: int) -> None:
        step, limit = self.plan.steps[place], self.plan.deadline_seconds
        watched = self.watched(place)
        self.spent += step.worst_cost_nanousd
        if limit is not None and limit - self.now < CALL_SECONDS:
            self.now = limit
            self.made.append(Made(place, None, {"call": "broken"}))
            return
        token = self.script.take(options(self.plan, step))
        self.now += CALL_SECONDS
        answered = token in ANSWERS
        text = ("B" if token == "B" else "A") if answered else None
        self.made.append(Made(place, text, {"call": token}, watched))
        if answered and not self.broken_off(self.made[-1]):
            self.check(step, self.made[-1])

    def check(self, step: Step, one: Made) -> None:
        for check in step.checks:
            if check.name == "agreement" and self.open(one.place):
                continue
            if self.late() or self.fails(one):
                return
            one.said[check.name] = self.script.take(options(self.plan, step, check))
            self.now += CHECK_SECONDS

    def leaks(self, place: int) -> bool:
        """Whether bytes of the last call have left."""
        step, mode = self.plan.steps[place], self.plan.stream_mode
        names = [check.name for check in step.checks]
        if not self.plan.stream or "agreement" in names:
            return False
        asked = [check.name for check in step.checks if check.weight is Weight.REQUIRED]
        if not names or (not asked and (self.top(place) or mode is StreamMode.PASS)):
            return True
        if mode is StreamMode.HOLD or set(asked) - {"tool_calls"}:
            return False
        at_once = self.top(place) and not step.repairs
        return at_once or self.made[-1].said["call"] == "long"

    def top(self, place: int) -> bool:
        return place == len(self.plan.steps) - 1

    def broken_off(self, one: Made) -> bool:
        return one.said["call"] == "doomed" and one.watched and not self.leaks(one.place)

    def watched(self, place: int) -> bool:
        """Whether a call may be broken off: there are checks, and a way on that can be paid."""
        step, *above = self.plan.steps[place:]
        cap, spent = self.plan.cost_cap_nanousd, self.spent + step.worst_cost_nanousd
        payable = [s for s in above if cap is None or spent + s.worst_cost_nanousd <= cap]
        payable = [s for s in payable if not self.gives_up(s, spent)]
        sure = self.bar(place) < 0.5
        some = [c for c in step.checks if not (sure and c.weight is Weight.SIGNAL)]
        return any(check.name != "agreement" for check in some) and bool(payable)

    def wishes(self, place: int) -> list[str] | None:
        """What to try at the same tier; None when its answer will do."""
        one = self.made[-1]
        if one.text is None:
            return ["retry"] if one.said["call"] == "busy" else []
        if self.broken_off(one) or self.fails(one):
            asked = self.doomed_by(one) if self.broken_off(one) else self.fails_what_was_asked(one)
            return ["repair", "draw"] if asked else ["draw"]
        if self.lacks(one) or self.open(place):
            return ["draw"]
        return [] if self.weak(self.winner(place) or one) else None

    # ---------------------------------------------------------- how good it is

    def named(self, one: Made, *weights: Weight) -> list[str]:
        """What its checks said, by their weights; agreement apart."""
        checks = self.plan.steps[one.place].checks
        kept = [c for c in checks if c.weight in weights and c.name != "agreement"]
        return [one.said.get(check.name, "nothing") for check in kept]

    def fails(self, one: Made) -> bool:
        return "fail" in self.named(one, Weight.REQUIRED, Weight.IMPLIED)

    def fails_what_was_asked(self, one: Made) -> bool:
        return "fail" in self.named(one, Weight.REQUIRED)

    def doomed_by(self, one: Made) -> bool:
        """Whether what broke the call off, the first check that may, was asked for."""
        checks = self.plan.steps[one.place].checks
        may = [c for c in checks if c.name != "agreement"]
        if self.bar(one.place) < 0.5:
            may = [c for c in may if c.weight is not Weight.SIGNAL]
        return may[0].weight is Weight.REQUIRED

    def lacks(self, one: Made) -> bool:
        return any(said not in {"pass", "empty"} for said in self.named(one, Weight.REQUIRED))

    def weak(self, one: Made) -> bool:
        votes = [each.said.get("agreement") for each in self.made if each.place == one.place]
        said = [*self.named(one, Weight.SIGNAL), *votes]
        return self.short(one.place, said) or self.open(one.place)

    def voters(self, place: int) -> list[Made]:
        if all(check.name != "agreement" for check in self.plan.steps[place].checks):
            return []
        here = [one for one in self.made if one.place == place and one.text is not None]
        return [one for one in here if not self.fails(one) and not self.lacks(one)]

    def open(self, place: int) -> bool:
        step = self.plan.steps[place]
        if all(check.name != "agreement" for check in step.checks):
            return False
        sizes = sorted(Counter(one.text for one in self.voters(place)).values(), reverse=True)
        to_come = step.samples - self.draws[place]
        if not sizes:
            return True
        first, second = sizes[0], sum(sizes[1:2])
        if to_come <= 0:
            return False
        sure = self.certain(place, first, second)
        led = sure or to_come < first - second
        if self.top(place):
            return not led
        winner = self.winner(place)
        if winner is not None and self.short(place, self.named(winner, Weight.SIGNAL)):
            return False
        needed = self.bar(place) * step.samples
        return first + to_come >= needed and not (led and (sure or first >= needed))

    def certain(self, place: int, first: int, second: int) -> bool:
        """Whether a coin that nobody knows falls on this side more often, by counting all falls."""
        falls = [sum(each) for each in product((0, 1), repeat=first + second + 1)]
        share = Fraction(sum(heads <= first for heads in falls), len(falls))
        return first > 1 and share >= self.plan.steps[place].vote.certainty

    def winner(self, place: int) -> Made | None:
        voters = self.voters(place)
        texts = [one.text for one in voters]
        if not texts:
            return None
        most = max(texts.count(text) for text in texts)
        text = next(text for text in texts if texts.count(text) == most)
        return [one for one in voters if one.text == text][-1]

    # ---------------------------------------------------------- how it ends

    def pick(self, places: list[int]) -> Made | None:
        """The best answer of these tiers, by one sieve after another."""
        pool: list[Made] = []
        for place in places:
            winner = self.winner(place)
            here = [one for one in self.made if one.place == place and one.text is not None]
            pool += [winner] if winner else [one for one in here if not self.broken_off(one)]
        for bad in (self.lacks, self.fails, self.weak):
            pool = [one for one in pool if not bad(one)] or pool
        if pool and self.lacks(pool[0]):
            most = max(self.passes(one) for one in pool)
            pool = [one for one in pool if self.passes(one) == most]
        return pool[-1] if pool else None

    def passes(self, one: Made) -> int:
        good = {"pass", "empty", "high", "low"}
        return sum(said in good for said in one.said.values())

    def serve(self, one: Made | None, refused: Exhaustion | None) -> Accept | Exhausted:
        late = Exhaustion.DEADLINE if self.late() else None
        reason = refused or late or Exhaustion.TOP_REACHED
        if one is None or one.text is None:
            return Exhausted(reason, None)
        index = next(n for n, each in enumerate(self.made) if each is one)
        if self.lacks(one):
            return Exhausted(reason, index)
        if self.fails(one):
            return Accept(index, verified=False)
        proof = "pass" in self.named(one, Weight.REQUIRED)
        return Accept(index, verified=True if proof else None)


def scripts(plan: Plan) -> Iterator[tuple[tuple[str, ...], Accept | Exhausted]]:
    """All that the world can say in the course of ``plan``, each with the end it comes to."""
    unfinished: list[tuple[str, ...]] = [()]
    while unfinished:
        tokens = unfinished.pop()
        try:
            end = Reference(plan, Script(tokens)).play()
        except Open as more:
            unfinished += [(*tokens, way) for way in more.ways]
        else:
            yield tokens, end
