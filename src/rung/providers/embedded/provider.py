"""The embedded model as a provider: a request into a chat, its frames into events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any, assert_never

from rung.core.growth import Delta
from rung.core.parts import (
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from rung.core.types import (
    Answer,
    Failure,
    Fault,
    Finish,
    Phase,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.providers.base import Ask, CallError, Done, Event, Health, Stay
from rung.providers.embedded.engine import EmbeddedEngine
from rung.providers.embedded.frames import Ended, Refused, Wrote
from rung.providers.embedded.link import plain
from rung.providers.embedded.locate import ModelNotFound, check_model
from rung.providers.embedded.turn import Turn

DEFAULT_MAX_TOKENS = 512
"""So that a small model that has lost its thread ends by itself."""

RANDOM_SEED = 2**32 - 1
"""llama.cpp's own word for "draw a seed": a caller's seed is never mapped to it."""

FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}


class EmbeddedProvider:
    """A model in a child process of this machine.

    Providers made with the same ``engine`` share its child. ``constrained`` lets a wanted schema
    steer the decoding; otherwise the model answers as it can and the verifier decides.
    """

    dialect = "embedded"

    def __init__(self, engine: EmbeddedEngine, *, constrained: bool = False) -> None:
        self._engine = engine
        self._constrained = constrained
        self._closed = False
        engine.retain()

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if self._closed:
            failure = Failure(Fault.UNAVAILABLE, "The embedded model is closed.")
            raise CallError(failure, Phase.CONNECT)
        body = chat_body(ask, constrained=self._constrained)
        try:
            turn = self._engine.ask(body, ask.timeout_seconds)
        except (TypeError, ValueError, RecursionError) as error:
            failure = Failure(Fault.REJECTED, f"The request is not JSON: {plain(str(error))}")
            raise CallError(failure, Phase.CONNECT) from None
        try:
            while True:
                match await turn.events.get():
                    case Wrote(text=text):
                        yield Delta(text)
                    case Ended() as ended:
                        yield self._done(ask, turn, ended)
                        return
                    case Refused() as refused:
                        raise turn.error(_failure(refused))
                    case CallError() as failed:
                        raise failed
                    case other:
                        assert_never(other)
        finally:
            self._engine.leave(turn)

    def _done(self, ask: Ask, turn: Turn, ended: Ended) -> Done:
        path = self._engine.model_path
        answer = Answer(
            text=turn.text,
            finish=FINISHES.get(ended.finish, Finish.UNKNOWN),
            model=path.stem if path is not None else "",
            logprobs=turn.logprobs,
            dialect=self.dialect,
        )
        altered = ("control_tokens",) if turn.altered else ()
        lost = tuple(sorted((*losses(ask), *altered)))
        return Done(answer, _usage(turn, ended), turn.load_seconds, lost)

    async def health(self) -> Health:
        try:
            path = await asyncio.to_thread(check_model, self._engine.settings.model_path)
            size = (await asyncio.to_thread(path.stat)).st_size
        except ModelNotFound as error:
            return Health(ok=False, message=error.message, fix=error.fix)
        except OSError as error:
            return Health(ok=False, message=plain(str(error)), fix="set model_path to a GGUF file")
        pid, loaded = self._engine.pid, self._engine.loaded
        facts: dict[str, str | int | float] = {
            "path": str(path),
            "size_bytes": size,
            "context_tokens": self._engine.settings.context_tokens,
            "loaded": loaded is not None,
        }
        if pid is not None and loaded is not None:
            facts |= {"pid": pid, "threads": loaded.threads, "load_seconds": loaded.seconds}
        state = "loaded" if loaded is not None else "loads at the first call"
        return Health(ok=True, message=f"{path.stem}: {state}", models=(path.stem,), facts=facts)

    async def warm(self) -> None:
        if not self._closed:
            await self._engine.warm()

    def stay(self) -> Stay:
        engine, loading = self._engine, None
        if engine.load_began is not None:
            loading = asyncio.get_running_loop().time() - engine.load_began
        loads = engine.loads_seconds + (loading or 0.0)
        return Stay(engine.pid is not None, loading, loads)

    async def keep(self) -> None:
        await self.warm()
        if self._engine.pid is None:
            failure = Failure(Fault.UNAVAILABLE, "The embedded model could not be loaded.")
            raise CallError(failure, Phase.LOAD)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._engine.release()


def chat_body(ask: Ask, *, constrained: bool) -> dict[str, Any]:
    """The chat completion request that xllamacpp takes. Raises CallError for an impossible schema.

    Sources: tools/server/README.md of llama.cpp for ``return_progress`` (which is what lets a
    cancel be seen while a long prompt is read) and for ``seed``.
    """
    sampling = ask.request.sampling
    temperature = sampling.temperature if ask.temperature is None else ask.temperature
    seed = sampling.seed if ask.seed is None else ask.seed
    body: dict[str, Any] = {
        "messages": [_chat_message(message) for message in ask.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "max_tokens": max(1, sampling.max_tokens or DEFAULT_MAX_TOKENS),
    }
    optional = {
        "temperature": temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": None if seed is None else seed % RANDOM_SEED,
        "stop": list(sampling.stop) or None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if ask.logprobs:
        # Without a number llama.cpp tells 20 others beside each token's own; for 0 not even that.
        body |= {"logprobs": True, "top_logprobs": 1}
    if constrained and ask.schema is not None:
        body["response_format"] = _response_format(ask.schema)
    return body


def _chat_message(message: Message) -> dict[str, str]:
    return {"role": message.role.value, "content": "\n".join(_texts(message.parts))}


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    """What of a message is text; a tool's result is, with a word before it when it is an error."""
    for part in parts:
        match part:
            case Text() | Refusal():
                yield part.text
            case ToolResult():
                yield f"Error: {part.text}" if part.is_error else part.text


def _response_format(wanted: SchemaRequest) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    if wanted.schema is False:
        failure = Failure(Fault.REJECTED, "The schema `false` allows no answer at all.")
        raise CallError(failure, Phase.CONNECT)
    schema = {} if wanted.schema is True else dict(wanted.schema)
    return {"type": "json_schema", "json_schema": {"name": wanted.name, "schema": schema}}


def losses(ask: Ask) -> tuple[str, ...]:
    """What the request has and a chat of plain text cannot carry."""
    request = ask.request
    lost = {need.value for need in request.needs} | set(request.extras)
    lost |= {name for message in ask.messages for part in message.parts for name in _lost(part)}
    lost |= {f"hosted_tool:{tool.kind}" for tool in request.tools if isinstance(tool, HostedTool)}
    if request.effort is not None:
        lost.add("effort")
    return tuple(sorted(lost))


def _lost(part: Part) -> Iterator[str]:
    match part:
        case Image():
            yield "images"
        case File():
            yield "files"
        case ToolCall():
            yield "tools"
        case ToolResult():
            for inner in part.parts:
                yield from _lost(inner)
        case Opaque():
            yield part.loss


def _usage(turn: Turn, ended: Ended) -> Usage:
    if ended.prompt_tokens is None or ended.completion_tokens is None:
        return turn.usage_so_far()
    return Usage(
        input_tokens=ended.prompt_tokens,
        output_tokens=ended.completion_tokens,
        cache_read_tokens=ended.cached_tokens,
        source=UsageSource.PROVIDER,
    )


def _failure(refused: Refused) -> Failure:
    match refused.kind:
        case "context":
            return Failure(
                Fault.CONTEXT_TOO_LONG,
                f"The request has {refused.prompt_tokens} tokens; the embedded model's context "
                f"holds {refused.context_tokens}.",
                status=400,
            )
        case "request":
            message = f"The embedded model cannot serve this request: {plain(refused.message)}"
            return Failure(Fault.REJECTED, message, status=400)
        case "engine":
            message = f"The embedded model failed: {plain(refused.message)}"
            return Failure(Fault.SERVER_ERROR, message)
        case _:
            assert_never(refused.kind)
