"""The library face: a ladder in four lines, for code that is synchronous and code that is not.

from rung import Cascade, Tier, checks

cascade = Cascade([Tier.ollama("llama3.1:8b"), Tier.openai("gpt-6-luna")])
result = cascade.run("List the three risks as JSON", verify=checks.json_schema(schema))
print(result.text, result.tier, result.verified, result.cost_usd, result.attempts)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import ValidationError

from rung import asking, checks, config
from rung.asking import Prompt
from rung.assemble import Assembly, assemble
from rung.config import FileTable, LadderTable, TierTable
from rung.core.engine import Exhausted
from rung.core.errors import ConfigError, UpstreamError
from rung.core.money import to_usd
from rung.core.outcome import Outcome
from rung.core.types import (
    Attempt,
    Verdict,
)
from rung.fittings import READY_MADE
from rung.intake import Served
from rung.providers.base import Provider
from rung.trouble import no_answer

T = TypeVar("T")
M = TypeVar("M", TierTable, LadderTable, FileTable)
LADDER = "default"
DEFAULT_LEDGER = ":default:"
LAST_WORDS_SECONDS = 5.0
"""How long ctrl-C waits for what was spent to reach the ledger."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One rung of a ladder. Build it by its provider's name; ``name`` is what results call it."""

    name: str
    table: TierTable
    ready: Provider | None = None

    @classmethod
    def of(cls, provider: str, model: str | None = None, *, name: str = "", **options: Any) -> Self:
        """A tier at any provider of the registry. Options are the keys of a tier in rung.toml."""
        keys = {"provider": provider, **({} if model is None else {"model": model}), **options}
        called = name or model or provider
        return cls(called, _table(TierTable, keys, "tiers", called))

    @classmethod
    def ollama(cls, model: str, **options: Any) -> Self:
        """A model served by a local Ollama."""
        return cls.of("ollama", model, **options)

    @classmethod
    def openai(cls, model: str, **options: Any) -> Self:
        """A model of OpenAI's; the key is read from OPENAI_API_KEY."""
        return cls.of("openai", model, **options)

    @classmethod
    def openai_compatible(cls, model: str, base_url: str, **options: Any) -> Self:
        """A model behind any server that speaks the Chat Completions dialect."""
        return cls.of("openai_compatible", model, base_url=base_url, **options)

    @classmethod
    def embedded(cls, **options: Any) -> Self:
        """The small model that comes with rung, in a process of its own."""
        return cls.of("embedded", **{"name": "embedded", **options})

    @classmethod
    def ready_made(cls, name: str, provider: Provider, **options: Any) -> Self:
        """A tier over a provider object of your own, such as a `ScriptedProvider`."""
        made = cls.of(READY_MADE, name, name=name, **options)
        return cls(made.name, made.table, provider)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request.

    ``text`` is ``None`` when no tier passed: then ``draft`` is the least bad answer, and ``inbox``
    says whether the request waits there for a human. ``verified`` is True when every gate that was
    asked for passed, None when none was, False when the answer is flagged or withheld.
    """

    outcome: Outcome

    @property
    def id(self) -> str:
        """What `rung explain` takes."""
        return self.outcome.request.id

    @property
    def text(self) -> str | None:
        """The served answer."""
        answer = self.outcome.answer
        return None if answer is None else answer.text

    @property
    def draft(self) -> str | None:
        """The served answer, else the least bad one that was turned down."""
        best = self.outcome.best
        return None if best is None or best.answer is None else best.answer.text

    @property
    def tier(self) -> str | None:
        """The name of the tier that answered."""
        served = self.outcome.served
        return None if served is None else self.outcome.attempts[served].tier

    @property
    def verified(self) -> bool | None:
        """See the class."""
        return self.outcome.verified

    @property
    def inbox(self) -> bool:
        """Whether the request waits for a human."""
        return self.outcome.inbox

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every call that was made, in order."""
        return self.outcome.attempts

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The checks of the served answer, else of the least bad one."""
        best = self.outcome.best
        return () if best is None else best.verdicts

    @property
    def cost_usd(self) -> Decimal:
        """What all attempts together cost."""
        return to_usd(self.outcome.cost_nanousd)

    @property
    def baseline_usd(self) -> Decimal | None:
        """What the first configured baseline would have cost."""
        for cost in self.outcome.baselines.values():
            return to_usd(cost)
        return None

    @property
    def seconds(self) -> float:
        """From the request to its end."""
        return self.outcome.seconds


class Cascade:
    """A ladder ready to answer. Safe to share between threads; close it, or use ``with``.

    ``tiers`` go from cheap to dear. ``verify`` applies to every request. ``ledger`` is a path; by
    default the one that `rung bill` reads; ``None`` keeps no record (and no inbox).
    """

    def __init__(
        self,
        tiers: Sequence[Tier],
        *,
        verify: checks.Verify = (),
        ledger: Path | str | None = DEFAULT_LEDGER,
        baseline: str | None = None,
        on_exhausted: Literal["inbox", "best", "error"] = "inbox",
        **rules: Any,
    ) -> None:
        env = config.environment()
        names = tuple(tier.name for tier in tiers)
        if len(set(names)) < len(names):
            raise ConfigError("two tiers have the same name.", fix="give one a `name=`")
        rules = {"tiers": names, "on_exhausted": on_exhausted, **rules}
        file = {
            "baseline": baseline,
            "tiers": {tier.name: tier.table for tier in tiers},
            "ladders": {LADDER: _table(LadderTable, rules, "ladders", LADDER)},
        }
        table = _table(FileTable, file)
        path = config.default_ledger(env) if ledger == DEFAULT_LEDGER else Path(ledger or "")
        self._config = config.Config(table, None, path, Path.cwd(), env)
        self._ready = {tier.name: tier.ready for tier in tiers if tier.ready is not None}
        self._keeps_ledger = ledger is not None
        self._verify = checks.verifiers(verify)
        self._loop = _Loop()
        self._running: set[asyncio.Task[Any]] = set()
        self._assembly: Assembly | None = None

    @classmethod
    def from_config(cls, path: Path | str) -> Self:
        """The ladders of a rung.toml, with its ledger and verifiers."""
        from rung.inspection import problems

        self = cls.__new__(cls)
        self._config = config.load(Path(path), config.environment(), problems)
        self._ready = {}
        self._keeps_ledger = True
        self._verify = ()
        self._loop = _Loop()
        self._running = set()
        self._assembly = None
        return self

    def run(self, prompt: Prompt, **options: Any) -> Result:
        """Answer one prompt or list of messages; see `run_async` for the options."""
        return self._loop.run(self._answer(prompt, options))

    async def run_async(self, prompt: Prompt, **options: Any) -> Result:
        """Answer without blocking.

        Options: ``verify``, ``schema`` (a JSON Schema, asked for and checked), ``system``,
        ``max_tokens``, ``temperature``, ``ladder``, ``tier`` (pin), ``project``,
        ``deadline_seconds``, ``max_usd``, ``sink`` (watches the actions).
        Raises RequestError for what cannot be served, UpstreamError when no tier answered at all.
        """
        return await asyncio.wrap_future(self._loop.submit(self._answer(prompt, options)))

    def close(self) -> None:
        """End child processes and connections, and the thread behind `run`.

        What is still running is cancelled, and booked as far as it came.
        """
        if self._assembly is not None:
            self._loop.run(self._end(self._assembly))
            self._assembly = None
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _answer(self, prompt: Prompt, options: dict[str, Any]) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await self._served(prompt, options)
        finally:
            self._running.discard(task)

    async def _served(self, prompt: Prompt, options: dict[str, Any]) -> Result:
        asked = asking.read(options)
        extra = (*self._verify, *checks.verifiers(asked.verify))
        if self._assembly is None:
            self._assembly = assemble(self._config, ledger=self._keeps_ledger, ready=self._ready)
        intake = self._assembly.intake
        request = asking.request(intake.new_id(), prompt, asked)
        served: Served = await intake.answer(request, extra=extra, sink=asked.sink)
        decision = served.outcome.decision
        if isinstance(decision, Exhausted) and decision.best is None:
            trouble = no_answer(served.outcome)
            raise UpstreamError(
                trouble.message,
                status=trouble.status,
                retry_after_seconds=trouble.retry_after_seconds,
            )
        return Result(served.outcome)

    async def _end(self, assembly: Assembly) -> None:
        running = set(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        await assembly.close()


def _table(kind: type[M], keys: Mapping[str, Any], *place: str) -> M:
    """Check keyword arguments as rung.toml's keys at ``place`` are checked."""
    try:
        return kind.model_validate(keys)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise ConfigError([config.problem(each, place) for each in found]) from None


class _Loop:
    """One event loop in a thread of its own, started when first used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Schedule ``work``; the future may be awaited from any thread."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="rung", daemon=True
                )
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Block until ``work`` ends. Ctrl-C cancels it and waits for its last words."""
        over = threading.Event()

        async def until_over() -> T:
            try:
                return await work
            finally:
                over.set()

        future = self.submit(until_over())
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            over.wait(LAST_WORDS_SECONDS)
            raise

    def close(self) -> None:
        """Stop the loop; later work starts a new one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(LAST_WORDS_SECONDS)
        if not loop.is_running():
            loop.close()


__all__ = ["Cascade", "ConfigError", "Result", "Tier"]
