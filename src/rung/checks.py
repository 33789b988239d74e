"""Checks for `Cascade.run(..., verify=...)`.

    from rung import checks
    cascade.run("Is this spam? ...", verify=checks.labels("spam", "ham"))

Each returns a verifier whose failure rejects the answer: it is repaired, or the next tier asked.
`judge` is an exception: it only lowers the confidence in an answer unless it was measured. So are
`logprobs` and `behaviour`, always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from rung.config import is_command
from rung.core.errors import RequestError
from rung.core.verdicts import Weight
from rung.verifiers import behaviour as behaviours
from rung.verifiers import code_parses as codes_parse
from rung.verifiers import command as commands
from rung.verifiers import edit_grounded as edits
from rung.verifiers import function as functions
from rung.verifiers import json_schema as schemas
from rung.verifiers import judge as judges
from rung.verifiers import language as languages
from rung.verifiers import length as lengths
from rung.verifiers import names_grounded as names
from rung.verifiers import numbers_grounded as numbers
from rung.verifiers import quotes_present as quotes
from rung.verifiers import regex as patterns
from rung.verifiers import ruff as linter
from rung.verifiers import sql as statements
from rung.verifiers import unit_tests as suites
from rung.verifiers.arithmetic import Arithmetic
from rung.verifiers.base import Verifier
from rung.verifiers.cut_off import CutOff
from rung.verifiers.diff_applies import DiffApplies
from rung.verifiers.hedging import Hedging
from rung.verifiers.label_set import label_set
from rung.verifiers.length import Limits
from rung.verifiers.logprobs import Logprobs
from rung.verifiers.not_empty import NotEmpty
from rung.verifiers.placeholders_kept import PlaceholdersKept
from rung.verifiers.refusal import Refusal

__all__ = [
    "json_schema",
    "json_object",
    "labels",
    "function",
    "length",
    "regex",
    "language",
    "code_parses",
    "ruff",
    "sql",
    "diff_applies",
    "arithmetic",
    "numbers_grounded",
    "names_grounded",
    "quotes_present",
    "placeholders_kept",
    "edit_grounded",
    "behaviour",
    "command",
    "unit_tests",
    "judge",
    "logprobs",
    "not_empty",
    "not_cut_off",
    "not_refused",
    "not_hedged",
    "Verify",
    "verifiers",
]

Verify = Callable[..., Any] | Verifier | str | Sequence[Callable[..., Any] | Verifier | str]
"""A check, a function, a command line (`"pytest -q"`), the name of a configured verifier, or
several of them."""


def json_schema(schema: Mapping[str, Any] | bool) -> Verifier:
    """The answer is JSON that satisfies ``schema`` (drafts 4 to 2020-12)."""
    return schemas.json_schema(schema)


def json_object() -> Verifier:
    """The answer is a JSON object, whatever is in it."""
    return replace(schemas.json_schema(None), name="json_object")


def labels(*allowed: str, ignore_case: bool = True) -> Verifier:
    """The answer is one of ``allowed`` and nothing else."""
    return label_set(allowed, ignore_case=ignore_case)


def function(
    call: Callable[..., Any],
    *,
    name: str | None = None,
    timeout_seconds: float = functions.TIMEOUT_SECONDS,
) -> Verifier:
    """What ``call`` says of the answer's text: True, False, None (cannot tell), or what is wrong.

    It may be async. An argument named ``subject`` is given the request and the whole answer.
    """
    return functions.function(call, name=name, timeout_seconds=timeout_seconds)


def length(**limits: Limits) -> Verifier:
    """The answer is within ``words=(least, most)``, ``characters``, ``lines`` or ``bytes``.

    ``None`` leaves one end open.
    """
    return lengths.length(**limits)


def regex(
    pattern: str | None = None, *, forbid: str | None = None, whole: bool = False, advice: str = ""
) -> Verifier:
    """``pattern`` is found in the answer, or is the ``whole`` of it; ``forbid`` is not found."""
    return patterns.regex(pattern, forbid=forbid, whole=whole, advice=advice)


def language(*codes: str) -> Verifier:
    """The answer is in one of these languages (ISO 639-1), or else in that of its question."""
    return languages.language(*codes)


def code_parses(language: str | None = None) -> Verifier:
    """The code blocks parse, in the languages that they name. Nothing is run."""
    return codes_parse.code_parses(language)


def ruff(
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    format: bool = False,  # noqa: A002 - the option's own name
    line_length: int = 0,
    file: str = linter.FILE,
) -> Verifier:
    """Ruff finds no fault with the answer's Python, nor with its ``format`` where that is asked.

    ``select`` and ``ignore`` are rules or their prefixes; ``file`` names code without a path.
    """
    return linter.ruff(
        select=tuple(select),
        ignore=tuple(ignore),
        format=format,
        line_length=line_length,
        file=file,
    )


def sql(
    tables: str, *, run: bool = False, writes: bool = False, dialect: str = statements.SQLITE
) -> Verifier:
    """SQLite, or DuckDB, takes the SQL, given the tables that the script ``tables`` makes."""
    return statements.sql(tables, run=run, writes=writes, dialect=dialect)


def diff_applies() -> Verifier:
    """The unified diff applies to the files in the request's fenced blocks."""
    return DiffApplies()


def arithmetic() -> Verifier:
    """The calculations that the answer writes out are right."""
    return Arithmetic()


def numbers_grounded(*allow: str, free_up_to: int = 0) -> Verifier:
    """Every number stands in the request or in ``allow``, or is whole and small."""
    return numbers.numbers_grounded(allow, free_up_to=free_up_to)


def names_grounded(*allow: str) -> Verifier:
    """Every name stands in the request or in ``allow``."""
    return names.names_grounded(allow)


def quotes_present(
    *, fewest_words: int = quotes.FEWEST_WORDS, fields: Sequence[str] = ()
) -> Verifier:
    """Every quotation stands in the request; in JSON, the texts under ``fields``."""
    return quotes.quotes_present(fewest_words=fewest_words, fields=tuple(fields))


def placeholders_kept(*, counted: bool = True) -> Verifier:
    """The question's placeholders ({name}, %s, <tag>) are all in the answer, as often."""
    return PlaceholdersKept(counted)


def edit_grounded(tools: Mapping[str, str] | None = None) -> Verifier:
    """Edit tools replace text that was read; ``tools`` are their names and arguments."""
    return edits.edit_grounded(tools)


def behaviour(
    function: str,
    inputs: Sequence[Sequence[Any]],
    *,
    timeout_seconds: float = behaviours.SECONDS,
) -> Verifier:
    """A signal for votes: answers say the same whose ``function`` gives the same on ``inputs``."""
    return behaviours.behaviour(function, inputs, timeout_seconds=timeout_seconds)


def judge(
    tier: str,
    *,
    rubric: str = "",
    measured_false_accept: float | None = None,
    timeout_seconds: float = judges.SECONDS,
) -> Verifier:
    """Another tier's opinion: a signal, or a gate where its false accepts were measured.

    ``measured_false_accept`` is the share of wrong answers (0..1) that it accepts at most.
    """
    return judges.judge(
        tier,
        rubric=rubric,
        measured_false_accept=measured_false_accept,
        timeout_seconds=timeout_seconds,
    )


def logprobs(quantile: float = 0.1, fewest_tokens: int = 3) -> Verifier:
    """How sure the model was of its words, by a quantile of its tokens' probabilities: a signal."""
    if not 0 <= quantile <= 1:
        raise RequestError("checks.logprobs: quantile must be within 0 and 1.", fix="quantile=0.1")
    return Logprobs(quantile, fewest_tokens)


def command(run: str | Sequence[str], **options: Any) -> Verifier:
    """A command that sees the answer as files exits zero, in the sandbox.

    ``options`` are those of the kind `command` in rung.toml. Raises ConfigError.
    """
    return commands.command({"run": run if isinstance(run, str) else tuple(run), **options})


def unit_tests(
    tests: str | None = None,
    *,
    cases: str | Sequence[Mapping[str, Any]] | None = None,
    module: str | None = None,
    mode: str = "auto",
    timeout_seconds: float = suites.SECONDS,
) -> Verifier:
    """Your tests pass on the Python in the answer, which cannot reach them. Raises ConfigError.

    ``tests`` is their source, as for pytest or unittest or plain assertions, or ``cases`` are
    ``{"call": "add", "args": [2, 2], "expect": 4}``. ``module`` is what they import the answer as,
    ``mode`` one of auto, split and in_process.
    """
    return suites.unit_tests(
        tests, cases=cases, module=module, mode=mode, timeout_seconds=timeout_seconds
    )


def not_empty() -> Verifier:
    """The answer holds text or a tool call."""
    return NotEmpty(weight=Weight.REQUIRED)


def not_cut_off() -> Verifier:
    """The answer was not cut off by a limit other than the caller's own."""
    return CutOff(weight=Weight.REQUIRED)


def not_refused() -> Verifier:
    """The answer does not decline, by the provider's word or by how it opens."""
    return Refusal(weight=Weight.REQUIRED)


def not_hedged() -> Verifier:
    """The answer is not dense with doubt ("I'm not sure, it might be ...")."""
    return Hedging(weight=Weight.REQUIRED)


def verifiers(verify: Verify) -> tuple[Verifier, ...]:
    """Whatever ``verify=`` was given, as verifiers: a function, a check, a command, or several.

    Raises RequestError for anything else.
    """
    return tuple(_one(each) for each in _several(verify))


def split(verify: Verify) -> tuple[tuple[str, ...], tuple[Verifier, ...]]:
    """The names of configured verifiers in ``verify``, and `verifiers` of the rest."""
    names: list[str] = []
    rest: list[Any] = []
    for each in _several(verify):
        (names if isinstance(each, str) and not is_command(each) else rest).append(each)
    return tuple(names), verifiers(tuple(rest))


def _several(verify: Verify) -> Sequence[Any]:
    alone = isinstance(verify, str) or callable(verify) or _is_verifier(verify)
    return verify if not alone and isinstance(verify, Sequence) else (verify,)


def _one(given: Any) -> Verifier:
    if _is_verifier(given):
        return cast("Verifier", given)
    if callable(given):
        return functions.function(given)
    if isinstance(given, str) and is_command(given):
        return command(given)
    raise RequestError(
        f"verify= takes a function, one of rung.checks or a command line, not {_shown(given)}.",
        fix="write verify=lambda text: ..., verify=checks.json_schema(...) or verify='pytest -q'",
    )


def _shown(given: Any) -> str:
    return repr(given[:60]) if isinstance(given, str) else type(given).__name__


def _is_verifier(given: object) -> bool:
    return all(hasattr(given, name) for name in ("name", "weight", "trust", "check"))
