import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from decimal import Decimal
from pathlib import Path

import pytest

from rung import (
    Cascade,
    ConfigError,
    LedgerError,
    Reply,
    RequestError,
    RunOptions,
    ScriptedProvider,
    Tier,
    UpstreamError,
    checks,
)
from rung.asking import Options
from rung.core.parts import ToolCall
from rung.core.types import EndedBy, Failure, Fault, Kind, UsageSource
from rung.core.verdicts import Status
from rung.ledger import Ledger
from support.gateway import environment, gone

PRICE = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def scripted(name, *replies, cycle=False, **options):
    provider = ScriptedProvider(replies, cycle=cycle)
    return Tier.ready_made(name, provider, **{"repairs": 0, **options})


def cascade(*tiers, ledger=None, environment=None, **options):
    """A cascade with nothing of the developer's own: no key, no ledger."""
    return Cascade(tiers, ledger=ledger, environment=environment or {}, **options)


# ------------------------------------------------------------------ the four lines


def test_two_tiers_and_a_check_are_four_lines():
    with cascade(scripted("cheap", "no json"), scripted("dear", '{"age": 36}')) as ladder:
        result = ladder.run("How old is Ada?", verify=checks.json_schema(SCHEMA))
    assert json.loads(result.text) == {"age": 36}
    assert (result.tier, result.verified, result.inbox) == ("dear", True, False)
    assert [attempt.tier for attempt in result.attempts] == ["cheap", "dear"]
    assert {v.verifier: v.status for v in result.verdicts}["json_schema"] is Status.PASSED
    assert result.cost_usd == 0
    assert result.seconds > 0
    assert result.id


def test_a_models_own_name_is_a_tiers_name():
    tiers = [Tier.ollama("llama3.1:8b"), Tier.of("openrouter", "meta-llama/llama-3.3-70b")]
    assert [tier.name for tier in tiers] == ["llama3.1:8b", "meta-llama/llama-3.3-70b"]
    Cascade(tiers, ledger=None).close()


def test_nothing_passed_is_no_text_but_a_draft(tmp_path):
    tiers = scripted("a", "first"), scripted("b", "second")
    with cascade(*tiers, ledger=tmp_path / "l.db") as ladder:
        result = ladder.run("hi", verify=lambda text: False)
    assert (result.text, result.tier, result.verified) == (None, None, False)
    assert result.draft in {"first", "second"}
    assert result.inbox is True
    assert result.verdicts


def test_without_a_ledger_there_is_no_inbox_to_wait_in():
    with cascade(scripted("a", "first")) as ladder:
        assert ladder.run("hi", verify=lambda text: False).inbox is False


def test_best_serves_the_least_bad_answer_flagged():
    with cascade(scripted("a", "first"), on_exhausted="best") as ladder:
        result = ladder.run("hi", verify=lambda text: False)
    assert (result.text, result.verified) == ("first", False)


def test_without_a_check_nothing_is_proven():
    with cascade(scripted("a", "hello")) as ladder:
        assert ladder.run("hi").verified is None


@pytest.mark.parametrize(
    ("verify", "tier"),
    [
        (lambda text: text == "good", "b"),
        (lambda text: None if text == "bad" else True, "b"),
        (lambda text: "not good" if text == "bad" else True, "b"),
        ([lambda text: True, lambda text: text == "good"], "b"),
        ((checks.labels("good", "fine"), checks.not_empty()), "b"),
        (checks.function(lambda text: text == "bad", name="upside_down"), "a"),
        ([], "a"),
    ],
)
def test_verify_takes_a_function_a_check_or_several(verify, tier):
    with cascade(scripted("a", "bad"), scripted("b", "good")) as ladder:
        assert ladder.run("hi", verify=verify).tier == tier


async def test_verify_may_be_async():
    async def slow(text):
        await asyncio.sleep(0)
        return text == "good"

    ladder = cascade(scripted("a", "bad"), scripted("b", "good"))
    assert (await ladder.run_async("hi", verify=slow)).tier == "b"
    ladder.close()


def test_a_check_of_the_cascade_applies_to_every_request():
    tiers = scripted("a", "bad", cycle=True), scripted("b", "good", cycle=True)
    with cascade(*tiers, verify=lambda text: text == "good") as ladder:
        assert ladder.run("hi").tier == "b"
        assert ladder.run("hi", verify=checks.not_empty()).tier == "b"


def test_a_check_that_crashes_never_passes():
    def crash(text):
        raise RuntimeError("broken")

    with cascade(scripted("a", "x"), scripted("b", "y")) as ladder:
        result = ladder.run("hi", verify=crash)
    assert (result.text, result.verified) == (None, False)


def test_a_schema_is_asked_for_and_checked():
    provider = ScriptedProvider(['{"age": "x"}', '{"age": 1}'])
    with cascade(Tier.ready_made("a", provider, repairs=1)) as ladder:
        result = ladder.run("hi", schema=SCHEMA, system="Be brief.", max_tokens=9, temperature=0.5)
    assert [attempt.kind for attempt in result.attempts] == [Kind.FIRST, Kind.REPAIR]
    ask = provider.calls[0]
    assert ask.schema.schema == SCHEMA
    assert ask.request.sampling.max_tokens == 9
    assert [message.text for message in ask.messages] == ["Be brief.", "hi"]
    assert provider.calls[1].messages[-2].text == '{"age": "x"}'


def test_a_conversation_is_a_list_of_messages():
    provider = ScriptedProvider("hello")
    with cascade(Tier.ready_made("a", provider)) as ladder:
        ladder.run([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}])
    assert [message.role.value for message in provider.calls[0].messages] == ["user", "assistant"]


# ------------------------------------------------------------------ limits


def test_a_cost_cap_calls_nothing_that_could_pass_it():
    cheap, dear = scripted("cheap", "bad", price=PRICE), scripted("dear", "good", price=PRICE)
    with cascade(cheap, dear) as ladder:
        with pytest.raises(UpstreamError) as caught:
            ladder.run("hi", max_usd=0)
        assert caught.value.status == 402
        # Enough for one call with ten tokens out, not for a second.
        result = ladder.run("hi", max_usd="0.000032", max_tokens=10, verify=lambda text: False)
    assert [attempt.tier for attempt in result.attempts] == ["cheap"]
    assert Decimal(0) < result.cost_usd <= Decimal("0.000032")


def test_a_deadline_ends_a_call_and_calls_no_more():
    slow = scripted("slow", Reply("late", seconds=5))
    with cascade(slow, scripted("next", "never")) as ladder:
        began = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            ladder.run("hi", deadline_seconds=0.1)
    assert time.monotonic() - began < 2
    assert caught.value.status == 504


def test_a_baseline_is_what_the_same_tokens_would_have_cost():
    dear = scripted("dear", "good", price=PRICE)
    with cascade(scripted("cheap", "fine"), dear, baseline="dear") as ladder:
        result = ladder.run("hi")
    assert result.cost_usd == 0
    assert result.baseline_usd > 0


def test_when_no_tier_answers_it_raises_with_what_each_said():
    failure = Failure(Fault.RATE_LIMITED, "slow down", status=429, retry_after_seconds=30)
    ladder = cascade(scripted("a", failure, retries=0))
    with ladder, pytest.raises(UpstreamError, match="a: slow down") as caught:
        ladder.run("hi")
    assert (caught.value.status, caught.value.retry_after_seconds) == (429, 30)


# ------------------------------------------------------------------ wrong use


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bogus": 1}, "no option 'bogus'"),
        ({"max_token": 5}, "did you mean `max_tokens`"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"deadline_seconds": 0}, "deadline"),
        ({"deadline_seconds": float("nan")}, "deadline"),
        ({"max_usd": "lots"}, "max_usd"),
        ({"max_usd": float("nan")}, "max_usd"),
        ({"stop": 7}, "stop"),
        ({"schema": 7}, "schema"),
        ({"schema": {"type": "strnig"}}, "strnig"),
        ({"verify": "ls"}, "there is no verifier 'ls'"),
        ({"verify": 7}, "verify="),
        ({"tier": "nope"}, "no tier 'nope'"),
        ({"ladder": "nope"}, "no ladder 'nope'"),
    ],
)
def test_an_option_that_cannot_be_is_named_and_calls_no_one(options, said):
    provider = ScriptedProvider("hello")
    ladder = cascade(Tier.ready_made("a", provider))
    with ladder, pytest.raises(RequestError) as caught:
        ladder.run("hi", **options)
    assert said in str(caught.value)
    assert provider.calls == []


@pytest.mark.parametrize(
    "prompt",
    ["", " \n", [], [{"role": "user"}], [{"role": "king", "content": "x"}], 7, None, [7]],
)
def test_a_prompt_that_is_none_is_refused(prompt):
    with cascade(scripted("a", "hello")) as ladder, pytest.raises(RequestError) as caught:
        ladder.run(prompt)
    assert caught.value.param.startswith("messages")


LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_tools_are_offered_as_of_chat_completions_and_their_calls_are_gated():
    broken = Reply("", tool_calls=(ToolCall("c1", "leap", "{}"),))
    good = Reply("", tool_calls=(ToolCall("c2", "look", '{"at": "it"}'),))
    low, high = ScriptedProvider([broken]), ScriptedProvider([good])
    tiers = [Tier.ready_made("low", low), Tier.ready_made("high", high)]
    with Cascade(tiers, ledger=None) as ladder:
        result = ladder.run("Look at it", tools=[LOOK], tool_choice="required")
    assert (result.tier, result.verified, result.text) == ("high", True, "")
    assert [(call.name, call.arguments) for call in result.tool_calls] == [("look", '{"at": "it"}')]
    assert low.calls[0].request.tools[0].name == "look"


def test_a_conversation_with_calls_and_results_goes_to_the_tier_as_it_is():
    provider = ScriptedProvider("It is there.")
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    told = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "it is there"},
    ]
    with cascade(Tier.ready_made("a", provider)) as ladder:
        assert ladder.run(told, system="Be brief.", tools=[LOOK]).text == "It is there."
    roles = [message.role.value for message in provider.calls[0].messages]
    assert roles == ["system", "user", "assistant", "tool"]


@pytest.mark.parametrize("tools", [7, [7], [{"type": "function"}], [object()]])
def test_tools_that_are_none_are_refused(tools):
    with cascade(scripted("a", "hello")) as ladder, pytest.raises(RequestError):
        ladder.run("hi", tools=tools)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Cascade([]), "at least 1 item"),
        (lambda: cascade(scripted("a", "x"), scripted("a", "y")), "same name"),
        (lambda: cascade(scripted("a b", "x")), "a b"),
        (lambda: cascade(scripted("a", "x"), min_confidance=1), "did you mean `min_confidence`"),
        (lambda: cascade(scripted("a", "x"), on_exhausted="shrug"), "on_exhausted"),
        (lambda: Tier.ollama("m", retrys=1), "did you mean `retries`"),
        (lambda: Tier.ollama("m", retries=99), "tiers.m.retries"),
        (lambda: cascade(scripted("a", "x"), baseline="no-such-model").run("hi"), "no price"),
        (lambda: cascade(Tier.of("olama", "m")).run("hi"), "ollama"),
        (lambda: cascade(Tier.openai("gpt-4o")).run("hi"), "OPENAI_API_KEY"),
        (lambda: Cascade.from_config("nowhere.toml"), "does not exist"),
    ],
)
def test_a_ladder_that_cannot_be_is_a_config_error_with_the_fix(make, said):
    with pytest.raises(ConfigError) as caught:
        make()
    assert said in str(caught.value)


def test_a_ledger_that_cannot_be_made_is_said_with_the_fix(tmp_path):
    blocked = tmp_path / "a-file"
    blocked.touch()
    ladder = cascade(scripted("a", "x"), ledger=blocked / "ledger.db")
    with ladder, pytest.raises(LedgerError) as caught:
        ladder.run("hi")
    assert caught.value.fix


# ------------------------------------------------------------------ the ledger


def test_every_request_is_in_the_ledger_before_its_answer_is_out(tmp_path):
    path = tmp_path / "ledger.db"
    with cascade(scripted("a", "x", cycle=True), ledger=path) as ladder:
        for _ in range(3):
            result = ladder.run("hi", project="p")
            with Ledger.open(path, create=False) as ledger:
                assert ledger.find(result.id).request.project == "p"


def test_by_default_it_is_the_one_that_the_bill_reads(tmp_path):
    with Cascade([scripted("a", "x")], environment=environment(tmp_path)) as ladder:
        result = ladder.run("hi")
    with Ledger.open(tmp_path / "data" / "rung" / "ledger.db", create=False) as ledger:
        assert ledger.find(result.id)


def test_a_ledger_is_named_by_any_path_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cascade(scripted("a", "x"), ledger=":default:") as ladder:
        ladder.run("hi")
    assert (tmp_path / ":default:").is_file()


def test_keys_are_looked_up_in_the_environment_that_was_given(tmp_path):
    def tried(environment):
        made = cascade(Tier.openai("gpt-4o", retries=0), environment=environment)
        with made, pytest.raises((ConfigError, UpstreamError)) as caught:
            made.run("hi", max_usd=0)
        return str(caught.value)

    assert "OPENAI_API_KEY" in tried({})
    assert "the cost cap is $0" in tried({"OPENAI_API_KEY": "sk-x"})
    (tmp_path / "rung.toml").write_text(
        '[tiers.a]\nprovider = "openai"\nmodel = "gpt-4o"\n[ladders.one]\ntiers = ["a"]\n'
    )
    keyed = {"OPENAI_API_KEY": "sk-x"}
    Cascade.from_config(tmp_path / "rung.toml", environment=keyed).close()
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        Cascade.from_config(tmp_path / "rung.toml", environment={})


def test_none_keeps_no_record(tmp_path):
    with cascade(scripted("a", "x"), environment=environment(tmp_path)) as ladder:
        ladder.run("hi")
    assert not list(tmp_path.rglob("*.db"))


def test_a_configuration_brings_its_ladders_and_its_ledger(tmp_path):
    (tmp_path / "rung.toml").write_text(
        'ledger = "here.db"\n[tiers.a]\nprovider = "ollama"\nmodel = "m"\n'
        'base_url = "http://127.0.0.1:9"\n[ladders.one]\ntiers = ["a"]\n'
    )
    ladder = Cascade.from_config(tmp_path / "rung.toml", environment={})
    with ladder, pytest.raises(UpstreamError):
        ladder.run("hi", ladder="one")
    assert (tmp_path / "here.db").exists()


# ------------------------------------------------------------------ threads, loops, ends


def test_many_threads_may_share_one(tmp_path):
    def echo(ask):
        return Reply(ask.messages[-1].text.upper(), seconds=0.01)

    with cascade(scripted("a", echo, cycle=True), ledger=tmp_path / "l.db") as ladder:
        said = {}

        def work(n):
            said[n] = ladder.run(f"thread {n}").text

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == {n: f"THREAD {n}" for n in range(16)}
    with Ledger.open(tmp_path / "l.db", create=False) as ledger:
        assert len(ledger.recent()) == 16


async def test_an_event_loop_is_not_blocked():
    ladder = cascade(scripted("a", Reply("slow", seconds=0.05), cycle=True))
    began = time.monotonic()
    results = await asyncio.gather(*(ladder.run_async("hi") for _ in range(10)))
    assert [result.text for result in results] == ["slow"] * 10
    assert time.monotonic() - began < 0.4
    await asyncio.to_thread(ladder.close)


async def test_what_is_cancelled_is_booked_even_if_it_is_closed_at_once(tmp_path):
    path = tmp_path / "l.db"
    begun = threading.Event()

    def stall(ask):
        begun.set()
        return Reply("late", seconds=30)

    ladder = cascade(scripted("a", stall), ledger=path)
    asking = asyncio.ensure_future(ladder.run_async("hi"))
    await asyncio.to_thread(begun.wait, 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    ladder.close()
    with Ledger.open(path, create=False) as ledger:
        (outcome,) = ledger.recent()
    assert outcome.ended_by is EndedBy.CLIENT
    assert outcome.history[0].usage.source is UsageSource.ESTIMATED


def test_closing_ends_what_is_running_and_books_it(tmp_path):
    path = tmp_path / "l.db"
    begun = threading.Event()

    def stall(ask):
        begun.set()
        return Reply("late", seconds=30)

    ladder = cascade(scripted("a", stall), ledger=path)
    ended = []

    def work():
        try:
            ladder.run("hi")
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(5)
    ladder.close()
    thread.join(5)
    assert len(ended) == 1
    with Ledger.open(path, create=False) as ledger:
        assert len(ledger.recent()) == 1


def test_leaving_the_context_closes_the_providers_and_the_thread():
    provider = ScriptedProvider(["x", "y"])
    before = threading.active_count()
    with cascade(Tier.ready_made("a", provider)) as ladder:
        ladder.run("hi")
    assert provider.closed
    assert threading.active_count() == before
    ladder.close()


def test_it_may_be_used_again_after_it_was_closed():
    with cascade(scripted("a", "x", cycle=True)) as ladder:
        assert ladder.run("hi").text == "x"
        ladder.close()
        assert ladder.run("hi").text == "x"


def test_closing_while_others_run_strands_no_one(tmp_path):
    ladder = cascade(scripted("a", Reply("x", seconds=0.001), cycle=True), ledger=tmp_path / "l.db")
    done, odd = [], []
    enough = threading.Event()

    def work():
        while not enough.is_set():
            try:
                done.append(ladder.run("hi").id)
            except CancelledError:
                pass
            except Exception as error:  # noqa: BLE001 - kept for the assertion below
                odd.append(error)

    before = threading.active_count()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        count = len(done)
        ladder.close()
        while len(done) == count and not odd:
            time.sleep(0.001)
    enough.set()
    for thread in threads:
        thread.join(10)
    ladder.close()
    assert not any(thread.is_alive() for thread in threads)
    assert odd == []
    assert threading.active_count() == before
    with Ledger.open(tmp_path / "l.db", create=False) as ledger:
        booked = {outcome.request.id for outcome in ledger.recent(100_000)}
    assert set(done) <= booked


def test_two_may_close_at_once():
    provider = ScriptedProvider(["x"])
    ladder = cascade(Tier.ready_made("a", provider))
    ladder.run("hi")
    threads = [threading.Thread(target=ladder.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert provider.closed


def test_what_fails_to_close_is_told_and_the_thread_ends():
    class Stuck(ScriptedProvider):
        async def close(self):
            raise OSError("stuck")

    before = threading.active_count()
    ladder = cascade(Tier.ready_made("a", Stuck(["x"])))
    ladder.run("hi")
    with pytest.raises(OSError, match="stuck"):
        ladder.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda ladder: ladder.run("inner"), "await run_async"),
        (lambda ladder: ladder.close(), "close the cascade where it was made"),
    ],
)
def test_an_async_check_is_told_not_to_wait_for_itself(call, said):
    caught = []

    async def check(text):
        try:
            call(ladder)
        except RuntimeError as error:
            caught.append(str(error))
        return True

    with cascade(scripted("a", "x", cycle=True)) as ladder:
        assert ladder.run("hi", verify=check).verified is True
    assert len(caught) == 1
    assert said in caught[0]


def test_an_async_check_may_await_the_cascade_and_a_plain_one_may_run_it():
    async def waits(text):
        return (await ladder.run_async("inner")).text == "x"

    def blocks(text):
        return ladder.run("inner").text == "x"

    with cascade(scripted("a", "x", cycle=True)) as ladder:
        assert ladder.run("hi", verify=[waits, blocks]).verified is True


async def test_a_run_that_is_cancelled_before_it_began_leaves_nothing_behind():
    ladder = cascade(scripted("a", "x", cycle=True))
    for _ in range(50):
        asking = asyncio.ensure_future(ladder.run_async("hi"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert (await ladder.run_async("hi")).text == "x"
    ladder.close()


def test_options_have_the_same_names_for_readers_and_for_type_checkers():
    assert set(RunOptions.__annotations__) == set(Options.__struct_fields__)


# ------------------------------------------------------------------ programs of their own


def program(folder, text, **popen):
    path = folder / "program.py"
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-W", "error", path],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


INTERRUPTED = """
from rung import Cascade, Tier, ScriptedProvider, Reply
def stall(ask):
    print("begun", flush=True)
    return Reply("late", seconds=30)
with Cascade([Tier.ready_made("a", ScriptedProvider(stall))], ledger="l.db") as cascade:
    try:
        cascade.run("hi")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_run_and_books_it(tmp_path):
    running = program(tmp_path, INTERRUPTED)
    assert running.stdout.readline() == "begun\n"
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=10)
    assert (out, err, running.returncode) == ("interrupted\n", "", 0)
    assert time.monotonic() - began < 3
    with Ledger.open(tmp_path / "l.db", create=False) as ledger:
        (outcome,) = ledger.recent()
    assert outcome.ended_by is EndedBy.CLIENT


EMBEDDED = """
import os
from pathlib import Path
from rung import Cascade, Tier, checks
cascade = Cascade([Tier.embedded(), Tier.embedded(name="careful", constrained=True)])
result = cascade.run("Give me a JSON object with name and age of: Ada, 36", max_tokens=60,
    schema={"type": "object", "required": ["name", "age"], "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}})
me = os.getpid()
print(Path(f"/proc/{me}/task/{me}/children").read_text(), end="")
for thread in Path(f"/proc/{me}/task").iterdir():
    if thread.name != str(me):
        print((thread / "children").read_text(), end="")
print()
print(result.text.replace(chr(10), " "))
print(result.tier, result.verified)
CLOSE
"""


@pytest.mark.model
@pytest.mark.parametrize("ending", ["cascade.close()", "pass"])
def test_the_embedded_model_answers_and_its_process_ends_with_ours(tmp_path, ending):
    running = program(tmp_path, EMBEDDED.replace("CLOSE", ending))
    out, err = running.communicate(timeout=60)
    assert (err, running.returncode) == ("", 0)
    children, text, told = out.splitlines()
    assert set(json.loads(text)) == {"name", "age"}
    assert told.split()[1] == "True"
    (child,) = map(int, children.split())
    assert gone(child)
    assert Path(tmp_path / "data" / "rung" / "ledger.db").exists()


@pytest.mark.parametrize("tiers", ["abc", ["a"], [Tier]])
def test_what_is_no_list_of_tiers_is_refused_in_words(tiers):
    with pytest.raises(ConfigError, match="a list of tiers"):
        Cascade(tiers, ledger=None)
