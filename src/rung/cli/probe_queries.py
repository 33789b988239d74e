"""What `rung probe run` asks: a sample of one's own stored requests, or those of a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rung.cli.exhibits import request_of
from rung.core.errors import RequestError
from rung.core.parts import Message, Role, Text
from rung.core.tasks import task
from rung.core.types import Need, Request
from rung.ledger import Ledger
from rung.ledger.bodies import REQUEST, of_request
from rung.ledger.observed import with_bodies
from rung.measuring import Query, unfit

LONGEST_FILE = 64 * 1024 * 1024

SHOWN = frozenset({Need.IMAGES, Need.FILES, Need.AUDIO})
"""What is taken out of stored requests, so that they would ask for something else without."""


@dataclass(slots=True)
class Drawn:
    """The requests to ask. ``there`` is of how many they were drawn; ``unfit`` counts by reason."""

    queries: list[Query] = field(default_factory=list)
    there: int = 0
    unfit: Counter[str] = field(default_factory=Counter)


# ------------------------------------------------------------------ of the ledger


def stored(
    ledger: Ledger, ladder: str, since_unix: float, category: str | None, most: int
) -> Drawn:
    """A random sample of a ladder's requests whose words are stored.

    The draw is a function of each id alone: a greater sample holds the smaller one, so that what
    was asked before is not asked again.
    """
    with ledger.reading() as connection:
        ids = with_bodies(connection, ladder, since_unix, category)
        found = Drawn(there=len(ids))
        for name in sorted(ids, key=_lot):
            if len(found.queries) == most:
                break
            told = next((b.value for b in of_request(connection, name) if b.part == REQUEST), None)
            _add(found, name, lambda told=told, name=name: _of_body(told, name), stored=True)
    return found


def _lot(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"rung probe").digest()


def _of_body(told: Any, name: str) -> Request:
    """The request of a stored body. Raises RequestError for one that cannot be read any more."""
    place = f"the stored request {name}"
    if isinstance(told, list):
        return Request(name, "cli", tuple(_messages(told, place)))
    if not isinstance(told, dict):
        raise RequestError(f"{place} is no JSON object.", code="what is stored is no request")
    if "left_out_bytes" in told:
        raise RequestError(f"{place} was too long.", code="it was too long to be stored")
    return request_of(told, place)


def _messages(told: Sequence[Any], place: str) -> Iterator[Message]:
    """Plain turns, as a request that came without a body is stored."""
    for each in told:
        try:
            texts = [Text(str(part["text"])) for part in each["parts"]]
            yield Message(Role(each["role"]), tuple(texts))
        except (KeyError, TypeError, ValueError):
            code = "what is stored is more than plain text"
            raise RequestError(f"{place} holds more than text.", code=code) from None


# ------------------------------------------------------------------ of a file


def of_file(file: Path, category: str | None, most: int) -> Drawn:
    """The requests of a file, in a random order that its lines alone decide: a JSON line each.

    Raises RequestError for a file that cannot be read, or a line that asks for nothing.
    """
    found, known = Drawn(), set()
    lines = sorted(_lines(file), key=lambda line: _lot(line[1]))
    for number, text in lines:
        name = f"file:{blake2b(text.encode(), digest_size=12).hexdigest()}"
        if name in known:
            found.unfit["the file has it twice"] += 1
            continue
        known.add(name)
        request, told = _of_line(text, f"{file.name}, line {number}")
        asked = told or task(request).category.value
        if category in {None, asked}:
            found.there += 1
            if len(found.queries) < most:
                _add(found, name, lambda request=request: request, category=asked)
    return found


def _lines(file: Path) -> list[tuple[int, str]]:
    """Lines by number, each as it is written most plainly."""
    try:
        with file.open("rb") as opened:
            read = opened.read(LONGEST_FILE + 1)
    except OSError as error:
        raise RequestError(f"{file}: {error.strerror or error}.", fix="correct the path") from None
    if len(read) > LONGEST_FILE:
        raise RequestError(f"{file} is longer than {LONGEST_FILE} bytes.", fix="split it")
    lines = enumerate(read.decode("utf-8-sig", "replace").split("\n"), 1)
    found = [(number, line.strip()) for number, line in lines if line.strip()]
    if not found:
        raise RequestError(f"{file} asks for nothing.", fix='a line each: {"prompt": "..."}')
    return found


def _of_line(text: str, place: str) -> tuple[Request, str]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        fix = '{"prompt": "..."}, or a body with `messages` or `input`'
        raise RequestError(f"{place} is not JSON: {error}.", fix=fix) from None
    if not isinstance(given, dict):
        raise RequestError(f"{place} is no JSON object.", fix='{"prompt": "..."}')
    told = given.get("category")
    body = given.get("body")
    request = request_of(body if isinstance(body, dict) else _without(given), place)
    return request, told if isinstance(told, str) else ""


def _without(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in {"category", "expect"}}


# ------------------------------------------------------------------ both


def _add(found: Drawn, name: str, read: Any, category: str = "", *, stored: bool = False) -> None:
    """Take a request in, or count why not."""
    try:
        request: Request = read()
    except RequestError as error:
        found.unfit[error.code or "it cannot be read any more"] += 1
        return
    why = unfit(request)
    if why is None and stored and request.needs & SHOWN:
        why = "its pictures, sound or files are not stored"
    if why is not None:
        found.unfit[why] += 1
        return
    asked = category or task(request).category.value
    found.queries.append(Query(name, replace(request, id=name), asked))


def checked(queries: Iterable[Query]) -> bool:
    """Whether any of them brings a check of its own: a schema, or tools to call."""
    return any(one.request.schema is not None or one.request.tools for one in queries)
