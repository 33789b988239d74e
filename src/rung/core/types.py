"""The nouns of rung: what a request, a plan, an attempt, a verdict and an outcome are.

Everything here is frozen data from the standard library, so that one shape serves the engine, the
ledger row and a replay. Money is integer nano-dollars (1e-9 USD). Times are seconds; fields named
``*_at`` are offsets from the start of the request, never wall clock, so that a stored history
replays to the same decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any

from rung.core.parts import FREE_CHOICE, HostedTool, Message, Role, Tool, ToolCall, ToolChoice
from rung.core.traces import Trace

# Told on: everybody takes them from here.
from rung.core.usage import NO_USAGE
from rung.core.usage import Price as Price  # noqa: PLC0414 told on
from rung.core.usage import Usage as Usage  # noqa: PLC0414 told on
from rung.core.usage import UsageSource as UsageSource  # noqa: PLC0414 told on
from rung.core.verdicts import Verdict

# ------------------------------------------------------------------ requests


class Need(StrEnum):
    """What a request depends on. A tier that lacks one of them is not on the plan.

    PREFILL: the answer goes on from words of the assistant's own that end the conversation.
    STATE: a part of the conversation is kept by the provider.
    """

    IMAGES = "images"
    FILES = "files"
    AUDIO = "audio"
    TOOLS = "tools"
    LOGPROBS = "logprobs"
    MANY_CHOICES = "many_choices"
    PREFILL = "prefill"
    STATE = "state"
    EMBEDDINGS = "embeddings"


MOST_CHOICES = 8
"""The most answers that one call may be asked for."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the caller wants the answer drawn; ``None`` leaves it to the tier."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class SchemaRequest:
    """The JSON Schema that the caller's own request asks the answer to satisfy.

    ``schema`` is ``None`` for "any JSON object". ``strict`` is the caller's own flag.
    """

    schema: Mapping[str, Any] | bool | None
    name: str = "answer"
    strict: bool = False


class Lane(StrEnum):
    """How much waiting the caller tolerates."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Directions:
    """What a caller may ask of the cascade itself, by headers or library arguments.

    ``ceiling`` is the last tier that may be called. ``private``: nothing of it may leave this
    machine. ``fresh``: no stored answer will do. ``agent`` is the client's own name of the
    sub-agent that asks, ``None`` for its main loop. ``ladders`` and ``tiers`` are the only ones
    that its key may go to.
    """

    ladder: str | None = None
    tier: str | None = None
    verify: tuple[str, ...] = ()
    project: str | None = None
    lane: Lane = Lane.INTERACTIVE
    deadline_seconds: float | None = None
    max_cost_nanousd: int | None = None
    ceiling: str | None = None
    private: bool = False
    fresh: bool = False
    agent: str | None = None
    ladders: tuple[str, ...] | None = None
    tiers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whatever dialect it came in.

    ``body`` is the caller's own bytes in ``dialect`` (empty when built by the library): a tier that
    speaks the same dialect is sent these bytes with only the model name exchanged. ``effort`` is
    how hard the model is to think, in its provider's own words. ``extras`` names the fields of the
    body that mean something to its own dialect alone. ``passed_on`` are the few headers that go on
    to a provider of the same dialect. ``session`` is the client's own name for the conversation,
    ``conversation`` rung's own, empty where it is none. ``resend_of`` is the request that this one
    repeats because its stream broke, ``audit_of`` the one whose answer this one is a second look
    at. ``caller`` is a digest of the key that the client showed: good within this process alone.
    ``key`` is the id of its virtual key. ``loop`` says why it was taken for one turn of a circle.
    ``trace`` is where its spans belong, ``None`` where nobody keeps any. ``session_shared``: the
    session's name is that of a prompt cache, which many conversations may share.
    """

    id: str
    dialect: str
    messages: tuple[Message, ...]
    model: str = ""
    sampling: Sampling = Sampling()
    schema: SchemaRequest | None = None
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice = FREE_CHOICE
    parallel_tool_calls: bool | None = None
    effort: str | None = None
    needs: frozenset[Need] = frozenset()
    extras: tuple[str, ...] = ()
    stream: bool = False
    stream_usage: bool = False
    body: bytes = b""
    passed_on: tuple[tuple[str, str], ...] = ()
    session: str = ""
    conversation: str = ""
    resend_of: str | None = None
    audit_of: str | None = None
    caller: str = ""
    directions: Directions = Directions()
    key: str | None = None
    loop: str = ""
    trace: Trace | None = None
    session_shared: bool = False

    def in_conversation(self, key: str) -> Request:
        """The same request with its conversation's key."""
        # Not by `replace`, which takes four times as long: this is done for each request.
        values = list(_REQUEST_VALUES(self))
        values[_CONVERSATION] = key
        return Request(*values)

    @property
    def question(self) -> str:
        """The text of the last user turn."""
        for message in reversed(self.messages):
            if message.role is Role.USER:
                return message.text
        return ""


_REQUEST_VALUES = attrgetter(*Request.__match_args__)
_CONVERSATION = Request.__match_args__.index("conversation")

# ------------------------------------------------------------------ answers


class Finish(StrEnum):
    """Why a model stopped writing, in one vocabulary for all dialects."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tier said.

    ``body`` holds the provider's own bytes of a plain (non-stream) answer in ``dialect``, so that a
    caller of that dialect gets them unchanged; ``ending`` the framed events that end its stream.
    ``thinking`` is what the model thought aside, where it shows it. ``logprobs`` are natural logs,
    one per token written; empty where the tier has none. ``more`` are the texts of further choices,
    where the caller asked for several. ``salvaged`` names the notation of tool calls that the model
    wrote as text: such an answer has neither ``body`` nor ``ending``.
    """

    text: str
    finish: Finish = Finish.STOP
    model: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str = ""
    logprobs: tuple[float, ...] = ()
    more: tuple[str, ...] = ()
    dialect: str = ""
    body: bytes = b""
    ending: bytes = b""
    salvaged: str = ""


# ------------------------------------------------------------------ errors of an attempt


class Fault(StrEnum):
    """Why a call to a tier gave no answer."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    INVALID_RESPONSE = "invalid_response"
    CUT_STREAM = "cut_stream"
    AUTH = "auth"
    BILLING = "billing"
    NOT_FOUND = "not_found"
    CONTEXT_TOO_LONG = "context_too_long"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"
    CANCELLED = "cancelled"
    INTERNAL = "internal"
    BUDGET = "budget"
    UNKNOWN = "unknown"


class EndedBy(StrEnum):
    """Who ended an attempt or a request."""

    UPSTREAM = "upstream"
    CLIENT = "client"
    GATEWAY = "gateway"
    LIMIT = "limit"
    INTERNAL = "internal"


class Phase(StrEnum):
    """How far it had come when it ended."""

    PLAN = "plan"
    LOAD = "load"
    CONNECT = "connect"
    HEADERS = "headers"
    FIRST_TOKEN = "first_token"  # noqa: S105 a token of text, no secret
    STREAM = "stream"
    VERIFY = "verify"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt has no answer: a message fit for the caller, free of keys.

    ``retry_after_seconds`` is what the provider asked for; ``status`` its HTTP status, if any.
    """

    fault: Fault
    message: str
    status: int | None = None
    retry_after_seconds: float | None = None


# ------------------------------------------------------------------ attempts and outcomes


class Kind(StrEnum):
    """Why this call was made."""

    FIRST = "first"
    RETRY = "retry"
    REPAIR = "repair"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one tier, whatever came of it.

    ``started_at`` and ``ended_at`` are seconds since the request began; ``load_seconds`` is the
    part of the call that a local model spent loading, ``first_token_seconds`` counts from the
    call's start without that load. ``losses`` names what the request asked for and this tier's
    dialect could not carry. ``released`` says that bytes of it have left: it is final. ``local``
    says that the tier was on this machine or network, ``beside`` that another tier was asked at
    the same time and answered first. ``spared_tokens`` is what shortened tool output kept off it.
    ``queued_seconds`` is how long it stood behind other calls; ``first_token_seconds`` leaves that
    out too. ``reserved_nanousd`` is what was set aside for it before it was made. ``drained`` says
    that its caller had left, and it was heard to its end for the sake of its usage.
    """

    id: str
    tier: str
    kind: Kind
    started_at: float
    ended_at: float
    answer: Answer | None = None
    failure: Failure | None = None
    usage: Usage = NO_USAGE
    cost_nanousd: int = 0
    price: Price | None = None
    load_seconds: float = 0.0
    first_token_seconds: float | None = None
    ended_by: EndedBy = EndedBy.UPSTREAM
    phase: Phase = Phase.DONE
    verdicts: tuple[Verdict, ...] = ()
    losses: tuple[str, ...] = ()
    released: bool = False
    local: bool | None = None
    beside: bool = False
    spared_tokens: int = 0
    queued_seconds: float = 0.0
    reserved_nanousd: int | None = None
    drained: bool = False

    def with_verdict(self, verdict: Verdict) -> Attempt:
        """The same attempt with one more verdict."""
        # Not by `replace`, which takes longer: this is done for each check of each answer.
        values = list(_VALUES(self))
        values[_VERDICTS] = (*self.verdicts, verdict)
        return Attempt(*values)

    @property
    def aborted(self) -> bool:
        """Whether the answer was broken off because it could not pass: a draft, never served."""
        return self.answer is not None and self.phase is not Phase.DONE

    @property
    def checking_nanousd(self) -> int:
        """What its checks were billed."""
        return sum(verdict.cost_nanousd for verdict in self.verdicts)

    @property
    def seconds(self) -> float:
        """Wall time of the call, load included."""
        return self.ended_at - self.started_at


_VALUES = attrgetter(*Attempt.__match_args__)
_VERDICTS = Attempt.__match_args__.index("verdicts")

History = tuple[Attempt, ...]
