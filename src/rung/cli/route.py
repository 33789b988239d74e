"""`rung route`: where requests would start, before any of them is sent, and what is learned."""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.cli.exhibits import heard, request_of
from rung.cli.output import console, one_line, print_json, table
from rung.cli.route_train import off, show, train
from rung.cli.settings import ConfigPath, Json, load
from rung.core.errors import RequestError
from rung.deciding import Decision, decider

__all__ = ["off", "show", "test", "train"]

LONGEST_FILE = 64 * 1024 * 1024
EXPECTED = ("entry", "category", "difficulty", "rule")


@dataclass(frozen=True, slots=True)
class Tried:
    """One line of the file: what was decided, and what was expected, if that was said."""

    line: int
    decision: Decision
    expected: dict[str, Any]

    @property
    def missed(self) -> list[str]:
        """The expectations that were not met."""
        told = self.decision.told()
        return [key for key, wanted in self.expected.items() if told[key] != wanted]


def test(  # it is a command and no test, whose defaults pytest would not fill
    file: Path,
    /,
    *,
    path: ConfigPath = None,  # noqa: PT028 see above
    json: Json = False,  # noqa: PT028 as above
) -> None:
    """Show where each request of a file would start, by the rules in force; nothing is called.

    Each line is JSON: a body of any dialect, alone or as `"body"`, or `{"prompt": "..."}`. With
    `"expect": {"entry": "local"}` beside it, also whether it went as expected (`entry`, `category`,
    `difficulty`, `rule`): the exit status is 1 where one did not. `"headers": {"x-rung-lane":
    "batch"}` beside it come with the request.

    Args:
        file: The requests, one a line.
    """
    with decider(load(path, parts=False)) as decide:
        tried = [_tried(number, line, decide.of) for number, line in _lines(file)]
    missed = [each for each in tried if each.missed]
    if json:
        print_json([_told(each) for each in tried])
    else:
        _show(tried, missed)
    if missed:
        raise SystemExit(1)


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        with file.open("rb") as opened:
            read = opened.read(LONGEST_FILE + 1)
    except OSError as error:
        raise RequestError(f"{file}: {error.strerror}.") from None
    if len(read) > LONGEST_FILE:
        raise RequestError(f"{file} is longer than {LONGEST_FILE} bytes.", fix="split it")
    lines = enumerate(read.decode("utf-8", "replace").split("\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


def _tried(number: int, line: str, decide: Any) -> Tried:
    try:
        given = jsonlib.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"line {number} is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise RequestError(f"line {number} is no JSON object.", fix='{"prompt": "..."}')
    expected = given.pop("expect", {})
    unknown = set(expected) - set(EXPECTED) if isinstance(expected, dict) else {"expect"}
    if unknown:
        said = f"line {number} expects {', '.join(sorted(unknown))}."
        raise RequestError(said, fix=f"expect any of {', '.join(EXPECTED)}")
    body = given.get("body")
    came = heard(tuple(f"{name}: {value}" for name, value in _headers(given, number).items()))
    return Tried(
        number,
        decide(request_of(body if isinstance(body, dict) else given, f"line {number}", came)),
        expected,
    )


def _headers(given: dict[str, Any], number: int) -> dict[str, Any]:
    """What comes beside the request of a line, taken out of it."""
    headers = given.pop("headers", {})
    if not isinstance(headers, dict):
        fix = '"headers": {"x-rung-lane": "batch"}'
        raise RequestError(f"line {number}: its headers are no JSON object.", fix=fix)
    return headers


def _told(each: Tried) -> dict[str, Any]:
    return {"line": each.line, **each.decision.told(), "missed": each.missed}


def _rule(told: dict[str, Any]) -> str:
    """The rule that decided, and the draws of rules before it."""
    said = one_line(told["rule"] or "-", 30)
    return f"{said}, {one_line(told['drawn'], 100)}" if told["drawn"] else said


def _show(tried: list[Tried], missed: list[Tried]) -> None:
    to = console()
    columns = [("line", "right"), ("asks", "left"), ("category", "left"), ("difficulty", "left")]
    shown = table("Where they start", [*columns, ("entry", "left"), ("rule", "left")])
    for each in tried:
        told = each.decision.told()
        entry = one_line(told["entry"] or "nowhere", 30)
        wrong = f" [red]not {one_line(str(each.expected.get('entry')), 30)}[/]"
        shown.add_row(
            str(each.line),
            one_line(each.decision.request.question, 40),
            told["category"],
            told["difficulty"],
            entry + (wrong if "entry" in each.missed else ""),
            _rule(told),
        )
    to.print(shown)
    entries = Counter(each.decision.entry or "nowhere" for each in tried)
    to.print(
        "\n" + ", ".join(f"{count} to {one_line(tier, 30)}" for tier, count in entries.items())
    )
    expected = [each for each in tried if each.expected]
    if expected:
        to.print(f"{len(expected) - len(missed)} of {len(expected)} as expected")
