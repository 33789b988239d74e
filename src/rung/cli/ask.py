"""`rung ask`: one prompt through the cascade."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from rung import asking
from rung.account import outcome_json
from rung.assemble import assemble, new_id
from rung.cli.output import console, money, one_line, print_json, seconds, stripped
from rung.cli.settings import ConfigPath, Json, load
from rung.cli.watch import Watcher
from rung.config import Config, is_command
from rung.core.errors import RequestError, UpstreamError
from rung.core.outcome import Outcome
from rung.core.types import Lane, Request
from rung.fittings import command_of, verifier_from
from rung.trouble import trouble
from rung.verifiers.base import Verifier

UNVERIFIED = 3
LONGEST_SCHEMA = 1024 * 1024
"""More is never read: a schema that is refused for its size is shorter than this."""

LONGEST_PROMPT = 32 * 1024 * 1024


@dataclass(frozen=True)
class Wishes:
    """What to ask for besides the answer."""

    schema: Path | None = None
    "A JSON Schema file that the answer must satisfy."
    verify: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    "One of rung.toml by name, a command line, or a Python function as package.module:function."
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
    ceiling: str | None = None
    "The last tier that may be called."
    lane: Literal["interactive", "background", "batch"] = "interactive"
    "How long you would wait: past a deadline, only `interactive` breaks off what runs."
    private: Annotated[bool, Parameter(negative="")] = False
    "Nothing of it leaves this machine: only local tiers are asked."
    fresh: Annotated[bool, Parameter(negative="")] = False
    "Ask again, even where the answer is in the cache."


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
    if prompt == "-":
        prompt = _piped()
    quiet = json or not sys.stderr.isatty()
    outcome = asyncio.run(_answer(prompt, wishes or Wishes(), path, quiet=quiet))
    if json:
        print_json(outcome_json(outcome))
    _conclude(outcome, json=json)


def _piped() -> str:
    """Standard input as text; bytes that are none are replaced rather than refused."""
    read = sys.stdin.buffer.read(LONGEST_PROMPT + 1)
    if len(read) > LONGEST_PROMPT:
        raise RequestError(f"the prompt is longer than {LONGEST_PROMPT} bytes.", status=413)
    return read.decode("utf-8", "replace")


async def _answer(prompt: str, wishes: Wishes, path: Path | None, *, quiet: bool) -> Outcome:
    request = _request(new_id(), prompt, wishes)
    config = load(path)
    extra = tuple(_own(check, config) for check in wishes.verify if not _is_name(check))
    parts = assemble(config)
    try:
        with Watcher(parts, console(err=True), quiet=quiet) as sink:
            served = await parts.intake.answer(request, extra=extra, sink=sink)
    finally:
        await parts.close()
    return served.outcome


def _conclude(outcome: Outcome, *, json: bool) -> None:
    """Print the answer, or what became of it, and leave with the status that says which."""
    told = trouble(outcome)
    if told is not None:
        # Not raised: with --json the one document is printed already.
        print(f"rung: {stripped(told.message)}", file=sys.stderr)
        sys.exit(UpstreamError.exit_code if outcome.best is None else UNVERIFIED)
    if not json:
        text = outcome.answer.text if outcome.answer else ""
        print(stripped(text) if sys.stdout.isatty() else text)
        _summary(outcome)
    if outcome.verified is False:
        sys.exit(UNVERIFIED)


def _summary(outcome: Outcome) -> None:
    served = outcome.attempts[outcome.served or 0]
    proof = {True: "verified", None: "nothing to verify it by", False: "not verified"}
    calls = f"{len(outcome.attempts)} call{'s' if len(outcome.attempts) > 1 else ''}"
    console(err=True).print(
        f"[dim]{one_line(served.tier)} · {proof[outcome.verified]} · {calls} · "
        f"{money(outcome.cost_nanousd)} · {seconds(outcome.seconds)} · "
        f"rung explain {outcome.request.id}[/]"
    )


def _request(new_id: str, prompt: str, wishes: Wishes) -> Request:
    """The wishes as a request; Python functions among the verifiers are no part of it."""
    asked = asking.Options(
        schema=None if wishes.schema is None else _schema(wishes.schema),
        system=wishes.system,
        max_tokens=wishes.max_tokens,
        temperature=wishes.temperature,
        ladder=wishes.ladder,
        tier=wishes.tier,
        project=wishes.project,
        deadline_seconds=wishes.deadline,
        max_usd=wishes.max_usd,
        ceiling=wishes.ceiling,
        lane=Lane(wishes.lane),
        private=wishes.private,
        fresh=wishes.fresh,
    )
    named = [check for check in wishes.verify if _is_name(check)]
    return asking.request(new_id, prompt, asked, dialect="cli", verify=named)


def _is_name(check: str) -> bool:
    """Whether it can only be a configured verifier's name."""
    return not is_command(check) and ":" not in check


def _own(check: str, config: Config) -> Verifier:
    """A check that rung.toml need not know. Raises ConfigError."""
    return command_of(check, config) if is_command(check) else verifier_from(check)


def _schema(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            found = jsonlib.loads(file.read(LONGEST_SCHEMA))
    except OSError as error:
        raise RequestError(f"--schema {path}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"--schema {path} is not JSON: {error}.") from None
    if not isinstance(found, dict | bool):
        message = f"--schema {path} holds {type(found).__name__}, not a JSON Schema."
        raise RequestError(message, fix='write an object such as {"type": "object"}')
    return found
