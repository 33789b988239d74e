"""The command line: its commands by name, and the one place where errors become exit codes.

0 done   1 internal fault   2 wrong usage, request or configuration
3 nothing passed            4 no tier answered   5 the ledger   130 interrupted
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from cyclopts import App, CycloptsError

from rung.core.errors import RungError


@dataclass(frozen=True, slots=True)
class Command:
    """A command's line in the list of all, examples for its own page, and what it consists of."""

    summary: str
    examples: tuple[str, ...]
    parts: Mapping[str, str] = field(default_factory=dict)


COMMANDS = {
    "demo": Command(
        "Watch a real cascade answer real prompts on the embedded model, with its bill.",
        ("rung demo", "rung demo --local-only --json"),
    ),
    "init": Command(
        "Find local servers and API keys; write a two-tier rung.toml.",
        ("rung init", "rung init --path ci/rung.toml --force"),
    ),
    "serve": Command(
        "Run the gateway for OpenAI clients.",
        ("rung serve", "rung serve --port 4200 --config ci/rung.toml"),
    ),
    "ask": Command(
        "Send one prompt through the cascade.",
        (
            'rung ask "What is the capital of France?"',
            'rung ask "Give me a JSON object with name and age of: Ada, 36" --schema person.json',
            'git diff | rung ask - --system "Write a commit message" --json',
        ),
    ),
    "bill": Command(
        "What was spent, where, what it would have cost, and what was wasted.",
        ("rung bill --since 7d", "rung bill --by project", "rung bill --json"),
    ),
    "explain": Command(
        "One request: its plan, every attempt, every verdict, and why.",
        ("rung explain", "rung explain 01a202 --json"),
    ),
    "inbox": Command(
        "What no tier passed and waits for a human.",
        ("rung inbox list", "rung inbox show 01a202", "rung inbox list --json"),
        parts={"list": "What waits, oldest first.", "show": "One request with every answer."},
    ),
    "doctor": Command(
        "What is configured, reachable and mis-set, with the fix.",
        ("rung doctor", "rung doctor --json"),
    ),
    "config": Command(
        "Check or show the configuration in force.",
        ("rung config check", "rung config show --json"),
        parts={"check": "Name every fault.", "show": "All values in force, no secrets."},
    ),
}


def build(*shown_whole: str) -> App:
    """The command line. Commands load only when they run, by their path.

    Those in ``shown_whole`` describe themselves; the others by their line in the list.
    """
    app = App(
        name="rung",
        help=(
            "A local-first model cascade: each request goes to the cheapest model that provably"
            " does the job, and climbs only on evidence.\n\n"
            "Start with `rung demo`, then `rung init`."
        ),
        version=_version,
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for name, command in COMMANDS.items():
        examples = "Examples:\n" + "\n".join(f"  {example}" for example in command.examples)
        if command.parts:
            group = App(name=name, help=command.summary, help_epilogue=examples)
            for part, summary in command.parts.items():
                whole = name in shown_whole and part in shown_whole
                told = {} if whole else {"help": summary}
                group.command(f"rung.cli.{name}:{part}", name=part, **told)
            app.command(group)
        else:
            own = {} if name in shown_whole else {"help": command.summary}
            app.command(f"rung.cli.{name}:{name}", name=name, help_epilogue=examples, **own)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("rung")


def main() -> None:
    """Run one command; errors go to stderr with their fix and a status of their own."""
    try:
        build(*sys.argv[1:3])(exit_on_error=False, print_error=True)
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
