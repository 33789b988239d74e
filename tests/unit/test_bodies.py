"""Bodies are stored only where that is asked for, without what must not be kept, for a while."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from rung import config
from rung.assemble import assemble
from rung.bodies import MOST_BYTES, MOST_WAITING, Rules, StoredBodies, bodies_of
from rung.core.errors import LedgerError
from rung.core.parts import ToolCall
from rung.core.types import Answer, Directions
from rung.guides import Bodies
from rung.ledger import Ledger, bodies
from rung.ledger.retention import Limits, Retention
from support.outcomes import outcome

KEY = "sk-abc123DEF456ghi789JKL012"
NOW = 1_800_000_000.0
EVERY = Rules({"default": True}, {})


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def asked(name="req-1", said=f"use {KEY} please", **changed):
    made = outcome(name, **changed)
    body = json.dumps({"model": "x", "messages": [{"role": "user", "content": said}]}).encode()
    return replace(made, request=replace(made.request, body=body))


async def stored(ledger, *outcomes, rules=EVERY, secrets=()):
    keeper = StoredBodies(ledger, rules, secrets, lambda: NOW)
    for one in outcomes:
        await ledger.append(one)
        keeper.note(one)
    await keeper.close()
    with ledger.reading() as connection:
        return [bodies.of_request(connection, one.request.id) for one in outcomes]


async def test_request_and_answers_are_stored_without_what_is_found_in_them(ledger):
    made = asked()
    answer = Answer("mail bob@corp.org", tool_calls=(ToolCall("1", "f", '{"a": 1}'),))
    made = replace(made, attempts=(replace(made.attempts[0], answer=answer),))
    ((request, told),) = await stored(ledger, made)
    assert (request.part, told.part, request.stored_unix) == ("request", "answer.0", NOW)
    assert request.value["messages"] == [{"role": "user", "content": "use [redacted: keys] please"}]
    assert told.value["text"] == "mail [redacted: emails]"
    assert told.value["tool_calls"][0]["name"] == "f"


async def test_providers_keys_go_whatever_they_look_like(ledger):
    ((request, _),) = await stored(ledger, asked(said="it is plugh-1"), secrets=("plugh-1",))
    assert request.value["messages"][0]["content"] == "it is [redacted: keys]"


async def test_of_private_requests_and_audits_nothing_is_stored(ledger):
    by_plan = asked("req-1")
    by_plan = replace(by_plan, plan=replace(by_plan.plan, private="project x"))
    by_word = asked("req-2")
    words = Directions(private=True)
    by_word = replace(by_word, request=replace(by_word.request, directions=words))
    audit = asked("req-3")
    audit = replace(audit, request=replace(audit.request, audit_of="req-1"))
    assert await stored(ledger, by_plan, by_word, audit) == [[], [], []]


@pytest.mark.parametrize(
    ("ladder", "project", "kept"),
    [
        (False, None, False),
        (True, None, True),
        (True, False, False),
        (False, True, True),
    ],
)
def test_a_projects_own_word_holds_before_its_ladders(ladder, project, kept):
    rules = Rules({"default": ladder}, {} if project is None else {"p": project})
    made = asked()
    made = replace(made, request=replace(made.request, directions=Directions(project="p")))
    assert rules.wants(made) is kept
    assert rules.wants(asked()) is ladder


async def test_what_is_too_large_is_left_out_and_says_so(ledger):
    ((request, answer),) = await stored(ledger, asked(said="x " * MOST_BYTES))
    assert list(request.value) == ["left_out_bytes"]
    assert answer.value["text"]


async def test_a_body_that_is_no_json_is_kept_as_text(ledger):
    made = asked()
    made = replace(made, request=replace(made.request, body=b"\xff not json bob@corp.org"))
    ((request, _),) = await stored(ledger, made)
    assert request.value == "\ufffd not json [redacted: emails]"


async def test_what_cannot_be_looked_through_is_not_stored(ledger, monkeypatch, caplog):
    def broken(*_args):
        raise RuntimeError(KEY)

    monkeypatch.setattr("rung.core.redacting.redacted_json", broken)
    with caplog.at_level(logging.WARNING):
        assert await stored(ledger, asked()) == [[]]
    assert "RuntimeError" in caplog.text
    assert KEY not in caplog.text


async def test_a_request_that_is_not_booked_has_no_bodies(ledger):
    keeper = StoredBodies(ledger, EVERY, (), lambda: NOW)
    keeper.note(asked("never"))
    await keeper.close()
    assert keeper.left_out == 1


async def test_more_than_can_be_looked_through_is_left_out(ledger):
    keeper = StoredBodies(ledger, EVERY, (), lambda: NOW)
    made = asked()
    await ledger.append(made)
    for _ in range(MOST_WAITING + 3):
        keeper.note(made)
    await keeper.close()
    assert keeper.left_out == 3


async def test_bodies_go_after_their_days_and_the_request_stays(ledger):
    await stored(ledger, asked("req-1"), asked("req-2"))
    retention = Retention(ledger, Limits(bodies_days=7.0), "p-1", lambda: NOW + 8 * 86_400)
    assert (await asyncio.to_thread(retention.look)).bodies == 4
    with ledger.reading() as connection:
        assert bodies.of_request(connection, "req-1") == []
    assert ledger.find("req-1").request.id == "req-1"


async def test_what_does_not_unpack_is_told(ledger):
    await stored(ledger, asked())
    packed = bodies.Packed("req-1", (("answer.9", b"not packed"),), NOW)
    await ledger.commit(lambda connection: bodies.store(connection, packed))
    with ledger.reading() as connection, pytest.raises(LedgerError, match=r"answer\.9"):
        bodies.of_request(connection, "req-1")


# ------------------------------------------------------------------ from the configuration

TIERS = '[tiers.a]\nprovider = "embedded"\n'


def configured(tmp_path, text):
    return config.parse(f'ledger = "l.db"\n{TIERS}{text}', tmp_path / "rung.toml", {})


def test_nothing_is_stored_unless_it_is_asked_for(tmp_path):
    plain = configured(tmp_path, '[ladders.default]\ntiers = ["a"]\n')
    assert type(bodies_of(plain, object(), (), lambda: NOW)) is Bodies


def test_a_ladder_and_a_project_can_ask_for_it(tmp_path):
    ladder = configured(tmp_path, '[ladders.default]\ntiers = ["a"]\nstore_bodies = true\n')
    project = configured(
        tmp_path, '[ladders.default]\ntiers = ["a"]\n[projects.p]\nstore_bodies = true\n'
    )
    for found in (ladder, project):
        assert type(bodies_of(found, object(), (), lambda: NOW)) is StoredBodies
        assert type(bodies_of(found, None, (), lambda: NOW)) is Bodies


async def test_the_assembled_parts_have_it(tmp_path):
    found = configured(tmp_path, '[ladders.default]\ntiers = ["a"]\nstore_bodies = true\n')
    parts = assemble(found)
    assert type(parts.intake.parts.bodies) is StoredBodies
    await parts.close()
