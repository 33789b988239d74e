"""What every front door can be asked over every back end, tried on a running gateway.

`Stage` is the gateway with a server of each kind behind it; `Stage.see` tries one case there and
checks all of it: what the server was sent, what the caller got, what the ledger says was lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from support.dialects import (
    CALLERS,
    LIMIT,
    PAPER,
    PIXEL,
    Asked,
    Called,
    Counted,
    Got,
    Offered,
    Paper,
    Picture,
    Result,
    Said,
    Thought,
    Turn,
    UnsayableError,
    assistant,
    system,
    user,
    without_thoughts,
)
from support.gateway import Gateway, ask, request
from support.recording import OllamaThread, Spoken, Upper

# ------------------------------------------------------------------ cases

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Offered("weather", "Tells the weather.", PLACE)
CLOCK = Offered("clock", "Tells the time.", PLACE)
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
OSLO = Called("call_1", "weather", {"city": "Oslo"})
ROME = Called("call_2", "clock", {"city": 'Rome \u2013 "Roma"'})
ASKS = user("What is it like in Oslo, and how late in Rome?")
RESULTS = Asked(
    (
        system("You know the world."),
        ASKS,
        assistant("Let me look.", OSLO, ROME),
        Result("call_1", "snow until Thursday"),
        Result("call_2", "no such place", failed=True),
        user("And now?"),
    ),
    tools=(WEATHER, CLOCK),
)
WORDS = {"role": "user", "content": "Hi"}
AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


@dataclass(frozen=True)
class Case:
    """One thing that callers ask for or get. ``about`` is its row of the table."""

    about: str
    asked: Asked = field(default_factory=Asked)
    said: Said = field(default_factory=Said)


CALLS = Said((), (OSLO,), "tool_calls")
TOOLS = Asked((ASKS,), (WEATHER, CLOCK))

CASES = (
    Case("text", Asked((system("Be brief."), user("Hi"), assistant("Yes?"), user("Who?")))),
    Case("usage with cache counters", said=Said(usage=Counted(5000, 12, 4000, 900))),
    Case("a tool call", TOOLS, CALLS),
    Case("two tool calls at once", TOOLS, replace(CALLS, calls=(OSLO, ROME))),
    Case("text before a tool call", TOOLS, replace(CALLS, pieces=("Let me", " look."))),
    Case("tool results, one an error", RESULTS),
    Case("a tool that must be called", replace(TOOLS, choice="weather"), CALLS),
    Case("some tool must be called", replace(TOOLS, choice="required"), CALLS),
    Case("no tool may be called", replace(TOOLS, choice="none")),
    Case("one tool call at a time", replace(TOOLS, parallel=False), CALLS),
    Case("an image", Asked((user("What is it?", Picture(PIXEL)),))),
    Case("an image by its link", Asked((user("What?", Picture(url="http://x.invalid/a.png")),))),
    Case(
        "an image in a tool's result",
        replace(
            TOOLS,
            turns=(
                ASKS,
                assistant(OSLO),
                Result("call_1", "the sky", shown=(Picture(PIXEL),)),
            ),
        ),
    ),
    Case("a file", Asked((user("Sum it up.", Paper(PAPER)),))),
    Case("a JSON Schema", Asked(schema=PERSON), Said(('{"name":', ' "Ada"}'))),
    Case("stopped at the limit", Asked(limit=64), Said(finish="length", usage=Counted(said=64))),
    Case("a refusal", said=Said((), finish="refusal", refusal="I will not.")),
    Case(
        "a system message in the middle",
        Asked(
            (
                system("Be brief."),
                user("Hi"),
                assistant("Yes?"),
                system("Now in German."),
                user("Who?"),
            )
        ),
    ),
    Case("temperature, top_p", Asked(temperature=0.25, top_p=0.75)),
    Case("stop sequences", Asked(stop=("END", "###"))),
    Case("seed", Asked(seed=7)),
    Case("top_k", Asked(top_k=40)),
    Case("effort", Asked(effort="high")),
    Case(
        "thinking in the conversation",
        Asked((user("Hi"), assistant(Thought("They greet."), "Yes?"), user("Who?"))),
    ),
    Case("thinking in the answer", said=Said(thinking="They greet me.")),
    Case(
        "the answer's beginning (prefill)",
        Asked(native={"messages": {"messages": [WORDS, {"role": "assistant", "content": "{"}]}}),
    ),
    Case(
        "a tool that the provider runs",
        Asked(
            native={
                "messages": {"tools": [SEARCH]},
                "responses": {"tools": [{"type": "web_search"}]},
            }
        ),
    ),
    Case("several answers", Asked(native={"chat": {"n": 2}})),
    Case("log-probabilities", Asked(native={"chat": {"logprobs": True}})),
    Case("logit_bias", Asked(native={"chat": {"logit_bias": {"50256": -100}}})),
    Case("audio", Asked(native={"chat": {"messages": [{"role": "user", "content": [AUDIO]}]}})),
)

# ------------------------------------------------------------------ outcomes


@dataclass(frozen=True)
class Outcome:
    """What became of a case: one of KINDS. ``what`` are the losses, ``why`` a refusal's reason."""

    kind: str
    what: tuple[str, ...] = ()
    why: str = ""


KINDS = ("carried", "translated", "lost", "unsigned", "refused", "unsayable")
"""``unsigned``: all was translated but thinking, which nobody else can sign. ``unsayable``: one of
the two dialects has no word for it, so that nothing can be tried."""

UNSAYABLE = Outcome("unsayable")

_FIELDS = {
    "forced_tool_choice": "choice",
    "parallel_tool_calls": "parallel",
    "schema": "schema",
    "effort": "effort",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
}


def arriving(asked: Asked, losses: tuple[str, ...]) -> Asked:
    """What should arrive of a request where these things were lost."""
    for loss in losses:
        if loss in _FIELDS:
            asked = replace(asked, **{_FIELDS[loss]: None})
        elif loss == "stop":
            asked = replace(asked, stop=())
        elif loss == "thinking":
            asked = without_thoughts(asked)
        elif loss == "system_position":
            asked = replace(asked, turns=_reminded(asked.turns))
        elif loss not in NATIVE_LOSSES:
            raise AssertionError(f"nobody expects the loss of {loss}")
    return asked


def _reminded(turns: tuple[Turn | Result, ...]) -> tuple[Turn | Result, ...]:
    """A later system message goes into the user's next turn, marked as what it is."""
    told: list[Turn | Result] = []
    marked: tuple[str, ...] = ()
    for place, turn in enumerate(turns):
        if isinstance(turn, Turn) and turn.role == "system" and place:
            marked = (f"<system-reminder>\n{turn.pieces[0]}\n</system-reminder>",)
            continue
        if isinstance(turn, Turn) and marked:
            assert turn.role == "user"
            told.append(user(*marked, *turn.pieces))
            marked = ()
        else:
            told.append(turn)
    return tuple(told)


NATIVE_LOSSES = frozenset(
    {"logit_bias", "hosted_tool:web_search", "hosted_tool:web_search_20250305"}
)
"""Losses of what only its own dialect has: nothing of it arrives."""


def receiving(said: Said, caller: str, upper: Upper, spoken: str) -> Got:
    """What should come back of an answer."""
    signed = caller in {"messages", "responses"} and spoken != caller
    usage = said.usage if upper.counts_writes else replace(said.usage, written=0)
    return Got(
        words=said.text or said.refusal,
        calls=said.calls,
        finish=said.finish,
        thinking="" if signed else said.thinking,
        usage=usage,
        model=f"said-by-{spoken}",
    )


# ------------------------------------------------------------------ the stage

BACKS: Mapping[str, str] = {
    "chat": "openai_compatible",
    "both": "openai_compatible, `responses = true`",
    "messages": "anthropic",
    "ollama": "ollama",
}
"""The tiers of the stage, with the provider that each stands for."""

MODELS: Mapping[str, str] = {"gpt": "gpt-6-luna", "mistral": "mistral-small"}
"""Models of further tiers whose families want something of their own."""


@dataclass
class Stage:
    """A gateway over one server of each kind, each a tier that requests are pinned to."""

    gateway: Gateway
    uppers: Mapping[str, Upper]
    seen: dict[tuple[str, str, str, bool], Outcome] = field(default_factory=dict)

    def see(self, case: Case, front: str, back: str, *, stream: bool) -> Outcome:
        """Try a case once, and check everything about it."""
        key = (case.about, front, back, stream)
        if key not in self.seen:
            self.seen[key] = self._try(case, front, back, stream)
        return self.seen[key]

    def _try(self, case: Case, front: str, back: str, stream: bool) -> Outcome:
        caller, upper = CALLERS[front], self.uppers[back]
        spoken = front if front in upper.takes else upper.takes[0]
        if case.said.refusal and not upper.refuses_in_words:
            return UNSAYABLE
        try:
            body = caller.body(case.asked, f"tier:{back}", stream=stream)
        except UnsayableError:
            return UNSAYABLE
        upper.say(case.said, stream=stream)
        reply = ask(self.gateway.port, request(path=caller.path, body=body))
        sent = upper.bodies()
        if reply.status == 400:
            assert sent == []
            return Outcome("refused", why=_why(caller.error(reply.json).message, back))
        assert reply.status == 200, reply.body
        [received] = sent
        losses = self._losses(reply.headers["x-rung-request-id"])
        got = caller.heard(reply.body) if stream else caller.told(reply.json)
        if stream and got.model == f"model-{back}" and spoken != front:
            # What leaves before its provider has named the model is labelled by the tier's.
            got = replace(got, model=f"said-by-{spoken}")
        _same(got, receiving(case.said, front, upper, spoken))
        if spoken == front:
            assert losses == ()
            assert reply.body == upper.answered()
            assert received == body.replace(f'"tier:{back}"'.encode(), f'"model-{back}"'.encode())
            return Outcome("carried")
        _check_request(case, front, back, upper.read(received), losses)
        if losses:
            return Outcome("lost", losses)
        return Outcome("unsigned" if case.said.thinking and not got.thinking else "translated")

    def _losses(self, request_id: str) -> tuple[str, ...]:
        told = ask(self.gateway.port, request("GET", f"/v1/requests/{request_id}")).json
        [attempt] = told["attempts"]
        return tuple(attempt["losses"])


def _why(message: str, back: str) -> str:
    """What a refusal says of the tier that the request is pinned to."""
    found = re.search(rf"[(;] ?{back}: ([^;)]+)", message)
    assert found, message
    return found[1]


def _same(found: Any, wanted: Any) -> None:
    """Field by field, so that a failure names what differs."""
    for each in fields(wanted):
        there, here = getattr(wanted, each.name), getattr(found, each.name)
        assert here == there, f"{each.name}: {here!r} instead of {there!r}"


def _check_request(
    case: Case, front: str, back: str, heard: Asked, losses: tuple[str, ...]
) -> None:
    asked = arriving(replace(case.asked, native={}), losses)
    if back in {"chat", "both"}:
        asked = replace(asked, turns=tuple(_shown_after(asked.turns)))
    if back == "ollama":
        asked = _narrowed(asked, case.asked.choice)
    if front == "messages" and asked.limit is None:
        asked = replace(asked, limit=LIMIT)
    if asked.limit is None:
        # Both insist on a limit, or never stop without one.
        assert (heard.limit is not None) is (back in {"messages", "ollama"})
        heard = replace(heard, limit=None)
    _same(heard, asked)


def _shown_after(turns: tuple[Turn | Result, ...]) -> Iterator[Turn | Result]:
    """Tools answer with text only in Chat Completions: what they show follows as the user's."""
    for turn in turns:
        if isinstance(turn, Result) and turn.shown:
            yield replace(turn, shown=())
            yield user(*turn.shown)
        else:
            yield turn


def _narrowed(asked: Asked, choice: str | None) -> Asked:
    """Ollama knows no choice: it is offered no tool but those that may be called."""
    if choice in {None, "required"}:
        return asked
    return replace(asked, choice=None, tools=tuple(t for t in asked.tools if t.name == choice))


def config(uppers: Mapping[str, Any]) -> str:
    """A rung.toml whose tiers are these."""
    lines = [
        f'[tiers.{name}]\nmodel = "{MODELS.get(name, "model-" + name)}"\n{upper.tier}'
        for name, upper in uppers.items()
    ]
    lines.append(f"[ladders.default]\ntiers = {json.dumps(list(uppers))}")
    return "\n".join([*lines, "[server]\nport = 0", ""])


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage while the context lasts; ``folder`` is the gateway's own."""
    uppers: dict[str, Any] = {
        "chat": Spoken("openai_compatible", ("chat",)),
        "both": Spoken("openai_compatible", ("chat", "responses"), "responses = true\n"),
        "messages": Spoken("anthropic", ("messages",)),
        "ollama": OllamaThread("model-ollama"),
        "gpt": Spoken("openai_compatible", ("chat", "responses"), "responses = true\n"),
        "mistral": Spoken("openai_compatible", ("chat",)),
    }
    with ExitStack() as open_:
        for upper in uppers.values():
            open_.enter_context(getattr(upper, "server", upper))
        gateway = open_.enter_context(Gateway(folder, config(uppers)))
        yield Stage(gateway, uppers)
