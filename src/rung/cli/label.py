"""`rung label`: whether an answer was right, said by somebody who knows."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from rung.cli.output import console, one_line, print_json, table
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.errors import RequestError
from rung.core.labels import Label, LabelSource
from rung.ledger.people import counted

Number = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]
SHOWN = 20


def label(  # noqa: PLR0913 a command's options
    id: str | None = None,  # noqa: A002 the word people type
    verdict: Literal["right", "wrong"] | None = None,
    /,
    *,
    attempt: Number = None,
    note: str = "",
    by: str | None = None,
    source: LabelSource | None = None,
    list: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 the word people type
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Say whether an answer was right, or list what was said.

    Labels are added, never changed: of each answer and source the last one counts. They are what
    verifiers and signals are measured by.

    Args:
        id: The request's id or the beginning of it; `last` is the newest.
        verdict: What the answer was.
        attempt: The attempt's number in `rung explain`, from 1; else the answer that was served.
        note: Why, in your own words.
        by: Who says so.
        source: Where the opinion comes from; else a human, or the audit that asked for it.
        list: Show the labels of the request, or the newest of all.
    """
    found = load(path, parts=False)
    if list:
        if verdict is not None:
            raise RequestError("--list shows labels and gives none.", fix="leave one of them out")
        with open_ledger(found) as ledger:
            shown = ledger.newest_labels(SHOWN) if id is None else [*ledger.find(id).labels]
        _list(shown, json=json)
        return
    if id is None or verdict is None:
        raise RequestError("a label needs an id and a verdict.", fix="rung label last right")
    with open_ledger(found) as ledger:
        name = ledger.find(id).request.id
        place = None if attempt is None else attempt - 1
        kind = source or LabelSource.HUMAN
        given = Label(name, verdict == "right", kind, time.time(), place, by, note)
        add = ledger.label_by_hand if source is None else ledger.add_label
        stored, new = add(given)
    if json:
        print_json({"label": asdict(stored), "new": new})
        return
    which = "the human's answer" if stored.attempt is None else f"attempt {stored.attempt + 1}"
    again = "" if new else " (as was said before)"
    console().print(f"{one_line(name)}: {which} was {_verdict(stored)}{again}")


def _list(labels: list[Label], *, json: bool) -> None:
    counts = {label.id for label in counted(sorted(labels, key=lambda label: label.id))}
    if json:
        print_json([asdict(label) | {"counts": label.id in counts} for label in labels])
        return
    to = console()
    if not labels:
        to.print("No labels yet. `rung label last right` gives one.")
        return
    columns = [(name, "left") for name in ("id", "attempt", "was", "says", "note")]
    shown = table(f"{len(labels)} labels", columns)
    for label in labels:
        by = "" if label.by is None else f" by {one_line(label.by, 20)}"
        shown.add_row(
            label.request_id,
            "human" if label.attempt is None else str(label.attempt + 1),
            _verdict(label) if label.id in counts else f"[dim]{_verdict(label)}[/]",
            f"{label.source.value}{by}",
            one_line(label.note),
        )
    to.print(shown)


def _verdict(label: Label) -> str:
    return "right" if label.right else "wrong"
