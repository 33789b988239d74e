"""`rung inbox`: what no tier passed and waits for a human, and the human's answers."""

from __future__ import annotations

import asyncio
import json as jsons
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators
from rich.console import Console

from rung import answering
from rung.answering import Given
from rung.cli.output import console, one_line, plain, print_json, sign, table, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.errors import RequestError
from rung.core.labels import InboxState
from rung.core.verdicts import Status, Verdict
from rung.ledger import InboxEntry, Ledger
from rung.ledger.reading import AUDIT

LONGEST_SHOWN = 2000

By = Annotated[str | None, Parameter(help="Who says so.")]
Number = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]


def list(  # noqa: A001 the word people type
    *,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 the word people type
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """List what waits, oldest first: questions that no tier passed, and audits.

    Args:
        all: Also what was answered or dismissed.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        items = [item for item in ledger.inbox_items() if all or item.state == InboxState.OPEN]
    if json:
        print_json([asdict(item) for item in items])
        return
    to = console()
    if not items:
        to.print("The inbox is empty.")
        return
    waiting = sum(item.state == InboxState.OPEN for item in items)
    more = ("kind", "state") if all else ("kind",)
    columns = [(name, "left") for name in ("id", "since", *more)]
    shown = table(f"{waiting} waiting", columns)
    for item in items:
        state = [item.state] if all else []
        shown.add_row(item.request_id, when(item.created_unix), item.kind, *state)
    to.print(shown)
    to.print("\n[dim]rung inbox show ID, rung inbox answer ID --text ..., rung explain ID[/]")
    if any(item.kind == AUDIT for item in items):
        to.print("[dim]An audit asks whether an answer was right: rung label ID right|wrong[/]")


def show(id: str = "last", /, *, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A002 the word people type
    """Show one request with every answer, what was wrong with it, and what a human made of it.

    Args:
        id: The request's id or the beginning of it; `last` is the newest request.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        entry = ledger.inbox_entry(id)
    if json:
        print_json(asdict(entry))
        return
    to = console()
    to.print(f"[bold]{entry.item.request_id}[/] since {when(entry.item.created_unix)}")
    for message in entry.request["messages"]:
        to.print(f"[dim]{one_line(message['role'])}[/]  {plain(_text(message))}")
    for draft in entry.answers:
        _draft(draft, to)
    _closing(entry, to)
    if entry.item.kind == AUDIT and entry.closing is None:
        told = "was it right? Of another draft: --attempt N"
        to.print(f"\n[dim]rung label {entry.item.request_id} right|wrong[/]  {told}")


def answer(  # noqa: PLR0913 a command's options
    id: str,  # noqa: A002 the word people type
    /,
    *,
    text: str | None = None,
    file: Path | None = None,
    accept: Number = None,
    by: By = None,
    note: str = "",
    force: Annotated[bool, Parameter(negative="")] = False,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Answer what waits: in your own words, or by accepting a draft as it is.

    A caller that still waits gets the answer (see `wait_seconds`). The drafts are labelled by it,
    and it becomes a case for `rung inbox export`. An entry is answered once.

    Args:
        id: The request's id or the beginning of it.
        text: The answer.
        file: A file that holds the answer; `-` reads standard input.
        accept: The number of the attempt, as shown, whose draft is right after all.
        note: Why, in your own words; not part of the answer.
        force: Answer although the request's own schema does not hold.
    """
    words = _words(text, file, accept)
    with open_ledger(load(path, parts=False)) as ledger:
        entry = _open(ledger, id)
        verdict = None
        if words is not None:
            verdict = asyncio.run(answering.schema_verdict(entry, words))
            _must_hold(verdict, force=force)
        given = Given(words, None if accept is None else accept - 1, by, note)
        closed = answering.answer(ledger, entry, given, verdict, time.time())
    if json:
        print_json(asdict(closed))
        return
    if verdict is not None and verdict.status is not Status.PASSED:
        said = f"[yellow]the request's schema does not hold:[/] {one_line(verdict.reason, 300)}"
        console(err=True).print(said)
    console().print(f"{closed.request_id} is answered.")


def dismiss(
    id: str,  # noqa: A002 the word people type
    /,
    *,
    note: str = "",
    by: By = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Close what waits without an answer.

    Args:
        id: The request's id or the beginning of it.
        note: Why, in your own words.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        entry = _open(ledger, id, audits=True)
        closed = answering.dismiss(ledger, entry, Given(by=by, note=note), time.time())
    if json:
        print_json(asdict(closed))
        return
    console().print(f"{closed.request_id} is dismissed.")


def export(
    *,
    format: Literal["jsonl", "json"] = "jsonl",  # noqa: A002 the word people type
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Print what humans answered as test cases: request, schema, answer, rejected drafts.

    Args:
        format: A case a line, or one JSON document.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        items = [item for item in ledger.inbox_items() if item.state == InboxState.ANSWERED]
        cases = [answering.as_case(ledger.inbox_entry(item.request_id)) for item in items]
    if json or format == "json":
        print_json(cases)
        return
    for case in cases:
        # JSON's own escapes: a line stays one line whatever a model or a caller wrote.
        sys.stdout.write(jsons.dumps(case) + "\n")
    sys.stdout.flush()


# ------------------------------------------------------------------ what is given


def _words(text: str | None, file: Path | None, accept: int | None) -> str | None:
    """The human's own words, ``None`` where a draft is accepted."""
    if sum(each is not None for each in (text, file, accept)) != 1:
        said = "an answer is one of --text, --file and --accept."
        raise RequestError(said, fix='rung inbox answer ID --text "..."')
    if file is None:
        found = text
    else:
        try:
            found = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{file} cannot be read: {error}", param="file") from None
    if found is not None and not found.strip():
        said = "the answer is empty."
        raise RequestError(said, fix="`rung inbox dismiss ID` closes it without one")
    return found


def _open(ledger: Ledger, id: str, *, audits: bool = False) -> InboxEntry:  # noqa: A002 the word people type
    """The entry, where it still waits: nobody should check an answer that comes too late."""
    entry = ledger.inbox_entry(id)
    closed = entry.closing
    if closed is not None:
        by = "" if closed.by is None else f" by {closed.by}"
        said = f"{closed.request_id} was already {closed.state}{by} at {when(closed.created_unix)}."
        raise RequestError(said, status=409, fix=f"rung inbox show {closed.request_id}")
    if not audits:
        _must_be_question(entry)
    return entry


def _must_be_question(entry: InboxEntry) -> None:
    if entry.item.kind == AUDIT:
        name = entry.item.request_id
        said = f"{name} was answered; the audit asks whether that was right."
        raise RequestError(said, status=409, fix=f"rung label {name} right|wrong")


def _must_hold(verdict: Verdict | None, *, force: bool) -> None:
    if verdict is not None and verdict.status is Status.FAILED and not force:
        said = f"the request asked for more: {verdict.reason}."
        raise RequestError(said, fix="mend it, or answer all the same with --force")


# ------------------------------------------------------------------ what is shown


def _draft(draft: dict[str, Any], to: Console) -> None:
    place = draft["position"]
    number = "" if place is None else f"{place + 1}. "
    to.print(f"\n{number}[bold]{one_line(draft['tier'])}[/]  {plain(draft['text'], LONGEST_SHOWN)}")
    for call in draft["tool_calls"]:
        to.print(f"  calls {plain(_call(call), LONGEST_SHOWN)}")
    for verdict in draft["verdicts"]:
        if verdict["status"] != Status.PASSED:
            said = one_line(verdict["reason"], 300)
            shown = sign(Status(verdict["status"]))
            to.print(f"  {shown} {one_line(verdict['verifier'])}: {said}")


def _closing(entry: InboxEntry, to: Console) -> None:
    closed = entry.closing
    if closed is None:
        return
    by = "" if closed.by is None else f" by {one_line(closed.by)}"
    to.print(f"\n[bold]{closed.state}[/]{by} at {when(closed.created_unix)}")
    if closed.attempt is not None:
        to.print(f"with the draft of attempt {closed.attempt + 1}")
    elif closed.text is not None:
        to.print(plain(closed.text, LONGEST_SHOWN))
    if closed.note:
        to.print(f"[dim]note[/]  {one_line(closed.note, 300)}")


def _text(message: dict[str, Any]) -> str:
    return "\n".join(_part(part) for part in message["parts"])


def _part(part: dict[str, Any]) -> str:
    """One part for people. What it is shows in its fields: rows name no types."""
    if "text" in part:
        return str(part["text"])
    if "arguments" in part:
        return f"calls {_call(part)}"
    if "parts" in part:
        return f"result: {_text(part)}"
    return f"({part.get('kind') or part.get('media_type') or 'a file'})"


def _call(call: Any) -> str:
    """A tool call as one would write it. Older rows hold whatever the provider sent for one."""
    match call:
        case {"function": {"name": name, "arguments": arguments}}:
            return f"{name}({arguments})"
        case {"namespace": str(namespace), "name": name, "arguments": arguments}:
            return f"{namespace}.{name}({arguments})" if namespace else f"{name}({arguments})"
        case _:
            return str(call)
