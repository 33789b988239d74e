"""A small deterministic model on a real socket, behind Chat Completions, Messages and Responses.

    with ModelWorld() as world:
        ...  # point a client at world.base_url (or world.url) and ask it to "Run `cat note.txt`"
    assert [turn.said for turn in world.turns] == ["call", "text"]

Asked to run a command, or for the weather, it calls the tool that fits; shown a tool's result it
quotes it; asked for a schema it fills it in; else it says `HELLO`. A world can do this badly on
purpose: see `Habits`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from support.model_dialects import (
    INPUT_TOKENS,
    MODEL,
    PATHS,
    WRITERS,
    Asked,
    Dialect,
    Events,
    Said,
    error_body,
    error_event,
    read,
)
from support.openai_server import (
    RESET,
    STREAM_END,
    STREAM_HEAD,
    Call,
    OpenAIServer,
    Pause,
    Step,
    piece,
    whole,
)

HELLO = "All is well in the small world."
QUOTE = "The tool said: "
TITLE = "A small task"

RUN = re.compile(r"[Rr]un `([^`]+)`")
WEATHER = re.compile(r"weather in (\w+)")
SHELLS = ("Bash", "bash", "exec_command", "shell", "shell_command", "run_command", "run")
WEATHER_TOOL = "get_weather"

# ------------------------------------------------------------------ what a world is like


@dataclass(frozen=True)
class Habits:
    """How a model goes wrong.

    ``breaks``: "arguments" calls tools with arguments that break their schema, "json" with text
    that is no JSON, "name" calls a tool that there is not, "empty" says nothing at all.
    ``errors`` are HTTP statuses that answer its first turns. ``cut`` says how its streams end
    halfway: "reset" breaks the connection, "clean" just stops, "error" tells an error first.
    ``seconds`` is how long it takes to answer where it is offered tools.
    """

    breaks: Literal["", "arguments", "json", "name", "empty"] = ""
    errors: Sequence[int] = ()
    cut: Literal["", "reset", "clean", "error"] = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One request that was answered, with what came of it: "text", "call" or an HTTP status."""

    asked: Asked
    said: str
    headers: Mapping[str, str]
    body: Any


# ------------------------------------------------------------------ the mind


def decide(asked: Asked, says: str, breaks: str = "") -> Said:
    """The model itself."""
    if breaks == "empty":
        return Said()
    if asked.results:
        return Said(text=QUOTE + asked.results[-1].strip())
    if call := _call(asked):
        return _broken(*call, breaks)
    if asked.wanted:
        return Said(text=json.dumps(fill(asked.wanted)))
    if not asked.schemas and "title" in asked.system.lower():
        return Said(text=TITLE)
    return Said(text=says)


def _call(asked: Asked) -> tuple[str, dict[str, Any]] | None:
    """The tool that the prompt asks for and its arguments, if it is there."""
    place, runs = WEATHER.findall(asked.prompt), RUN.findall(asked.prompt)
    if place and WEATHER_TOOL in asked.schemas:
        return WEATHER_TOOL, fill(asked.schemas[WEATHER_TOOL], {"city": place[-1]})
    shell = next((name for name in SHELLS if name in asked.schemas), None)
    if not runs or shell is None:
        return None
    command = runs[-1]
    return shell, fill(asked.schemas[shell], {"command": command, "cmd": command})


def _broken(tool: str, arguments: dict[str, Any], breaks: str) -> Said:
    match breaks:
        case "arguments":
            arguments = dict.fromkeys(arguments, 7)
        case "name":
            tool = f"{tool}_that_is_not_there"
    told = json.dumps(arguments)
    return Said(tool=tool, arguments=told[:-2] if breaks == "json" else told)


def fill(schema: Any, known: Mapping[str, Any] | None = None) -> Any:
    """A value that satisfies a plain schema; ``known`` are the values of properties, by name."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties, required = schema.get("properties", {}), schema.get("required", ())
            return {
                name: (known or {}).get(name) or fill(properties[name])
                for name in properties
                if name in required
            }
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return TITLE


# ------------------------------------------------------------------ the server


def framed(name: str, payload: Any) -> bytes:
    """One event in one chunk."""
    data = payload if isinstance(payload, str) else json.dumps(payload)
    return piece((f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode())


class ModelWorld(OpenAIServer):
    """Serves the model in every dialect, by path. ``turns`` are the requests that it answered.

    ``says`` is what it says where nothing is asked of it.
    """

    def __init__(self, habits: Habits = Habits(), *, says: str = HELLO) -> None:
        super().__init__(self.answer, models=(MODEL,))
        self.habits = habits
        self.says = says
        self.turns: list[Turn] = []

    def be(self, habits: Habits, says: str = HELLO) -> None:
        """Forget what was asked so far; have these habits from now on."""
        self.habits = habits
        self.says = says
        self.requests.clear()
        self.turns.clear()

    @property
    def url(self) -> str:
        """What clients of Anthropic are pointed at."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, call: Call) -> Iterable[Step]:
        """What is sent back for one call."""
        path = call.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            return [whole(200, json.dumps({"input_tokens": INPUT_TOKENS}).encode())]
        dialect = next((one for end, one in PATHS.items() if path.endswith(end)), None)
        if dialect is None or call.method != "POST":
            return [whole(200 if call.method == "HEAD" else 404, b"")]
        asked = read(dialect, call.json)
        if len(self.turns) < len(self.habits.errors):
            status = self.habits.errors[len(self.turns)]
            self._note(call, asked, str(status))
            told = error_body(dialect, status, f"The small world answers {status}.")
            return [whole(status, json.dumps(told).encode())]
        said = decide(asked, self.says, self.habits.breaks)
        self._note(call, asked, "call" if said.tool else "text")
        body, events = WRITERS[dialect](asked, said, len(self.turns))
        wait = [Pause(self.habits.seconds if asked.schemas else 0)]
        if not asked.streams:
            return [*wait, whole(200, json.dumps(body).encode())]
        if dialect == "chat" and not call.wants_usage:
            events = [event for event in events if event[1] == "[DONE]" or event[1]["choices"]]
        return [*wait, *self.stream(dialect, events)]

    def stream(self, dialect: Dialect, events: Events) -> Iterable[Step]:
        """The steps of a stream."""
        steps = [framed(*event) for event in events]
        if not self.habits.cut:
            return [STREAM_HEAD, *steps, STREAM_END]
        # Half of it has to be more than its beginning, and less than what says that it is whole.
        kept = [STREAM_HEAD, *steps[: len(steps) // 2]]
        match self.habits.cut:
            case "reset":
                return [*kept, Pause(0.02), RESET]
            case "clean":
                return [*kept, STREAM_END]
            case "error":
                told = error_event(dialect, "The small world ends here.")
                return [*kept, framed(*told), STREAM_END]

    def _note(self, call: Call, asked: Asked, said: str) -> None:
        self.turns.append(Turn(asked, said, call.headers, call.json))


def ladder(small: ModelWorld, large: ModelWorld, more: str = "") -> str:
    """A rung.toml of two tiers: one that speaks Chat Completions, one above that speaks Messages.

    ``more`` are further lines of the ladder's table.
    """
    tier = '[tiers.{name}]\nprovider = "{provider}"\nmodel = "{name}-1"\nbase_url = "{base}"\n'
    free = 'price = "free"\nretries = 0\nrepairs = 0\n'
    low = tier.format(name="small", provider="openai_compatible", base=small.base_url)
    high = tier.format(name="large", provider="anthropic", base=large.base_url)
    names = f'[ladders.default]\ntiers = ["small", "large"]\n{more}\n'
    # Its servers fail on purpose, one test after the other.
    return f"{low}{free}{high}{free}{names}[breakers]\noff = true\n[server]\nport = 0\n"
