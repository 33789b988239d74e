"""The command line: its commands by name, and the one place where errors become exit codes.

0 done   1 internal fault   2 wrong usage, request or configuration
3 nothing passed            4 no tier answered   5 the ledger   130 interrupted
"""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError

from rung.core.errors import RungError


def _version() -> str:
    from importlib.metadata import version

    return version("rung")


COMMANDS = {
    "demo": "Watch a real cascade answer real prompts on the embedded model, with its bill.",
    "init": "Find local servers and API keys; write a two-tier rung.toml.",
    "serve": "Run the gateway for OpenAI clients.",
    "ask": "Send one prompt through the cascade.",
    "bill": "What was spent, where, what it would have cost, and what was wasted.",
    "explain": "One request: its plan, every attempt, every verdict, and why.",
    "doctor": "What is configured, reachable and mis-set, with the fix.",
    "config": "Check or show the configuration in force.",
}

app = App(
    name="rung",
    help=(
        "A local-first model cascade: each request goes to the cheapest model that provably does"
        " the job, and climbs only on evidence.\n\nStart with `rung demo`, then `rung init`."
    ),
    version=_version,
    help_format="plaintext",
)
for _name, _help in COMMANDS.items():
    # By path, so that each command's libraries load only when it runs.
    app.command(f"rung.cli.{_name}:{_name}", name=_name, help=_help)


def main() -> None:
    """Run one command; errors go to stderr with their fix and a status of their own."""
    try:
        app(exit_on_error=False, print_error=True)
    except CycloptsError:
        sys.exit(2)
    except RungError as error:
        report(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has seen enough; keep the interpreter from complaining at exit.
        sys.stdout = None
        sys.exit(0)
    except KeyboardInterrupt:
        print("rung: interrupted.", file=sys.stderr)
        sys.exit(130)


def report(error: RungError) -> None:
    """Tell an error in plain words; as one JSON document too where the caller asked for JSON."""
    if "--json" in sys.argv:
        from rung.cli.output import print_json

        print_json({"error": {"message": error.message, "fix": error.fix, "type": _kind(error)}})
    print(f"rung: {error.message}", file=sys.stderr)
    if error.fix:
        print(f"  fix: {error.fix}", file=sys.stderr)


def _kind(error: RungError) -> str:
    return type(error).__name__.removesuffix("Error").lower()
