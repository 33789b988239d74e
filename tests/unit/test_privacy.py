"""The private lane: what makes a request private, and that every way out of it is shut."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rung import Reply, ScriptedProvider
from rung import privacy as privacies
from rung.assemble import Assembly, assemble
from rung.cli import private as reports
from rung.config import Config, parse
from rung.core import sensitive
from rung.core.errors import ConfigError, RequestError
from rung.core.guidance import NOTHING_KNOWN, Known
from rung.core.outcome import Outcome
from rung.core.parts import Message, Role, Text
from rung.core.sensitive_kinds import ALL_KINDS, Kind
from rung.core.types import Directions, Failure, Fault, Request
from rung.core.verdicts import Status, Verdict
from rung.file_tables import FileTable
from rung.fittings import READY_MADE
from rung.inspection import problems
from rung.ledger import Ledger
from rung.ledger.privacy import privacy_report
from rung.privacy import (
    ASKED,
    CONVERSATION,
    FAILED,
    MOST_CLEAN,
    ON_THE_LOOP,
    Detecting,
    Rules,
    privacy_of,
    warnings,
)
from rung.runner import Run
from rung.trouble import trouble
from rung.verifiers.base import Subject, passed
from rung.verifiers.base import run as verify
from rung.verifiers.function import function
from rung.webhook import Webhook
from support.outcomes import outcome
from support.subjects import subject

CARD = "4111 1111 1111 1111"
LOOKING = Rules(kinds=ALL_KINDS)
TIERS = '[tiers.here]\nprovider = "ollama"\nmodel = "m"\n[ladders.default]\ntiers = ["here"]\n'


def asking(text: str = "Hello there", **directions: Any) -> Request:
    said = (Message(Role.USER, (Text(text),)),)
    body = json.dumps({"messages": [text]}).encode()
    return Request("r-1", "chat", said, body=body, directions=Directions(**directions))


def why(rules: Rules, request: Request, known: Known = NOTHING_KNOWN) -> str:
    return Detecting(rules).of(request, known)


# ------------------------------------------------------------------ what makes it private


def test_a_request_that_nobody_calls_private_is_not() -> None:
    assert why(Rules(), asking(CARD)) == ""
    assert why(LOOKING, asking()) == ""


def test_the_header_the_project_and_the_conversation_make_it_private() -> None:
    rules = Rules(projects=frozenset({"books"}))
    assert why(rules, asking(private=True)) == ASKED
    assert why(rules, asking(project="Books")) == "project Books"
    assert why(rules, asking(project="Books", private=True)) == "project Books"
    assert why(rules, asking(project="other")) == ""
    assert why(rules, asking(), Known(private=True)) == CONVERSATION


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CARD, "a card number"),
        ("DE89 3704 0044 0532 0130 00", "a bank account"),
        ("ada@example.com", "an e-mail address"),
        ("536-22-8145", "a national id"),
        ("AKIAIOSFODNN7EXAMPLE", "a key or a password"),
    ],
)
def test_what_is_found_is_the_reason_by_its_kind(text: str, reason: str) -> None:
    assert why(LOOKING, asking(f"It is {text} as you know")) == reason


def test_only_the_kinds_that_are_configured_are_found() -> None:
    rules = Rules(kinds=frozenset({Kind.CARDS}))
    assert why(rules, asking("ada@example.com")) == ""
    assert why(rules, asking(CARD)) == "a card number"


def test_what_cannot_be_looked_into_is_private_unless_it_is_allowed() -> None:
    request = replace(asking(), body=b'{"file_id": "file-1"}')
    assert why(LOOKING, request) == "a file or a state that a provider keeps cannot be looked into"
    assert why(replace(LOOKING, strict=False), request) == ""


def test_what_is_found_stands_before_what_cannot_be_looked_into() -> None:
    request = replace(asking(), body=json.dumps({"file_id": "f", "x": CARD}).encode())
    assert why(LOOKING, request) == "a card number"


@pytest.mark.parametrize("body", [b"{", b'{"a": "\xff"}', b"[" * 200_000])
def test_what_fails_in_looking_is_private(body: bytes) -> None:
    assert why(LOOKING, replace(asking(), body=body)) == FAILED


def test_a_detector_that_crashes_makes_it_private(monkeypatch) -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError(CARD)

    monkeypatch.setattr(sensitive, "_DETECTORS", {Kind.CARDS: broken})
    assert why(LOOKING, asking()) == FAILED


def test_a_detector_of_others_is_asked_and_may_crash() -> None:
    def named(text: str) -> str | None:
        if "crash" in text:
            raise RuntimeError
        return "presidio found person" if "Ada" in text else None

    rules = Rules(analyst=named)
    assert why(rules, asking("It was Ada")) == "presidio found person"
    assert why(rules, asking("crash")) == FAILED
    assert why(rules, asking(CARD)) == ""


# ------------------------------------------------------------------ memory


def test_what_was_clean_is_not_searched_again_and_what_was_not_is(monkeypatch) -> None:
    looks = []
    find = sensitive.find
    monkeypatch.setattr(
        sensitive, "find", lambda text, kinds: looks.append(text) or find(text, kinds)
    )
    privacy = Detecting(LOOKING)
    history = ["All is well. " * 50, "And so it goes. " * 50]
    clean = replace(asking(), body=json.dumps(history).encode())
    assert privacy.of(clean, NOTHING_KNOWN) == ""
    before = len(looks)
    grown = replace(asking(), body=json.dumps([*history, "new " * 100]).encode())
    assert privacy.of(grown, NOTHING_KNOWN) == ""
    # The new text, and the short ones that stand together.
    assert {text[:4] for text in looks[before:]} <= {"new ", ""}
    private = replace(asking(), body=json.dumps([*history, f"{CARD} " * 20]).encode())
    assert privacy.of(private, NOTHING_KNOWN) == "a card number"
    assert privacy.of(private, NOTHING_KNOWN) == "a card number"


def test_memory_is_bounded() -> None:
    privacy = Detecting(LOOKING)
    privacy._remember([str(number).encode() for number in range(MOST_CLEAN + 10)])
    assert len(privacy._clean) == MOST_CLEAN


async def test_long_requests_are_searched_off_the_loop_and_once() -> None:
    privacy = Detecting(LOOKING)
    long = replace(asking(), body=json.dumps(["well " * ON_THE_LOOP, CARD]).encode())
    await privacy.look(long)
    assert set(privacy._looked) == {long.id}
    planned = replace(long, directions=Directions(lane=long.directions.lane))
    assert privacy.of(planned, NOTHING_KNOWN) == "a card number"
    assert not privacy._looked


async def test_what_was_found_of_one_request_is_not_said_of_another() -> None:
    privacy = Detecting(LOOKING)
    clean = replace(asking(), body=json.dumps(["well " * ON_THE_LOOP]).encode())
    await privacy.look(clean)
    other = replace(clean, body=json.dumps([CARD]).encode())
    assert privacy.of(other, NOTHING_KNOWN) == "a card number"


async def test_a_secret_where_two_pieces_of_a_long_text_meet_is_found() -> None:
    for place in (1_048_570, 1_048_576, 1_048_590):
        text = "a " * (place // 2) + CARD + " b" * 200_000
        request = replace(asking(), body=json.dumps([text]).encode())
        assert why(LOOKING, request) == "a card number"


# ------------------------------------------------------------------ every way out


class Hook:
    def __init__(self) -> None:
        self.told: list[str] = []

    async def post(self, url: str, *_: object, **__: object) -> Any:
        self.told.append(url)
        return type("Reply", (), {"status": 204})()


def world(folder: Path, providers: Mapping[str, ScriptedProvider], **file: Any) -> Assembly:
    """A ladder of these tiers; those whose names begin with "far" are not local."""
    plain = {"provider": READY_MADE, "price": "free", "repairs": 0, "retries": 0}
    tables: dict[str, dict[str, Any]] = {name: dict(plain) for name in providers}
    for name, table in tables.items():
        if name.startswith("far"):
            table["local"] = False
    ladder = file.pop("ladder", {})
    told = {
        "tiers": tables,
        "ladders": {"default": {"tiers": [*providers], "on_exhausted": "error", **ladder}},
        "private": {"detect": True},
        **file,
    }
    config = Config(FileTable.model_validate(told), None, folder / "ledger.db", folder, {})
    return assemble(config, ready=providers)


async def answered(parts: Assembly, request: Request, **more: Any) -> Outcome:
    try:
        return (await parts.intake.answer(request, **more)).outcome
    finally:
        await parts.close()


def report(folder: Path) -> Any:
    with Ledger.open(folder / "ledger.db") as ledger:
        return privacy_report(ledger)


async def test_a_private_request_climbs_no_further_than_this_machine(tmp_path) -> None:
    down = Reply(failure=Failure(Fault.UNAVAILABLE, "gone"))
    near, far = ScriptedProvider([down]), ScriptedProvider(["from afar"])
    found = await answered(world(tmp_path, {"near": near, "far": far}), asking(CARD))
    assert found.plan.private == "a card number"
    assert not far.calls
    told = trouble(found)
    assert told is not None
    assert "The request is private (a card number)" in told.message
    assert "nothing left" in told.message
    assert CARD not in told.message
    assert report(tmp_path).private.left == 0


async def test_what_is_not_private_does_climb(tmp_path) -> None:
    near, far = ScriptedProvider([""]), ScriptedProvider(["from afar"])
    found = await answered(world(tmp_path, {"near": near, "far": far}), asking())
    assert found.answer.text == "from afar"
    told = report(tmp_path)
    assert (told.others.left, told.by_tier) == (1, {"far": 1})


@pytest.mark.parametrize("more", [{"tier": "far"}, {"ceiling": "far"}])
async def test_nothing_local_to_ask_is_said_at_once(tmp_path, more) -> None:
    far = ScriptedProvider(["from afar"])
    parts = world(tmp_path, {"far": far})
    with pytest.raises(RequestError) as caught:
        await answered(parts, asking(CARD, **more))
    assert (caught.value.status, caught.value.code) == (403, "private_no_local_tier")
    assert "a card number" in caught.value.message
    assert caught.value.fix
    assert not far.calls


async def test_a_call_is_refused_even_where_a_plan_would_allow_it(tmp_path) -> None:
    far = ScriptedProvider(["from afar"])
    parts = world(tmp_path, {"far": far})
    order = parts.intake.order(asking())
    wrong = replace(order, plan=replace(order.plan, private="it was asked for"))
    run = Run(wrong, datetime.now(UTC), time.perf_counter, iter("abcdef").__next__)
    await run.finish()
    await parts.close()
    assert not far.calls
    assert "the request is private" in run.history[0].failure.message


async def test_a_judge_elsewhere_is_not_asked_of_a_private_request(tmp_path) -> None:
    judge = ScriptedProvider(['{"fault": "", "right": true, "sure": 90}'], cycle=True)
    near = ScriptedProvider(["fine"], cycle=True)
    file = {
        "verifiers": {"opinion": {"kind": "judge", "tier": "far"}},
        "ladder": {"tiers": ["near"], "verify": ["opinion"]},
    }
    parts = world(tmp_path, {"near": near, "far": judge}, **file)
    private = (await parts.intake.answer(asking(CARD))).outcome
    (verdict,) = [v for v in private.attempts[0].verdicts if v.verifier == "opinion"]
    assert verdict.status is Status.ABSTAINED
    assert "what is asked is private (it was asked for)" in verdict.reason
    assert not verdict.left
    assert not judge.calls
    plain = await answered(parts, replace(asking(), id="r-2"))
    (verdict,) = [v for v in plain.attempts[0].verdicts if v.verifier == "opinion"]
    assert verdict.left
    assert len(judge.calls) == 1
    told = report(tmp_path)
    assert (told.private.left, told.others.left) == (0, 1)


@pytest.mark.parametrize("private", [True, False])
async def test_an_auditor_elsewhere_is_not_asked_of_a_private_request(tmp_path, private) -> None:
    far = ScriptedProvider(["another"], cycle=True)
    parts = world(
        tmp_path,
        {"near": ScriptedProvider(["fine"], cycle=True), "far": far},
        ladder={"tiers": ["near"], "audit": 1.0, "audit_by": "far"},
    )
    await parts.intake.answer(asking(private=private))
    assert parts.audits is not None
    assert parts.audits._tasks
    await asyncio.wait(set(parts.audits._tasks))
    await parts.close()
    assert bool(far.calls) is not private
    told = report(tmp_path)
    assert (told.private.left, told.others.left) == (0, 0 if private else 1)


class Counter(ScriptedProvider):
    counted = 0

    async def count(self, request: Request) -> int:
        self.counted += 1
        return 7


async def test_a_counter_elsewhere_is_not_asked_of_a_private_request(tmp_path) -> None:
    far = Counter(["x"])
    parts = world(tmp_path, {"far": far})
    assert not (await parts.intake.count(asking(CARD))).exact
    assert far.counted == 0
    assert (await parts.intake.count(asking())).tokens == 7
    await parts.close()


async def test_a_check_that_says_that_it_sends_is_not_run(tmp_path) -> None:
    seen: list[Subject] = []

    class Sending:
        name, leaves, timeout_seconds = "sending", True, 1.0
        weight, trust = function(len).weight, function(len).trust

        async def check(self, given: Subject) -> Any:
            seen.append(given)
            return passed("fine")

    private = subject("x", request=asking(CARD, private=True))
    verdict = await verify(Sending(), private)
    assert (verdict.status, verdict.left, seen) == (Status.ABSTAINED, False, [])
    verdict = await verify(Sending(), subject("x", request=asking()))
    assert (verdict.status, verdict.left, len(seen)) == (Status.PASSED, True, 1)


@pytest.mark.parametrize(
    ("url", "told"),
    [("https://hooks.example.com/x", False), ("http://127.0.0.1:9/x", True)],
)
async def test_a_webhook_elsewhere_is_not_told_of_a_private_request(url: str, told: bool) -> None:
    hook = Hook()
    webhook = Webhook(hook, url)  # type: ignore[arg-type]
    made = outcome()
    webhook.tell(replace(made, plan=replace(made.plan, private="a card number")))
    await webhook.close()
    assert bool(hook.told) is told
    webhook.tell(made)
    await webhook.close()
    assert hook.told


# ------------------------------------------------------------------ the report


def booked(folder: Path, *outcomes: Outcome) -> None:
    with Ledger.open(folder / "ledger.db") as ledger:
        for each in outcomes:
            ledger.append_now(each)


def gone(name: str, reason: str = "", *, local: bool | None = True, **request: Any) -> Outcome:
    made = outcome(name)
    attempts = tuple(
        replace(one, id=f"{name}-{n}", local=local) for n, one in enumerate(made.attempts)
    )
    return replace(
        made,
        request=replace(made.request, **request),
        plan=replace(made.plan, private=reason),
        attempts=attempts,
    )


def test_the_report_counts_calls_checks_and_audits(tmp_path) -> None:
    checked = gone("r-3", "a card number")
    sent = Verdict("opinion", Status.PASSED, "fine", left=True)
    first = replace(checked.attempts[0], verdicts=(sent,))
    booked(
        tmp_path,
        gone("r-1", "a card number"),
        gone("r-2", "project x", local=False),
        replace(checked, attempts=(first, *checked.attempts[1:])),
        gone("r-4", "it was asked for"),
        gone("r-5", "", local=False, audit_of="r-4"),
        gone("r-6", "project x", local=None),
        gone("r-7", "", local=False),
        gone("r-8", ""),
    )
    told = report(tmp_path)
    assert (told.private.requests, told.private.left, told.private.unknown) == (5, 3, 1)
    assert [each.id for each in told.gone] == ["r-2", "r-3", "r-4"]
    assert told.gone[1].checks == {"opinion"}
    assert told.gone[2].audited
    assert told.by_reason["project x"].left == 1
    assert (told.others.requests, told.others.left) == (2, 1)
    assert told.verdict == "3 of 5 private requests left this machine."


def test_rows_that_do_not_say_where_calls_went_prove_nothing(tmp_path) -> None:
    booked(tmp_path, gone("r-1", "project x", local=None), gone("r-2", "project x"))
    assert report(tmp_path).verdict == (
        "0 of 2 private requests are known to have left this machine; of 1 it is not known."
    )


def test_an_answer_from_memory_has_called_nobody(tmp_path) -> None:
    first = gone("r-1", "")
    again = replace(gone("r-2", "project x", local=False), cached_of="r-1")
    booked(tmp_path, first, again)
    assert report(tmp_path).private.left == 0


def test_the_command_says_what_left_and_ends_with_status_1(tmp_path, capsys) -> None:
    (tmp_path / "rung.toml").write_text('ledger = "ledger.db"\n' + TIERS)
    booked(tmp_path, gone("r-1", "a card number"))
    path = tmp_path / "rung.toml"
    reports.report(path=path)
    assert "0 of 1 private requests left this machine." in capsys.readouterr().out
    booked(tmp_path, gone("r-2", "a [bold]name", local=False))
    with pytest.raises(SystemExit) as ended:
        reports.report(path=path, json=True)
    assert ended.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert told["private"]["which_left"][0]["id"] == "r-2"
    with pytest.raises(SystemExit):
        reports.report(path=path)
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 private requests left this machine." in shown
    assert "left r-2 (a [bold]name)" in shown


def test_nothing_that_was_found_is_in_the_ledger(tmp_path) -> None:
    near = ScriptedProvider(["fine"])
    asyncio.run(answered(world(tmp_path, {"near": near}), asking(f"my {CARD} card")))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        rows = [str(row) for row in connection.execute("SELECT * FROM requests")]
        rows += [str(row) for row in connection.execute("SELECT * FROM attempts")]
    assert rows
    assert not any(CARD in row or CARD.replace(" ", "") in row for row in rows)


# ------------------------------------------------------------------ the configuration


def configured(tmp_path: Path, text: str) -> Config:
    return parse(TIERS + text, tmp_path / "rung.toml", {}, problems)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("[private]\ndetect = true", ALL_KINDS),
        ('[private]\ndetect = ["keys", "cards"]', {Kind.KEYS, Kind.CARDS}),
        ('[private]\nprojects = ["x"]', set()),
        ("", set()),
    ],
)
def test_what_is_looked_for_is_configured(tmp_path, text: str, kinds: set[Kind]) -> None:
    assert privacy_of(configured(tmp_path, text)).rules.kinds == kinds


def test_a_project_may_be_private_in_either_table(tmp_path) -> None:
    text = '[private]\nprojects = ["One"]\n[projects.Two]\nprivate = true'
    assert privacy_of(configured(tmp_path, text)).rules.projects == {"one", "two"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[private]\ndetect = []", "names nothing"),
        ('[private]\ndetect = ["phones"]', "private.detect"),
        ('[private]\nunread = "allow"', "does nothing without `detect`"),
        ("[private]\npresidio = true", "presidio"),
        ('[tiers.c]\nprovider = "ollama"\nmodel = "glm-4.6:cloud"\nlocal = true', "ollama.com"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, text)


def test_a_model_that_ollama_runs_elsewhere_is_not_local(tmp_path) -> None:
    more = '[tiers.c]\nprovider = "ollama"\nmodel = "gpt-oss:120b-cloud"\nprice = "free"'
    parts = assemble(configured(tmp_path, more), ledger=False)
    assert {name: tier.local for name, tier in parts.tiers.items()} == {"here": True, "c": False}


def test_a_public_address_that_is_called_local_is_warned_of(tmp_path) -> None:
    more = (
        '[tiers.c]\nprovider = "openai_compatible"\nmodel = "m"\nprice = "free"\n'
        'base_url = "https://llm.example.com/v1"\nlocal = true\n'
    )
    (said,) = warnings(configured(tmp_path, more))
    assert "tier c" in said


def test_a_ladder_that_refuses_all_that_is_private_is_warned_of(tmp_path) -> None:
    more = (
        '[tiers.c]\nprovider = "openai_compatible"\nmodel = "m"\nprice = "free"\n'
        'base_url = "https://llm.example.com/v1"\n[ladders.away]\ntiers = ["c"]\n'
    )
    assert not list(warnings(configured(tmp_path, more)))
    (said,) = warnings(configured(tmp_path, more + "[private]\ndetect = true"))
    assert "ladder away" in said


# ------------------------------------------------------------------ presidio


class Engine:
    """Stands in for presidio's, as far as it is used."""

    def __init__(self, *, nlp_engine: object, supported_languages: list[str]) -> None:
        self.made = nlp_engine, supported_languages

    def get_supported_entities(self, *, language: str) -> list[str]:
        return ["PERSON", "LOCATION", "CREDIT_CARD"]

    def analyze(
        self, text: str, *, language: str, entities: list[str], score_threshold: float
    ) -> Any:
        assert entities == ["PERSON", "CREDIT_CARD"]
        assert len(text) <= 200_000
        return [type("Found", (), {"entity_type": "PERSON"})()] if "Ada" in text else []


@pytest.fixture
def presidio(monkeypatch) -> None:
    analyzer, engines = ModuleType("presidio_analyzer"), ModuleType("presidio_analyzer.nlp_engine")

    class Provider:
        def __init__(self, *, nlp_configuration: Mapping[str, Any]) -> None:
            assert nlp_configuration["models"][0]["model_name"] == "en_core_web_sm"

        def create_engine(self) -> str:
            return "engine"

    analyzer.AnalyzerEngine, engines.NlpEngineProvider = Engine, Provider
    monkeypatch.setattr(privacies, "_is_installed", lambda model: model == "en_core_web_sm")
    for module in (analyzer, engines):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        # What is asked whether a package is installed.
        module.__spec__ = type("Spec", (), {"name": module.__name__})()


@pytest.mark.usefixtures("presidio")
def test_presidio_is_asked_where_it_is_configured(tmp_path) -> None:
    privacy = privacy_of(configured(tmp_path, "[private]\npresidio = true"))
    assert privacy.of(asking("It was Ada"), NOTHING_KNOWN) == "presidio found person"
    assert privacy.of(asking("It was nobody"), NOTHING_KNOWN) == ""
    long = replace(asking(), body=json.dumps(["well " * 100_000 + "Ada"]).encode())
    assert privacy.of(long, NOTHING_KNOWN) == "presidio found person"


@pytest.mark.usefixtures("presidio")
async def test_presidio_is_asked_off_the_loop(tmp_path) -> None:
    privacy = privacy_of(configured(tmp_path, "[private]\npresidio = true"))
    await privacy.look(asking("It was Ada"))
    assert [reason for _, reason in privacy._looked.values()] == ["presidio found person"]


# ------------------------------------------------------------------ beside and after others


def in_session(number: int, text: str = "Hello there", **directions: Any) -> Request:
    return replace(asking(text, **directions), id=f"s-{number}", session="one")


async def test_a_request_beside_the_first_private_one_of_its_session_is_private(tmp_path) -> None:
    far = ScriptedProvider(["from afar"], cycle=True)
    parts = world(tmp_path, {"near": ScriptedProvider(["fine"], cycle=True), "far": far})
    parts.intake.order(in_session(1, CARD))
    assert parts.intake.order(in_session(2)).plan.private == CONVERSATION
    with pytest.raises(RequestError):
        parts.intake.order(in_session(3, tier="far"))
    await parts.close()


@pytest.mark.parametrize("first", [CARD, "Hello there"])
async def test_a_private_request_that_was_refused_keeps_its_session_here(tmp_path, first) -> None:
    far = ScriptedProvider(["from afar"], cycle=True)
    parts = world(tmp_path, {"far": far})
    for number in range(2):
        asked = in_session(number, "Hello there" if number else first, private=not number)
        with pytest.raises(RequestError):
            await parts.intake.answer(asked)
    await parts.close()
    assert not far.calls


# ------------------------------------------------------------------ what a local tier wrote


async def test_a_draft_that_must_not_leave_is_carried_up_to_local_tiers_alone(tmp_path) -> None:
    said = [f"no {CARD}", f"no {CARD}"]
    near, nearer = ScriptedProvider(said[:1]), ScriptedProvider(said[1:])
    far = ScriptedProvider(["yes"])
    parts = world(
        tmp_path,
        {"near": near, "nearer": nearer, "far": far},
        verifiers={"yes": {"kind": "regex", "pattern": "yes"}},
        ladder={"tiers": ["near", "nearer", "far"], "verify": ["yes"], "carry": True},
    )
    found = await answered(parts, asking())
    assert found.answer.text == "yes"
    assert CARD in str(nearer.calls[0].messages)
    assert CARD not in str(far.calls[0].messages)


async def test_a_harmless_draft_is_carried_up(tmp_path) -> None:
    far = ScriptedProvider(["yes"])
    parts = world(
        tmp_path,
        {"near": ScriptedProvider(["no card"]), "far": far},
        verifiers={"yes": {"kind": "regex", "pattern": "yes"}},
        ladder={"tiers": ["near", "far"], "verify": ["yes"], "carry": True},
    )
    await answered(parts, asking())
    assert "no card" in str(far.calls[0].messages)


async def test_an_answer_that_must_not_leave_is_shown_to_no_judge_or_auditor(tmp_path) -> None:
    far = ScriptedProvider(['{"fault": "", "right": true, "sure": 90}'], cycle=True)
    parts = world(
        tmp_path,
        {"near": ScriptedProvider([f"It is {CARD}."]), "far": far},
        verifiers={"opinion": {"kind": "judge", "tier": "far"}},
        ladder={"tiers": ["near"], "verify": ["opinion"], "audit": 1.0, "audit_by": "far"},
    )
    found = (await parts.intake.answer(asking())).outcome
    (verdict,) = [v for v in found.attempts[0].verdicts if v.verifier == "opinion"]
    assert verdict.status is Status.ABSTAINED
    assert "a card number" in verdict.reason
    assert parts.audits is not None
    await asyncio.wait(set(parts.audits._tasks))
    await parts.close()
    assert far.calls  # the auditor answers the request itself
    assert all(CARD not in str(call.messages) for call in far.calls)


def test_words_that_cannot_be_looked_at_are_kept(monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(sensitive, "find", broken)
    assert Detecting(LOOKING).keeps("Hello there")
    assert not Detecting(Rules()).keeps(CARD)
