"""Small ladders, in full: every plan of a family, in every course that the world can take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from rung.core.plan import TOOL_CALLS, Plan, Step, StreamMode
from rung.core.verdicts import Check, Weight
from rung.core.vote import PLAIN_VOTE, Vote
from support.histories import AGREEMENT, simulate
from support.laws import LAWS
from support.reference import Script, Told, scripts

IMPLIED, SIGNAL = Weight.IMPLIED, Weight.SIGNAL

CHECK_LISTS = (
    (),
    *((Check("one", weight),) for weight in Weight),
    *(
        (Check("one", first), Check("two", second))
        for first, second in product(Weight, repeat=2)
        if first is not SIGNAL or second is SIGNAL
    ),
)
"""All lists of up to two checks, gates first."""

UP_TO_ONE = CHECK_LISTS[:4]

VOTES = tuple(
    (*before, AGREEMENT) for before in ((), (Check("one", IMPLIED),), (Check("one", SIGNAL),))
)

TOOLS = (
    (Check(TOOL_CALLS, Weight.REQUIRED),),
    (Check("one", IMPLIED), Check(TOOL_CALLS, Weight.REQUIRED)),
    (Check(TOOL_CALLS, Weight.REQUIRED), Check("two", Weight.REQUIRED)),
    (Check(TOOL_CALLS, Weight.REQUIRED), Check("two", SIGNAL)),
    (Check(TOOL_CALLS, SIGNAL),),
    (Check("one", IMPLIED), Check("two", SIGNAL)),
)
"""What requests with tools have to pass, in the modes that let their text leave early."""

ROOMY = ((2, 1, 3), None)
MONEY = (ROOMY, ((2, 1, 3), 3), ((1, 3, 1), 2))
"""Worst costs by tier, and a cap: none; nothing left for the third; too little for the second."""

DEADLINES = (None, 2.0)
"""None; in the middle of the second call or check."""


@dataclass(frozen=True)
class Family:
    """Plans with so many tiers, all with the same limits, and all that varies beside."""

    tiers: int
    retries: int
    repairs: int
    samples: int
    courses: int
    """How many there are: the sum over all plans of what ``scripts`` counts out."""
    check_lists: tuple[tuple[Check, ...], ...] = CHECK_LISTS
    streams: tuple[bool, ...] = (False, True)
    mode: StreamMode = StreamMode.HOLD
    certainty: float = PLAIN_VOTE.certainty
    min_confidence: float = 0.5
    bars: tuple[float | None, ...] = (None, None, None)
    give_ups: tuple[int | None, ...] = (None, None, None)

    def plans(self) -> Iterator[Plan]:
        varied = product(self.check_lists, MONEY, DEADLINES, self.streams)
        limits = (self.retries, self.repairs, self.samples)
        vote = Vote(certainty=self.certainty)
        for checks, (costs, cap), deadline, stream in varied:
            steps = tuple(
                Step(
                    f"t{n}",
                    checks,
                    costs[n],
                    120.0,
                    *limits,
                    vote=vote,
                    min_confidence=self.bars[n],
                    most_spent_nanousd=self.give_ups[n],
                )
                for n in range(self.tiers)
            )
            yield Plan(
                ladder="any",
                steps=steps,
                stream=stream,
                stream_mode=self.mode,
                cost_cap_nanousd=cap,
                deadline_seconds=deadline,
                max_wait_seconds=0.0,
                min_confidence=self.min_confidence,
            )

    def __str__(self) -> str:
        votes = "-voting" if AGREEMENT in self.check_lists[0] else ""
        votes += f"-{self.certainty}" if self.certainty != PLAIN_VOTE.certainty else ""
        votes += f"-at-{self.min_confidence}" if self.min_confidence != 0.5 else ""
        votes += f"-bars-{self.bars}" if any(bar is not None for bar in self.bars) else ""
        votes += f"-up-to-{self.give_ups}" if any(g is not None for g in self.give_ups) else ""
        limits = f"{self.retries}-retries-{self.repairs}-repairs-{self.samples}-samples"
        return f"{self.tiers}-tiers-{limits}{votes}-{self.mode.value}"


FAMILIES = (
    Family(1, 0, 0, 1, courses=876),
    Family(1, 1, 0, 1, courses=1132),
    Family(1, 0, 1, 1, courses=1108),
    Family(1, 0, 0, 2, courses=1560),
    Family(1, 1, 1, 2, courses=3190, streams=(False,)),
    Family(2, 0, 0, 1, courses=2428),
    Family(2, 1, 0, 1, courses=4340),
    Family(2, 0, 1, 1, courses=2890, streams=(False,)),
    Family(2, 0, 0, 2, courses=372, check_lists=UP_TO_ONE, streams=(False,)),
    Family(2, 1, 1, 2, courses=5447, check_lists=UP_TO_ONE, streams=(False,)),
    Family(3, 0, 0, 1, courses=7440),
    Family(3, 1, 0, 1, courses=1161, check_lists=UP_TO_ONE, streams=(False,)),
    Family(1, 0, 0, 3, courses=682, check_lists=VOTES, streams=(False,)),
    Family(1, 1, 1, 2, courses=616, check_lists=VOTES, streams=(False,)),
    Family(2, 0, 0, 2, courses=5070, check_lists=VOTES, streams=(False,)),
    Family(1, 0, 0, 4, courses=78, check_lists=VOTES[:1], streams=(False,), certainty=0.85),
    Family(1, 0, 0, 5, courses=94, check_lists=VOTES[:1], streams=(False,), certainty=0.85),
    Family(1, 0, 1, 4, courses=1872, check_lists=VOTES[1:2], streams=(False,), certainty=0.8),
    Family(2, 0, 0, 4, courses=1144, check_lists=VOTES[:1], streams=(False,), certainty=0.85),
    Family(2, 0, 0, 4, courses=2242, check_lists=VOTES[:1], streams=(False,), min_confidence=0.7),
    Family(2, 0, 0, 3, courses=3510, check_lists=VOTES[2:], streams=(False,), min_confidence=0.8),
    Family(1, 0, 1, 1, courses=1846, check_lists=TOOLS, streams=(True,), mode=StreamMode.TOOLS),
    Family(2, 0, 0, 1, courses=3114, check_lists=TOOLS, streams=(True,), mode=StreamMode.TOOLS),
    Family(2, 0, 0, 1, courses=2838, check_lists=TOOLS, streams=(True,), mode=StreamMode.PASS),
    Family(2, 0, 0, 1, courses=1274, streams=(False,), bars=(0.95, 0.05)),
    Family(2, 0, 0, 1, courses=1150, streams=(False,), bars=(0.05, None), min_confidence=0.95),
    Family(2, 0, 0, 2, courses=956, check_lists=VOTES[2:], streams=(False,), bars=(0.8, None)),
    Family(
        *(2, 0, 0, 1),
        courses=732,
        check_lists=TOOLS[3:],
        streams=(True,),
        mode=StreamMode.TOOLS,
        bars=(0.05, 0.95),
    ),
    Family(3, 0, 0, 1, courses=216, check_lists=UP_TO_ONE, streams=(False,), give_ups=(0, 1, None)),
    Family(3, 1, 0, 1, courses=515, check_lists=UP_TO_ONE, streams=(False,), give_ups=(0, None, 3)),
    Family(2, 0, 1, 2, courses=432, check_lists=UP_TO_ONE, streams=(False,), give_ups=(None, 4)),
    Family(
        *(2, 0, 1, 1),
        courses=330,
        check_lists=TOOLS[:1],
        streams=(True,),
        mode=StreamMode.TOOLS,
        give_ups=(None, 2),
    ),
)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_every_course_of_a_small_ladder_keeps_the_laws_and_ends_as_the_reference_says(
    family: Family,
) -> None:
    courses = 0
    for plan in family.plans():
        for tokens, end in scripts(plan):
            script = Script(tokens)
            trace = simulate(plan, Told(plan, script))
            assert trace.end == end, (plan, tokens)
            assert script.read == len(tokens), (plan, tokens)
            for law in LAWS:
                law(trace)
            courses += 1
    assert courses == family.courses


@pytest.mark.parametrize("tiers", [1, 2, 3])
@pytest.mark.parametrize("checks", CHECK_LISTS, ids=lambda cs: "-".join(c.weight for c in cs))
def test_the_courses_of_a_plan_without_limits_are_as_many_as_arithmetic_says(
    checks: tuple[Check, ...], tiers: int
) -> None:
    steps = tuple(Step(f"t{n}", checks, retries=0) for n in range(tiers))
    courses = [tokens for tokens, _ in scripts(Plan("any", steps))]
    assert len(set(courses)) == len(courses) == expected(checks, tiers)


def expected(checks: tuple[Check, ...], tiers: int) -> int:
    """Of a call's courses, those that are good enough end; the others go on to the tiers above."""
    good, bad, stopped = 1, 0, 0
    for check in checks:
        match check.weight:
            case Weight.REQUIRED:  # an abstention is bad
                stopped += good + bad
                bad = 2 * bad + good
            case Weight.IMPLIED:  # an abstention is good: nobody asked
                stopped += good + bad
                good, bad = 2 * good, 2 * bad
            case Weight.SIGNAL:  # high or low
                bad = 2 * bad + good
    faults = 2
    courses = 1
    for _ in range(tiers):
        courses = good + (bad + stopped + faults) * courses
    return courses
