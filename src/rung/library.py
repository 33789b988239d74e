"""The library face: a ladder in four lines, for code that is synchronous and code that is not.

from rung import Cascade, Tier, checks

cascade = Cascade([Tier.ollama("llama3.1:8b"), Tier.openai("gpt-6.1-sol")])
result = cascade.run("List the three risks as JSON", verify=checks.json_schema(schema))
print(result.text, result.tier, result.verified, result.cost_usd, result.attempts)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

from pydantic import ValidationError

from rung import asking, checks, config
from rung.asking import LadderRules, Prompt
from rung.assemble import Assembly, assemble
from rung.background import Handed, LoopThread
from rung.config import Config
from rung.core.errors import ConfigError, UpstreamError
from rung.core.evidence import Confidence
from rung.core.money import to_usd
from rung.core.outcome import Outcome
from rung.core.parts import ToolCall
from rung.core.types import Attempt
from rung.core.verdicts import Verdict
from rung.delivery import Sink
from rung.file_tables import FileTable, LadderTable, TierTable
from rung.fittings import READY_MADE
from rung.providers.base import Provider
from rung.trouble import trouble
from rung.verifiers.base import Verifier

M = TypeVar("M", TierTable, LadderTable, FileTable)
LADDER = "default"


class Usual(Enum):
    """Stands for what is used when nothing is named, where None means none at all."""

    LEDGER = "the ledger that `rung bill` reads"


class RunOptions(TypedDict, total=False):
    """What `Cascade.run` and `Cascade.run_async` take besides the prompt; all may be left out."""

    verify: checks.Verify
    schema: Mapping[str, Any] | bool | None
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any] | None
    system: str | None
    max_tokens: int | None
    temperature: float | None
    seed: int | None
    stop: str | Sequence[str]
    ladder: str | None
    tier: str | None
    project: str | None
    deadline_seconds: float | None
    max_usd: Decimal | str | float | None
    ceiling: str | None
    lane: Literal["interactive", "background", "batch"]
    private: bool
    fresh: bool
    sink: Sink | None


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
    def anthropic(cls, model: str, **options: Any) -> Self:
        """A model of Anthropic's; the key is read from ANTHROPIC_API_KEY."""
        return cls.of("anthropic", model, **options)

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
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the served answer, with `arguments` as JSON text."""
        answer = self.outcome.answer
        return () if answer is None else answer.tool_calls

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
    def confidence(self) -> Confidence | None:
        """The chance that the answer is right by its signals; ``None`` where none had a say."""
        return self.outcome.confidence

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
    ``environment`` stands in for the process's own: keys and the default ledger are looked up in
    it. Further rules are those of `LadderRules`. Raises ConfigError with every fault found.
    """

    def __init__(
        self,
        tiers: Sequence[Tier],
        *,
        verify: checks.Verify = (),
        ledger: Path | str | Literal[Usual.LEDGER] | None = Usual.LEDGER,
        environment: Mapping[str, str] | None = None,
        **rules: Unpack[LadderRules],
    ) -> None:
        env = config.environment() if environment is None else environment
        if not all(isinstance(tier, Tier) for tier in tiers):
            said = "a cascade is built from a list of tiers."
            raise ConfigError(said, fix='Cascade([Tier.ollama("llama3.1:8b"), ...])')
        names = tuple(tier.name for tier in tiers)
        if len(set(names)) < len(names):
            raise ConfigError("two tiers have the same name.", fix="give one a `name=`")
        baseline = rules.pop("baseline", None)
        file = {
            "baseline": baseline,
            "tiers": {tier.name: tier.table for tier in tiers},
            "ladders": {LADDER: _table(LadderTable, {"tiers": names, **rules}, "ladders", LADDER)},
        }
        own = Path(ledger) if isinstance(ledger, Path | str) else None
        self._prepare(
            _Recipe(
                Config(
                    _table(FileTable, file),
                    None,
                    own or config.default_ledger(env),
                    Path.cwd(),
                    env,
                ),
                ready={tier.name: tier.ready for tier in tiers if tier.ready is not None},
                keeps_ledger=ledger is not None,
                verifiers=checks.verifiers(verify),
            )
        )

    @classmethod
    def from_config(cls, path: Path | str, *, environment: Mapping[str, str] | None = None) -> Self:
        """The ladders of a rung.toml, with its ledger and verifiers."""
        from rung.inspection import problems

        env = config.environment() if environment is None else environment
        self = cls.__new__(cls)
        self._prepare(_Recipe(config.load(Path(path), env, problems)))
        return self

    def _prepare(self, recipe: _Recipe) -> None:
        self._recipe = recipe
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def run(self, prompt: Prompt, **options: Unpack[RunOptions]) -> Result:
        """Answer one prompt or list of messages, and block until then.

        Options and errors are those of `run_async`. Raises RuntimeError inside of an async check,
        which runs where it would have to wait for itself.
        """
        self._refuse_to_block("run()", "inside of an async check, await run_async()")
        return self._submit(prompt, options).result()

    async def run_async(self, prompt: Prompt, **options: Unpack[RunOptions]) -> Result:
        """Answer one prompt or list of messages without blocking.

        Options:
            verify: A function of the answer's text, one of `rung.checks`, or several of them.
            schema: A JSON Schema; it is asked for and checked.
            system: A system prompt.
            max_tokens: The longest answer, in tokens.
            temperature: How freely to draw, from 0 to 2.
            seed: Makes the draw repeatable where a provider can.
            stop: A text that ends the answer, or several.
            ladder: The ladder to climb, where there are several.
            tier: Pins one tier: no cascade.
            project: A name to find it under on the bill.
            deadline_seconds: After this nothing more is called; what runs is broken off, except
                in the lanes where nobody waits.
            max_usd: The most that this request may cost.
            ceiling: The last tier that may be called.
            lane: "interactive", "background" or "batch": how long somebody would wait.
            private: Nothing of it leaves this machine: only local tiers are asked.
            fresh: Ask again, even where the answer is in the cache.
            sink: Watches the actions; see `rung.delivery.Sink`.

        Raises RequestError for what cannot be served, ConfigError for a ladder that cannot be
        built, UpstreamError when no tier answered at all, LedgerError when it cannot be booked.
        """
        return await asyncio.wrap_future(self._submit(prompt, options).future)

    def close(self) -> None:
        """End child processes and connections, and the thread behind `run`.

        What is still running is cancelled, and booked as far as it came. A later `run` starts anew.
        """
        self._refuse_to_block("close()", "close the cascade where it was made")
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, prompt: Prompt, options: Mapping[str, Any]) -> Handed[Result]:
        # Within the lock: nothing can be handed to a session that has been told to end.
        with self._lock:
            if self._session is None:
                self._session = _Session(self._recipe)
            answer = partial(self._session.answer, prompt, options)
            return self._session.thread.submit(answer)

    def _refuse_to_block(self, call: str, instead: str) -> None:
        session = self._session
        if session is not None and session.thread.is_current():
            raise RuntimeError(f"{call} would wait for its own event loop: {instead}.")


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a cascade is made of, before anything is started."""

    config: Config
    ready: Mapping[str, Provider] = field(default_factory=dict)
    keeps_ledger: bool = True
    verifiers: tuple[Verifier, ...] = ()


class _Session:
    """The parts behind a cascade from its first request to its closing, on a loop of their own."""

    def __init__(self, recipe: _Recipe) -> None:
        self._recipe = recipe
        self._assembly: Assembly | None = None
        self.thread = LoopThread(self._end)

    async def answer(self, prompt: Prompt, options: Mapping[str, Any]) -> Result:
        """See one request through."""
        asked = asking.read(options)
        recipe = self._recipe
        names, brought = checks.split(asked.verify)
        extra = (*recipe.verifiers, *brought)
        if self._assembly is None:
            self._assembly = assemble(recipe.config, ledger=recipe.keeps_ledger, ready=recipe.ready)
        intake = self._assembly.intake
        request = asking.request(intake.new_id(), prompt, asked, verify=names)
        served = await intake.answer(request, extra=extra, sink=asked.sink)
        told = trouble(served.outcome)
        if told is not None and served.outcome.best is None:
            wait = told.retry_after_seconds
            raise UpstreamError(told.message, status=told.status, retry_after_seconds=wait)
        return Result(served.outcome)

    async def _end(self) -> None:
        assembly, self._assembly = self._assembly, None
        if assembly is not None:
            await assembly.close()


def _table(kind: type[M], keys: Mapping[str, Any], *place: str) -> M:
    """Check keyword arguments as rung.toml's keys at ``place`` are checked."""
    try:
        return kind.model_validate(keys)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise ConfigError([config.problem(each, place) for each in found]) from None


__all__ = ["Cascade", "LadderRules", "Result", "RunOptions", "Tier", "Usual"]
