"""Does rung see what a request asks for, and what does looking cost?

Labelled requests (tests/support/task_prompts.py, article_prompts.py) are recognised: accuracy with
its interval, confusion tables, where the preset `articles` would start them, and accuracy by stated
confidence. Then the time of one look, by the size of the request. Nothing leaves the machine.

    python benchmarks/tasks.py [--json] [--prompts FILE]

`--prompts` tries a file of `{"prompt": "...", "expect": {"entry": "local", "category": "chat"}}`,
one a line, as `rung route test` does, and prints its tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rung.cli.exhibits import request_of
from rung.core.parts import Message, Role, Text, Tool
from rung.core.stats import rate
from rung.core.tasks import Category, Task, task
from rung.core.types import Request
from support.article_prompts import OTHERS, SURE
from support.task_prompts import DEVELOPMENT, HELD_OUT, STORY, UNSEEN, Prompt

SETS = {"development": DEVELOPMENT, "held out": HELD_OUT, "other words": UNSEEN}
BANDS = ((0.0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01))
TO_LOCAL = frozenset({Category.DOCUMENTATION, Category.FORMATTING})
ROUNDS, CALLS = 9, 200

Looked = list[tuple[Prompt, Task]]


def looked(prompts: Sequence[Prompt]) -> Looked:
    return [(prompt, task(prompt.request)) for prompt in prompts]


def accuracy(found: Looked, *, of: str = "category") -> dict[str, float]:
    right = sum(getattr(prompt, of) is getattr(seen, of) for prompt, seen in found)
    share = rate(right, len(found))
    return {
        "right": right,
        "of": len(found),
        "low": round(share.low, 3),
        "high": round(share.high, 3),
    }


def confusion(found: Looked) -> dict[str, dict[str, int]]:
    """By what it is, what it was taken for."""
    pairs = Counter((prompt.category, seen.category) for prompt, seen in found)
    return {
        each.value: {other.value: pairs[each, other] for other in Category if pairs[each, other]}
        for each in Category
    }


def by_confidence(found: Looked) -> dict[str, dict[str, float]]:
    return {
        f"{low:.1f}-{min(high, 1.0):.1f}": accuracy(inside)
        for low, high in BANDS
        if (inside := [each for each in found if low <= each[1].confidence < high])
    }


ENTRIES = ("local", "workhorse", "cheap")


def entry(category: str, difficulty: str) -> str:
    """Where the preset `articles` starts such work."""
    if difficulty == "simple" or category in TO_LOCAL:
        return "local"
    return "workhorse" if category == Category.CODING else "cheap"


def entries(pairs: Sequence[tuple[str, Task]]) -> dict[str, object]:
    """By the tier that is right, where the preset starts."""
    took = Counter((right, entry(seen.category, seen.difficulty)) for right, seen in pairs)
    hits = sum(took[each, each] for each in ENTRIES)
    share = rate(hits, len(pairs))
    told = {
        "right": hits,
        "of": len(pairs),
        "low": round(share.low, 3),
        "high": round(share.high, 3),
    }
    rows = {each: {other: took[each, other] for other in ENTRIES} for each in ENTRIES}
    return {**told, **rows}


def of_file(file: Path) -> dict[str, object]:
    """The tables of a file of requests with what is expected of them."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    tried = [(line.pop("expect"), task(request_of(line, "a line"))) for line in lines]
    found: dict[str, object] = {}
    for name in ("category", "difficulty"):
        pairs = [(want[name], str(getattr(seen, name))) for want, seen in tried if name in want]
        hits = sum(want == got for want, got in pairs)
        misses = Counter(f"{want} -> {got}" for want, got in pairs if want != got)
        found[name] = {"right": hits, "of": len(pairs), "misses": dict(misses.most_common())}
    started = [(want["entry"], seen) for want, seen in tried if want.get("entry") in ENTRIES]
    return {**found, "entry": entries(started)}


def wrongly_local(found: Looked, least: float) -> dict[str, int]:
    """Harder work that "documentation or formatting or simple" would send to a local model.

    ``least`` is the confidence below which nothing is sent there.
    """
    sent = [
        (prompt, seen)
        for prompt, seen in found
        if (seen.category in TO_LOCAL or seen.difficulty.value == "simple")
        and seen.confidence >= least
    ]
    wrong = [
        prompt
        for prompt, _ in sent
        if prompt.category not in TO_LOCAL and prompt.difficulty.value != "simple"
    ]
    return {"sent": len(sent), "of them harder": len(wrong)}


# ------------------------------------------------------------------ time


def asked(text: str, *, agent: bool = False) -> Request:
    tools = tuple(Tool(f"tool{number}", "x" * 3_000, b"{}") for number in range(25))
    reminder = f"<system-reminder>\n{(STORY * 40)[:16_000]}\n</system-reminder>"
    before = (Message(Role.SYSTEM, (Text("y" * 9_000),)), Message(Role.USER, (Text(reminder),)))
    return Request(
        id="r",
        dialect="chat",
        messages=(*(before if agent else ()), Message(Role.USER, (Text(text),))),
        tools=tools if agent else (),
    )


def sizes() -> dict[str, Request]:
    prose = (STORY + " ") * 2_500
    return {
        "60 bytes": asked("Write a docstring for the function that parses the dates."),
        "1 KB, an instruction and material": asked("Summarise this.\n\n" + prose[:1_000]),
        "1 KB, one paragraph": asked(prose[:1_000]),
        "an agent's first turn, 100 KB": asked("Fix the login in src/app.py.", agent=True),
        "one turn of 80 KB": asked("Summarise this.\n\n" + prose[:80_000]),
        "one turn of 1 MB": asked("Summarise this.\n\n" + prose[:1_000_000]),
    }


def microseconds(request: Request) -> dict[str, float]:
    """The median of all looks, and the fastest round's median: what others on the machine leave."""
    rounds = []
    for _ in range(ROUNDS):
        took = []
        for _ in range(CALLS):
            began = perf_counter()
            task(request)
            took.append((perf_counter() - began) * 1e6)
        rounds.append(median(took))
    return {"median_us": round(median(rounds), 1), "fastest_us": round(min(rounds), 1)}


def figures() -> dict[str, object]:
    found = {name: looked(prompts) for name, prompts in SETS.items()}
    tried = found["held out"] + found["other words"]
    started = {
        name: [(entry(prompt.category, prompt.difficulty), seen) for prompt, seen in each]
        for name, each in found.items()
    }
    started["sixty"] = [(right, task(asked(text))) for right, text in (*SURE, *OTHERS)]
    return {
        "category": {name: accuracy(each) for name, each in found.items()},
        "difficulty": {name: accuracy(each, of="difficulty") for name, each in found.items()},
        "entry": {name: entries(each) for name, each in started.items()},
        "confusion": {
            "held out": confusion(found["held out"]),
            "other words": confusion(found["other words"]),
        },
        "by_confidence": by_confidence(tried),
        "to_local": {
            f"confidence from {least}": wrongly_local(tried, least) for least in (0.0, 0.3, 0.5)
        },
        "time": {name: microseconds(request) for name, request in sizes().items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one document instead of tables")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="try these, one a line")
    given = parser.parse_args()
    if given.prompts is not None:
        print(json.dumps(of_file(given.prompts), indent=2))
        return
    if given.json:
        print(json.dumps(figures(), indent=2))
        return
    for part, values in figures().items():
        print(f"\n{part}")
        for name, value in values.items():
            if part != "confusion":
                print(f"  {name:36} {value}")
                continue
            print(f"  {name}")
            for row, cells in value.items():
                print(f"    {row:16} {', '.join(f'{n} {other}' for other, n in cells.items())}")


if __name__ == "__main__":
    main()
