"""Writes docs/cli.md from the command line itself; `--check` fails when the two differ."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rung.cli import main as main_module
from rung.cli.main import COMMANDS, build

TARGET = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = "<!-- Generated from the command line by tools/cli_reference.py. -->\n\n"


def _names() -> list[str]:
    parts = [part for command in COMMANDS.values() for part in command.parts]
    return [*COMMANDS, *parts]


def main() -> int:
    """Write the page, or compare it."""
    made = HEAD + _page().strip() + "\n"
    if "--check" not in sys.argv:
        TARGET.write_text(made, "utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text("utf-8") == made:
        return 0
    print(f"{TARGET.name} is not what the command line says: run `make fix`.")
    return 1


def _page() -> str:
    """The generated page with each command's examples after its usage."""
    page = re.sub(r"[ \t]+\n", "\n", build(*_names()).generate_docs(usage_name="rung"))
    for name, command in COMMANDS.items():
        shown = "\n".join(("", "Examples:", "", "```console", *command.examples, "```", ""))
        usage = re.compile(rf"(## rung {name}\n\n```console\n.*?\n```\n)", re.DOTALL)
        page = usage.sub(lambda found, shown=shown: found[1] + shown, page, count=1)
    return f"{page.rstrip()}\n\n## Exit statuses\n\n{_statuses()}"


def _statuses() -> str:
    """The table in the words of the one place where they are given."""
    told = (main_module.__doc__ or "").partition("\n\n")[2]
    rows = re.findall(r"(\d+) (.+?)(?=\s{3,}\d|\n|$)", told)
    return "\n".join(
        ["| status | |", "|---|---|", *(f"| {code} | {what} |" for code, what in rows)]
    )


if __name__ == "__main__":
    sys.exit(main())
