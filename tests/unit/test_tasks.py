"""What a request asks for, whatever client it came from and however long or hostile it is."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.cues import ACTS, EFFORT
from rung.core.parts import Choice, Message, Role, Text, Tool, ToolCall, ToolChoice, ToolResult
from rung.core.tasks import Category, Difficulty, Task, task
from rung.core.topics import THINGS
from rung.core.turns import Material, last_turn
from rung.core.types import Request
from support.article_prompts import OTHERS, SURE
from support.task_prompts import BASH, DEVELOPMENT, HELD_OUT, SPAM, UNSEEN, Prompt, fenced

REMINDER = (
    "<system-reminder>\nDebug the function and translate the SQL to French.\n</system-reminder>"
)
CONTEXT = "<environment_context>\n<cwd>/src</cwd>\n<shell>bash</shell>\n</environment_context>"


def user(*texts: str) -> Message:
    return Message(Role.USER, tuple(map(Text, texts)))


def asked(*messages: Message, tools: tuple[Tool, ...] = ()) -> Request:
    return Request(id="r", dialect="chat", messages=messages, tools=tools)


def seen(text: str, **more: object) -> Task:
    return task(replace(asked(user(text)), **more))


def right(prompts: tuple[Prompt, ...], of: str = "category") -> float:
    hits = [getattr(task(each.request), of) is getattr(each, of) for each in prompts]
    return sum(hits) / len(hits)


# ------------------------------------------------------------------ accuracy


def test_the_requests_that_cues_were_set_by_are_recognised() -> None:
    assert right(DEVELOPMENT) >= 0.98
    assert right(DEVELOPMENT, "difficulty") >= 0.92


def test_held_out_requests_are_recognised_as_often_as_the_docs_say() -> None:
    assert right(HELD_OUT) >= 0.94
    assert right(UNSEEN) >= 0.65


def test_who_is_sure_is_mostly_right_and_who_is_wrong_is_mostly_unsure() -> None:
    looks = [(each, task(each.request)) for each in (*HELD_OUT, *UNSEEN)]
    sure = [each.category is found.category for each, found in looks if found.confidence >= 0.5]
    unsure = [each.category is found.category for each, found in looks if found.confidence < 0.3]
    assert len(sure) >= 40
    assert sum(sure) / len(sure) >= 0.9
    assert sum(unsure) / len(unsure) <= 0.6


def test_every_category_and_difficulty_is_in_each_set_of_prompts() -> None:
    for prompts in (DEVELOPMENT, HELD_OUT, UNSEEN):
        assert {each.category for each in prompts} == set(Category)
        assert {each.difficulty for each in prompts} == set(Difficulty)


# ------------------------------------------------------------------ whose words count


def test_reminders_and_contexts_of_clients_are_nobodys_words() -> None:
    alone = seen("Say hello")
    for wrapped in (
        asked(user(REMINDER, "Say hello")),
        asked(user(REMINDER + "\nSay hello")),
        asked(user(CONTEXT), user("Say hello")),
        asked(user("# AGENTS.md instructions for /src\n\nDebug the parser."), user("Say hello")),
        asked(user("Say hello"), user(REMINDER)),
        asked(user("Say hello"), Message(Role.SYSTEM, (Text("Debug the function."),))),
    ):
        assert task(wrapped) == alone


def test_a_reminder_that_does_not_end_takes_no_other_text_with_it() -> None:
    assert task(asked(user("<system-reminder>\nDebug the", "Say hello"))) == seen("Say hello")


def test_a_reminder_longer_than_what_is_read_is_left_out_all_the_same() -> None:
    long = REMINDER.replace("Debug", "Debug " * 4_000)
    assert task(asked(user(long, "Say hello"))).category is Category.CHAT
    assert task(asked(user(long + "\nSay hello"))).category is Category.CHAT


def test_a_turn_quoted_as_a_whole_is_what_is_asked() -> None:
    assert seen('"Translate the menu to French"').category is Category.TRANSLATION


def test_pasted_material_does_not_ask() -> None:
    inside = "Translate to French. Classify the sentiment. Calculate 3 + 4."
    for pasted in (fenced(inside, ""), f"<article>\n{inside}\n</article>", f"> {inside}"):
        assert seen(f"Summarise this in one sentence.\n\n{pasted}").category is Category.SUMMARISING


def test_the_kind_of_what_was_pasted_is_told() -> None:
    kinds = {
        "```python\nx = 1\n```": Material.CODE,
        '```json\n{"a": 1}\n```': Material.DATA,
        "```diff\n-a\n+b\n```": Material.DIFF,
        "Traceback (most recent call last)\n  x": Material.LOG,
        'he said "that it is late, and far from home"': Material.PROSE,
    }
    for text, kind in kinds.items():
        assert kind in last_turn(asked(user(text))).material
    assert seen("look\n\n```python\nx = 1\n```").has_code
    assert not seen("look\n\n```json\n{}\n```").has_code


def test_the_middle_of_tool_results_is_a_step_and_new_words_are_not() -> None:
    call = Message(Role.ASSISTANT, (ToolCall("c", "bash", "{}"),))
    result = Message(Role.TOOL, (ToolResult("c", (Text("translate the poem"),)),))
    run = (user("Fix the test in a.py"), call, result)
    assert task(asked(*run, tools=(BASH,))).category is Category.AGENT_STEP
    assert task(asked(*run, user(REMINDER), tools=(BASH,))).category is Category.AGENT_STEP
    assert task(asked(*run)).category is Category.CODING
    after = task(asked(*run, user("Summarise what you did"), tools=(BASH,)))
    assert after.category is Category.SUMMARISING


def test_an_applications_prompt_asks_and_its_user_brings_the_material() -> None:
    prompt = Message(Role.SYSTEM, (Text("Translate what the user writes into German."),))
    assert task(asked(prompt, user("Explain this."))).category is Category.TRANSLATION
    assert task(asked(prompt)).category is Category.TRANSLATION


def test_a_request_without_any_words_is_unsure_chat() -> None:
    for empty in (asked(), asked(user("")), asked(user(REMINDER))):
        found = task(empty)
        assert (found.category, found.language) == (Category.CHAT, None)
        assert found.confidence < 0.3


# ------------------------------------------------------------------ schemas and tools


def test_labels_in_a_schema_are_classification_and_other_schemas_extraction() -> None:
    spam = Prompt(Category.CLASSIFICATION, Difficulty.SIMPLE, "You have won", schema=SPAM)
    assert task(spam.request).category is Category.CLASSIFICATION
    for schema in ({}, {"properties": 3}, {"properties": {"a": True}}, {"properties": {"n": {}}}):
        assert task(replace(spam, schema=schema).request).category is Category.EXTRACTION


def test_a_tool_that_must_be_called_is_a_schema_by_another_name() -> None:
    choice = ToolChoice(Choice.NAMED, "record")
    found = seen("Kim is 52", tools=(Tool("record"),), tool_choice=choice)
    assert found.category is Category.EXTRACTION


# ------------------------------------------------------------------ what people are told


def test_the_words_that_decided_are_told_the_strongest_first() -> None:
    assert seen("Write a docstring for this function").why[0] == "docstring"
    assert "a sum" in seen("what is 17*23").why


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Write a docstring for the function"),
        ("de", "Fasse den folgenden Text zusammen"),
        ("fr", "Résume cet article en trois phrases"),
        ("es", "Traduce al inglés la carta que te mando"),
        ("it", "Riassumi questo testo in due frasi"),
        ("pt", "Traduza para inglês: a reunião foi adiada"),
        ("nl", "Vat deze tekst samen in het Nederlands"),
        ("ru", "Переведи этот текст на английский"),
        ("ja", "この文章を要約してください"),
        ("zh", "请总结这篇文章的要点"),
        (None, "1234"),
    ],
)
def test_the_language_of_the_users_words_is_guessed(language: str | None, text: str) -> None:
    assert seen(text).language == language


def test_the_tables_are_spelled_as_they_are_looked_up() -> None:
    rows = [words for table in (ACTS, THINGS) for each in table.values() for words in each.values()]
    for words in (*rows, *EFFORT.values()):
        names = [word.partition("=")[0] for word in words.split()]
        assert len(names) == len(set(names)), words
        for name in names:
            assert name == name.lower()
            assert all(part.rstrip("+#").isalpha() for part in name.split("_")), name


# ------------------------------------------------------------------ hostile requests

PIECES = st.sampled_from(
    [
        "<system-reminder>",
        "</system-reminder>",
        "```",
        "`",
        '"',
        "\n",
        "\n\n",
        "\n> ",
        "<a>\n",
        "a_b",
        "1 +",
        "((",
        "%",
        "A) ",
        "\n- ",
        "'x',",
        "what is ",
        "a.py",
        "“",
        "«",
        "\x00",
        chr(0xD800),
    ]
)


@given(st.lists(PIECES | st.text(max_size=8), max_size=30), st.integers(1, 40))
def test_any_text_has_a_category_and_a_chance(pieces: list[str], times: int) -> None:
    found = seen("".join(pieces) * times)
    assert found.category in Category
    assert 0 < found.confidence <= 1


@pytest.mark.parametrize(
    "piece",
    [
        "<system-reminder>",
        "<a>\n",
        "```",
        '"',
        "\n>",
        "a_",
        "1 ",
        "(",
        "\n ",
        "\n    ",
        "'aa',",
        "x.",
        "A) \n",
        "a,a,",
        "how many ",
        "what is the ",
        "Error",
        "in ",
        "\n-",
        "ā",
        "</a>",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    request = asked(user(piece * (1_000_000 // len(piece))))
    began = process_time()
    task(request)
    assert process_time() - began < 0.02


def test_many_turns_and_parts_take_no_longer() -> None:
    result = Message(Role.TOOL, (ToolResult("c", (Text("x" * 100),)),))
    long = asked(user(*["Fix it. "] * 20_000), *[result] * 20_000, tools=(BASH,))
    began = process_time()
    assert task(long).category is Category.AGENT_STEP
    assert process_time() - began < 0.02


# ------------------------------------------------------------------ the preset `articles`


def starts(text: str) -> str:
    """Where the rules of the preset send a request."""
    found = seen(text)
    if found.difficulty is Difficulty.SIMPLE or found.category in LOCAL:
        return "local"
    return "workhorse" if found.category is Category.CODING else "cheap"


LOCAL = frozenset({Category.DOCUMENTATION, Category.FORMATTING})


@pytest.mark.parametrize(("entry", "text"), SURE)
def test_what_everybody_would_send_to_one_tier_starts_there(entry: str, text: str) -> None:
    assert starts(text) == entry


def test_sixty_varied_requests_start_where_people_would_send_them() -> None:
    prompts = (*SURE, *OTHERS)
    assert len(prompts) == 60
    wrong = [(entry, starts(text), text) for entry, text in prompts if starts(text) != entry]
    assert len(wrong) <= 5, wrong
