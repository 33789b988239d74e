"""The requests that recognition is trained on: they read, are told apart, and do not leak."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from rung.core.tasks import Category, Difficulty, task
from support.article_prompts import OTHERS, SURE
from support.task_prompts import HELD_OUT, UNSEEN

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def lines():
    sys.path.insert(0, str(TOOLS))
    yield import_module("task_corpus")
    sys.path.remove(str(TOOLS))


def test_every_line_reads_and_stands_once(lines) -> None:
    found = list(lines.corpus())
    assert len(found) > 2_000
    assert [line for line, times in Counter(each.line for each in found).items() if times > 1] == []
    assert {each.category for each in found} == set(Category) - {Category.AGENT_STEP}
    assert {each.difficulty for each in found} == set(Difficulty)


def test_a_line_that_is_none_is_named(lines) -> None:
    with pytest.raises(ValueError, match="no line of the corpus: X"):
        lines.labelled("plain", "X", 0, {})


def test_what_it_is_tried_on_is_not_in_the_corpus(lines) -> None:
    known = {each.line.partition(" ")[2].lower() for each in lines.corpus()}
    tried = [each.text for each in (*HELD_OUT, *UNSEEN)] + [text for _, text in (*SURE, *OTHERS)]
    heads = {text.partition("\n")[0].strip().lower() for text in tried}
    assert [text for text in heads if len(text) > 25 and text in known] == []


def test_the_shipped_weights_are_fitted_on_this_corpus(lines) -> None:
    found = list(lines.corpus())
    right = sum(task(each.request).category is each.category for each in found)
    assert right / len(found) > 0.93
