"""Is the code in the answer code, in the language that it says it is in?

Python as its compiler takes it (that of the interpreter rung runs on), JSON, JSON Lines, TOML and
XML. Nothing is run. It cannot know whether code does what was asked for, whether its imports and
names exist, nor read any other language: such blocks are left out, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from types import MappingProxyType

from rung.core.verdicts import Trust, Weight
from rung.verifiers import child, strict_json
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed, shown
from rung.verifiers.fenced import Block, blocks
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


async def _judged(chosen: list[tuple[str, Block]], left_out: int, limit: float) -> Finding:
    work = [(index, language) for index, (language, _) in enumerate(chosen)]
    outside = [index for index, language in work if language not in _HERE]
    faults = {index: _HERE[lang](chosen[index][1].text) for index, lang in work if lang in _HERE}
    if outside:
        sent = [(chosen[index][0], chosen[index][1].text) for index in outside]
        try:
            said = await child.done("parsed", {"blocks": sent}, limit * 0.8)
        except child.UnfinishedError as error:
            return abstained(str(error))
        faults |= {
            i: None if one is None else (one[0], one[1])
            for i, one in zip(outside, said, strict=True)
        }
    shown_faults = [
        _said(*chosen[index], fault) for index, fault in sorted(faults.items()) if fault is not None
    ]
    if shown_faults:
        return failed("; ".join(shown_faults[:_MOST_SHOWN]))
    count = f"{len(chosen)} block{'s' if len(chosen) > 1 else ''} of code parsed"
    return passed(count + (f"; {left_out} in other languages not judged" if left_out else ""))


def _said(language: str, block: Block, fault: tuple[int, str]) -> str:
    line, message = fault
    lines = block.text.split("\n")
    near = shown(lines[line - 1].strip(), 60) if 0 < line <= len(lines) else ""
    where = f"line {block.line + line - 1} of the answer"
    return f"the {language} does not parse: {where}: {shown(message, 120)}, at {near!r}"


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
