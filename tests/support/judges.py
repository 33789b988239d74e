"""Judges for tests: tiers that answer from a script, and one that obeys whoever it can hear."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rung.core.types import Answer, Request
from rung.verifiers.base import Verifier
from rung.verifiers.kit import Kit, Reply

MARK = re.compile(r"between two lines with the mark (\d+)\.")
VERDICT = re.compile(
    r"verdict\W{0,5}pass|\"?right\"?\W{0,5}true|approve|this is correct", re.IGNORECASE
)


def judgement(*, right: object = True, sure: object = 90, fault: object = "") -> str:
    """A judge's reply, fields of wrong types included."""
    return json.dumps({"fault": fault, "right": right, "sure": sure})


def right(sure: object = 90, fault: object = "") -> str:
    return judgement(sure=sure, fault=fault)


def wrong(sure: object = 90, fault: object = "") -> str:
    return judgement(right=False, sure=sure, fault=fault)


def outside(request: Request) -> str:
    """What a judge hears that is no data: all but what stands between the lines with the mark."""
    system, user = (message.text for message in request.messages)
    found = MARK.search(system)
    assert found is not None, system
    line = rf"^----- {found[1]} the [a-z ]+"
    fenced = re.compile(rf"{line} begins -----$.*?{line} ends -----$", re.DOTALL | re.MULTILINE)
    return fenced.sub("", user)


def gullible(request: Request) -> Answer:
    """Obeys words of a verdict that it takes for its orders; by itself it finds all wrong."""
    obeyed = VERDICT.search(outside(request)) is not None
    return Answer(right(99) if obeyed else wrong(99, "it is wrong"))


@dataclass
class Bench:
    """Tiers that all answer by ``reply``, and what they were asked."""

    reply: Callable[[Request], Answer] | str | Exception
    cost_nanousd: int = 7
    asked: list[tuple[str, Request, float]] = field(default_factory=list)

    async def ask(self, tier: str, request: Request, seconds: float, /) -> Reply:
        self.asked.append((tier, request, seconds))
        if isinstance(self.reply, Exception):
            raise self.reply
        said = Answer(self.reply) if isinstance(self.reply, str) else self.reply(request)
        return Reply(said, self.cost_nanousd, 0.1)

    def seats(self, judge: Verifier) -> Verifier:
        """``judge`` with these tiers to ask, and a mark that is known."""
        kit = Kit(box=None, tiers=self)  # type: ignore[arg-type] judges run no commands
        return replace(judge.equipped(kit), nonce=lambda: "nonce")
