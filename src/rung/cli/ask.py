"""`rung ask`: one prompt through the cascade."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rung.account import outcome_json
from rung.assemble import Assembly, assemble
from rung.cli.output import console, money, one_line, plain, print_json, seconds
from rung.cli.settings import ConfigPath, Json, load
from rung.cli.watch import Watcher
from rung.core.engine import Exhausted
from rung.core.errors import RequestError, UpstreamError
from rung.core.money import from_usd
from rung.core.outcome import Outcome
from rung.core.types import (
    Directions,
    Message,
    Request,
    Role,
    Sampling,
    SchemaRequest,
    Text,
)
from rung.fittings import verifier_from
from rung.trouble import no_answer, nothing_passed

UNVERIFIED = 3
LONGEST_PROMPT = 32 * 1024 * 1024


@dataclass(frozen=True)
class Wishes:
    """What to ask for besides the answer."""

    schema: Path | None = None
    "A JSON Schema file that the answer must satisfy."
    verify: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    "A verifier: one of rung.toml by name, or a Python function as package.module:function."
    ladder: str | None = None
    "The ladder to climb."
    tier: str | None = None
    "Pin one tier: no cascade."
    system: str | None = None
    "A system prompt."
    max_tokens: int | None = None
    "The longest answer, in tokens."
    temperature: float | None = None
    "How freely to draw the answer, 0 for the most likely words."
    deadline: float | None = None
    "Seconds after which nothing more is called."
    max_usd: str | None = None
    "The most that this request may cost, in US dollars."
    project: str | None = None
    "A name to find it under on the bill."


def ask(
    prompt: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    wishes: Annotated[Wishes | None, Parameter(name="*")] = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Send one prompt through the cascade and print the answer that passed.

    Args:
        prompt: The prompt; `-` reads it from standard input.
    """
    wishes = wishes or Wishes()
    request = _request(_piped() if prompt == "-" else prompt, wishes)
    outcome = asyncio.run(_answer(request, wishes, path, quiet=json or not sys.stderr.isatty()))
    if json:
        print_json(outcome_json(outcome))
    _conclude(outcome, json=json)


def _piped() -> str:
    """Standard input as text; bytes that are none are replaced rather than refused."""
    return sys.stdin.buffer.read(LONGEST_PROMPT + 1).decode("utf-8", "replace")


async def _answer(request: Request, wishes: Wishes, path: Path | None, *, quiet: bool) -> Outcome:
    found = load(path)
    parts: Assembly = assemble(found)
    try:
        own = [name for name in wishes.verify if ":" in name]
        extra = tuple(verifier_from(name) for name in own)
        with Watcher(parts, console(err=True), quiet=quiet) as sink:
            request = _named(request, parts)
            served = await parts.intake.answer(request, extra=extra, sink=sink)
    finally:
        await parts.close()
    return served.outcome


def _conclude(outcome: Outcome, *, json: bool) -> None:
    """Print the answer, or what became of it, and leave with the status that says which."""
    if isinstance(outcome.decision, Exhausted) and outcome.decision.best is None:
        # Not raised: with --json the one document is printed already.
        print(f"rung: {no_answer(outcome).message}", file=sys.stderr)
        sys.exit(UpstreamError.exit_code)
    if outcome.served is None:
        trouble = nothing_passed(outcome)
        if not json:
            print(f"rung: {trouble.message}", file=sys.stderr)
        sys.exit(UNVERIFIED)
    if not json:
        answer = outcome.answer
        print(plain_text(answer.text if answer else ""))
        _summary(outcome)
    if outcome.verified is False:
        sys.exit(UNVERIFIED)


def plain_text(text: str) -> str:
    """An answer for a terminal: as it is when piped on, without control characters otherwise."""
    from rich.markup import render

    return render(plain(text)).plain if sys.stdout.isatty() else text


def _summary(outcome: Outcome) -> None:
    served = outcome.attempts[outcome.served or 0]
    proof = {True: "verified", None: "nothing to verify it by", False: "not verified"}
    calls = f"{len(outcome.attempts)} call{'s' if len(outcome.attempts) > 1 else ''}"
    console(err=True).print(
        f"[dim]{one_line(served.tier)} · {proof[outcome.verified]} · {calls} · "
        f"{money(outcome.cost_nanousd)} · {seconds(outcome.seconds)} · "
        f"rung explain {outcome.request.id}[/]"
    )


def _request(prompt: str, wishes: Wishes) -> Request:
    if len(prompt) > LONGEST_PROMPT:
        raise RequestError(f"the prompt is longer than {LONGEST_PROMPT} bytes.", status=413)
    if not prompt.strip():
        raise RequestError("the prompt is empty.", fix='rung ask "your question"')
    messages = [Message(Role.SYSTEM, (Text(wishes.system),))] if wishes.system else []
    messages.append(Message(Role.USER, (Text(prompt),)))
    try:
        cap = None if wishes.max_usd is None else from_usd(wishes.max_usd)
    except ValueError as error:
        raise RequestError(f"--max-usd: {error}.", fix='an amount such as "0.05"') from None
    return Request(
        id="",
        dialect="cli",
        messages=tuple(messages),
        schema=None if wishes.schema is None else SchemaRequest(_schema(wishes.schema)),
        sampling=Sampling(max_tokens=wishes.max_tokens, temperature=wishes.temperature),
        directions=Directions(
            ladder=wishes.ladder,
            tier=wishes.tier,
            verify=tuple(name for name in wishes.verify if ":" not in name),
            project=wishes.project,
            deadline_seconds=wishes.deadline,
            max_cost_nanousd=cap,
        ),
    )


def _named(request: Request, parts: Assembly) -> Request:
    from dataclasses import replace

    return replace(request, id=parts.intake.new_id())


def _schema(path: Path) -> Any:
    try:
        found = jsonlib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RequestError(f"--schema {path}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--schema {path} is not JSON: {error}.") from None
    if not isinstance(found, dict | bool):
        message = f"--schema {path} holds {type(found).__name__}, not a JSON Schema."
        raise RequestError(message, fix='write an object such as {"type": "object"}')
    return found
