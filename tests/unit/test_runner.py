"""The loop that acts, and the intake that books: scripted tiers, no sockets, no waiting."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung.assemble import assemble
from rung.config import parse
from rung.core.calibration import Calibration
from rung.core.engine import Accept, Call, Exhausted, Verify
from rung.core.errors import LedgerError, RequestError
from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text, ToolCall
from rung.core.types import (
    Answer,
    Directions,
    EndedBy,
    Failure,
    Fault,
    Kind,
    Need,
    Phase,
    Request,
    Sampling,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Status, Trust, Weight
from rung.drafting import SAMPLE_TEMPERATURE
from rung.experience import Experience
from rung.fittings import READY_MADE
from rung.intake import Intake
from rung.lines import STOPPING
from rung.planning import Guides
from rung.providers.base import CallError, Done
from rung.providers.scripted import Reply, ScriptedProvider
from rung.verifiers.base import passed
from rung.verifiers.function import function

SCHEMA = SchemaRequest({"type": "object", "required": ["age"]})
GOOD, WRONG = '{"age": 36}', '{"name": "Ada"}'


class Book:
    """A ledger that remembers, or fails."""

    def __init__(self, error=None):
        self.outcomes = []
        self.error = error
        self.open = asyncio.Event()
        self.open.set()

    async def append(self, outcome):
        await self.open.wait()
        if self.error:
            raise self.error
        self.outcomes.append(outcome)


class Watch:
    """A sink that keeps what was released and every action."""

    def __init__(self):
        self.released = []
        self.actions = []

    async def release(self, tier, delta):
        self.released.append((tier, delta.text))

    def watch(self, action, history):
        self.actions.append((type(action), len(history)))


class Stage:
    """Ladder `default` over these providers, cheap to dear."""

    def __init__(
        self, *providers, tier="retries = 0\nrepairs = 0", ladder="", error=None, **changed
    ):
        names = [chr(ord("a") + n) for n in range(len(providers))]
        text = "".join(f'[tiers.{n}]\nprovider = "{READY_MADE}"\n{tier}\n' for n in names)
        text += f"[ladders.default]\ntiers = {names}\n{ladder}"
        config = parse(text, Path("rung.toml"), {})
        parts = assemble(config, ledger=False, ready=dict(zip(names, providers, strict=True)))
        self.book = Book(error)
        numbers = iter(range(10_000))
        self.intake = Intake(
            replace(parts.intake.parts, book=self.book, **changed),
            clock=asyncio.get_running_loop().time,
            wall=lambda: 1_700_000_000.0,
            new_id=lambda: f"id-{next(numbers)}",
        )

    async def answer(self, sink=None, **changes):
        return await self.intake.answer(request(**changes), sink=sink)


def request(text="hi", **changes):
    messages = (Message(Role.USER, (Text(text),)),)
    return Request("r-1", "library", messages, **changes)


class Stall:
    """Says a little, then nothing; counts how often it was closed."""

    dialect = "scripted"

    def __init__(self, *pieces):
        self.pieces = pieces
        self.begun = asyncio.Event()
        self.closed = 0

    async def call(self, ask):
        try:
            for piece in self.pieces:
                yield Delta(piece)
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.closed += 1


class Plays:
    """Yields what it is given and raises what it is given."""

    dialect = "scripted"

    def __init__(self, *events):
        self.events = events

    async def call(self, ask):
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event


# ------------------------------------------------------------------ one after the other


@pytest.mark.parametrize(
    ("choices", "tier"), [((GOOD, GOOD), "a"), ((GOOD, WRONG), "b"), ((WRONG, GOOD), "b")]
)
async def test_every_choice_has_to_pass(choices, tier):
    first, *more = choices
    several = Plays(Done(Answer(first, more=tuple(more)), Usage()))
    served = await Stage(several, ScriptedProvider(GOOD)).answer(schema=SCHEMA)
    assert served.outcome.attempts[served.outcome.served].tier == tier


class Billed:
    """A check that costs, and says what it was left."""

    name, weight, trust, timeout_seconds = "billed", Weight.REQUIRED, Trust.JUDGE, 5.0

    def __init__(self):
        self.left = []

    async def check(self, subject):
        self.left.append((subject.left_nanousd, subject.left_seconds))
        return replace(passed("fine"), cost_nanousd=100)


async def test_what_each_choice_cost_to_check_is_billed_and_taken_from_what_is_left():
    check = Billed()
    stage = Stage(Plays(Done(Answer(GOOD, more=(GOOD, GOOD)), Usage())), tier='price = "free"')
    limits = Directions(max_cost_nanousd=1000, deadline_seconds=60)
    served = await stage.intake.answer(request(directions=limits), extra=(check,))
    assert served.outcome.cost_nanousd == 300
    assert [money for money, _ in check.left] == [1000, 900, 800]
    assert all(0 < seconds <= 60 for _, seconds in check.left)


class Endless(Billed):
    timeout_seconds = 3600.0

    async def check(self, subject):
        await asyncio.Event().wait()


async def test_a_check_ends_with_the_requests_deadline():
    stage = Stage(ScriptedProvider(GOOD))
    limits = Directions(deadline_seconds=0.05)
    async with asyncio.timeout(10):
        served = await stage.intake.answer(request(directions=limits), extra=(Endless(),))
    (attempt,) = served.outcome.attempts
    assert attempt.verdicts[-1].status is Status.ABSTAINED
    assert "did not end within" in attempt.verdicts[-1].reason
    assert isinstance(served.outcome.decision, Exhausted)


async def test_the_first_request_after_a_rest_goes_by_what_was_stored_meanwhile():
    known = Calibration(("hedging",), (1.0,), 0.0)

    stored = {}
    seconds = iter([0.0, 0.0, 60.0, 60.0])
    archive = SimpleNamespace(newest_calibrations=lambda: dict(stored), climbs=lambda _limit: [])
    experience = Experience({}, archive, lambda: next(seconds))
    stage = Stage(ScriptedProvider(GOOD), guides=Guides(experience=experience))
    before = await stage.answer()
    stored["default", "a"] = known
    after = await stage.answer()
    calibrations = [each.outcome.plan.steps[0].calibration for each in (before, after)]
    assert calibrations == [None, known]


async def test_what_was_reported_before_a_cancellation_is_what_is_billed():
    usage = Usage(1000, 2000, source=UsageSource.PROVIDER)
    begun = asyncio.Event()

    class Lingers:
        dialect = "scripted"

        async def call(self, ask):
            yield Done(Answer("x"), usage)
            begun.set()
            await asyncio.Event().wait()

    stage = Stage(Lingers())
    task = asyncio.ensure_future(stage.answer())
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    (outcome,) = stage.book.outcomes
    assert (outcome.attempts[0].usage, outcome.ended_by) == (usage, EndedBy.CLIENT)


async def test_each_action_is_watched_and_then_done():
    watch = Watch()
    served = await Stage(ScriptedProvider(WRONG), ScriptedProvider(GOOD)).answer(
        watch, schema=SCHEMA
    )
    kinds = [kind for kind, _ in watch.actions]
    assert kinds[0] is Call
    assert kinds[-1] is Accept
    assert kinds.count(Call) == 2
    assert kinds.count(Verify) >= 4
    assert [count for _, count in watch.actions] == sorted(count for _, count in watch.actions)
    assert [attempt.tier for attempt in served.outcome.attempts] == ["a", "b"]
    assert served.outcome.verified is True


async def test_the_answer_leaves_only_after_it_is_booked():
    stage = Stage(ScriptedProvider("hello"))
    stage.book.open.clear()
    asking = asyncio.ensure_future(stage.answer())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asking.done()
    stage.book.open.set()
    assert (await asking).outcome == stage.book.outcomes[0]


async def test_an_answer_that_cannot_be_booked_does_not_leave():
    stage = Stage(ScriptedProvider("hello"), error=LedgerError("the disk is full."))
    with pytest.raises(LedgerError):
        await stage.answer()


# ------------------------------------------------------------------ what is asked


async def test_one_answer_is_asked_for_as_the_caller_put_it():
    provider = ScriptedProvider("hello")
    await Stage(provider).answer(sampling=Sampling(temperature=0.3, seed=7), schema=SCHEMA)
    (ask,) = provider.calls
    assert (ask.as_it_came, ask.temperature, ask.seed) == (True, None, None)
    assert ask.request.sampling.temperature == 0.3
    assert ask.schema == SCHEMA


async def test_answers_to_compare_are_drawn_warm_each_with_its_own_seed_the_same_each_time():
    def seeds(provider):
        return [ask.seed for ask in provider.calls]

    runs = []
    for _ in range(2):
        provider = ScriptedProvider(["one", "two", "three"])
        await Stage(provider, tier="samples = 3\nretries = 0").answer()
        assert {ask.temperature for ask in provider.calls} == {SAMPLE_TEMPERATURE}
        assert not any(ask.as_it_came for ask in provider.calls)
        runs.append(seeds(provider))
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3


async def test_a_callers_own_warmth_is_kept_for_draws():
    provider = ScriptedProvider(["one", "two", "three"])
    stage = Stage(provider, tier="samples = 3\nretries = 0")
    await stage.answer(sampling=Sampling(temperature=1.2))
    assert {ask.temperature for ask in provider.calls} == {None}


async def test_a_repair_shows_the_draft_and_what_was_wrong_with_it():
    provider = ScriptedProvider([WRONG, Failure(Fault.SERVER_ERROR, "oops"), GOOD])
    stage = Stage(provider, tier="repairs = 1\nretries = 1")
    served = await stage.answer(schema=SCHEMA)
    kinds = [attempt.kind for attempt in served.outcome.attempts]
    assert kinds == [Kind.FIRST, Kind.REPAIR, Kind.RETRY]
    first, repair, retried = provider.calls
    assert first.messages == first.request.messages
    draft, told = repair.messages[-2:]
    assert (draft.role, draft.text) == (Role.ASSISTANT, WRONG)
    assert (told.role, "json_schema" in told.text) == (Role.USER, True)
    assert retried.messages == repair.messages
    assert not repair.as_it_came


# ------------------------------------------------------------------ what goes wrong


async def test_a_providers_bug_costs_one_attempt_and_its_words_stay_inside():
    served = await Stage(
        ScriptedProvider(ZeroDivisionError("the key is 42")), ScriptedProvider("ok")
    ).answer()
    broken, fine = served.outcome.attempts
    assert (broken.failure.fault, broken.ended_by) == (Fault.INTERNAL, EndedBy.INTERNAL)
    assert "42" not in broken.failure.message
    assert fine.answer.text == "ok"


async def test_a_provider_that_just_ends_gave_no_answer():
    served = await Stage(Plays(Delta("half")), ScriptedProvider("ok")).answer()
    cut = served.outcome.attempts[0]
    assert (cut.answer, cut.failure.fault) == (None, Fault.INVALID_RESPONSE)
    assert cut.usage.source is UsageSource.ESTIMATED
    assert cut.usage.output_tokens > 0


@pytest.mark.parametrize(
    ("fault", "phase", "source"),
    [
        (Fault.RATE_LIMITED, Phase.HEADERS, UsageSource.NONE),
        (Fault.CONNECT, Phase.CONNECT, UsageSource.NONE),
        (Fault.TIMEOUT, Phase.CONNECT, UsageSource.NONE),
        (Fault.TIMEOUT, Phase.HEADERS, UsageSource.ESTIMATED),
        (Fault.CUT_STREAM, Phase.STREAM, UsageSource.ESTIMATED),
        (Fault.INVALID_RESPONSE, Phase.STREAM, UsageSource.ESTIMATED),
        (Fault.INVALID_RESPONSE, Phase.FIRST_TOKEN, UsageSource.ESTIMATED),
    ],
)
async def test_what_may_have_been_read_is_estimated_and_what_was_refused_is_not(
    fault, phase, source
):
    error = CallError(Failure(fault, "no"), phase)
    price = "price = {input_usd_per_mtok = 1, output_usd_per_mtok = 1}"
    stage = Stage(Plays(error), tier=f"retries = 0\n{price}")
    (attempt,) = (await stage.answer()).outcome.attempts
    assert attempt.usage.source is source
    assert bool(attempt.cost_nanousd) is (source is UsageSource.ESTIMATED)


async def test_an_error_status_is_not_billed_however_far_it_came():
    error = CallError(Failure(Fault.INVALID_RESPONSE, "moved", status=302), Phase.HEADERS)
    (attempt,) = (await Stage(Plays(error), tier="retries = 0").answer()).outcome.attempts
    assert attempt.usage.source is UsageSource.NONE


async def test_a_tool_call_that_nobody_counted_is_estimated_by_its_size():
    call = ToolCall("c1", "look", "x" * 400)
    done = Done(Answer("", tool_calls=(call,)), Usage())
    (attempt,) = (await Stage(Plays(done)).answer()).outcome.attempts
    assert attempt.usage.source is UsageSource.ESTIMATED
    assert attempt.usage.output_tokens >= 100


async def test_the_providers_own_counts_are_kept():
    usage = Usage(100, 50, 20, 0, 10, UsageSource.PROVIDER)
    served = await Stage(ScriptedProvider(Reply("x", usage=usage))).answer()
    assert served.outcome.attempts[0].usage == usage


async def test_no_tier_for_a_need_is_the_callers_error_and_nothing_is_booked():
    stage = Stage(ScriptedProvider(["x"] * 3), tier="samples = 3")
    with pytest.raises(RequestError, match="many_choices") as caught:
        await stage.answer(needs=frozenset({Need.MANY_CHOICES}))
    assert caught.value.code == "no_tier_fits"
    assert stage.book.outcomes == []


async def test_nothing_at_all_ends_as_exhausted():
    failure = Failure(Fault.OVERLOADED, "busy", retry_after_seconds=30)
    served = await Stage(ScriptedProvider(failure), ScriptedProvider(failure)).answer()
    assert isinstance(served.outcome.decision, Exhausted)
    assert (served.outcome.served, served.outcome.inbox) == (None, False)


# ------------------------------------------------------------------ streams


async def test_what_cannot_be_rejected_is_released_as_it_comes():
    watch = Watch()
    stage = Stage(ScriptedProvider(Reply(chunks=("one ", "two"))))
    served = await stage.answer(watch, stream=True)
    assert watch.released == [("a", "one "), ("a", "two")]
    assert served.held == ()
    assert served.outcome.attempts[0].released is True


async def test_what_can_be_is_held_and_only_the_served_attempts_is_handed_over():
    watch = Watch()
    stage = Stage(
        ScriptedProvider(Reply(chunks=("a ", "draft"))), ScriptedProvider(Reply(chunks=(GOOD,)))
    )
    served = await stage.answer(watch, stream=True, schema=SCHEMA)
    assert watch.released == []
    assert [delta.text for delta in served.held] == [GOOD]
    assert not any(attempt.released for attempt in served.outcome.attempts)


# ------------------------------------------------------------------ callers who leave


async def cancelled(stage, provider, *reason, **changes):
    asking = asyncio.ensure_future(stage.answer(**changes))
    await provider.begun.wait()
    asking.cancel(*reason)
    with pytest.raises(asyncio.CancelledError):
        await asking
    (outcome,) = stage.book.outcomes
    return outcome


@pytest.mark.parametrize(
    ("reason", "by", "said"),
    [((), EndedBy.CLIENT, "the caller left"), ((STOPPING,), EndedBy.GATEWAY, "rung was stopped")],
)
async def test_a_call_that_is_cut_short_is_ended_and_booked(reason, by, said):
    provider = Stall("so far ", "so good")
    outcome = await cancelled(Stage(provider), provider, *reason, stream=True)
    assert provider.closed == 1
    assert (outcome.decision, outcome.served, outcome.ended_by) == (None, None, by)
    (attempt,) = outcome.attempts
    assert (attempt.ended_by, attempt.failure.fault) == (by, Fault.CANCELLED)
    assert attempt.failure.message.startswith(said)
    assert (attempt.phase, attempt.usage.source) == (Phase.STREAM, UsageSource.ESTIMATED)
    assert attempt.usage.output_tokens >= 3


async def test_what_had_come_before_stays_in_the_history():
    provider = Stall()
    stage = Stage(ScriptedProvider(WRONG), provider)
    outcome = await cancelled(stage, provider, schema=SCHEMA)
    first, second = outcome.attempts
    assert (first.answer.text, second.answer) == (WRONG, None)
    assert second.phase is Phase.FIRST_TOKEN


async def test_a_caller_who_leaves_twice_is_booked_once():
    provider = Stall()
    stage = Stage(provider)
    stage.book.open.clear()
    asking = asyncio.ensure_future(stage.answer())
    await provider.begun.wait()
    asking.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    stage.book.open.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(stage.book.outcomes) == 1


async def test_a_deadline_ends_the_wait_before_a_retry():
    failure = Failure(Fault.RATE_LIMITED, "busy", retry_after_seconds=3)
    stage = Stage(ScriptedProvider([failure, "late"]), tier="retries = 1")
    served = await stage.answer(directions=Directions(deadline_seconds=0.5))
    assert len(served.outcome.attempts) == 1
    assert served.outcome.ended_by is EndedBy.LIMIT


async def test_no_verdict_tells_a_key():
    def leaks(text):
        raise RuntimeError("the key is canary-secret-1234567890")

    stage = Stage(ScriptedProvider("x"), secrets=("canary-secret-1234567890",))
    served = await stage.intake.answer(request(), extra=(function(leaks),))
    (attempt,) = served.outcome.attempts
    said = " ".join(verdict.reason for verdict in attempt.verdicts)
    assert "canary" not in said
    assert "[key]" in said
