"""The command line face. The only place that prints."""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Run one command, and end the process. Ctrl-C ends it in words from the first import on."""
    try:
        from rung.cli.main import main

        main()
        code: int | str | None = 0
    except KeyboardInterrupt:
        print("rung: interrupted.", file=sys.stderr)
        code = 130
    except SystemExit as ending:
        code = ending.code
    _end(code)


def _end(code: int | str | None) -> None:
    """Leave with this status, and with all that was printed on its way."""
    if isinstance(code, str) or "pyqwest" not in sys.modules:
        sys.exit(code)
    # The HTTP client's threads outlive it for a moment. One of them that asks for Python while the
    # interpreter takes itself apart ends the process by a signal, and its status would be lost.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:  # whoever read it is gone
                code = code or 1
    os._exit(code or 0)
