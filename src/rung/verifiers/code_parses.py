"""Is the code in the answer code, in the language that it says it is in?

Python as its compiler takes it (that of the interpreter rung runs on), JSON, JSON Lines, TOML and
XML; other languages by the grammars that an extra installs, and without it they are not judged.
Nothing is run. It cannot know whether code does what was asked for, nor whether its imports and
names exist. Blocks in any language that it does not know are left out, and the verdict says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import MappingProxyType

from rung.core.verdicts import Trust, Weight
from rung.verifiers import child, strict_json
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed, shown
from rung.verifiers.child_trees import DOUBTFUL
from rung.verifiers.fenced import Block, blocks
from rung.verifiers.grammars import FIX, GRAMMARS, folders, grammar_for
from rung.verifiers.material import text_of
from rung.verifiers.options import Options, seconds, text, wrong

TIMEOUT_SECONDS = 10.0

_ALIASES = MappingProxyType(
    {
        **dict.fromkeys(("python", "py", "python3"), "python"),
        "json": "json",
        **dict.fromkeys(("jsonl", "ndjson", "jsonlines"), "jsonl"),
        "toml": "toml",
        **dict.fromkeys(("xml", "svg"), "xml"),
        **{name: own for own, each in GRAMMARS.items() for name in (own, *each.names)},
    }
)
LANGUAGES = tuple(sorted(set(_ALIASES.values())))

_MOST_BLOCKS = 1_000
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class CodeParses:
    """Passes an answer whose code blocks all parse, in the language that each names.

    With a ``language``, the blocks of that language and those that name none have to be in it, an
    answer without any block is code as a whole, and one with other blocks only has failed.
    """

    language: str = ""
    name: str = "code_parses"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = TIMEOUT_SECONDS

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Find the blocks, then parse those whose language is known."""
        read = text_of(subject)
        if isinstance(read, Finding):
            return read
        found = blocks(read)
        if len(found) > _MOST_BLOCKS:
            return abstained(f"the answer has {len(found):,} blocks, too many to check")
        chosen = self._chosen(found, read)
        if not chosen:
            return self._without(found)
        return _judged(chosen, len(found) - len(chosen), self.timeout_seconds)

    def _chosen(self, found: list[Block], whole: str) -> list[tuple[str, Block]]:
        """What is to be parsed, and as what."""
        if not found and self.language and whole.strip():
            return [(self.language, Block("", "", whole, 1))]
        named = [(_ALIASES.get(each.language, ""), each) for each in found]
        if not self.language:
            return [(language, each) for language, each in named if language]
        return [
            (self.language, each)
            for language, each in named
            if language == self.language or not each.language
        ]

    def _without(self, found: list[Block]) -> Finding:
        if self.language:
            fence = f"```{self.language}"
            return failed(f"the answer has no {self.language}: write it in a {fence} block")
        if found:
            others = ", ".join(sorted({each.language or "no name" for each in found})[:5])
            return nothing_to_judge(f"no block is in a language that can be parsed ({others})")
        return nothing_to_judge("the answer has no code block")


def code_parses(
    language: str | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> CodeParses:
    """The check for ``language`` (`LANGUAGES`), or for whatever a block says that it is.

    Raises ConfigError where there is no such language.
    """
    known = _ALIASES.get((language or "").casefold())
    if language is not None and known is None:
        fix = f"write one of {', '.join(LANGUAGES)}, or leave it out"
        raise wrong("language", f"{language!r} cannot be parsed here.", fix)
    return CodeParses(known or "", timeout_seconds=timeout_seconds)


def from_options(options: Options) -> CodeParses:
    """The check that a table of the configuration asks for."""
    language = text(options, "language", 'language = "python"') if "language" in options else None
    return code_parses(language, timeout_seconds=seconds(options, TIMEOUT_SECONDS))


# ------------------------------------------------------------------ parsing


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with a block, and its line in it. ``sure`` is false where it may be right."""

    line: int
    said: str
    sure: bool = True


async def _judged(chosen: list[tuple[str, Block]], left_out: int, limit: float) -> Finding:
    by_task: dict[str, list[int]] = {}
    for index, (language, _) in enumerate(chosen):
        by_task.setdefault(_task_of(language), []).append(index)
    work = [_TASKS[task]([chosen[i] for i in own], limit * 0.8) for task, own in by_task.items()]
    faults: dict[int, _Fault | None] = {}
    unjudged = ""
    done = await asyncio.gather(*work, return_exceptions=True)
    for indexes, found in zip(by_task.values(), done, strict=True):
        if isinstance(found, child.UnfinishedError | _NotInstalledError):
            unjudged = str(found)
        elif isinstance(found, BaseException):
            raise found
        else:
            faults |= zip(indexes, found, strict=True)
    told = [(fault, _said(*chosen[i], fault)) for i, fault in sorted(faults.items()) if fault]
    firm = [said for fault, said in told if fault.sure]
    if firm:
        return failed("; ".join(firm[:_MOST_SHOWN]))
    if unjudged or told:
        return abstained(unjudged or f"it cannot be told: {told[0][1]}; a macro may make it right")
    count = f"{len(chosen)} block{'s' if len(chosen) > 1 else ''} of code parsed"
    return passed(count + (f"; {left_out} in other languages not judged" if left_out else ""))


def _said(language: str, block: Block, fault: _Fault) -> str:
    lines = block.text.split("\n")
    near = shown(lines[fault.line - 1].strip(), 60) if 0 < fault.line <= len(lines) else ""
    where = f"line {block.line + fault.line - 1} of the answer"
    return f"the {language} does not parse: {where}: {shown(fault.said, 120)}, at {near!r}"


Work = list[tuple[str, Block]]


class _NotInstalledError(Exception):
    """The grammars are not there."""


def _task_of(language: str) -> str:
    if language in _HERE:
        return "here"
    return "treed" if language in GRAMMARS else "parsed"


async def _here(work: Work, _limit: float) -> list[_Fault | None]:
    found = [_HERE[language](block.text) for language, block in work]
    return [None if each is None else _Fault(*each) for each in found]


async def _parsed(work: Work, limit: float) -> list[_Fault | None]:
    sent = [(language, block.text) for language, block in work]
    said = await child.done("parsed", {"blocks": sent}, limit)
    return [None if each is None else _Fault(each[0], each[1]) for each in said]


async def _treed(work: Work, limit: float) -> list[_Fault | None]:
    grammars = [grammar_for(language, block.text) for language, block in work]
    packages = folders(grammars)
    if packages is None:
        names = ", ".join(sorted({language for language, _ in work}))
        raise _NotInstalledError(f"no grammar for {names} is installed (fix: {FIX})")
    sent = [(each.told, block.text) for each, (_, block) in zip(grammars, work, strict=True)]
    said = await child.done("treed", {"blocks": sent, "packages": packages}, limit)
    return [
        None if each is None else _Fault(each[0], each[1], each[2] != DOUBTFUL) for each in said
    ]


_TASKS: dict[str, Callable[[Work, float], Awaitable[list[_Fault | None]]]] = {
    "here": _here,
    "parsed": _parsed,
    "treed": _treed,
}


def _json(text: str) -> tuple[int, str] | None:
    if len(text) > strict_json.LONGEST:
        return None if _plain_json(text) else (1, "it is not JSON")
    try:
        strict_json.parse(text)
    except strict_json.NotJsonError as error:
        said = str(error).removeprefix("the answer ").removeprefix("is not JSON: ")
        return _line_of(error), said
    return None


def _plain_json(text: str) -> bool:
    import msgspec

    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _line_of(error: strict_json.NotJsonError) -> int:
    return int(getattr(error.__cause__, "lineno", 1))


def _json_lines(text: str) -> tuple[int, str] | None:
    for number, line in enumerate(text.split("\n"), 1):
        fault = _json(line) if line.strip() else None
        if fault is not None:
            return number, fault[1]
    return None


_HERE = {"json": _json, "jsonl": _json_lines}
