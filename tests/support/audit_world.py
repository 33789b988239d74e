"""A world in which everybody knows what is right, to measure what audits make of it.

Questions are numbers. The right answer to 7 is `{"n": 7, "a": 49}`. The cheap tier is wrong at a
known rate, the top tier never, and answers a judge's question as truthfully. Three gates, one a
ladder: `sound` knows what is right, `blind` passes everything, `harsh` fails half of what is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from support.gateway import toml
from support.openai_server import Call, Step, text

CHEAP_ERROR = 0.3
GATES = ("sound", "blind", "harsh")
MODULE = "audit_world_checks"
CHECKS = """
import json
from zlib import crc32


def right(text):
    said = json.loads(text)
    return said["a"] == said["n"] * 7


def sound(text):
    return right(text) or "wrong"


def blind(text):
    return True


def harsh(text):
    return (right(text) and crc32(text.encode()) % 2 == 0) or "rejected"
"""
_TASK = re.compile(r"\[\d+ user\]\n(\d+)")
_CANDIDATE = re.compile(r"\[\d+ text\]\n(\{.*?\})")


def config(cheap: str, top: str, share: str) -> str:
    """Two tiers, and a ladder for each gate that is audited at ``share``."""
    ladders = "".join(
        f'[ladders.{gate}]\ntiers = ["a", "b"]\nverify = ["{gate}"]\naudit = "{share}"\n'
        f'on_exhausted = "error"\n'
        f'[verifiers.{gate}]\nkind = "python"\nfunction = "{MODULE}:{gate}"\n'
        for gate in GATES
    )
    return toml(cheap, top, tier="repairs = 0", more=ladders)


def checks(folder: Path) -> dict[str, str]:
    """Write the gates where a gateway finds them; the environment that it needs."""
    (folder / f"{MODULE}.py").write_text(CHECKS, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def cheap(call: Call) -> Iterable[Step]:
    """The cheap tier: wrong where a hash of the question says so."""
    number = int(_question(call))
    off = crc32(f"cheap {number}".encode()) < CHEAP_ERROR * 2**32
    return text(json.dumps({"n": number, "a": number * 7 + off}))(call)


def top(call: Call) -> Iterable[Step]:
    """The top tier: answers, or judges."""
    asked = _question(call)
    if asked.isdigit():
        return text(json.dumps({"n": int(asked), "a": int(asked) * 7}))(call)
    task, candidate = _TASK.search(asked), _CANDIDATE.search(asked)
    assert task is not None
    assert candidate is not None
    right = json.loads(candidate[1])["a"] == int(task[1]) * 7
    told = {"fault": "" if right else "not seven times the number", "right": right, "sure": 95}
    return text(json.dumps(told))(call)


def wrong_share(numbers: Iterable[int]) -> float:
    """How many of the cheap tier's answers to these are wrong."""
    offs = [crc32(f"cheap {number}".encode()) < CHEAP_ERROR * 2**32 for number in numbers]
    return sum(offs) / len(offs)


def _question(call: Call) -> str:
    return str(call.json["messages"][-1]["content"])
