"""Are the tool calls of the answer ones that the caller can run?

Names, choice, number, ids and arguments, these by each tool's own JSON Schema. What is wrong is
said so that a model can put it right, and begins with one of few fixed words, to be counted by:
"unknown tool", "not JSON", "invalid arguments", "no call", "no tool may be called", "too many
calls", "missing id", "duplicate id", "repeated call".
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

from rung.core.errors import RequestError
from rung.core.growth import CallGrowth, Delta
from rung.core.parts import Choice, HostedTool, Tool, ToolCall, ToolChoice
from rung.core.plan import TOOL_CALLS
from rung.core.types import Answer, Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers import schema_check, strict_json, tool_repeats
from rung.verifiers.base import (
    Finding,
    Subject,
    Watch,
    abstained,
    failed,
    nothing_to_judge,
    passed,
    shown,
)
from rung.verifiers.json_prefix import JsonPrefix
from rung.verifiers.offered_tools import OfferedTools, full_name
from rung.verifiers.schema_check import TIMEOUT_SECONDS, Compiled, Judged

_MOST_FAULTS = 3
_NO_ARGUMENTS = "{}"
_SPACE = " \t\n\r"


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Passes an answer whose tool calls can all be run, or that rightly calls none."""

    name: str = TOOL_CALLS
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = TIMEOUT_SECONDS
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Judge the calls by the request, then each by its tool, then all by what was before."""
        request, calls = subject.request, subject.answer.tool_calls
        if not calls:
            return _without_calls(request)
        written = sum(len(call.arguments) for call in calls)
        if written > strict_json.LONGEST:
            return abstained(f"the arguments have {written:,} characters, too many to check")
        fault = _choice_fault(request, calls)
        if fault is not None:
            return failed(fault)
        read = _Reading.of(request, calls)
        if read.faults:
            return failed(_joined(read.faults))
        fault = _repeat_fault(request, calls)
        if fault is not None:
            return failed(fault)
        found = passed(_said(subject.answer, read.notes))
        return _in_children(read, found, self.timeout_seconds) if read.later else found

    def watch(self, request: Request) -> Watch | None:
        """Follow the names and arguments of the calls."""
        return _CallsWatch(request)


def tool_calls_gate() -> ToolCalls:
    """The required gate on the tool calls of one answer, whatever its request offers."""
    return ToolCalls()


# ------------------------------------------------------------------ none, or too many


def _without_calls(request: Request) -> Finding:
    choice = request.tool_choice
    if choice.mode not in {Choice.REQUIRED, Choice.NAMED}:
        return nothing_to_judge("the answer calls no tool, and need not")
    if any(isinstance(tool, HostedTool) for tool in request.tools):
        return nothing_to_judge("the answer calls no tool but, maybe, one that its provider ran")
    named = choice.mode is Choice.NAMED
    which = f'the tool "{full_name(choice.name, choice.namespace)}"' if named else "a tool"
    return failed(f"no call: {which} had to be called")


def _choice_fault(request: Request, calls: tuple[ToolCall, ...]) -> str | None:
    """What is wrong with calling at all, this tool, or so often."""
    choice = request.tool_choice
    if choice.mode is Choice.NONE:
        return f"no tool may be called: answer in text; {_label(0, calls[0])} calls one"
    if choice.mode is Choice.NAMED:
        for index, call in enumerate(calls):
            if not _is_named(choice, call):
                wanted = full_name(choice.name, choice.namespace)
                return f'no tool may be called but "{wanted}"; {_label(index, call)} is of another'
    if request.parallel_tool_calls is False and len(calls) > 1:
        return f"too many calls: only one may be made at a time, and these are {len(calls)}"
    return None


def _is_named(choice: ToolChoice, call: ToolCall) -> bool:
    # Dialects without namespaces name the tool alone.
    return call.name == choice.name and choice.namespace in {"", call.namespace}


def _repeat_fault(request: Request, calls: tuple[ToolCall, ...]) -> str | None:
    keys = [tool_repeats.key_of(call) for call in calls]
    found = tool_repeats.alike(keys)
    if found is not None:
        index, times = found
        label = _label(index, calls[index])
        return f"repeated call: {label} is made {times} times with the same arguments"
    place = tool_repeats.again(keys, request.messages)
    if place is None:
        return None
    return (
        f"repeated call: {_label(place, calls[place])} is the same call again and again: each of "
        f"the last {tool_repeats.TURNS} turns made it with the same arguments and got the same "
        "result; do something else"
    )


# ------------------------------------------------------------------ one call after the other


@dataclass(slots=True)
class _Reading:
    """What came of looking at each call.

    ``later`` are those whose arguments may take long to check, ``notes`` what could not be checked.
    """

    offered: OfferedTools
    share: float
    ids: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    later: list[tuple[str, Compiled, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request, calls: tuple[ToolCall, ...]) -> _Reading:
        read = cls(OfferedTools.of(request), 1 / len(calls))
        for index, call in enumerate(calls):
            if len(read.faults) >= _MOST_FAULTS:
                break
            read.faults += islice(read.faults_of(index, call), _MOST_FAULTS)
        return read

    def faults_of(self, index: int, call: ToolCall) -> Iterator[str]:
        label = _label(index, call)
        if not call.id:
            yield f"missing id: {label} has none"
        elif call.id in self.ids:
            yield f"duplicate id: calls {self.ids[call.id] + 1} and {index + 1} have the same"
        self.ids.setdefault(call.id, index)
        tool = self.offered.find(call)
        if tool is None:
            full = f"{call.namespace}.{call.name}" if call.namespace else call.name
            yield f"unknown tool: {label} is of no tool offered; {self.offered.advice(full)}"
        elif isinstance(tool, Tool) and not tool.custom:
            yield from self._arguments(label, call, tool)

    def _arguments(self, label: str, call: ToolCall, tool: Tool) -> Iterator[str]:
        # Clients read no text at all as no arguments.
        text = call.arguments if call.arguments.strip(_SPACE) else _NO_ARGUMENTS
        try:
            value = strict_json.parse(text)
        except strict_json.NotJsonError as error:
            said = str(error).removeprefix("the answer")
            yield f"not JSON: in the arguments of {label}, the text{said}"
            return
        if not isinstance(value, dict):
            kind = strict_json.kind_of(value)
            yield f"invalid arguments: {label} has {kind}, and arguments are one object"
            return
        schema = self._schema(label, tool)
        if schema is not None:
            yield from self._judged(label, schema, text, value)

    def _schema(self, label: str, tool: Tool) -> Compiled | None:
        """The tool's schema; what cannot be used is the caller's fault and not the answer's."""
        if not tool.parameters:
            return None
        try:
            return schema_check.compiled(tool.parameters.decode("utf-8"))
        except UnicodeDecodeError:
            said = "it is not UTF-8"
        except RequestError as error:
            said = error.message
        self.notes.append(f"the arguments of {label} were not checked: {shown(said, 200)}")
        return None

    def _judged(self, label: str, schema: Compiled, text: str, value: Any) -> Iterator[str]:
        judged = schema_check.judged_here(schema, text, value, self.share)
        if judged is None:
            self.later.append((label, schema, text))
        elif not judged.valid:
            yield _invalid(label, judged)


async def _in_children(read: _Reading, found: Finding, seconds: float) -> Finding:
    """``found``, unless one of the checks that may take long says otherwise."""
    each = seconds / len(read.later)
    for label, schema, text in read.later:
        judged = await schema_check.judged_in_child(schema, text, each)
        if judged.valid is None:
            return abstained(f"the arguments of {label}: {judged.unknown}")
        if not judged.valid:
            return failed(_invalid(label, judged))
    return found


def _invalid(label: str, judged: Judged) -> str:
    if not judged.faults:
        return f"invalid arguments: {label} does not satisfy its schema, in too many places to list"
    return f"invalid arguments: {label}, " + "; ".join(judged.faults)


def _label(index: int, call: ToolCall) -> str:
    return f'call {index + 1} ("{full_name(call.name, call.namespace)}")'


def _joined(faults: list[str]) -> str:
    return "; ".join(faults[:_MOST_FAULTS])


def _said(answer: Answer, notes: list[str]) -> str:
    count = len(answer.tool_calls)
    calls = "1 call" if count == 1 else f"{count} calls"
    how = f"salvaged from text ({answer.salvaged})" if answer.salvaged else "valid"
    return "; ".join([f"{calls}, {how}", *notes[:_MOST_FAULTS]])


# ------------------------------------------------------------------ while they grow


@dataclass(slots=True)
class _Growing:
    """One call so far. ``judged`` says that its arguments have to be JSON."""

    label: str
    name: str = ""
    judged: bool = True
    prefix: JsonPrefix = field(default_factory=lambda: JsonPrefix(object_only=True))


class _CallsWatch:
    """Dooms an answer that calls what it may not, or whose arguments cannot become JSON."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._offered: OfferedTools | None = None
        self._calls: dict[int, _Growing] = {}

    def grow(self, delta: Delta) -> str | None:
        faults = (self._fault(growth) for growth in delta.calls)
        return next((fault for fault in faults if fault is not None), None)

    def _fault(self, growth: CallGrowth) -> str | None:
        call = self._calls.get(growth.index)
        if call is None:
            number = len(self._calls) + 1
            call = self._calls[growth.index] = _Growing(f"call {number}")
            if number > 1 and self._request.parallel_tool_calls is False:
                return "too many calls: only one may be made at a time"
        if growth.name and not call.name:
            fault = self._named(call, growth.name)
            if fault is not None:
                return fault
        # Fed before the name is known, too: it could be late.
        said = call.prefix.feed(growth.arguments) if call.judged else None
        if said is None or not call.name:
            return None
        return f"not JSON: in the arguments of {call.label}, the text is not JSON: {said}"

    def _named(self, call: _Growing, name: str) -> str | None:
        """What is wrong with calling this tool."""
        call.name = name
        call.label = f'{call.label} ("{full_name(name)}")'
        if self._request.tool_choice.mode is Choice.NONE:
            return f"no tool may be called: answer in text; {call.label} calls one"
        if self._offered is None:
            self._offered = OfferedTools.of(self._request)
        tools = self._offered.could_be(name)
        if not tools:
            advice = self._offered.advice(name)
            return f"unknown tool: {call.label} is of no tool offered; {advice}"
        call.judged = all(isinstance(tool, Tool) and not tool.custom for tool in tools)
        return None
