"""Answers served again: to exactly the same request, of the same caller, for a while.

What is kept was accepted with a proof. What it is found by is everything that could change it; what
a provider may tell apart is never held to be the same. Whether it would be accepted now is asked of
the engine, as for any answer: of the present plan, its tiers, checks and calibrations.

It lives in memory, with the configuration that it was made under, and ends with the process. Two
equal requests at the same time are two requests.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b
from sys import getsizeof
from typing import TYPE_CHECKING, Final, Protocol

from rung.core.engine import Accept, next_action
from rung.core.errors import RungError
from rung.core.guidance import Kept
from rung.core.outcome import Outcome
from rung.core.parts import File, Image, Opaque, ToolCall, ToolResult
from rung.core.plan import Plan, Step
from rung.core.types import (
    Answer,
    Attempt,
    Finish,
    Need,
    Request,
    Sampling,
)
from rung.core.verdicts import Trust, Weight
from rung.core.vote import AGREEMENT
from rung.guides import Answers
from rung.orders import Order
from rung.verifiers.base import Verifier
from rung.wire.jsontext import JsonError, locate

if TYPE_CHECKING:
    from cachetools import TTLCache

FRAMING: Final = frozenset({"stream", "stream_options"})
"""Fields that say how an answer is sent, and nothing of what it is."""

MAY_BE_EMPTY: Final = frozenset({"logit_bias", "metadata", "options", *FRAMING})
"""Fields that mean nothing as an empty object. Others switch something on by being there: OpenAI's
`web_search_options` (https://platform.openai.com/docs/guides/tools-web-search)."""

SAYS_MORE: Final = re.compile(
    rb'"(?:stop_sequence"\s*:\s*"|(?:annotations|citations)"\s*:\s*\[\s*\{)'
)
"""In answers that name the sequence which ended them, or the sources of what they say."""

SIGNS_THOUGHTS: Final = "messages"
"""Clients of this dialect send thinking back, with the signature that came with it."""

OVERHEAD_BYTES: Final = 2048
"""What an entry takes beside its texts."""

_NEEDS: Final = {
    Need.EMBEDDINGS: "embeddings have no proof",
    Need.LOGPROBS: "it asks for log-probabilities",
    Need.MANY_CHOICES: "it asks for several answers",
    Need.STATE: "a part of it is kept by the provider",
    Need.TOOLS: "it offers tools",
    Need.AUDIO: "it has to do with audio",
}


class Labels(Protocol):
    """Where people say what they found out about answers."""

    def said_wrong(self, request_id: str, /) -> bool:
        """Whether the served answer of a request is believed to be wrong. Blocks; RungError."""
        ...


# ------------------------------------------------------------------ which requests


def why_not(request: Request) -> str:
    """Why no kept answer can serve this request, and none of its answers is kept; empty if so."""
    if request.audit_of is not None:
        return "it is an audit"
    if request.tools:
        return "it offers tools"
    for need in sorted(request.needs & _NEEDS.keys()):
        return _NEEDS[need]
    if _sampled(request.sampling):
        return "its answer is to be drawn at random"
    if request.extras:
        return f"it asks for what only its own dialect knows: {', '.join(request.extras)}"
    return next(_refers_elsewhere(request), "")


def _sampled(asked: Sampling) -> bool:
    """Whether the caller asks for a draw. Greedy decoding is none, however it is further set."""
    if asked.temperature is not None:
        return asked.temperature > 0
    return asked.top_p not in {None, 1} or asked.top_k is not None or asked.seed is not None


def _refers_elsewhere(request: Request) -> Iterator[str]:
    """What stands in the conversation for something that is not in it and may change."""
    for message in request.messages:
        for part in message.parts:
            match part:
                case ToolCall() | ToolResult():
                    yield "tools were called in it"
                case Image(url=str(url)) | File(url=str(url)) if url:
                    yield "it refers to something by its address"
                case Opaque():
                    yield f"a part of it is not understood: {part.loss}"
                case _:
                    pass


# ------------------------------------------------------------------ what is the same


def key_of(order: Order) -> bytes | None:
    """What two requests share whose answers can stand for one another; ``None``: nothing can.

    Top-level fields of a body may stand in any order; each one's bytes have to be the same.
    """
    request, asked = order.request, order.request.directions
    said = _said(request)
    if said is None:
        return None
    checks = sorted(
        {
            (check.name, check.weight.value)
            for step in order.plan.steps
            for check in step.checks
            if check.name != AGREEMENT
        }
    )
    scope = (asked.project, request.caller, request.key, bool(order.plan.private))
    tiers = (asked.tier, asked.ceiling, asked.tiers)
    way = (request.dialect, request.passed_on, order.plan.ladder, tiers)
    digest = blake2b(digest_size=32)
    for each in (repr((scope, way, checks)).encode(), *said):
        digest.update(len(each).to_bytes(8, "big"))
        digest.update(each)
    return digest.digest()


def _said(request: Request) -> list[bytes] | None:
    """All that a request says, in pieces; ``None`` where it cannot be told for certain."""
    if not request.body:
        return _built(request)
    try:
        found = locate(request.body)
    except JsonError:
        return None
    if any(field.value == b"{}" for name, field in found.items() if name not in MAY_BE_EMPTY):
        return None
    names = sorted(found.keys() - FRAMING)
    pieces = [(name.encode("utf-8", "surrogatepass"), found[name].value) for name in names]
    return [piece for pair in pieces for piece in pair]


def _built(request: Request) -> list[bytes] | None:
    """What a request says that was built in this process: its values, with their types."""
    schema = request.schema
    try:
        # Not by its own `repr`, which may be that of any class, and say nothing.
        told = None if schema is None else json.dumps(schema.schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    form = None if schema is None else (told, schema.name, schema.strict)
    how = (request.model, request.sampling, request.effort, request.parallel_tool_calls)
    return [repr(how).encode(), repr(form).encode(), repr(request.messages).encode()]


# ------------------------------------------------------------------ what is kept


def kept(outcome: Outcome) -> Kept | None:
    """What of an outcome may be served again; ``None`` where it has no proof, or one that ends.

    A command may look at more than the answer: at a workspace that has changed since.
    """
    decision, served = outcome.decision, outcome.served
    if not isinstance(decision, Accept) or decision.index != served or not decision.verified:
        return None
    if not outcome.verified or outcome.cached_of is not None or outcome.ungated:
        return None
    attempt = outcome.attempts[decision.index]
    answer, step = attempt.answer, outcome.plan.step(attempt.tier)
    if answer is None or step is None or not _plain(answer) or not _lasts(step, attempt):
        return None
    proof = tuple(
        replace(v, cost_nanousd=0, seconds=0.0, at=0.0, left=False) for v in attempt.verdicts
    )
    whole = replace(answer, logprobs=(), ending=b"")
    return Kept(outcome.request.id, attempt.tier, whole, attempt.usage, proof, attempt.losses)


def _plain(answer: Answer) -> bool:
    """Whether an answer is words alone, and came to its own end.

    What only the provider's own bytes say would be lost where those cannot be sent again.
    """
    odd = answer.tool_calls or answer.more or answer.salvaged or answer.refusal is not None
    more = SAYS_MORE.search(answer.body) or SAYS_MORE.search(answer.ending)
    signed = answer.dialect == SIGNS_THOUGHTS and answer.thinking
    return answer.finish is Finish.STOP and not (odd or more or signed)


def _lasts(step: Step, attempt: Attempt) -> bool:
    required = {check.name for check in step.checks if check.weight is Weight.REQUIRED}
    return all(v.trust is not Trust.COMMAND for v in attempt.verdicts if v.verifier in required)


class Replies(Answers):
    """Keeps answers, at most ``most_bytes`` of them and each for ``seconds``; the least used go.

    Of one event loop. ``labels`` is asked before an answer is served again.
    """

    def __init__(
        self,
        most_bytes: int,
        seconds: float,
        clock: Callable[[], float],
        labels: Labels | None = None,
    ) -> None:
        from cachetools import TTLCache

        self._most_bytes = most_bytes
        self._labels = labels
        self._kept: TTLCache[bytes, Kept] = TTLCache(
            most_bytes, seconds, timer=clock, getsizeof=size_of
        )

    def key(self, order: Order, extra: tuple[Verifier, ...]) -> bytes | None:
        """What finds this request's answer; ``None`` where it is not kept.

        Nor is it where the caller brought checks of its own: two of one name need not be the same.
        """
        return None if extra or why_not(order.request) else key_of(order)

    async def get(self, key: bytes, order: Order) -> Kept | None:
        """The kept answer, where the order's plan would accept it, and nobody found it wrong."""
        found = self._kept.get(key)
        if found is None or order.request.directions.fresh or not accepted(found, order.plan):
            return None
        return found if await self._stands(found) else None

    def put(self, key: bytes, outcome: Outcome) -> None:
        """Keep the answer of a finished request, if it is one to keep."""
        made = kept(outcome)
        if made is not None and size_of(made) <= self._most_bytes:
            self._kept[key] = made

    def forget(self, request_id: str) -> None:
        """Drop the answer that was given to a request."""
        for key in [key for key, each in self._kept.items() if each.of == request_id]:
            self._kept.pop(key, None)

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return int(self._kept.currsize)

    def __len__(self) -> int:
        return len(self._kept)

    async def _stands(self, found: Kept) -> bool:
        """Whether nobody has said meanwhile that the answer is wrong."""
        if self._labels is None:
            return True
        try:
            wrong = await asyncio.to_thread(self._labels.said_wrong, found.of)
        except RungError:
            return False  # asking a tier is always right
        if wrong:
            self.forget(found.of)
        return not wrong


def accepted(found: Kept, plan: Plan) -> bool:
    """Whether the engine would serve the answer as verified, had this plan's tier just given it."""
    if plan.step(found.tier) is None:
        return False
    return next_action(plan, (found.attempt(""),)) == Accept(0, verified=True)


def size_of(each: Kept) -> int:
    """About how much memory a kept answer takes, in bytes."""
    answer = each.answer
    texts = [answer.text, answer.thinking, answer.body, *each.losses]
    texts += [text for v in each.verdicts for text in (v.reason, v.says or "")]
    return OVERHEAD_BYTES + sum(map(getsizeof, texts))
