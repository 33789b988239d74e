"""How the command line shows things: one console, one JSON writer, plain signs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from rung.core.money import readable
from rung.core.stats import Rate
from rung.core.verdicts import Status

SIGN = {Status.PASSED: "[green]✓[/]", Status.FAILED: "[red]✗[/]", Status.ABSTAINED: "[yellow]?[/]"}
NOTHING = "-"
VACUOUS = "[dim]-[/]"
STRIPPED = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
"""Characters of hostile text that could move the cursor or reverse the reading direction."""

BRACKET = re.compile(r"(\\*)(?:(\[[a-z#/@][^[]*?\])|\[)")
"""What `rich.markup` reads as a tag, else a bracket; `rich.markup.escape` misses the second."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line's one boundary; rich would end the process with 1."""
        raise BrokenPipeError


def console(*, err: bool = False) -> Console:
    """Standard output, or standard error for progress beside JSON."""
    return _Console(stderr=err, highlight=False, emoji=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """The one JSON document of a `--json` command."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    # Half a surrogate pair, as from an argument that is not UTF-8, is written as JSON's own escape.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
    sys.stdout.flush()


def stripped(text: str) -> str:
    """Text from models and providers without what could steer a terminal; otherwise as it is."""
    return text.translate(STRIPPED).encode("utf-8", "replace").decode("utf-8")


def plain(text: str, longest: int | None = None) -> str:
    """The same for a `console`, where no part of it may be taken for markup."""
    shown = stripped(text)
    if longest is not None and len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    words = shown.rstrip("\\")
    # Backslashes at the end would escape a tag that follows: they are doubled before one of ours.
    slashes = 2 * (len(shown) - len(words)) * "\\"
    return BRACKET.sub(_escaped, words) + (f"{slashes}[none][/none]" if slashes else "")


def _escaped(found: re.Match[str]) -> str:
    """A bracket that rich would take for a tag's, or one that it would not: it unescapes both."""
    slashes, tag = found[1], found[2]
    return f"{slashes}{slashes}\\{tag}" if tag else f"{slashes}\\["


def one_line(text: str, longest: int = 80) -> str:
    """The same on one line."""
    return plain(" ".join(text.split()), longest)


def table(title: str, columns: Iterable[tuple[str, str]]) -> Table:
    """A table in the house style; columns are (heading, "left" or "right")."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for heading, justify in columns:
        made.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True)
    return made


def sign(status: Status, *, vacuous: bool = False) -> str:
    """A verdict's sign; a pass that had nothing to judge gets none of its green."""
    return VACUOUS if vacuous else SIGN[status]


def percent(rate: Rate) -> str:
    """A share with its interval, or a dash without trials."""
    if rate.value is None:
        return NOTHING
    return f"{rate.value:.0%} ({rate.low:.0%}-{rate.high:.0%})"


def money(nanousd: int) -> str:
    """An amount for people."""
    return readable(nanousd)


def seconds(value: float | None) -> str:
    """A time for people."""
    if value is None:
        return NOTHING
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def when(unix: float) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def share(rate: Rate) -> str:
    """A share without its interval."""
    return NOTHING if rate.value is None else f"{rate.value:.0%}"


def bar(rate: Rate, width: int) -> str:
    """A share as a bar."""
    full = round((rate.value or 0.0) * width)
    return f"[green]{'█' * full}[/][dim]{'░' * (width - full)}[/]"
