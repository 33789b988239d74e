"""Measuring one tier on purpose: how fast it reads and writes, and whether it keeps to shapes.

Four calls at most: a short prompt and a long one, whose words nobody's cache has seen; one tool to
call; one schema to fill in. They go through the one pipeline, so they are on the bill.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rung.assemble import Assembly, new_id
from rung.audits import NoBaselines
from rung.core.errors import RequestError
from rung.core.features import features
from rung.core.money import exact
from rung.core.outcome import Outcome
from rung.core.parts import Message, Role, Text, Tool
from rung.core.plan import OnExhausted, Policy, Rung
from rung.core.speed import Speed, Timing, speed_of
from rung.core.types import (
    Attempt,
    Directions,
    Lane,
    Need,
    Request,
    Sampling,
    SchemaRequest,
)
from rung.core.verdicts import Status
from rung.intake import Intake, Parts
from rung.ledger.speeds import PROBES, PROJECT
from rung.pace import timing_of_attempt
from rung.providers.base import Health
from rung.ways import Ways

SHORT_WORDS = 40
LEAST_WORDS, MOST_WORDS = 300, 3000
READING_SECONDS = 8.0
"""About how long the long prompt may take to read."""

TOKENS_PER_WORD = 1.5
LOOK_SECONDS = 10.0
WRITTEN_TOKENS = 64
FEW_TOKENS = 8
SHAPE_TOKENS = 160
"""The most that each of the calls may write."""

WORDS = (
    "amber anchor apple arch autumn barn basin bell birch blanket boat bottle branch bread bridge"
    " bronze brush button candle canvas carpet castle cedar chain chalk cherry circle clay clock"
    " cloud coast copper coral corner cotton cradle crown crystal curtain dawn desert door dragon"
    " drum eagle echo ember engine feather fence field flame flute forest fountain garden glass"
    " glove grain granite grove hammer harbour harvest hollow honey horizon island ivory jacket"
    " jewel kettle ladder lantern lemon linen locket maple marble meadow mirror mountain needle"
    " nest night oak ocean olive orchard paper pebble pepper piano pillow planet pond quarry"
    " quill rain ribbon river rope saddle sail salt sand shadow shell silver sky snow spoon stone"
    " storm sugar summer table thread tiger timber tower valley velvet violin walnut water wheel"
    " willow window winter wood wool yard"
)

WEATHER = Tool(
    "get_weather",
    "Tells the weather in a city.",
    json.dumps(
        {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        }
    ).encode(),
)

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether an answer kept to the shape that was asked for; ``None`` where it was not asked."""

    ok: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found out. ``speed`` is ``None`` where no call gave an answer.

    ``context_tokens`` is the window that the provider tells, or that is configured.
    """

    tier: str
    model: str
    local: bool
    health: Health
    context_tokens: int | None
    speed: Speed | None
    first_token_seconds: float | None
    tools: Kept
    schema: Kept
    timings: tuple[Timing, ...]
    cost_nanousd: int
    failures: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """As JSON."""
        speed = self.speed
        return {
            "tier": self.tier,
            "model": self.model,
            "local": self.local,
            "ok": speed is not None,
            "health": self.health.message,
            "context_tokens": self.context_tokens,
            "overhead_seconds": None if speed is None else round(speed.overhead_seconds, 4),
            "read_tokens_per_second": None
            if speed is None
            else round(speed.read_tokens_per_second, 2),
            "write_tokens_per_second": None
            if speed is None
            else round(speed.write_tokens_per_second, 2),
            "first_token_seconds": self.first_token_seconds,
            "load_seconds": None if speed is None else speed.load_seconds,
            "tools": {"ok": self.tools.ok, "why": self.tools.why},
            "schema": {"ok": self.schema.ok, "why": self.schema.why},
            "calls": len(self.timings),
            "failures": list(self.failures),
            "cost_nanousd": self.cost_nanousd,
            "cost_usd": exact(self.cost_nanousd),
        }


def worst_cost(parts: Assembly, tier: str) -> int:
    """The most that a probe of this tier can cost, in nano-dollars."""
    pricer, seconds = parts.tiers[tier].pricer, _rung(parts, tier).timeout_seconds
    asked = (_short(), _long(MOST_WORDS), _tools(), _shape())
    return sum(
        pricer.worst_cost(
            features(each).most_input_tokens, each.sampling.max_tokens or 0, seconds, hour=False
        )
        for each in asked
    )


async def probe(parts: Assembly, tier: str, say: Callable[[str], None]) -> Probe:
    """Measure a tier of the configuration; ``say`` is told what is being done. Raises RungError."""
    prober = _Prober(parts, tier)
    say("a short prompt, and a load if its model is not in memory")
    first = await prober.ask(_short())
    health = await parts.health(tier, LOOK_SECONDS)
    if first.answer is not None:
        words = prober.words_for_reading()
        say(f"a prompt of {words:,} words")
        await prober.ask(_long(words))
    tools, schema = _UNASKED, _UNASKED
    if first.answer is not None:
        say("a tool to call")
        tools = await prober.shaped(_tools(), "tool_calls", Need.TOOLS)
        say("a schema to fill in")
        schema = await prober.shaped(_shape(), "json_schema", None)
    return prober.report(health, first, tools, schema)


_UNASKED = Kept(None, "not asked: the first call gave no answer")


class _Prober:
    """Asks one tier, once for each request, and keeps what came of it."""

    def __init__(self, parts: Assembly, tier: str) -> None:
        self._tier = parts.tiers[tier]
        self._rung = _rung(parts, tier)
        policy = Policy(PROBES, (self._rung,), on_exhausted=OnExhausted.ERROR)
        main = parts.intake.parts
        own = Parts(
            ways=Ways(parts.tiers, {PROBES: policy}, PROBES),
            gates=replace(main.gates, by_ladder={}),
            baselines=NoBaselines(),
            book=parts.ledger,
            secrets=main.secrets,
        )
        self._intake = Intake(own, clock=time.perf_counter, wall=time.time, new_id=new_id)
        self._attempts: list[Attempt] = []
        self._context = self._rung.context_tokens

    async def ask(self, request: Request) -> Attempt:
        """One call."""
        outcome: Outcome = (await self._intake.answer(request)).outcome
        self._attempts += outcome.attempts
        return outcome.attempts[-1]

    async def shaped(self, request: Request, check: str, need: Need | None) -> Kept:
        """Whether the answer keeps to a shape."""
        if need is not None and need in self._rung.lacks:
            return Kept(None, f"rung sends this provider no {need.value}")
        attempt = await self.ask(request)
        if attempt.failure is not None:
            return Kept(ok=False, why=attempt.failure.message)
        if need is Need.TOOLS and attempt.answer is not None and not attempt.answer.tool_calls:
            return Kept(ok=False, why="it called no tool")
        found = next((v for v in attempt.verdicts if v.verifier == check), None)
        if found is None:
            wrong = next((v.reason for v in attempt.verdicts if v.status is Status.FAILED), "")
            return Kept(ok=False, why=wrong or "nothing was there to judge")
        return Kept(found.status is Status.PASSED, found.reason)

    def words_for_reading(self) -> int:
        """As many as the tier should read in a few seconds, by its first call, and has room for."""
        speed = self._speed()
        rate = 0.0 if speed is None else speed.read_tokens_per_second
        words = int(READING_SECONDS * rate / TOKENS_PER_WORD)
        if self._context is not None:
            words = min(words, self._context // 3)
        return max(LEAST_WORDS, min(words, MOST_WORDS))

    def report(self, health: Health, first: Attempt, tools: Kept, schema: Kept) -> Probe:
        """All of it."""
        failures = [each.failure.message for each in self._attempts if each.failure is not None]
        return Probe(
            tier=self._tier.name,
            model=self._tier.model,
            local=self._tier.local,
            health=health,
            context_tokens=_context(health, self._context),
            speed=self._speed(),
            first_token_seconds=first.first_token_seconds,
            tools=tools,
            schema=schema,
            timings=self._timings(),
            cost_nanousd=sum(each.cost_nanousd + each.checking_nanousd for each in self._attempts),
            failures=tuple(failures),
        )

    def _timings(self) -> tuple[Timing, ...]:
        found = (timing_of_attempt(attempt) for attempt in self._attempts)
        return tuple(timing for timing in found if timing is not None)

    def _speed(self) -> Speed | None:
        timings = self._timings()
        return speed_of(timings, local=self._tier.local) if timings else None


def _rung(parts: Assembly, tier: str) -> Rung:
    """The tier as the ladders have it, asked once. Raises RequestError for one on no ladder."""
    for policy in parts.intake.parts.ways.policies.values():
        for rung in policy.rungs:
            if rung.tier == tier:
                return replace(rung, retries=0, repairs=0, samples=1, carry=False)
    raise RequestError(
        f"tier {tier!r} stands on no ladder, so no rules are known for it.",
        status=404,
        fix="add it to a ladder in rung.toml",
    )


def _context(health: Health, configured: int | None) -> int | None:
    """The window that is in force, as far as anybody tells."""
    facts = health.facts or {}
    for name in ("loaded_tokens", "context_tokens", "trained_tokens"):
        told = facts.get(name)
        if isinstance(told, int) and told > 0:
            return told
    return configured


# ------------------------------------------------------------------ what is asked


def _request(prompt: str, most_tokens: int, **more: Any) -> Request:
    return Request(
        id=new_id(),
        dialect="probe",
        messages=(Message(Role.USER, (Text(prompt),)),),
        sampling=Sampling(max_tokens=most_tokens),
        directions=Directions(project=PROJECT, lane=Lane.BACKGROUND),
        **more,
    )


def _text(words: int) -> str:
    """Words that no cache has seen in this order."""
    return " ".join(random.SystemRandom().choices(WORDS.split(), k=words))


def _short() -> Request:
    prompt = f"{_text(SHORT_WORDS)}.\n\nTell a story in which these words occur."
    return _request(prompt, WRITTEN_TOKENS, stream=True)


def _long(words: int) -> Request:
    prompt = f"{_text(words)}.\n\nSay only: read."
    return _request(prompt, FEW_TOKENS, stream=True)


def _tools() -> Request:
    prompt = "What is the weather in Lisbon? Use the tool."
    return _request(prompt, SHAPE_TOKENS, tools=(WEATHER,), needs=frozenset({Need.TOOLS}))


def _shape() -> Request:
    schema = SchemaRequest(PERSON, "person")
    prompt = "As a JSON object with name and age: Ada is 36 years old. Write the JSON alone."
    return _request(prompt, SHAPE_TOKENS, schema=schema)
