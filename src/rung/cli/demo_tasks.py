"""The demo's tasks: small, of different kinds, each with a check that can say no.

The checks know what a right answer is; the model does not get to see them. Nothing that a model
writes is executed: code is parsed, SQL runs read-only on a database in memory.
"""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

FENCE = re.compile(r"```[a-zA-Z]*\n(.*?)```", re.DOTALL)
WORDS = re.compile(r"[\w'-]+")
SQL_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt with the checks of its answer; ``check`` returns True, or what is wrong."""

    kind: str
    prompt: str
    check: Callable[[str], bool | str]
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 64


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _json_is(wanted: Any) -> Callable[[str], bool | str]:
    def same_value(answer: str) -> bool | str:
        try:
            found = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            return "it is not JSON"
        return found == wanted or f"the values must be those of the text, found {answer.strip()}"

    return same_value


def _says(*wanted: str, most_words: int) -> Callable[[str], bool | str]:
    def says(answer: str) -> bool | str:
        words = WORDS.findall(answer.casefold())
        if missing := [word for word in wanted if word not in words]:
            return f"it does not say {', '.join(missing)}"
        return len(words) <= most_words or f"{len(words)} words, more than {most_words}"

    return says


def _is_exactly(wanted: str) -> Callable[[str], bool | str]:
    def is_exactly(answer: str) -> bool | str:
        bare = answer.strip().strip("\"'.").casefold()
        return bare == wanted.casefold() or f"it is not exactly what was asked for: {bare[:40]!r}"

    return is_exactly


def _recomputed(wanted: int) -> Callable[[str], bool | str]:
    def recomputed(answer: str) -> bool | str:
        numbers = re.findall(r"-?\d+", answer)
        if len(numbers) != 1:
            return "it is not one number alone"
        return int(numbers[0]) == wanted or f"{numbers[0]} is not the sum"

    return recomputed


def _defines(name: str, arguments: int) -> Callable[[str], bool | str]:
    def defines_function(answer: str) -> bool | str:
        fenced = FENCE.search(answer)
        try:
            tree = ast.parse(fenced[1] if fenced else answer)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return "it is not Python"
        found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
        if not found:
            return f"it defines no function {name}"
        return len(found[0].args.args) == arguments or f"{name} must take {arguments} arguments"

    return defines_function


def _query_finds(rows: list[tuple[Any, ...]]) -> Callable[[str], bool | str]:
    def query_finds(answer: str) -> bool | str:
        fenced = FENCE.search(answer)
        database = sqlite3.connect(":memory:")
        try:
            database.execute("CREATE TABLE users (name TEXT, age INTEGER)")
            database.executemany(
                "INSERT INTO users VALUES (?, ?)", [("Ada", 36), ("Eve", 18), ("Tim", 12)]
            )
            database.set_authorizer(_read_only)
            database.set_progress_handler(lambda: 1, SQL_STEPS)
            found = database.execute((fenced[1] if fenced else answer).strip()).fetchmany(10)
        except (sqlite3.Error, sqlite3.Warning) as error:
            return f"the database says: {error}"
        finally:
            database.close()
        return sorted(found) == rows or f"it finds {found}"

    return query_finds


def _read_only(action: int, *_: object) -> int:
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}

TASKS = (
    Task(
        "extraction",
        "Give me a JSON object with name and age of: Ada, 36",
        _json_is({"name": "Ada", "age": 36}),
        schema=_object(name=TEXT, age=NUMBER),
    ),
    Task(
        "code",
        "Write a Python function named add that returns the sum of its two arguments. Only code.",
        _defines("add", 2),
    ),
    Task(
        "question",
        "What is the capital of France? Answer with the name only.",
        _says("paris", most_words=8),
    ),
    Task(
        "extraction",
        "Extract the city and the year as JSON: The museum opened in Lisbon in 1998.",
        _json_is({"city": "Lisbon", "year": 1998}),
        schema=_object(city=TEXT, year=NUMBER),
    ),
    Task(
        "formatting",
        "Convert to ISO format (YYYY-MM-DD): 3 March 2024. Answer with the date only.",
        _is_exactly("2024-03-03"),
        max_tokens=24,
    ),
    Task(
        "documentation",
        "Write a one-line docstring for this Python function:\n"
        "def area(width, height):\n    return width * height",
        _says("area", most_words=25),
    ),
    Task(
        "classification",
        "Which team should get this ticket: billing, technical or sales? Answer with one word.\n"
        "Ticket: I was charged twice for my subscription.",
        _json_is("billing"),
        schema={"enum": ["billing", "technical", "sales"]},
        max_tokens=32,
    ),
    Task(
        "writing",
        "Write one sentence about the sea that contains the word blue.",
        _says("blue", "sea", most_words=30),
    ),
    Task(
        "arithmetic",
        "What is 12 + 30? Answer with the number only.",
        _recomputed(12 + 30),
        max_tokens=24,
    ),
    Task(
        "sql",
        "Write a SQL query that selects the names of all users older than 18 from the table "
        "users(name, age). Only SQL.",
        _query_finds([("Ada",)]),
    ),
)
