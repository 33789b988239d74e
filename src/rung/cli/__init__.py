"""The command line face. The only place that prints."""

from __future__ import annotations

import sys


def run() -> None:
    """Run one command. Ctrl-C ends it in words from the first import on."""
    try:
        from rung.cli.main import main

        main()
    except KeyboardInterrupt:
        print("rung: interrupted.", file=sys.stderr)
        sys.exit(130)
