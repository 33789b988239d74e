"""OpenAI Responses, plain answers as providers give them.

Providers' answers are hostile until read: whatever the bytes, `decode_answer` returns an answer or
raises WireError. The dialect: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Usage
from rung.wire.back import UpstreamFaultError
from rung.wire.counts import Inside, Tally, beyond, count
from rung.wire.errors import WireError
from rung.wire.jsontext import EACH, JsonError, Path, utf8
from rung.wire.logprobs import natural_logs, without
from rung.wire.responses.tools import DIALECT

MOST_ITEMS = 1024
"""More items than any answer has."""

LOGPROBS_AT: Path = ("output", EACH, "content", EACH, "logprobs")
"""Where a response has the log-probabilities."""

CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
"""The kinds of item that call a tool of the caller's, with the field that holds what for."""

SEARCHES = ("web_search_call", "file_search_call")
"""The kinds of item for a tool that the provider runs and bills by the piece."""

_INCOMPLETE: Mapping[Any, Finish] = {
    "max_output_tokens": Finish.LENGTH,
    "content_filter": Finish.REFUSAL,
}
_BEFORE = "input_tokens_details"
_AFTER = "output_tokens_details"
_WHOLE = ("completed", "incomplete", None)
_FAILED = ("failed", "cancelled")


class Told(msgspec.Struct):
    """A response as far as it is read."""

    output: list[Any] | None = None
    status: Any = None
    error: Any = None
    incomplete_details: Any = None
    model: Any = None
    usage: Any = None


_DECODER = msgspec.json.Decoder(Told)


def decode_answer(body: bytes, *, hides_logprobs: bool = False) -> tuple[Answer, Usage]:
    """Read a provider's plain answer, and what it says was used.

    With ``hides_logprobs`` the log-probabilities are taken out of the answer's body. Raises
    WireError for what is no finished answer, UpstreamFaultError for one that failed.
    """
    told = read_response(body)
    if told.output is None:
        raise WireError("the answer has no output")
    output = read_output(told.output)
    if hides_logprobs:
        body = without_logprobs(body, LOGPROBS_AT)
    return answer_of(told, output, body=body), usage_of(
        told.usage, wrote=output.wrote, searched=output.searched
    )


def read_response(body: bytes, status: str | None = None) -> Told:
    """A response that has ended; ``status`` is known from elsewhere. Raises as `decode_answer`."""
    try:
        told = _DECODER.decode(utf8(body))
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a response: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WireError("the answer is not JSON") from None
    if told.error is not None or told.status in _FAILED:
        raise UpstreamFaultError(told.error or {"message": f"the response is {told.status}"})
    told.status = status or told.status
    if not isinstance(told.status, str | None) or told.status not in _WHOLE:
        raise WireError(f"the answer is not finished: its status is {told.status!r}")
    return told


class Searched(NamedTuple):
    """How often a provider searched for an answer."""

    web: int = 0
    files: int = 0


NOT_SEARCHED = Searched()


class Output(msgspec.Struct):
    """What the items of an answer say, put together."""

    text: list[str] = msgspec.field(default_factory=list)
    refusal: list[str] = msgspec.field(default_factory=list)
    thinking: list[str] = msgspec.field(default_factory=list)
    calls: list[ToolCall] = msgspec.field(default_factory=list)
    logprobs: list[Any] = msgspec.field(default_factory=list)
    web_searches: int = 0
    file_searches: int = 0

    @property
    def searched(self) -> Searched:
        """Uses of tools that the provider ran and bills by the piece."""
        return Searched(self.web_searches, self.file_searches)

    @property
    def wrote(self) -> bool:
        """Whether they say anything that was billed."""
        return bool(self.text or self.refusal or self.calls)


def read_output(items: Sequence[Any]) -> Output:
    """Read the items. Those of tools that the provider runs say nothing here, and are counted."""
    if len(items) > MOST_ITEMS:
        raise WireError(f"the answer has more than {MOST_ITEMS} items")
    output = Output()
    for item in items:
        if not isinstance(item, dict):
            raise WireError("the answer has an item that is no object")
        kind = item.get("type")
        if kind == "message":
            _message(item.get("content"), output)
        elif kind == "reasoning":
            output.thinking += _thoughts(item)
        elif isinstance(kind, str) and kind in CALLS:
            output.calls.append(call_of(item))
        elif kind in SEARCHES and is_search(item):
            output.file_searches += kind == "file_search_call"
            output.web_searches += kind == "web_search_call"
    return output


def is_search(item: Mapping[str, Any]) -> bool:
    """Whether an item of web search was a search: pages that are opened after one cost nothing.

    https://platform.openai.com/docs/guides/tools-web-search#output-and-citations
    """
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type") in (None, "search")


def _message(content: Any, output: Output) -> None:
    for part in _objects(content):
        match part:
            case {"type": "output_text", "text": str(text)}:
                output.text.append(text)
                output.logprobs += logprob_entries(part.get("logprobs"), text)
            case {"type": "refusal", "refusal": str(words)}:
                output.refusal.append(words)


def _objects(told: Any) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _thoughts(item: Mapping[str, Any]) -> list[str]:
    """The texts of a reasoning item: of its summary, else of its content."""
    parts = _objects(item.get("summary")) or _objects(item.get("content"))
    texts = (part.get("text") for part in parts)
    return [text for text in texts if isinstance(text, str)]


def call_of(item: Mapping[str, Any]) -> ToolCall:
    """A tool call of an item. What is missing is empty: a verifier tells."""
    kind = item["type"]
    return ToolCall(
        id=_word(item.get("call_id")) or _word(item.get("id")),
        name=_word(item.get("name")),
        arguments=_arguments(item.get(CALLS[kind])),
        namespace=_word(item.get("namespace")),
        custom=kind == "custom_tool_call",
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    """Some compatible servers send the arguments' object instead of its text."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return _word(value)


def answer_of(told: Told, output: Output, *, body: bytes = b"") -> Answer:
    """The answer that a finished response gives."""
    refusal = "".join(output.refusal) or None
    return Answer(
        text="".join(output.text),
        finish=_finish(told, output),
        model=told.model if isinstance(told.model, str) else "",
        refusal=refusal,
        tool_calls=tuple(output.calls),
        thinking="\n\n".join(output.thinking),
        logprobs=natural_logs(output.logprobs),
        dialect=DIALECT,
        body=body,
    )


def _finish(told: Told, output: Output) -> Finish:
    if told.status == "incomplete":
        details = told.incomplete_details
        reason = details.get("reason") if isinstance(details, dict) else None
        known = isinstance(reason, str) and reason in _INCOMPLETE
        return _INCOMPLETE[reason] if known else Finish.UNKNOWN
    if output.calls:
        return Finish.TOOL_CALLS
    return Finish.REFUSAL if output.refusal else Finish.STOP


def logprob_entries(told: Any, text: str) -> list[Any]:
    """What is told of the tokens of ``text``; nothing for words makes it odd for all of them."""
    return told if isinstance(told, list) and told else [None] * bool(text)


def without_logprobs(told: bytes, path: Path) -> bytes:
    """The same without those at ``path``, as it is sent where nobody asked for any."""
    try:
        return without(told, path, b"[]")
    except JsonError as error:
        raise WireError(f"the answer cannot be read: {error}") from None


def usage_of(told: Any, *, wrote: bool, searched: Searched = NOT_SEARCHED) -> Usage:
    """What a provider says was used; source NONE unless its counts make sense.

    A prompt of no tokens makes none, nor does an answer of none when something was written.
    ``searched`` is what its items tell: its counts do not.
    """
    if not isinstance(told, dict):
        return Usage()
    read = count(told.get("input_tokens"))
    written = count(told.get("output_tokens"))
    if not read or written is None or (wrote and written == 0):
        return Usage()
    inside = Inside(told)
    web = max(searched.web, inside.at("tool_calls_details", "search_web", "invocation"))
    tally = Tally(
        read,
        written,
        inside,
        cached=inside.at(_BEFORE, "cached_tokens"),
        created=inside.at(_BEFORE, "cache_write_tokens"),
        thought=inside.at(_AFTER, "reasoning_tokens"),
        images=inside.at(_BEFORE, "image_tokens"),
        audio=inside.at(_BEFORE, "audio_tokens"),
        spoken=inside.at(_AFTER, "audio_tokens"),
        drawn=inside.at(_AFTER, "image_tokens"),
        searches=web + searched.files,
        file_searches=searched.files,
    )
    beyond(tally, count(told.get("total_tokens")))
    return tally.usage()
