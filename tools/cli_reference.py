"""Writes docs/cli.md from the command line itself; `--check` fails when the two differ."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rung.cli.main import app

TARGET = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = "<!-- Generated from the command line by tools/cli_reference.py. -->\n\n"


def main() -> int:
    """Write the page, or compare it."""
    made = HEAD + re.sub(r"[ \t]+\n", "\n", app.generate_docs(usage_name="rung")).strip() + "\n"
    if "--check" not in sys.argv:
        TARGET.write_text(made, "utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text("utf-8") == made:
        return 0
    print(f"{TARGET.name} is not what the command line says: run `make fix`.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
