"""Storing what was asked and answered, for the ladders and projects that are to have it stored.

It is done after the caller has its answer, in a thread: what must not be kept is taken out first
(`core.redacting`), and nothing is stored of which that fails. Of private requests nothing is ever
stored. A body that cannot be stored in time is left out; the ledger's row is there without it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rung.config import Config
from rung.core.errors import LedgerError
from rung.core.outcome import Outcome
from rung.core.types import Answer
from rung.guides import Bodies

if TYPE_CHECKING:
    from rung.ledger import Ledger
    from rung.ledger.database import Connection

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 256
"""Requests whose bodies wait to be looked through; those of further ones are left out."""

MOST_BYTES: Final = 2**20
"""A larger request or answer is left out: to look through it would keep others waiting."""

AT_ONCE: Final = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose bodies are stored. A project's own word holds before that of its ladder."""

    ladders: Mapping[str, bool]
    projects: Mapping[str, bool]

    def wants(self, outcome: Outcome) -> bool:
        """Whether the bodies of this request are to be stored. Never those of private ones."""
        if outcome.plan.private or outcome.request.directions.private or outcome.request.audit_of:
            return False
        project = outcome.request.directions.project
        ladder = self.ladders.get(outcome.plan.ladder, False)
        return self.projects.get(project, ladder) if project is not None else ladder


@dataclass(slots=True)
class StoredBodies(Bodies):
    """Stores them in one ledger. ``secrets`` are keys that stand in none, whatever they look like.

    Asked on the event loop.
    """

    ledger: Ledger
    rules: Rules
    secrets: Sequence[str]
    wall: Callable[[], float]
    left_out: int = 0
    _tasks: set[asyncio.Future[None]] = field(default_factory=set)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def note(self, outcome: Outcome) -> None:
        """See `Bodies.note`."""
        if not self.rules.wants(outcome):
            return
        if len(self._tasks) >= MOST_WAITING:
            self._leave_out(outcome, "too many wait")
            return
        task = asyncio.ensure_future(self._keep(outcome))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """See `Bodies.close`."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _keep(self, outcome: Outcome) -> None:
        async with self._turn:
            try:
                await asyncio.to_thread(self._store, outcome)
            except LedgerError as error:
                self._leave_out(outcome, error.message)
            except Exception as error:  # noqa: BLE001 boundary: what cannot be looked through is not stored
                self._leave_out(outcome, type(error).__name__)

    def _store(self, outcome: Outcome) -> None:
        from rung.ledger import bodies

        packed = bodies.packed(outcome.request.id, parts(outcome, self.secrets), self.wall())

        def job(connection: Connection) -> int:
            return bodies.store(connection, packed)

        self.ledger.enqueue(job).result()

    def _leave_out(self, outcome: Outcome, why: str) -> None:
        self.left_out += 1
        logger.warning("the bodies of request %s are not stored: %s", outcome.request.id, why)


# ------------------------------------------------------------------ what is stored


def parts(outcome: Outcome, secrets: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The request and the answers without what must not be kept, by the names of their parts."""
    from rung.core.redacting import redacted_json
    from rung.ledger.bodies import ANSWER, REQUEST

    request = outcome.request
    asked = _read(request.body) if request.body else _plain(request.messages)
    told = [(REQUEST, asked)]
    for place, attempt in enumerate(outcome.attempts):
        if attempt.answer is not None:
            told.append((f"{ANSWER}{place}", _said(attempt.answer)))
    for part, value in told:
        size = len(json.dumps(value))
        whole = size <= MOST_BYTES
        yield part, redacted_json(value, secrets) if whole else {"left_out_bytes": size}


def _read(body: bytes) -> Any:
    """The caller's own body; its text where it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _said(answer: Answer) -> dict[str, Any]:
    """What a tier said, without empty parts."""
    told = {
        "model": answer.model,
        "finish": answer.finish.value,
        "text": answer.text,
        "refusal": answer.refusal,
        "thinking": answer.thinking,
        "tool_calls": _plain(answer.tool_calls),
        "more": list(answer.more),
    }
    return {name: value for name, value in told.items() if value}


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=str)


# ------------------------------------------------------------------ from the configuration


def bodies_of(
    config: Config, ledger: Ledger | None, secrets: Sequence[str], wall: Callable[[], float]
) -> Bodies:
    """What stores bodies: nothing, unless the configuration asks for it."""
    ladders = {name: table.store_bodies for name, table in config.file.ladders.items()}
    told = {name: table.store_bodies for name, table in config.file.projects.items()}
    projects = {name: wanted for name, wanted in told.items() if wanted is not None}
    if ledger is None or not any((*ladders.values(), *projects.values())):
        return Bodies()
    return StoredBodies(ledger, Rules(ladders, projects), secrets, wall)
