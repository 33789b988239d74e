"""Does a pattern match the answer, or one that is forbidden?

Patterns are those of Rust's regex crate (as pydantic's): matching takes time in proportion to the
text, whatever the text is. Only look-around, back references and other things that crate lacks
are left to Python's `re`, in a process that is killed in time. It cannot know anything that a
pattern cannot say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import pydantic_core
from pydantic_core import SchemaError, SchemaValidator, core_schema

from rung.core.verdicts import Trust, Weight
from rung.verifiers import child
from rung.verifiers.base import Finding, Subject, abstained, failed, passed, shown
from rung.verifiers.material import quoted, text_of
from rung.verifiers.options import Options, flag, seconds, text, wrong

TIMEOUT_SECONDS = 5.0
LONGEST_PATTERN = 10_000

_EXAMPLE = 'pattern = "^[A-Z]{3}-[0-9]+$"'
_REPEATS = re.compile(r"\{(\d{0,6}),?(\d{0,6})\}")
_INLINE_STEPS = 20_000_000
_LINES_SEARCHED = 1_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern; ``linear`` is its matcher, ``None`` where only `re` knows it.

    ``cost`` estimates how many states the matcher may be in for each character.
    """

    source: str
    whole: bool
    linear: SchemaValidator | None = field(repr=False, compare=False)
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Regex:
    """Passes an answer in which ``wanted`` is found, and ``forbidden`` is not.

    Blanks around the answer are left out. ``advice`` says in words what the pattern asks for.
    """

    wanted: Pattern | None
    forbidden: Pattern | None = None
    advice: str = ""
    name: str = "regex"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = TIMEOUT_SECONDS

    async def check(self, subject: Subject) -> Finding:
        """Look for the one, then for the other."""
        read = text_of(subject)
        if isinstance(read, Finding):
            return read
        bare = read.strip()
        limit = self.timeout_seconds * 0.4
        try:
            if self.wanted is not None and not await _found(self.wanted, bare, limit):
                return failed(self._reason(_missing(self.wanted)))
            if self.forbidden is not None and await _found(self.forbidden, bare, limit):
                return failed(self._reason(_present(self.forbidden, bare)))
        except child.UnfinishedError as error:
            return abstained(str(error))
        return passed("the answer is as the pattern asks")

    def _reason(self, said: str) -> str:
        return f"{said}: {self.advice}" if self.advice else said


def regex(
    pattern: str | None = None,
    *,
    forbid: str | None = None,
    whole: bool = False,
    advice: str = "",
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Regex:
    """The check for ``pattern``, that of the ``whole`` answer, and against ``forbid``.

    Raises ConfigError where there is neither, or a pattern is none.
    """
    if pattern is None and forbid is None:
        raise wrong("pattern", "there is no pattern.", f"write {_EXAMPLE}")
    return Regex(
        None if pattern is None else _pattern("pattern", pattern, whole=whole),
        None if forbid is None else _pattern("forbid", forbid, whole=False),
        advice,
        timeout_seconds=timeout_seconds,
    )


def from_options(options: Options) -> Regex:
    """The check that a table of the configuration asks for."""
    given = {key: text(options, key, _EXAMPLE) for key in ("pattern", "forbid") if key in options}
    return regex(
        given.get("pattern"),
        forbid=given.get("forbid"),
        whole=flag(options, "whole"),
        advice=text(options, "advice", 'advice = "begin with the id"', otherwise=""),
        timeout_seconds=seconds(options, TIMEOUT_SECONDS),
    )


# ------------------------------------------------------------------ patterns


def _pattern(place: str, source: str, *, whole: bool) -> Pattern:
    if len(source) > LONGEST_PATTERN:
        raise wrong(place, f"{place} is longer than {LONGEST_PATTERN:,}.", "shorten it")
    try:
        alone = _linear(source)  # what is no pattern alone must not become one by its wrapping
        matcher = _linear(rf"\A(?:{source})\z") if whole else alone
    except SchemaError as error:
        _check_python(place, source, error)
        matcher = None
    counts = [max(1, int(b or a or 0)) for a, b in _REPEATS.findall(source)]
    return Pattern(source, whole, matcher, len(source) * prod(counts[:50]))


def _linear(source: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=source, regex_engine="rust-regex"))


def _check_python(place: str, source: str, first: SchemaError) -> None:
    try:
        re.compile(source)
    except (re.error, RecursionError, OverflowError) as error:
        lines = str(first).strip().splitlines()
        said = f"it is no pattern: {shown(str(error), 80)} ({shown(lines[-1], 120)})."
        raise wrong(place, said, _EXAMPLE) from error


async def _found(pattern: Pattern, text: str, limit: float) -> bool:
    if pattern.linear is not None and pattern.cost * len(text) <= _INLINE_STEPS:
        return pattern.linear.isinstance_python(_encodable(text))
    work = {"pattern": pattern.source, "whole": pattern.whole, "text": text}
    if pattern.linear is not None:
        work["packages"] = str(Path(pydantic_core.__file__).parent.parent)
    return bool(await child.done("matched", work, limit))


def _encodable(text: str) -> str:
    """Half a surrogate pair would not be read by the matcher at all."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _missing(pattern: Pattern) -> str:
    what = "is not as a whole" if pattern.whole else "holds nothing"
    how = "the pattern" if pattern.whole else "that matches the pattern"
    return f"the answer {what} {how} {quoted(pattern.source, 100)}"


def _present(pattern: Pattern, text: str) -> str:
    said = f"the answer holds what is forbidden, {quoted(pattern.source, 100)}"
    matcher = pattern.linear
    if matcher is None or pattern.cost * len(text) > _INLINE_STEPS:
        return said
    lines = enumerate(text.split("\n")[:_LINES_SEARCHED], 1)
    hit = next((n for n, line in lines if matcher.isinstance_python(_encodable(line))), None)
    return said if hit is None else f"{said}, in line {hit}"
