"""OpenAI Chat Completions, plain answers as providers give them.

Providers' answers are hostile until read: whatever the bytes, `decode_answer` returns an answer or
raises WireError. The dialect: https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from rung.core.types import Answer, Finish, Usage
from rung.wire.back import UpstreamFaultError
from rung.wire.chat.calls import calls_of, is_loose
from rung.wire.chat.turns import DIALECT
from rung.wire.counts import Inside, Tally, beyond, count
from rung.wire.errors import WireError
from rung.wire.jsontext import EACH, JsonError, utf8
from rung.wire.logprobs import natural_logs, without

MOST_CHOICES = 128

FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "eos": Finish.STOP,
    "end_turn": Finish.STOP,
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.REFUSAL,
}
"""The dialect's own reasons, and the odd ones of compatible servers."""


class _AnswerMessage(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None


class _Choice(msgspec.Struct):
    message: _AnswerMessage
    finish_reason: Any = None
    logprobs: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: Any = None
    model: Any = None
    usage: Any = None
    object: Any = None
    message: Any = None
    type: Any = None
    code: Any = None


_BEFORE = "prompt_tokens_details"
_AFTER = "completion_tokens_details"
_SEARCHING = re.compile(r"-search-(?:preview|api)\b")
"""Models that search with every call: https://platform.openai.com/docs/guides/tools-web-search"""

_DECODER = msgspec.json.Decoder(_Completion)
_ENCODER = msgspec.json.Encoder()


def decode_answer(body: bytes, *, hides_logprobs: bool = False) -> tuple[Answer, Usage]:
    """Read a provider's plain answer, and what it says was used.

    `Answer.body` holds the bytes as they came, unless they are JSON only by Python's standards
    (``NaN``): then what is not a number is null in it. With ``hides_logprobs`` so are the
    log-probabilities. Raises WireError for what is no answer, and UpstreamFaultError for an error
    with HTTP 200.
    """
    told, kept = _decode(body)
    if not told.choices:
        if (fault := fault_of(told)) is not None:
            raise UpstreamFaultError(fault)
        raise WireError("the answer has no choices")
    if len(told.choices) > MOST_CHOICES:
        raise WireError(f"the answer has more than {MOST_CHOICES} choices")
    choice = told.choices[0]
    message = choice.message
    text = content_text(message.content)
    calls = calls_of(message.tool_calls, message.function_call)
    if hides_logprobs:
        kept = without_logprobs(kept)
    thinking = thinking_of(message)
    answer = Answer(
        text=text,
        finish=finish_of(choice.finish_reason, message.refusal, called=bool(calls)),
        model=told.model if isinstance(told.model, str) else "",
        refusal=message.refusal or None,
        tool_calls=calls,
        thinking=thinking,
        logprobs=natural_logs(logprob_entries(choice.logprobs), text if thinking else None),
        more=tuple(content_text(other.message.content) for other in told.choices[1:]),
        dialect=DIALECT,
        body=b"" if any(map(is_loose, message.tool_calls or ())) else kept,
    )
    wrote = bool(text or calls or message.refusal or answer.thinking)
    return answer, usage_of(told.usage, wrote=wrote, model=answer.model)


def _decode(body: bytes) -> tuple[_Completion, bytes]:
    try:
        return _DECODER.decode(utf8(body)), body
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a chat completion: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        mended = finite(body)
        return _DECODER.decode(mended), mended
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a chat completion: {error}") from None
    except (ValueError, OverflowError, RecursionError):
        raise WireError("the answer is not JSON") from None


def finite(told: bytes) -> bytes:
    """JSON of what is JSON only by Python's standards, null for what is no number (``NaN``).

    Raises ValueError, OverflowError or RecursionError for anything else.
    """
    return _ENCODER.encode(json.loads(told, parse_constant=lambda _: None))


def content_text(content: str | list[Any] | None) -> str:
    """The plain text of a message's content. Some providers answer in parts."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return content or ""


class Faulty(Protocol):
    """A body that may be an error. vLLM's older versions put its fields at the top."""

    error: Any
    object: Any
    message: Any
    type: Any
    code: Any


def fault_of(told: Faulty) -> Any:
    """The error object; ``None`` where there is none."""
    if told.error is None and told.object == "error":
        return {"message": told.message, "type": told.type, "code": told.code}
    return told.error


class Thoughtful(Protocol):
    """A message, or a piece of one, wherever servers put what the model thinks aside."""

    content: str | list[Any] | None
    reasoning_content: Any
    reasoning: Any
    reasoning_details: Any


def thinking_of(told: Thoughtful) -> str:
    """What the model thought aside. Servers that fill several fields say the same in each."""
    for words in (told.reasoning_content, told.reasoning):
        if isinstance(words, str) and words:
            return words
    if isinstance(told.reasoning_details, list):
        return _words(told.reasoning_details, ("text", "summary"))
    if isinstance(told.content, list):
        thoughts = [part.get("thinking") for part in told.content if isinstance(part, dict)]
        return "".join(
            _words(thought, ("text",)) if isinstance(thought, list) else thought
            for thought in thoughts
            if isinstance(thought, list | str)
        )
    return ""


def _words(parts: list[Any], names: tuple[str, ...]) -> str:
    told = (part.get(name) for part in parts if isinstance(part, dict) for name in names)
    return "".join(words for words in told if isinstance(words, str))


def finish_of(reason: Any, refusal: str | None, *, called: bool = False) -> Finish:
    """Why the model stopped. A refusal, and on some servers a tool call, says ``stop``."""
    known = FINISHES.get(reason, Finish.UNKNOWN) if isinstance(reason, str) else Finish.UNKNOWN
    if known is not Finish.STOP:
        return known
    if refusal:
        return Finish.REFUSAL
    return Finish.TOOL_CALLS if called else known


def logprob_entries(told: Any) -> list[Any]:
    """What a choice tells of its tokens, one object each; some servers write plain lists."""
    if not isinstance(told, dict):
        return []
    content, bare = told.get("content"), told.get("token_logprobs")
    if isinstance(content, list):
        return content
    return [{"logprob": one} for one in bare] if isinstance(bare, list) else []


def without_logprobs(told: bytes) -> bytes:
    """An answer or a chunk without them, as providers send it where nobody asked for any."""
    try:
        return without(told, ("choices", EACH, "logprobs"), b"null")
    except JsonError as error:
        raise WireError(f"the answer cannot be read: {error}") from None


# ------------------------------------------------------------------ usage


def usage_of(told: Any, *, wrote: bool, model: str = "") -> Usage:
    """What a provider says was used; source NONE unless its counts make sense.

    A prompt of no tokens makes none, nor does an answer of none when something was written
    (``wrote``): such counts would bill nothing. ``model`` is the one that answered: some search
    the web with every call, and count it nowhere.
    """
    if not isinstance(told, dict):
        return Usage()
    read = count(told.get("prompt_tokens"))
    written = count(told.get("completion_tokens"))
    total = count(told.get("total_tokens"))
    if written is None and read is not None and total is not None:
        written = max(0, total - read)
    if not read or written is None or (wrote and written == 0):
        return Usage()
    inside = Inside(told)
    tally = Tally(
        read,
        written,
        inside,
        cached=inside.at(_BEFORE, "cached_tokens") or _cached_beside(inside),
        created=inside.at(_BEFORE, "cache_write_tokens"),
        thought=inside.at(_AFTER, "reasoning_tokens") or inside.at("reasoning_tokens"),
        images=inside.at(_BEFORE, "image_tokens"),
        audio=inside.at(_BEFORE, "audio_tokens"),
        spoken=inside.at(_AFTER, "audio_tokens"),
        drawn=inside.at(_AFTER, "image_tokens"),
        searches=_searches(inside, model),
    )
    beyond(tally, total)
    return tally.usage()


def _cached_beside(inside: Inside) -> int:
    """DeepSeek and Kimi have told of their caches at the top."""
    return inside.at("prompt_cache_hit_tokens") or inside.at("cached_tokens")


def _searches(inside: Inside, model: str) -> int:
    """Searches of the web: as OpenRouter counts them, as Perplexity does, as OpenAI does not."""
    told = inside.at("server_tool_use", "web_search_requests") or inside.at("num_search_queries")
    return max(told, 1 if "-search-" in model and _SEARCHING.search(model) else 0)
