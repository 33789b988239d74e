"""What is appended comes back, replays the same, and no hostile text keeps it out."""

import asyncio
import itertools
import re
import signal
import threading
from dataclasses import asdict, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.engine import Accept
from rung.core.errors import LedgerError, RequestError
from rung.core.parts import Message, Opaque, Role, Text, Tool, ToolCall
from rung.core.types import (
    Answer,
    Directions,
    Failure,
    Fault,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Status, Verdict
from rung.core.vote import Comparison, Vote
from rung.ledger import Ledger, writer
from rung.ledger.codec import clean
from support.outcomes import actions, books, outcome, outcomes

on_sqlite = pytest.mark.parametrize("ledger_place", ["sqlite"], indirect=True)
"""Looks into the file itself, or at it through the command line."""


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One ledger for all examples of the properties, which give each outcome an id of its own."""
    with Ledger.open(tmp_path_factory.mktemp("shared") / "ledger.db") as opened:
        yield opened


HASHED = re.compile("sha256:[0-9a-f]{64}")

_numbers = itertools.count()


def renamed(made):
    name = f"renamed-{next(_numbers):06d}"
    return replace(
        made,
        request=replace(made.request, id=name),
        attempts=tuple(replace(a, id=f"{name}.{n}") for n, a in enumerate(made.attempts)),
    )


# ------------------------------------------------------------------ there and back


@given(drawn=outcomes())
@settings(deadline=None)
def test_an_outcome_comes_back_as_it_was_but_for_its_texts(shared, drawn):
    made = renamed(drawn)
    shared.append_now(made)
    stored = shared.find(made.request.id)
    assert stored.plan == plain_plan(made.plan)
    assert all(HASHED.fullmatch(each.answer.text) for each in stored.history if each.answer)
    assert tuple(map(without_text, stored.history)) == tuple(
        without_text(plain_attempt(made.request, each)) for each in made.attempts
    )
    assert (stored.decision, stored.served, stored.verified) == (
        made.decision,
        made.served,
        made.verified,
    )
    assert stored.baselines == made.baselines
    assert stored.cost_nanousd == made.cost_nanousd
    assert stored.escalated == made.escalated
    assert stored.inbox == made.inbox
    assert stored.ungated == made.ungated
    assert stored.request.resend_of == made.request.resend_of
    assert (stored.started_unix, stored.seconds) == (made.started_unix, made.seconds)
    assert stored.request.needs == made.request.needs
    assert stored.request.lane == made.request.directions.lane
    assert stored.request.project == made.request.directions.project


@given(drawn=outcomes())
@settings(deadline=None, max_examples=300)
def test_a_stored_outcome_replays_to_the_same_actions(shared, drawn):
    made = renamed(drawn)
    shared.append_now(made)
    stored = shared.find(made.request.id)
    assert actions(stored.plan, stored.history) == actions(made.plan, made.attempts)


def plain_plan(plan):
    why = tuple(replace(left_out, why=json_clean(left_out.why)) for left_out in plan.excluded)
    return replace(plan, excluded=why)


def json_clean(text):
    """JSON escapes NUL by itself; only what is no character at all has to go."""
    return text.replace("\ud800", "\ufffd")


def plain_attempt(request, attempt):
    answer, failure, price = attempt.answer, attempt.failure, attempt.price
    if answer is not None:
        calls = tuple(plain_call(request, call) for call in answer.tool_calls)
        answer = replace(answer, tool_calls=calls)
    return replace(
        attempt,
        answer=answer,
        failure=None if failure is None else replace(failure, message=clean(failure.message)),
        price=None if price is None else replace(price, source=json_clean(price.source)),
        verdicts=tuple(replace(v, reason=clean(v.reason)) for v in attempt.verdicts),
        losses=tuple(json_clean(loss) for loss in attempt.losses),
    )


def without_text(attempt):
    if attempt.answer is None:
        return attempt
    return replace(attempt, answer=replace(attempt.answer, text=""))


def plain_call(request, call):
    if any((tool.name, tool.namespace) == (call.name, call.namespace) for tool in request.tools):
        return ToolCall("", json_clean(call.name), "", call.namespace)
    return ToolCall("", "", "")


@given(made=books(most=4))
@settings(deadline=None, max_examples=20)
def test_recent_lists_the_newest_first_each_as_find_gives_it(tmp_path_factory, made):
    with Ledger.open(tmp_path_factory.mktemp("recent") / "ledger.db") as ledger:
        for one in made:
            ledger.append_now(one)
        listed = ledger.recent(3)
        assert listed == [ledger.find(one.request.id) for one in listed]
    order = sorted(made, key=lambda one: (one.started_unix, one.request.id), reverse=True)
    assert [one.request.id for one in listed] == [one.request.id for one in order[:3]]


@on_sqlite
def test_no_word_of_a_request_or_an_answer_is_stored(ledger):
    ledger.append_now(outcome())
    ledger.close()
    on_disk = b"".join(path.read_bytes() for path in ledger.database.place.parent.iterdir())
    assert b"json_schema" in on_disk
    assert b"secret question" not in on_disk
    assert b'{"a": 1}' not in on_disk


def answering(made, *answers):
    """``made`` with other answers, each an attempt of its own."""
    attempts = (
        replace(made.attempts[0], id=f"{made.request.id}.{n}", answer=answer)
        for n, answer in enumerate(answers)
    )
    return replace(made, attempts=tuple(attempts))


def calling(name, arguments, **more):
    return Answer("", tool_calls=(ToolCall("id-1", name, arguments, **more),))


@on_sqlite
def test_of_a_tool_call_only_the_name_of_a_tool_that_was_offered_is_stored(ledger):
    made = outcome()
    request = replace(made.request, tools=(Tool("find", namespace="files"), Tool("send")))
    calls = (
        ToolCall("hush-id", "find", '{"hush": 1}', "files"),
        ToolCall("x", "hush_words", "{}"),
        ToolCall("x", "send", "", "files"),
    )
    made = answering(replace(made, request=request), Answer("", tool_calls=calls, salvaged="xml"))
    ledger.append_now(made)
    (attempt,) = ledger.find("req-1").history
    names = [(call.namespace, call.name) for call in attempt.answer.tool_calls]
    assert names == [("files", "find"), ("", ""), ("", "")]
    assert attempt.answer.salvaged == "xml"
    ledger.close()
    on_disk = b"".join(path.read_bytes() for path in ledger.database.place.parent.iterdir())
    assert b"hush" not in on_disk


def test_words_that_look_like_a_hash_are_hashed_like_any_others(ledger):
    ledger.append_now(answering(outcome(), Answer("sha256:my own words")))
    assert "my own words" not in ledger.find("last").history[0].answer.text


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (calling("a", '{"x": 1, "y": [2]}'), calling("a", '{"y":[2.0],"x":1}'), True),
        (calling("a", "{}"), calling("b", "{}"), False),
        (calling("a", '{"x": 1}'), calling("a", '{"x": 2}'), False),
        (calling("a", '{"x": "A"}'), calling("a", '{"x": "a"}'), False),
        (calling("a", "{}"), calling("a", "{}", namespace="n"), False),
        (calling("a", "{}"), Answer(""), False),
        (calling("a", '"x"'), calling("a", "x"), False),
        (calling("a", "1.0", custom=True), calling("a", "1", custom=True), False),
        (calling("a", "broken {"), calling("a", "broken {"), True),
        (calling("a", "[" * 100_000), calling("a", "]"), False),
        (calling("a", '"\ud800"'), calling("a", '"\ud801"'), False),
        (Answer("Yes."), Answer("yes"), True),
    ],
)
def test_answers_agree_in_the_ledger_when_text_and_tool_calls_do(ledger, one, other, agree):
    ledger.append_now(answering(outcome(), one, other))
    first, second = ledger.find("last").history
    assert (first.answer.text == second.answer.text) is agree


@pytest.mark.parametrize(
    ("comparison", "one", "other", "agree"),
    [
        (Comparison.AUTO, "42.0", "42", True),
        (Comparison.AUTO, "so 42", "42", False),
        (Comparison.EXACT, "42.0", "42", False),
        (Comparison.NUMBER, "so 42 apples", "#### 42.0", True),
        (Comparison.FIELDS, '{"a": 1}', 'Here: {"a": 1.0}', True),
        (Comparison.TEXT, "a b c d e f g h i j", "A B C D E F G H I J K", True),
        (Comparison.TEXT, "a b c d e f g h i j", "k l m", False),
    ],
)
def test_answers_agree_in_the_ledger_as_the_plan_compares_them(
    ledger, comparison, one, other, agree
):
    made = answering(outcome(), Answer(one), Answer(other))
    tiny, *rest = made.plan.steps
    steps = (replace(tiny, vote=Vote(comparison)), *rest)
    ledger.append_now(replace(made, plan=replace(made.plan, steps=steps)))
    first, second = ledger.find("last").history
    assert (first.answer.text == second.answer.text) is agree


def test_a_proof_that_judged_nothing_replays_as_none(ledger):
    made = outcome()
    empty = replace(made.attempts[0].verdicts[0], vacuous=True)
    attempt = replace(made.attempts[0], verdicts=(empty,))
    ledger.append_now(
        replace(made, attempts=(attempt,), decision=Accept(0, verified=None), verified=None)
    )
    stored = ledger.find("last")
    assert stored.decision == Accept(0, verified=None)
    assert actions(stored.plan, stored.history)[-1] == stored.decision


def test_the_inbox_keeps_the_question_and_the_answers_for_a_human(ledger):
    ledger.append_now(outcome(inbox=True, served=None, verified=None))
    (item,) = ledger.inbox_items()
    assert (item.request_id, item.state) == ("req-1", "open")
    with ledger.reading() as connection:
        asked, answers = connection.execute(
            "SELECT request_json, answers_json FROM inbox"
        ).fetchone()
    assert "the secret question" in asked
    assert '{\\"a\\": 1}' in answers
    assert "json_schema" in answers


def test_the_inbox_keeps_tool_calls_whole(ledger):
    call = ToolCall("id-1", "find", '{"x": 1}', "files")
    made = answering(
        outcome(inbox=True, served=None, verified=None), Answer("", tool_calls=(call,))
    )
    ledger.append_now(made)
    (answer,) = ledger.inbox_entry("last").answers
    (kept,) = answer["tool_calls"]
    assert kept == asdict(call)


# ------------------------------------------------------------------ hostile rows


@given(text=st.text(st.characters(codec=None, categories=None), max_size=40))
def test_cleaned_text_can_be_held_by_utf8_and_any_database(text):
    assert "\0" not in clean(text)
    assert clean(text).encode().decode() == clean(text)
    assert clean(clean(text)) == clean(text)


def test_lone_surrogates_and_nul_anywhere_do_not_keep_an_outcome_out(ledger):
    bad = "a\ud800b\x00c"
    made = outcome()
    attempt = replace(
        made.attempts[0],
        answer=Answer(
            bad,
            model=bad,
            refusal=bad,
            tool_calls=(ToolCall(bad, bad, bad, bad),),
            dialect=bad,
            salvaged=bad,
        ),
        verdicts=(Verdict("json_schema", Status.FAILED, bad),),
        losses=(bad,),
    )
    failed = replace(attempt, id="x", answer=None, failure=Failure(Fault.INTERNAL, bad))
    message = Message(Role.USER, (Text(bad), Opaque("image_url", {"url": bad})))
    request = replace(
        made.request,
        model=bad,
        messages=(message,),
        tools=(Tool(bad, namespace=bad),),
        resend_of=bad,
        directions=Directions(project=bad),
    )
    ledger.append_now(
        replace(made, request=request, attempts=(attempt, failed), baselines={bad: 1}, inbox=True)
    )
    stored = ledger.find("req-1")
    assert stored.request.model == "a\ufffdb␀c"
    assert stored.request.resend_of == "a\ufffdb␀c"
    assert stored.history[0].verdicts[0].reason == "a\ufffdb␀c"
    assert stored.history[0].answer.salvaged == "a\ufffdb␀c"
    assert stored.history[0].answer.tool_calls[0].name == "a\ufffdb\x00c"


def test_bytes_that_are_no_utf8_inside_of_a_kept_value_do_not_keep_an_outcome_out(ledger):
    kept = Opaque("thinking", msgspec.Raw(b'"\xff\xfe"'))
    made = outcome(inbox=True)
    request = replace(made.request, messages=(Message(Role.USER, (kept,)),))
    ledger.append_now(replace(made, request=request))
    (message,) = ledger.inbox_entry("last").request["messages"]
    assert message["parts"][0]["raw"] == "\ufffd\ufffd"


def test_times_that_are_no_numbers_and_absurd_counters_do_not_keep_an_outcome_out(ledger):
    made = outcome()
    nan = float("nan")
    attempt = replace(
        made.attempts[0],
        load_seconds=nan,
        first_token_seconds=nan,
        usage=Usage(10**40, -5, source=UsageSource.PROVIDER),
        verdicts=(Verdict("json_schema", Status.PASSED, "", score=nan, seconds=nan, at=nan),),
    )
    ledger.append_now(replace(made, attempts=(attempt,), seconds=nan))
    stored = ledger.find("req-1").history[0]
    assert stored.usage.input_tokens == 10**12
    assert stored.usage.output_tokens == 0
    assert stored.verdicts[0].score is None


@pytest.mark.parametrize("cost", [-1, 2**63, pytest.param(10**30, id="far beyond 64 bits")])
async def test_a_row_the_tables_refuse_fails_alone_among_those_it_waited_with(ledger, cost):
    bad = outcome("req-bad")
    bad = replace(bad, attempts=(replace(bad.attempts[0], cost_nanousd=cost),))
    good = [outcome(f"req-{n}") for n in range(20)]
    results = await asyncio.gather(
        *(ledger.append(one) for one in [*good[:10], bad, *good[10:]]), return_exceptions=True
    )
    assert [type(result) for result in results if result is not None] == [LedgerError]
    assert isinstance(results[10], LedgerError)
    assert len(ledger.recent(50)) == 20


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 31, 37])
def test_all_rows_of_a_table_are_written_in_order_however_many_there_are(ledger, count):
    made = outcome()
    verdicts = tuple(Verdict(f"check-{n}", Status.PASSED, "", at=n) for n in range(count))
    ledger.append_now(replace(made, attempts=(replace(made.attempts[0], verdicts=verdicts),)))
    assert ledger.find("req-1").history[0].verdicts == verdicts


async def test_an_outcome_is_recorded_once(ledger):
    await ledger.append(outcome())
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await ledger.append(outcome())
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await ledger.append(replace(outcome("req-2"), attempts=outcome().attempts))
    assert [one.request.id for one in ledger.recent(5)] == ["req-1"]


# ------------------------------------------------------------------ finding


@pytest.fixture
def filled(ledger):
    for name in ("01ha", "01hab", "01hb", "02x"):
        ledger.append_now(outcome(name))
    return ledger


@pytest.mark.parametrize(
    ("prefix", "found"), [("02", "02x"), ("01ha", "01ha"), ("01hab", "01hab"), ("last", "02x")]
)
def test_a_unique_prefix_an_exact_id_or_last_finds_the_request(filled, prefix, found):
    assert filled.find(prefix).request.id == found


@pytest.mark.parametrize(
    ("prefix", "named"),
    [("01h", "01hb"), ("01hz", "02x"), ("", "01ha"), ("%", "01ha"), ("zzz", "02x")],
)
def test_anything_else_is_a_404_that_names_near_ids(filled, prefix, named):
    with pytest.raises(RequestError) as raised:
        filled.find(prefix)
    assert raised.value.status == 404
    assert named in str(raised.value)


@pytest.mark.parametrize("prefix", ["\ud800\x00", "x" * 100_000, "'; DROP TABLE requests; --"])
def test_a_hostile_id_is_only_not_found(filled, prefix):
    with pytest.raises(RequestError) as raised:
        filled.find(prefix)
    assert raised.value.status == 404
    assert len(str(raised.value)) < 500


def test_an_empty_ledger_says_so(ledger):
    assert ledger.recent(10) == []
    assert ledger.inbox_items() == []
    with pytest.raises(RequestError, match="no requests yet"):
        ledger.find("last")


# ------------------------------------------------------------------ the writer


@on_sqlite
def test_the_connection_that_writes_waits_for_the_disk_in_wal_mode(ledger):
    ledger.append_now(outcome())
    read = []

    def look():
        connection = ledger._writer._connected()
        read.append(connection.execute("PRAGMA synchronous").fetchone()[0])
        read.append(connection.execute("PRAGMA journal_mode").fetchone()[0])
        read.append(connection.execute("PRAGMA foreign_keys").fetchone()[0])

    with pytest.MonkeyPatch.context() as patched:
        # sqlite3 lets only the thread that made a connection use it, so the look is taken there.
        commit = writer.Writer._commit

        def looking(self, jobs, *again):
            done = commit(self, jobs, *again)
            look()
            return done

        patched.setattr(writer.Writer, "_commit", looking)
        ledger.append_now(outcome("req-2"))
    assert read == [2, "wal", 1]


async def test_what_waits_together_is_committed_together(ledger, monkeypatch):
    sizes = []
    commit = writer.Writer._commit

    def counted(self, jobs, *again):
        sizes.append(len(jobs))
        return commit(self, jobs, *again)

    monkeypatch.setattr(writer.Writer, "_commit", counted)
    await asyncio.gather(*(ledger.append(outcome(f"req-{n}")) for n in range(200)))
    assert sum(sizes) == 200
    assert len(sizes) < 50


async def test_a_cancelled_append_is_written_all_the_same(ledger):
    task = asyncio.create_task(ledger.append(outcome()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(ledger.close)
    assert ledger.find("last").request.id == "req-1"


def test_ctrl_c_while_waiting_for_the_disk_loses_nothing(ledger, monkeypatch):
    interrupted = threading.Event()
    commit = writer.Writer._commit

    def interrupting(self, jobs, *again):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert interrupted.wait(10)
        return commit(self, jobs, *again)

    monkeypatch.setattr(writer.Writer, "_commit", interrupting)
    with pytest.raises(KeyboardInterrupt):
        ledger.append_now(outcome())
    interrupted.set()
    ledger.close()
    assert ledger.find("last").request.id == "req-1"


async def test_close_writes_what_waits_and_refuses_what_comes_after(ledger):
    waiting = [asyncio.create_task(ledger.append(outcome(f"req-{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(ledger.close)
    ledger.close()
    await asyncio.gather(*waiting)
    assert len(ledger.recent(100)) == 50
    with pytest.raises(LedgerError, match="closed"):
        await ledger.append(outcome("late"))
    with pytest.raises(LedgerError, match="closed"):
        ledger.append_now(outcome("late"))


def test_a_loop_that_ended_before_its_append_does_not_stop_the_writer(ledger):
    async def leave():
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, ledger.append(outcome()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(leave())
    ledger.append_now(outcome("req-2"))
    assert ledger.find("req-2").request.id == "req-2"


def test_several_threads_and_loops_may_append_at_once(ledger):
    async def many(who):
        await asyncio.gather(*(ledger.append(outcome(f"{who}-{n}")) for n in range(20)))

    threads = [threading.Thread(target=asyncio.run, args=(many(who),)) for who in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.recent(1000)) == 80


def test_reading_sees_one_moment_and_cannot_write(ledger):
    ledger.append_now(outcome())
    with ledger.reading() as connection:
        before = connection.execute("SELECT count(*) FROM requests").fetchone()[0]
        ledger.append_now(outcome("req-2"))
        assert connection.execute("SELECT count(*) FROM requests").fetchone()[0] == before
    with pytest.raises(LedgerError, match="cannot be written"), ledger.reading() as connection:
        connection.execute("DELETE FROM requests")
    assert len(ledger.recent(5)) == 2


def test_more_than_the_disk_can_take_is_refused_not_piled_up(ledger, monkeypatch):
    monkeypatch.setattr(writer, "MOST_WAITING", 0)
    with pytest.raises(LedgerError, match="cannot keep up"):
        ledger.append_now(outcome())
