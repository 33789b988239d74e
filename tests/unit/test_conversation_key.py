"""Which requests are one conversation: what clients change per request, and what they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.conversation import key, opening, scope, turns_before
from rung.core.parts import Image, Message, Role
from rung.core.types import Directions, Need, Request
from support.transcripts import SYSTEM, Transcript

BILLING = "x-anthropic-billing-header: cc_version=2.1.197.{}; cc_entrypoint=sdk-cli;"
DATED = "<system-reminder>\nToday's date is {}.\n</system-reminder>"


def keyed(transcript: Transcript, **changes) -> str:
    return key(transcript.request(**changes))


def claude(build: str = "1c0", **changes) -> Transcript:
    return Transcript(system=(BILLING.format(build), SYSTEM), **changes)


def test_all_turns_of_an_agents_session_have_one_key():
    agent = Transcript()
    first = keyed(agent)
    agent.edit().bash("pytest", "1 passed in 0.1s").says("Done.").user("Now document it.")
    assert keyed(agent) == first
    assert len(first) == 25


def test_the_build_in_claude_codes_first_block_is_not_part_of_it():
    assert keyed(claude("1c0")) == keyed(claude("a02"))


def test_a_date_in_the_system_prompt_is_not_part_of_it():
    one, other = (Transcript(system=(f"Today is 2026-11-{day}. Help.",)) for day in (21, 22))
    assert keyed(one) == keyed(other)


def test_compaction_keeps_the_key_of_a_session():
    later = Transcript(asked="This session is being continued from a previous conversation.")
    assert keyed(later) == keyed(Transcript())


def test_errands_of_a_session_are_conversations_of_their_own_in_its_scope():
    loop = keyed(Transcript())
    title = keyed(Transcript(system=("Generate a concise title.",), tools=()))
    assert title != loop
    assert scope(title) == scope(loop)


def test_a_sub_agent_is_a_conversation_of_its_own_in_its_sessions_scope():
    main = keyed(Transcript())
    one, other = (keyed(Transcript(directions=Directions(agent=name))) for name in ("a-1", "a-2"))
    assert len({main, one, other}) == 3
    assert scope(one) == scope(other) == scope(main)


@pytest.mark.parametrize(
    "other",
    [
        Transcript(session="s-2"),
        Transcript(directions=Directions(project="docs")),
        Transcript(session="", asked="Something else entirely"),
    ],
)
def test_other_sessions_projects_and_openings_are_other_scopes(other):
    assert scope(keyed(other)) not in {
        scope(keyed(Transcript())),
        scope(keyed(Transcript(session=""))),
    }


def test_without_a_session_the_first_words_tell_conversations_apart():
    one = Transcript(session="")
    first = keyed(one)
    assert keyed(one.edit().user("And now?")) == first
    assert keyed(Transcript(session="", asked="The date parser is slow.")) != first


def test_without_a_session_reminders_before_the_first_words_are_skipped():
    plain = Transcript(session="")
    for day in (21, 22):
        reminded = Transcript(session="", asked="").user(DATED.format(day), plain.asked)
        joined = Transcript(session="", asked=f"{DATED.format(day)}\n{plain.asked}")
        assert keyed(reminded) == keyed(joined) == keyed(plain)


def test_codex_environment_is_skipped_and_its_users_words_found():
    agent = Transcript(asked="<environment_context>\n<cwd>/p</cwd>\n</environment_context>")
    assert opening(agent.user("Say hello").request()) == "Say hello"


def test_pictures_without_words_are_told_apart():
    def sent(data: str) -> str:
        return key(Request("r", "chat", (Message(Role.USER, (Image("image/png", data),)),)))

    assert sent("AAAA") != sent("BBBB")


def test_embeddings_audits_and_empty_requests_are_no_conversations():
    agent = Transcript()
    assert keyed(agent, needs=frozenset({Need.EMBEDDINGS})) == ""
    assert keyed(agent, audit_of="r-0") == ""
    assert key(Request("r", "chat", ())) == ""


def test_what_the_assistant_says_in_one_go_counts_once():
    agent = Transcript().edit().says("One.").says("Two.").user("Go on").edit()
    assert turns_before(agent.request()) == 3


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_makes_a_key(system, asked, session, agent):
    made = Transcript(system=(system,), asked=asked, session=session)
    found = keyed(made, directions=Directions(agent=agent))
    assert len(found) == 25
    assert found == keyed(made, directions=Directions(agent=agent))


def test_a_key_reads_no_more_of_a_long_request_than_of_a_short_one():
    short = keyed(Transcript(system=(SYSTEM + "x" * 10_000,)))
    assert keyed(Transcript(system=(SYSTEM + "x" * 10_000 + "y",))) == short
