"""What can go wrong with a good answer: a table of mutations, to try a gate with.

Each row spoils an answer in one way where that way fits: fields of JSON, lines of code, words of a
text, tool calls. The same seed gives the same mutants. A mutant may be as good as its original (a
comment left out, two labels that mean the same): no program can tell, so a gate that passes one is
not always wrong.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from random import Random

from rung.core.parts import ToolCall
from rung.core.types import Answer
from rung.verifiers import mutating_code as codes
from rung.verifiers import mutating_json as values
from rung.verifiers import mutating_text as texts
from rung.verifiers.fenced import Block, blocks

LONGEST = 200_000
"""Characters of an answer that is mutated; each mutant is another copy of it."""
MOST_LOOKED_AT = 200
"""Variants of one row that are made to find some that are new."""

Change = Callable[[Answer, Random], Iterator[Answer]]
TextChange = Callable[[str, Random], Iterator[str]]
CodeChange = Callable[[codes.Code, Random], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way of spoiling an answer."""

    name: str
    change: Change


@dataclass(frozen=True, slots=True)
class Mutant:
    """A spoiled answer, and the name of the mutation that made it."""

    mutation: str
    answer: Answer


def mutants(answer: Answer, *, seed: int = 0, variants: int = 3) -> Iterator[Mutant]:
    """Up to ``variants`` mutants of each row that fits, all different from the answer.

    Raises ValueError for an answer that is too long to be copied so often.
    """
    if len(answer.text) + sum(len(call.arguments) for call in answer.tool_calls) > LONGEST:
        raise ValueError(f"it has more than {LONGEST:,} characters")
    for mutation in TABLE:
        chance = Random(f"{seed} {mutation.name}")  # noqa: S311 no secret
        made = _new(answer, mutation.change(answer, chance))
        yield from (Mutant(mutation.name, each) for each in islice(made, variants))


def _new(answer: Answer, made: Iterator[Answer]) -> Iterator[Answer]:
    seen = {(answer.text, answer.tool_calls)}
    for each in islice(made, MOST_LOOKED_AT):
        key = (each.text, each.tool_calls)
        if key not in seen:
            seen.add(key)
            yield each


# ------------------------------------------------------------------ what a row works on


def _text(change: TextChange) -> Change:
    """A row for the whole text, of answers that have one."""

    def mutate(answer: Answer, chance: Random) -> Iterator[Answer]:
        if answer.text.strip():
            yield from (replace(answer, text=each) for each in change(answer.text, chance))

    return mutate


def _prose(change: TextChange) -> Change:
    """A row for words, of answers that hold no code: there, words beside it change nothing."""
    spoil = _text(change)

    def mutate(answer: Answer, chance: Random) -> Iterator[Answer]:
        if not blocks(answer.text) and not _language(answer.text):
            yield from spoil(answer, chance)

    return mutate


def _json(change: TextChange) -> Change:
    """A row for JSON: all of the text, a block of it, or the arguments of a call."""

    def mutate(answer: Answer, chance: Random) -> Iterator[Answer]:
        if values.value_of(answer.text) is not None:
            yield from (replace(answer, text=each) for each in change(answer.text, chance))
        for block, put in _places(answer):
            if values.value_of(block.text) is not None:
                yield from map(put, change(block.text, chance))
        for place, call in enumerate(answer.tool_calls):
            if values.value_of(call.arguments) is not None:
                made = (replace(call, arguments=each) for each in change(call.arguments, chance))
                yield from (_with_call(answer, place, each) for each in made)

    return mutate


def _code(change: CodeChange) -> Change:
    """A row for code: in blocks, or all of the text."""

    def mutate(answer: Answer, chance: Random) -> Iterator[Answer]:
        for block, put in _places(answer):
            if block.language not in _NO_CODE and values.value_of(block.text) is None:
                language = block.language or _language(block.text)
                yield from map(put, change(codes.code(block.text, language), chance))
        language = _language(answer.text)
        if language:
            made = change(codes.code(answer.text, language), chance)
            yield from (replace(answer, text=each) for each in made)

    return mutate


_NO_CODE = frozenset({"json", "jsonl", "text", "txt", "markdown", "md", "console", "output"})


def _places(answer: Answer) -> Iterator[tuple[Block, Callable[[str], Answer]]]:
    """The fenced blocks of an answer, each with a way to put another text in its place."""
    lines = answer.text.split("\n")
    for block in blocks(answer.text):
        first, size = block.line - 1, block.text.count("\n") + 1
        if "\n".join(lines[first : first + size]) == block.text and block.text.strip():
            yield block, partial(_spliced, answer, lines, slice(first, first + size))


def _spliced(answer: Answer, lines: list[str], place: slice, text: str) -> Answer:
    return replace(answer, text="\n".join((*lines[: place.start], text, *lines[place.stop :])))


@lru_cache(maxsize=4)
def _language(text: str) -> str:
    """What an unlabelled text is written in: a diff, Python; empty where it may be no code."""
    if "\n+++ " in text and "\n@@ " in text:
        return codes.DIFF
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in an answer's literals
            body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return codes.PYTHON if any(not isinstance(each, ast.Expr) for each in body) else ""


# ------------------------------------------------------------------ tool calls


def _with_call(answer: Answer, place: int, call: ToolCall) -> Answer:
    calls = answer.tool_calls
    return replace(answer, tool_calls=(*calls[:place], call, *calls[place + 1 :]))


def _call_dropped(answer: Answer, _: Random) -> Iterator[Answer]:
    for place in range(len(answer.tool_calls)):
        calls = answer.tool_calls
        yield replace(answer, tool_calls=(*calls[:place], *calls[place + 1 :]))


def _call_doubled(answer: Answer, _: Random) -> Iterator[Answer]:
    for call in answer.tool_calls:
        yield replace(answer, tool_calls=(*answer.tool_calls, call))
        yield replace(answer, tool_calls=(*answer.tool_calls, replace(call, id=f"{call.id}x")))


def _call_misnamed(answer: Answer, _: Random) -> Iterator[Answer]:
    for place, call in enumerate(answer.tool_calls):
        for name in (f"{call.name}x", call.name.upper(), "run_shell"):
            yield _with_call(answer, place, replace(call, name=name))


def _call_written(answer: Answer, _: Random) -> Iterator[Answer]:
    """The calls as text, where a caller finds none."""
    if answer.tool_calls:
        said = "\n".join(f"{call.name}({call.arguments})" for call in answer.tool_calls)
        yield replace(answer, text=said, tool_calls=())


TABLE = (
    Mutation("leave it empty", _text(texts.emptied)),
    Mutation("cut it off", _text(texts.truncated)),
    Mutation("write it twice", _text(texts.doubled)),
    Mutation("repeat the end again and again", _text(texts.looped)),
    Mutation("refuse instead", _text(texts.refused)),
    Mutation("doubt it", _text(texts.doubted)),
    Mutation("answer another question", _text(texts.strayed)),
    Mutation("use another language", _text(texts.in_another_language)),
    Mutation("state a verdict of its own", _text(texts.self_judged)),
    Mutation("put prose around it", _text(texts.wrapped)),
    Mutation("leave out a sentence or line", _prose(texts.shortened)),
    Mutation("change a digit", _text(texts.renumbered)),
    Mutation("be off by one", _text(texts.off_by_one)),
    Mutation("be ten times too large", _text(texts.scaled)),
    Mutation("turn a yes into a no", _text(texts.inverted)),
    Mutation("negate a statement", _prose(texts.negated)),
    Mutation("swap two words", _prose(texts.swapped)),
    Mutation("misspell a word", _prose(texts.misspelled)),
    Mutation("change a name", _prose(texts.renamed)),
    Mutation("make up a claim", _prose(texts.made_up)),
    Mutation("change a quotation", _prose(texts.misquoted)),
    Mutation("lose a placeholder", _text(texts.unplaced)),
    Mutation("rename a placeholder", _text(texts.misplaced)),
    Mutation("drop a field", _json(values.dropped)),
    Mutation("add a field", _json(values.added)),
    Mutation("rename a field", _json(values.renamed)),
    Mutation("change a type", _json(values.retyped)),
    Mutation("write null", _json(values.nulled)),
    Mutation("empty a value", _json(values.blanked)),
    Mutation("write another text", _json(values.reworded)),
    Mutation("swap two values", _json(values.swapped)),
    Mutation("drop an item", _json(values.fewer)),
    Mutation("repeat an item", _json(values.more)),
    Mutation("nest it in another value", _json(values.nested)),
    Mutation("break the JSON", _json(values.broken)),
    Mutation("repeat a key", _json(values.repeated)),
    Mutation("call another tool", _call_misnamed),
    Mutation("call it twice", _call_doubled),
    Mutation("leave out a call", _call_dropped),
    Mutation("write the call as text", _call_written),
    Mutation("remove a line of code", _code(codes.line_removed)),
    Mutation("drop a return", _code(codes.return_dropped)),
    Mutation("negate a comparison", _code(codes.comparison_negated)),
    Mutation("move a boundary", _code(codes.boundary_moved)),
    Mutation("move the end of a range", _code(codes.range_moved)),
    Mutation("change an operator", _code(codes.operator_changed)),
    Mutation("negate a condition", _code(codes.condition_negated)),
    Mutation("rename what is defined", _code(codes.renamed)),
    Mutation("misspell an identifier", _code(codes.misnamed)),
    Mutation("leave a function without its body", _code(codes.stubbed)),
    Mutation("elide the middle of the code", _code(codes.elided)),
    Mutation("break the syntax", _code(codes.syntax_broken)),
    Mutation("exit with status zero", _code(codes.exited)),
    Mutation("skip a test", _code(codes.tests_skipped)),
    Mutation("drop an assertion", _code(codes.assertion_dropped)),
    Mutation("change a diff's context", _code(codes.context_changed)),
    Mutation("change a diff's path", _code(codes.path_changed)),
)
