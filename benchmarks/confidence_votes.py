"""How far does a tier's agreement with itself tell that it is right, and what do draws cost?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from statistics import fmean
from typing import Any

from measures import Scored, accuracy, auroc, auroc_interval, resampled
from recorded import Drawn

from rung.core.comparing import keys
from rung.core.vote import PLAIN_VOTE, Comparison, Tally, Vote, tally

SAMPLES = {
    ("gpt-3.5-turbo", "date"): 5,
    ("llama2-13b", "date"): 5,
    ("llama2-13b", "gsm"): 5,
    ("llama2-13b", "crepe"): 3,
    ("gpt-4", "asdiv"): 3,
    ("gpt-4", "crepe"): 3,
    ("gpt-4", "date"): 3,
    ("gpt-4", "gsm"): 3,
    ("gpt-4", "navigate"): 3,
    ("gpt-4", "tabmwp"): 3,
}
"""How many answers are drawn, by model and task: five where the data hold so many, else three."""

LENGTHS = {("gpt-3.5-turbo", "date"): (3, 5, 10, 20)}
"""Where the data hold enough draws to tell what more of them would bring."""

CERTAINTIES = (0.8, 0.9, 0.95, 0.99, 1.0)
DEFAULT = PLAIN_VOTE.certainty
THRESHOLDS = (0.6, 0.8, 1.0)
ORDERS = 5
RESAMPLES = 400
SEED = 4


@dataclass(frozen=True, slots=True)
class Voted:
    """The outcome of a vote: what it chose, whether that is right, and after how many draws."""

    question: str
    tally: Tally
    right: bool

    def scored(self) -> Scored:
        """The share of the leading answer, as the confidence in it."""
        return Scored(self.question, self.tally.share, self.right)


def by_group(drawn: Sequence[Drawn]) -> dict[str, list[Drawn]]:
    """The lists with draws to vote among, by model and task, in the order of SAMPLES."""
    found: dict[str, list[Drawn]] = {f"{model} on {task}": [] for model, task in SAMPLES}
    for one in drawn:
        if one.group in found and not one.prompt.startswith("greedy"):
            found[one.group].append(one)
    return found


def samples_of(group: str) -> int:
    model, _, task = group.partition(" on ")
    return SAMPLES[model, task]


def voted(one: Drawn, samples: int, vote: Vote = PLAIN_VOTE) -> Voted:
    """The vote among the first draws, all of them counted."""
    return _ended(one, tally(keys(one.answers[:samples], vote)))


def _ended(one: Drawn, state: Tally) -> Voted:
    return Voted(one.question, state, one.right[state.leader])


def confidences(drawn: Sequence[Drawn], samples: int) -> list[Scored]:
    """The agreement of the first draws of each list that is long enough."""
    return [voted(one, samples).scored() for one in drawn if len(one.answers) >= samples]


def agreement(groups: Mapping[str, Sequence[Drawn]]) -> list[dict[str, Any]]:
    """By group: right alone and by vote, how agreement ranks, and what unanimity is worth."""
    return [_agreement(group, drawn) for group, drawn in groups.items()]


def _agreement(group: str, drawn: Sequence[Drawn]) -> dict[str, Any]:
    samples = samples_of(group)
    rows = confidences(drawn, samples)
    sure = [row for row in rows if row.score == 1.0]
    return {
        "group": group,
        "samples": samples,
        "votes": len(rows),
        "left_out": len(drawn) - len(rows),
        "first_right": fmean(one.right[0] for one in drawn if len(one.answers) >= samples),
        "voted_right": accuracy(rows),
        "mean_share": fmean(row.score for row in rows),
        "auroc": auroc_interval(rows, RESAMPLES, SEED),
        "unanimous": len(sure) / len(rows),
        "unanimous_right": accuracy(sure),
        "split_right": accuracy([row for row in rows if row.score < 1.0]),
    }


def coverage(rows: Sequence[Scored]) -> list[list[float]]:
    """What is accepted as the threshold falls: [threshold, share accepted, share of it right]."""
    found = []
    for threshold in sorted({row.score for row in rows}, reverse=True):
        held = [row for row in rows if row.score >= threshold]
        found.append([threshold, len(held) / len(rows), accuracy(held)])
    return found


def adaptive(groups: Mapping[str, Sequence[Drawn]]) -> list[dict[str, Any]]:
    """By group, samples and certainty: draws saved, and what stopping early does to accuracy."""
    found = []
    for group, drawn in groups.items():
        model, _, task = group.partition(" on ")
        for samples in LENGTHS.get((model, task), (samples_of(group),)):
            rounds = [_round(one, samples) for one in _shuffled(drawn, samples)]
            found += [
                {"group": group, "samples": samples, "certainty": certainty}
                | _saved(rounds, samples, certainty)
                for certainty in (CERTAINTIES if (model, task) in LENGTHS else (DEFAULT,))
            ]
    return found


def _round(one: Drawn, samples: int) -> list[Voted]:
    """The state of one vote after each draw."""
    return [voted(one, count) for count in range(1, samples + 1)]


def _stopped(states: Sequence[Voted], samples: int, certainty: float) -> Voted:
    """Where the gateway stops drawing."""
    return next(state for state in states if state.tally.decided(samples, certainty))


def _saved(rounds: Sequence[Sequence[Voted]], samples: int, certainty: float) -> dict[str, Any]:
    """Both votes on the same draws in the same order: the comparison is paired."""
    pairs = [(states[-1], _stopped(states, samples, certainty)) for states in rounds]
    change: dict[str, list[float]] = defaultdict(list)
    for whole, early in pairs:
        change[whole.question].append(float(early.right) - float(whole.right))
    wholes, earlies = [w.scored() for w, _ in pairs], [e.scored() for _, e in pairs]
    draws = fmean(early.tally.drawn for _, early in pairs)
    return {
        "questions": len(change),
        "fixed_right": accuracy(wholes),
        "change": resampled(change, RESAMPLES, SEED),
        "draws": draws,
        "saved": 1 - draws / samples,
        "auroc_fixed": auroc(wholes),
        "auroc_stopped": auroc(earlies),
        "auroc_counted": auroc([replace(e.scored(), score=_counted(e.tally)) for _, e in pairs]),
    }


def _counted(state: Tally) -> float:
    """The share with one vote more for and one against, so that three of three beat two of two."""
    return (state.votes + 1) / (state.drawn + 2)


def _shuffled(drawn: Sequence[Drawn], samples: int) -> Iterator[Drawn]:
    """Every list with enough draws in several orders: which came first is chance."""
    random = Random(SEED)
    for one in drawn:
        for _ in range(ORDERS if len(one.answers) >= samples else 0):
            places = random.sample(range(len(one.answers)), len(one.answers))
            yield replace(
                one,
                answers=tuple(one.answers[place] for place in places),
                right=tuple(one.right[place] for place in places),
            )


def accepting(groups: Mapping[str, Sequence[Drawn]]) -> list[dict[str, Any]]:
    """By group and threshold: what is accepted by three rules of when to stop drawing.

    ``all``: every draw is made. ``leader``: as soon as no draw can change who leads. ``threshold``:
    as soon as no draw can change whether the leader's share of all draws reaches the threshold.
    """
    found = []
    for group, drawn in groups.items():
        samples = samples_of(group)
        rounds = [_round(one, samples) for one in _shuffled(drawn, samples)]
        for threshold in THRESHOLDS:
            ends = {
                "all": [states[-1] for states in rounds],
                "leader": [_stopped(states, samples, 1.0) for states in rounds],
                "threshold": [_settled(states, samples, threshold) for states in rounds],
            }
            found += [
                {"group": group, "samples": samples, "threshold": threshold, "rule": rule}
                | _accepted(states, threshold)
                for rule, states in ends.items()
            ]
    return found


def _settled(states: Sequence[Voted], samples: int, threshold: float) -> Voted:
    """The first state whose acceptance no further draw can change."""
    needed = threshold * samples - 1e-9
    return next(
        state
        for state in states
        if state.tally.votes >= needed
        or state.tally.votes + samples - state.tally.drawn < needed
        or state.tally.drawn == samples
    )


def _accepted(states: Sequence[Voted], threshold: float) -> dict[str, Any]:
    held = [state for state in states if state.tally.share >= threshold - 1e-9]
    return {
        "draws": fmean(state.tally.drawn for state in states),
        "accepted": len(held) / len(states),
        "accepted_right": fmean(state.right for state in held) if held else None,
    }


def comparisons(groups: Mapping[str, Sequence[Drawn]]) -> list[dict[str, Any]]:
    """By group and comparison: how often two answers are wrongly joined or wrongly parted."""
    return [
        {"group": group, "comparison": str(comparison)}
        | _compared(drawn, samples_of(group), Vote(comparison))
        for group, drawn in groups.items()
        for comparison in (Comparison.EXACT, Comparison.AUTO, Comparison.NUMBER, Comparison.TEXT)
    ]


def _compared(drawn: Sequence[Drawn], samples: int, vote: Vote) -> dict[str, Any]:
    lists = [one for one in drawn if len(one.answers) >= samples]
    parted, joined = Share(), Share()
    for one in lists:
        said = keys(one.answers[:samples], vote)
        for first, second in combinations(range(samples), 2):
            same = said[first] == said[second]
            if one.right[first] and one.right[second]:
                parted.count(not same)
            elif one.right[first] != one.right[second]:
                joined.count(same)
    rows = [voted(one, samples, vote).scored() for one in lists]
    sure = [row for row in rows if row.score == 1.0]
    return {
        "parted": parted.value,
        "joined": joined.value,
        "voted_right": accuracy(rows),
        "auroc": auroc(rows),
        "unanimous": len(sure) / len(rows),
        "unanimous_right": accuracy(sure) if sure else None,
    }


def second_opinions(drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    """Whose agreement tells more? A first answer of gpt-3.5-turbo on dates against four seconds.

    ``read``: the same where dates are read out of sentences, by the vote and by the judge of what
    is right. The data count such sentences as wrong.
    """
    model, task = "gpt-3.5-turbo", "date"
    held = {(one.model, one.prompt, one.question): one for one in drawn if one.task == task}
    seconds: dict[str, Callable[[Drawn], tuple[str, str, int]]] = {
        "the same prompt again": lambda one: (model, one.prompt, 1),
        "another prompt of its kind": lambda one: (model, _ANOTHER[one.prompt], 0),
        "a prompt of the other kind": lambda one: (model, _OTHER_KIND[one.prompt], 0),
        "llama2-13b, the same prompt": lambda one: ("llama2-13b", one.prompt, 0),
    }
    firsts = [one for (name, _, _), one in held.items() if name == model]
    found = []
    for name, second in seconds.items():
        pairs = []
        for one in firsts:
            who, prompt, place = second(one)
            other = held[who, prompt, one.question].answers
            if place < len(other):
                pairs.append((one, other[place]))
        plain = [_opinion(one, other) for one, other in pairs]
        read = [_opinion_read(one, other) for one, other in pairs]
        found.append({"second": name, "pairs": len(pairs)} | _told(plain) | {"read": _told(read)})
    return found


def _opinion(one: Drawn, other: str) -> Scored:
    said = keys([one.answers[0], other])
    return Scored(one.question, float(said[0] == said[1]), one.right[0])


def _opinion_read(one: Drawn, other: str) -> Scored:
    first, second, truth = keys([one.answers[0], other, one.truth], Vote(Comparison.NUMBER))
    return Scored(one.question, float(first == second), first == truth)


def _told(rows: Sequence[Scored]) -> dict[str, Any]:
    agreed = [row for row in rows if row.score]
    return {
        "first_right": accuracy(rows),
        "agreed": len(agreed) / len(rows),
        "agreed_right": accuracy(agreed),
        "auroc": auroc_interval(rows, RESAMPLES, SEED),
    }


_ANOTHER = {"cot1": "cot2", "cot2": "cot1", "pot1": "pot2", "pot2": "pot1"}
_OTHER_KIND = {"cot1": "pot1", "cot2": "pot2", "pot1": "cot1", "pot2": "cot2"}
"""Prompts that reason in words (cot), and that write a program (pot)."""


@dataclass(slots=True)
class Share:
    """Hits among trials, counted up."""

    hits: int = 0
    trials: int = 0

    def count(self, hit: bool) -> None:
        self.hits += hit
        self.trials += 1

    @property
    def value(self) -> float | None:
        return self.hits / self.trials if self.trials else None
