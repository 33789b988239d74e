"""What a conversation costs: cascading turn by turn, the strong model alone, rung's sticky planner.

Claude Code (Messages) and Codex (Responses) conversations are played against a real gateway in a
process of its own, in front of a provider that simulates prompt caches. The cheap model fails some
turns: it calls a tool without what the tool requires, which the gateway's gate finds out. Which
turns those are is drawn once and the same for all policies. The gateway's ledger and the provider's
own sum have to agree to the nano-dollar, or the run ends.

    python benchmarks/conversations.py [--samples FOLDER] [--quick] [--json]

FOLDER holds recorded requests of both clients; without it their shape is built in.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cached_upstream import ANSWER_TOKENS, BYTES_PER_TOKEN, FAILING, MODELS, Rates, Upstream
from markdown import percent, table
from processes import RUNG, Process, free_port

from rung.core.switching import Outlook, Seat, break_even_rate

CONTEXTS = (20_000, 80_000, 150_000)
RATES = (0.02, 0.05, 0.1, 0.25, 0.5)
FEWER = (0.05, 0.1, 0.25)
TURNS = 20
NEW_TOKENS = 2_000
"""What a turn adds to the prompt: the answer before, and what its tools gave back."""


@dataclass(frozen=True)
class Pace:
    """How long a cache lives without use, in turns: five minutes, at so many minutes a turn.

    ``seconds`` is what a turn takes here where rung has to see caches expire by its own clock.
    """

    name: str
    lives_turns: int
    seconds: float = 0.0

    @property
    def settings(self) -> str:
        """What the gateway is told of it."""
        return (
            f"\ncache_seconds = {self.seconds * (self.lives_turns + 0.5):g}" if self.seconds else ""
        )


QUICK = Pace("half a minute", 10)
SLOW = Pace("two minutes", 2, 0.3)

STAYS_HARD = 0.7
"""In bursts, a turn after a failing one fails with this chance."""

POLICIES = {"turn by turn": "sticky = false\nraise_after = 0", "sticky": "sticky = true"}
ALONE = "strong alone"


@dataclass(frozen=True)
class Client:
    """A recorded client: its file, and the models of its ladder."""

    name: str
    sample: str
    path: str
    provider: str
    cheap: str
    strong: str


CLIENTS = (
    Client(
        "Claude Code",
        "claude-code__POST_v1_messages__stream_turn1_tools.json",
        "/v1/messages?beta=true",
        "anthropic",
        "claude-haiku-5-5",
        "claude-sonnet-5-5",
    ),
    Client(
        "Codex",
        "codex__POST_v1_responses__stream_turn1_tools.json",
        "/v1/responses",
        "openai",
        "gpt-6-luna",
        "gpt-6.1-sol",
    ),
)


@dataclass(frozen=True)
class Row:
    """One cell: what a conversation costs, in nano-dollars, on average."""

    client: str
    pace: str
    context: int
    rate: float
    bursts: bool
    failing_turns: int
    turns: int
    turn_by_turn: float
    strong_alone: float
    sticky: float
    failed_turn_by_turn: float
    failed_sticky: float


# ------------------------------------------------------------------ conversations


class Conversation:
    """One client's conversation, whose prompt begins at so many tokens and grows with each turn."""

    def __init__(self, client: Client, body: dict[str, Any], context: int, number: int) -> None:
        self._client = client
        self._body = json.loads(json.dumps(body))
        self._chat = client.provider == "anthropic"
        self.session = f"{number:08x}-0000-4000-8000-{context:012d}"
        if self._chat:
            self._body["stream"] = False
            self._body.pop("metadata", None)
        else:
            self._body["prompt_cache_key"] = self.session
        self._asked(f"Work on task {number}.")
        while (left := context - self._tokens()) > 200:
            self._round(f"Read file {left}.", min(left - 100, 8_000))

    def _messages(self) -> list[Any]:
        found: list[Any] = self._body["messages" if self._chat else "input"]
        return found

    def _asked(self, text: str) -> None:
        kind = "text" if self._chat else "input_text"
        self._messages().append({"role": "user", "content": [{"type": kind, "text": text}]})

    def _tokens(self) -> int:
        return len(json.dumps(self._body)) // BYTES_PER_TOKEN

    def _round(self, said: str, tokens: int) -> None:
        """What the assistant did, and what came back: so many tokens together."""
        number = len(self._messages())
        text = f"{said} {_filler(tokens * BYTES_PER_TOKEN - 300, number)}"
        if self._chat:
            call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash"}
            call |= {"input": {"command": f"make step-{number}", "description": "d"}}
            result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
            self._messages().append({"role": "assistant", "content": [call]})
            self._messages().append({"role": "user", "content": [result]})
        else:
            told = json.dumps({"cmd": f"make step-{number}"})
            call = {"type": "function_call", "name": "exec_command", "call_id": f"call_{number}"}
            self._messages().append({**call, "arguments": told})
            result = {"type": "function_call_output", "call_id": f"call_{number}", "output": text}
            self._messages().append(result)

    def grow(self, *, fails: bool) -> None:
        """Add what the turn before brought; ``fails`` says that the cheap model fails the next."""
        said = f"{FAILING}{self._client.cheap}]]" if fails else "All is well."
        self._round(said, NEW_TOKENS)

    def sent(self) -> bytes:
        if self._chat:
            _mark_last(self._messages())
        return json.dumps(self._body).encode()


def _filler(chars: int, number: int) -> str:
    line = f"{number}: the module reads its settings and opens the file. "
    return (line * (max(chars, 0) // len(line) + 1))[: max(chars, 0)]


def _mark_last(messages: list[Any]) -> None:
    """Claude Code marks the end of its prompt, and nothing before it among the messages."""
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            part.pop("cache_control", None)
    messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}


def shape(client: Client, folder: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """A client's first request and its headers: as recorded, else as built in."""
    if folder is None:
        return _built_in(client), {}
    told = json.loads((folder / client.sample).read_text("utf-8"))
    return told["body"], {key.lower(): str(value) for key, value in told["headers"].items()}


def _built_in(client: Client) -> dict[str, Any]:
    prompt = "You are an interactive agent that helps users with software engineering. "
    prompt += _filler(50_000, 0)
    if client.provider == "anthropic":
        required = {"command": {"type": "string"}, "description": {"type": "string"}}
        schema = {"type": "object", "properties": required, "required": ["command"]}
        return {
            "model": "claude-opus-4-8",
            "max_tokens": 32_000,
            "system": [{"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "Bash", "description": "Runs.", "input_schema": schema}],
            "messages": [],
        }
    schema = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
    tool = {"type": "function", "name": "exec_command", "parameters": schema, "strict": False}
    first = {"role": "developer", "content": [{"type": "input_text", "text": prompt}]}
    return {
        "model": "gpt-5",
        "stream": True,
        "store": False,
        "input": [{"type": "message", **first}],
        "tools": [tool],
    }


def failing(rate: float, conversations: int, *, bursts: bool) -> list[list[bool]]:
    """Which turns of each conversation the cheap model fails.

    By themselves: as many as the rate says, anywhere. In bursts: each with the rate's chance, and
    after a failing one with a greater.
    """
    draw = random.Random(f"{rate}/{bursts}")
    turns = [False] * (conversations * TURNS)
    if not bursts:
        for place in draw.sample(range(len(turns)), round(rate * len(turns))):
            turns[place] = True
    for place in range(len(turns) if bursts else 0):
        goes_on = place % TURNS and turns[place - 1]
        turns[place] = draw.random() < (STAYS_HARD if goes_on else rate)
    return [turns[start : start + TURNS] for start in range(0, len(turns), TURNS)]


# ------------------------------------------------------------------ the gateway


def configuration(client: Client, upstream: int, ledger: Path, table_of: str) -> str:
    base = f"http://127.0.0.1:{upstream}" + ("" if client.provider == "anthropic" else "/v1")
    tiers = "\n".join(
        f'[tiers.{name}]\nprovider = "{client.provider}"\nmodel = "{model}"\n'
        f'base_url = "{base}"\nlocal = false\nrepairs = 0\nretries = 0\n'
        + ("" if client.provider == "anthropic" else "responses = true\n")
        for name, model in (("cheap", client.cheap), ("strong", client.strong))
    )
    return (
        f'ledger = "{ledger}"\n{tiers}\n[ladders.default]\ntiers = ["cheap", "strong"]\n'
        f'[ladders.alone]\ntiers = ["strong"]\n[conversations]\n{table_of}\n'
    )


class Gateway:
    """One gateway process with one policy."""

    def __init__(self, stack: ExitStack, client: Client, upstream: Upstream, settings: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.ledger = folder / "ledger.db"
        port = free_port()
        path = folder / "rung.toml"
        path.write_text(configuration(client, upstream.port, self.ledger, settings), "utf-8")
        command = [RUNG, "serve", "--port", str(port), "--config", str(path)]
        process = Process(command, port, folder)
        stack.callback(process.stop)
        process.healthy("/healthz")
        self._upstream = upstream
        self._client = client
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def play(
        self,
        conversation: Conversation,
        headers: Mapping[str, str],
        ladder: str,
        fails: Sequence[bool],
        pace_seconds: float,
    ) -> None:
        """One conversation from its first turn to its last."""
        kept = (
            "anthropic-beta",
            "anthropic-version",
            "x-app",
            "user-agent",
            "x-codex-turn-metadata",
        )
        told = {name: headers[name] for name in kept if name in headers}
        told |= {"content-type": "application/json", "x-rung-project": self._upstream.cell}
        told |= {"x-rung-ladder": ladder, "x-claude-code-session-id": conversation.session}
        told |= {"session-id": conversation.session, "thread-id": conversation.session}
        # The gateway lets go of a connection that was quiet for long.
        self._connection.close()
        for bad in fails:
            conversation.grow(fails=bad)
            self._upstream.turn += 1
            time.sleep(pace_seconds)
            self._connection.request("POST", self._client.path, conversation.sent(), told)
            answer = self._connection.getresponse()
            body = answer.read()
            if answer.status != 200 or b"make test" not in body:
                raise RuntimeError(f"{answer.status}: {body[:500]!r}")

    def billed(self, cell: str) -> int:
        """What the ledger says a project has cost."""
        with sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True) as connection:
            found = connection.execute(
                "SELECT coalesce(sum(cost_nanousd), 0) FROM requests WHERE project = ?", (cell,)
            )
            return int(found.fetchone()[0])


# ------------------------------------------------------------------ measuring


@dataclass(frozen=True)
class Plan:
    """How much is played."""

    conversations: int
    contexts: Sequence[int] = CONTEXTS
    alone: Sequence[float] = RATES
    in_bursts: Sequence[float] = FEWER
    pace: Pace = QUICK


def measure(client: Client, samples: Path | None, plan: Plan) -> Iterator[Row]:
    body, headers = shape(client, samples)
    with ExitStack() as stack:
        pace = plan.pace
        upstream = stack.enter_context(Upstream(pace.lives_turns))
        gateways = {
            name: Gateway(stack, client, upstream, settings + pace.settings)
            for name, settings in POLICIES.items()
        }

        def cost(
            policy: str, ladder: str, context: int, draws: Sequence[Sequence[bool]]
        ) -> tuple[float, float]:
            """What a conversation costs, and how many tries of it fail; both sums have to agree."""
            upstream.cell = f"{policy} {context} {sum(upstream.bill.calls.values())}"
            gateway = gateways.get(policy, gateways["sticky"])
            for number, fails in enumerate(draws):
                # Nothing of the conversation before is left in a cache.
                upstream.turn += 10 * pace.lives_turns
                made = Conversation(client, body, context, upstream.turn + number)
                gateway.play(
                    made, headers, ladder, fails, pace.seconds if ladder != "alone" else 0.0
                )
            own, told = upstream.bill.nanousd[upstream.cell], gateway.billed(upstream.cell)
            if own != told:
                raise RuntimeError(f"the provider billed {own} nano-dollars, the ledger has {told}")
            calls = upstream.bill.calls[upstream.cell]
            return own / len(draws), calls / len(draws) - TURNS

        for context in plan.contexts:
            alone, _ = cost(ALONE, "alone", context, [[False] * TURNS])
            for bursts, rates in ((False, plan.alone), (True, plan.in_bursts)):
                for rate in rates:
                    draws = failing(rate, plan.conversations, bursts=bursts)
                    costs = {name: cost(name, "default", context, draws) for name in POLICIES}
                    yield Row(
                        client.name,
                        pace.name,
                        context,
                        rate,
                        bursts,
                        sum(map(sum, draws)),
                        TURNS * len(draws),
                        costs["turn by turn"][0],
                        alone,
                        costs["sticky"][0],
                        costs["turn by turn"][1],
                        costs["sticky"][1],
                    )


def threshold(client: Client, tokens: int) -> float:
    """Up to which rate cheap first is said to pay, each climb reading all anew."""

    def seat(model: str) -> Seat:
        def cost(read: int, new: int, written: int, caching: bool) -> int:
            rates: Rates = next(
                each for each in MODELS[model] if read + new > each.above or each.above == 0
            )
            return (
                read * rates.read
                + new * (rates.write if caching else rates.input)
                + (written * rates.output)
            )

        return Seat(model, cost)

    outlook = Outlook(tokens, NEW_TOKENS, ANSWER_TOKENS)
    return break_even_rate(seat(client.cheap), seat(client.strong), outlook)


# ------------------------------------------------------------------ telling


def told(rows: Sequence[Row]) -> str:
    heads = (
        "client",
        "a turn takes",
        "context",
        "turns that fail low",
        "turn by turn",
        ALONE,
        "sticky",
        "failed tries",
    )
    return table(heads, (_line(row) for row in rows))


def _line(row: Row) -> list[str]:
    costs = (row.turn_by_turn, row.strong_alone, row.sticky)
    least = min(costs)
    share = percent(row.failing_turns / row.turns)
    return [
        row.client,
        row.pace,
        f"{row.context // 1000}k",
        f"{share} in bursts" if row.bursts else share,
        *(f"**${cost / 1e9:.3f}**" if cost == least else f"${cost / 1e9:.3f}" for cost in costs),
        f"{row.failed_turn_by_turn:.1f}, {row.failed_sticky:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--quick", action="store_true", help="one context, one rate")
    parser.add_argument("--conversations", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    many = asked.conversations
    plans = [
        (CLIENTS[0], Plan(many)),
        (CLIENTS[1], Plan(many)),
        (CLIENTS[0], Plan(many, alone=FEWER, in_bursts=(), pace=SLOW)),
    ]
    if asked.quick:
        plans = [(each, Plan(2, CONTEXTS[:1], FEWER[-1:], ())) for each in CLIENTS]
    rows: list[Row] = []
    for client, plan in plans:
        for row in measure(client, asked.samples, plan):
            rows.append(row)
            print(_line(row), file=sys.stderr)
    limits = {
        client.name: {f"{tokens // 1000}k": threshold(client, tokens) for tokens in CONTEXTS}
        for client in CLIENTS
    }
    if asked.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "thresholds": limits}, indent=1))
        return
    print(told(rows))
    print()
    print(
        table(
            ("client", *(f"{tokens // 1000}k" for tokens in CONTEXTS)),
            ([name, *(percent(rate) for rate in found.values())] for name, found in limits.items()),
        )
    )


if __name__ == "__main__":
    main()
