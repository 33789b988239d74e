"""Does the model know when it is right? The signal `logprobs`, tried on the embedded model.

Seventy short questions with known answers go through a cascade of one tier with the check; then
what asking for log-probabilities costs: in speed on that model, in bytes and time on a stream that
goes back to a caller who did not ask. Nothing leaves the machine.

    python benchmarks/logprobs.py [--json]
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from time import perf_counter, process_time
from typing import Any

from measures import Scored, auroc_interval

from rung import Cascade, Tier, checks
from rung.core.parts import Message, Role, Text
from rung.core.stats import quantile
from rung.core.types import Request
from rung.core.verdicts import Status
from rung.wire import chat
from rung.wire.sse import SseEvent

ASKED = " Answer with one word or number only."
TIMES, SEED = 2_000, 1
SPEED_ROUNDS, SPEED_TOKENS = 10, 120
CHUNKS, CHUNK_ROUNDS = 2_000, 9

SUMS = {
    "2 + 2": 4, "3 + 5": 8, "10 - 4": 6, "6 times 7": 42, "9 + 9": 18, "12 + 13": 25,
    "100 - 1": 99, "5 times 5": 25, "8 times 9": 72, "20 divided by 4": 5, "17 + 26": 43,
    "50 + 50": 100, "81 divided by 9": 9, "15 - 8": 7, "7 times 8": 56, "23 + 19": 42, "1 + 1": 2,
    "10 times 10": 100, "64 - 27": 37, "11 times 11": 121, "half of 18": 9, "double 16": 32,
    "3 times 4": 12, "30 divided by 5": 6,
}  # fmt: skip
FACTS = {
    "What is the capital of France?": "Paris",
    "What is the capital of Germany?": "Berlin",
    "What is the capital of Japan?": "Tokyo",
    "What is the capital of Italy?": "Rome",
    "What is the capital of Spain?": "Madrid",
    "What is the capital of Egypt?": "Cairo",
    "What is the capital of Canada?": "Ottawa",
    "What is the capital of Australia?": "Canberra",
    "What is the capital of Brazil?": "Bras[ií]lia",
    "What is the capital of Norway?": "Oslo",
    "What is the capital of Kenya?": "Nairobi",
    "What is the capital of Peru?": "Lima",
    "What is the chemical symbol for gold?": "Au",
    "What is the chemical formula of water?": "H2O|H₂O",
    "What is the chemical symbol for iron?": "Fe",
    "Which planet is closest to the sun?": "Mercury",
    "Which planet is the largest?": "Jupiter",
    "How many legs does a spider have?": "8|eight",
    "How many days are in a week?": "7|seven",
    "How many months are in a year?": "12|twelve",
    "How many minutes are in an hour?": "60|sixty",
    "Who wrote Romeo and Juliet?": "Shakespeare",
    "Who painted the Mona Lisa?": "Leonardo|Da Vinci",
    "Who developed the theory of relativity?": "Einstein",
    "In which country are the pyramids of Giza?": "Egypt",
    "What is the largest ocean?": "Pacific",
    "What gas do plants take in from the air?": "carbon dioxide|CO2",
    "Which animal is known as the king of the jungle?": "lion",
    "What is the tallest mountain on Earth?": "Everest",
    "At what temperature in Celsius does water boil?": "100",
}
OPPOSITES = {
    "Is the sentiment positive or negative? I love this phone.": ("positive", "negative"),
    "Is the sentiment positive or negative? It broke after a day.": ("negative", "positive"),
    "Is the sentiment positive or negative? The best meal ever.": ("positive", "negative"),
    "Is the sentiment positive or negative? A waste of money.": ("negative", "positive"),
    "Is the sentiment positive or negative? Fast and great quality.": ("positive", "negative"),
    "Is the sentiment positive or negative? I want my money back.": ("negative", "positive"),
    "Is a dog an animal or a plant?": ("animal", "plant"),
    "Is an oak an animal or a plant?": ("plant", "animal"),
    "Is the number 7 odd or even?": ("odd", "even"),
    "Is the number 12 odd or even?": ("even", "odd"),
    "Is the number 33 odd or even?": ("odd", "even"),
    "Is ice hot or cold?": ("cold", "hot"),
    "Is this English or French? Bonjour, comment allez-vous?": ("French", "English"),
    "Is this English or French? Where is the station?": ("English", "French"),
    "Is a carrot a fruit or a vegetable?": ("vegetable", "fruit"),
    "Is a banana a fruit or a vegetable?": ("fruit", "vegetable"),
}


def has(pattern: str, said: str) -> bool:
    """Whether the words stand in the answer."""
    return re.search(rf"(?i)(?<!\w)(?:{pattern})(?!\w)", said) is not None


def chooses(it: str, other: str, said: str) -> bool:
    """Whether the answer is the one and not the other."""
    return has(it, said) and not has(other, said)


def comes_to(value: int, said: str) -> bool:
    """Whether the last number of the answer is what the sum comes to."""
    found = re.findall(r"-?\d+(?:\.\d+)?", said)
    return bool(found) and float(found[-1]) == value


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and how its answer is told right from wrong."""

    kind: str
    text: str
    right: Callable[[str], bool]


def questions() -> list[Question]:
    """All of them."""
    sums = [
        Question("sums", f"What is {sum_}?", partial(comes_to, value))
        for sum_, value in SUMS.items()
    ]
    facts = [Question("facts", asked, partial(has, pattern)) for asked, pattern in FACTS.items()]
    opposites = [
        Question("labels", asked, partial(chooses, it, other))
        for asked, (it, other) in OPPOSITES.items()
    ]
    return [*sums, *facts, *opposites]


# ------------------------------------------------------------------ is it worth anything?

SUMMARIES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "least": min,
    "10%": lambda logs: quantile(list(logs), 0.1) or 0.0,
    "25%": lambda logs: quantile(list(logs), 0.25) or 0.0,
    "median": lambda logs: quantile(list(logs), 0.5) or 0.0,
    "mean": fmean,
    "sum": sum,
    "fewer tokens": lambda logs: -len(logs),
}
"""What could be made of the logs of an answer's tokens. The length alone is the control."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: its logs, the signal's score where it gave one, and whether it is right."""

    question: Question
    text: str
    logs: tuple[float, ...]
    score: float | None
    passed: bool
    right: bool


def answers() -> list[Answered]:
    """Each question asked once, greedily, through a cascade with the check."""
    found = []
    with Cascade([Tier.embedded()], verify=checks.logprobs(), ledger=None) as cascade:
        for question in questions():
            result = cascade.run(question.text + ASKED, temperature=0.0, max_tokens=30, seed=1)
            attempt = result.attempts[0]
            assert attempt.answer is not None
            said = attempt.answer.text
            verdict = next(v for v in attempt.verdicts if v.verifier == "logprobs")
            passed = verdict.status is Status.PASSED
            logs, right = attempt.answer.logprobs, question.right(said)
            found.append(Answered(question, said, logs, verdict.score, passed, right))
    return found


def worth(found: Sequence[Answered]) -> dict[str, Any]:
    """AUROC of the signal, and of what else could be made of the same numbers."""
    judged = [one for one in found if one.score is not None]
    kinds = dict.fromkeys(one.question.kind for one in judged)
    held: dict[str, list[Answered]] = {"all": judged}
    held |= {kind: [one for one in judged if one.question.kind == kind] for kind in kinds}
    return {
        "answers": len(found),
        "right": sum(one.right for one in found),
        "abstained": len(found) - len(judged),
        "passed": sum(one.passed for one in judged),
        "passed and right": sum(one.passed and one.right for one in judged),
        "auroc": {
            kind: {
                "answers": len(rows),
                "right": sum(one.right for one in rows),
                **{name: _auroc(rows, made) for name, made in SUMMARIES.items()},
            }
            for kind, rows in held.items()
        },
    }


def _auroc(
    rows: Sequence[Answered], made: Callable[[Sequence[float]], float]
) -> list[float] | None:
    return auroc_interval(
        [Scored(one.question.text, made(one.logs), one.right) for one in rows], TIMES, SEED
    )


# ------------------------------------------------------------------ what does it cost?


def speed() -> dict[str, float]:
    """Milliseconds a token of the embedded model, asked for log-probabilities and not, in turns."""
    took: dict[str, list[float]] = {"not asked": [], "asked": []}
    with Cascade([Tier.embedded()], ledger=None) as cascade:
        cascade.run("Hi.", max_tokens=1)
        for turn in range(SPEED_ROUNDS):
            for name, times in took.items():
                verify = [checks.logprobs()] if name == "asked" else []
                result = cascade.run(
                    "Write a long poem about the sea.",
                    verify=verify,
                    temperature=0.8,
                    seed=turn,
                    max_tokens=SPEED_TOKENS,
                )
                attempt = result.attempts[0]
                tokens = attempt.usage.output_tokens
                times.append((attempt.seconds - attempt.load_seconds) / tokens * 1000)
    ratios = [one / other for one, other in zip(took["asked"], took["not asked"], strict=True)]
    return {name: median(each) for name, each in took.items()} | {"ratio": median(ratios)}


def chunk(*, told: bool) -> bytes:
    """One chunk as llama.cpp writes it."""
    token = {"token": " capital", "bytes": [32, 99, 97, 112, 105, 116, 97, 108], "logprob": -0.77}
    choice = {"index": 0, "delta": {"content": " capital"}, "finish_reason": None}
    if told:
        choice["logprobs"] = {"content": [{"id": 3575, **token, "top_logprobs": [token]}]}
    return json.dumps(
        {
            "choices": [choice],
            "created": 1795364810,
            "id": "chatcmpl-tt4wrUX5kB0wDynUqBTMDlj3iG3wZ3kT",
            "model": "small-1",
            "object": "chat.completion.chunk",
        },
        separators=(",", ":"),
    ).encode()


def stream() -> dict[str, float]:
    """Bytes of a chunk, and processor time in microseconds to read it and pass it on."""
    request = Request("r", "chat", (Message(Role.USER, (Text("hi"),)),), stream=True)
    ways = {
        "not asked": (chunk(told=False), False),
        "asked, for the caller": (chunk(told=True), False),
        "asked, cut out": (chunk(told=True), True),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(CHUNK_ROUNDS):
        for name, (data, hides) in ways.items():
            reader = chat.BACK.reader(request, hides_logprobs=hides)
            began = process_time()
            for _ in range(CHUNKS):
                reader.feed(SseEvent("", data))
            took[name].append((process_time() - began) / CHUNKS * 1e6)
    told = {f"{name}, us a chunk": min(each) for name, each in took.items()}
    return told | {f"{name}, bytes": float(len(data)) for name, (data, _) in ways.items()}


# ------------------------------------------------------------------ all of it


def show(told: Mapping[str, Any]) -> None:
    """A table for people."""
    found = told["worth"]
    counts = ("answers", "right", "abstained", "passed", "passed and right")
    print(", ".join(f"{name} {found[name]}" for name in counts))
    print("\nAUROC of right against wrong, 95% bootstrap interval of the questions")
    for kind, row in found["auroc"].items():
        print(f"{kind}: {row['answers']} answers, {row['right']} right")
        for name in SUMMARIES:
            value = row[name]
            shown = "-" if value is None else "{:.2f} ({:.2f} to {:.2f})".format(*value)
            print(f"  {name:14} {shown}")
    print("\nThe embedded model, ms a token")
    for name, value in told["speed"].items():
        print(f"  {name:14} {value:.3f}")
    print("\nA chunk of a stream in Chat Completions")
    for name, value in told["stream"].items():
        print(f"  {name:34} {value:.1f}")
    print(f"\nload average {told['load']}, {told['seconds']:.0f} s")


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    began = perf_counter()
    told: dict[str, Any] = {"worth": worth(answers()), "speed": speed(), "stream": stream()}
    told["load"] = Path("/proc/loadavg").read_text("ascii").split()[0]
    told["seconds"] = perf_counter() - began
    if given.json:
        print(json.dumps(told, indent=2))
    else:
        show(told)


if __name__ == "__main__":
    main()
