"""The command line: its commands by name, and the one place where errors become exit codes.

0 done   1 internal fault, or what `rung doctor` or `rung verify` looked at has one
2 wrong usage, request or configuration   3 nothing passed, or nothing was judged
4 no tier answered   5 the ledger   130 interrupted
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import takewhile

from cyclopts import App, CycloptsError

from rung.core.errors import RungError

USAGE = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A command's line in the list of all, examples for its own page, and what it consists of.

    ``itself``: it is a command beside its parts, too.
    """

    summary: str
    examples: tuple[str, ...]
    parts: Mapping[str, str] = field(default_factory=dict)
    itself: bool = False


COMMANDS = {
    "demo": Command(
        "Watch a real cascade answer real prompts on the embedded model, with its bill.",
        ("rung demo", "rung demo --local-only --json"),
    ),
    "init": Command(
        "Find local servers and API keys; write a two-tier rung.toml.",
        ("rung init", "rung init --path ci/rung.toml --force", "rung init --preset articles"),
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
        (
            "rung bill --since 7d",
            "rung bill --by project",
            "rung bill --json",
            "rung bill --since 30d --reprice 2026-07-01",
            "rung bill --reprice prices.toml --by model",
        ),
    ),
    "reconcile": Command(
        "Compare a provider's usage export with the ledger, and say what differs.",
        (
            "rung reconcile usage.json",
            "rung reconcile completions_usage.csv costs.csv --provider openai --tolerance 0.1%",
            "rung reconcile march.csv --tier own --json",
        ),
    ),
    "ledger": Command(
        "What the ledger takes, whether it is sound, writing it anew, and taking it out.",
        (
            "rung ledger info",
            "rung ledger check --json",
            "rung ledger vacuum",
            "rung ledger export calls.parquet",
            "rung ledger export --table requests --since 30d > requests.jsonl",
        ),
        parts={
            "info": "Its size, what a request takes, and what is kept how long.",
            "check": "Prove that it is what it says.",
            "vacuum": "Write it anew without the room of rows that are gone.",
            "export": "Its rows as JSON lines, CSV or Parquet.",
            "body": "What was asked and answered, where that is stored.",
        },
    ),
    "budget": Command(
        "What may be spent, and what is.",
        (
            "rung budget list",
            "rung budget show team --of acme --json",
            "rung budget reset team --of acme",
        ),
        parts={
            "list": "All budgets and how they stand.",
            "show": "One budget, its marks, its past.",
            "reset": "Start its period anew.",
        },
    ),
    "verifiers": Command(
        "How far each check can be relied on: false accepts and rejects, with intervals.",
        ("rung verifiers --since 30d", "rung verifiers --by source", "rung verifiers --json"),
    ),
    "verify": Command(
        "Run a verifier by hand, or try what it catches.",
        (
            "rung verify list",
            """rung verify run label_set --option 'labels=["spam", "ham"]' --answer answer.txt""",
            'echo "17 * 23 = 391" | rung verify run arithmetic --answer - --json',
            'rung verify run "ruff check --isolated ." --answer answer.md',
            "rung verify run tool_calls --request request.json --answer reply.json",
            "rung verify test person --answer good/*.json",
            'rung verify test "pytest -q" --answer good.md --variants 5',
        ),
        parts={
            "run": "One verifier on one answer.",
            "test": "Spoil good answers and report what is caught.",
            "list": "Configured verifiers, and kinds.",
        },
    ),
    "explain": Command(
        "One request: its plan, every attempt, every verdict, and why.",
        ("rung explain", "rung explain 01a202 --json", "rung explain --body request.json"),
    ),
    "conversation": Command(
        "One conversation turn by turn: tiers, caches, cost, and what one model alone would cost.",
        (
            "rung conversation",
            "rung conversation 0c4187dc22aa91f3-8b1d02e4",
            "rung conversation 01a202 --session --json",
        ),
    ),
    "route": Command(
        "Where requests would start, and what outcomes teach of it.",
        (
            "rung route test prompts.jsonl",
            "rung route train --dry-run",
            "rung route train --ladder default --since 30d",
            "rung route train --outcomes outcomes.jsonl.gz --models small,large --dry-run --json",
            "rung route show",
            "rung route off",
        ),
        parts={
            "test": "Decide on every request of a file; call nothing.",
            "train": "Learn from outcomes, and say whether it pays.",
            "show": "What was trained, and whether it decides.",
            "off": "Withdraw what was trained.",
        },
    ),
    "tune": Command(
        "The cheapest ladder that meets a target, by recorded outcomes, and proof that it does.",
        (
            "rung tune --outcomes outcomes.jsonl.gz --baseline claude-opus-4-5",
            "rung tune --outcomes outcomes.parquet --baseline gpt-5 --max-loss 1% --by category",
            "rung tune --outcomes outcomes.csv --quality 74% --plot front.svg --json",
            "rung tune --outcomes outcomes.csv --budget 0.05 --latency 20",
            "rung tune --outcomes outcomes.csv --baseline gpt-5 --false-accept 5%",
            "rung tune --ledger --since 30d",
            "rung tune --ledger --apply",
            "rung tune --check",
        ),
    ),
    "replay": Command(
        "What a ladder would have cost and got right on recorded outcomes, beside its controls.",
        (
            "rung replay --outcomes outcomes.jsonl.gz --ladder small,large",
            "rung replay --outcomes outcomes.csv --ladder a,b,c --false-accept 5% --baseline c",
            "rung replay --outcomes outcomes.csv --ladder a,b --check none --thresholds 0.8",
            "rung replay --outcomes outcomes.csv --ladder a,b,c --give-up-above 0.10 --max-usd 2",
            "rung replay --outcomes outcomes.parquet --config-ladder default --plot ladder.svg",
            "rung replay --outcomes outcomes.csv --ladder a,b --engine --seed 7 --json",
        ),
    ),
    "inbox": Command(
        "What no tier passed and waits for a human.",
        (
            "rung inbox list --all",
            "rung inbox show 01a202",
            'rung inbox answer 01a202 --text "The invoice is due on 3 May."',
            "rung inbox answer 01a202 --accept 2 --by ann",
            'rung inbox dismiss 01a202 --note "a test"',
            "rung inbox export > cases.jsonl",
        ),
        parts={
            "list": "What waits, oldest first.",
            "show": "One request with every answer.",
            "answer": "Answer it, or accept a draft.",
            "dismiss": "Close it without an answer.",
            "export": "What was answered, as test cases.",
        },
    ),
    "label": Command(
        "Say whether an answer was right.",
        (
            "rung label last right",
            'rung label 01a202 wrong --attempt 1 --note "the total is off by one"',
            "rung label --list",
        ),
    ),
    "repairs": Command(
        "Whether repairs and carried drafts have paid.",
        ("rung repairs", "rung repairs --last 500 --json"),
    ),
    "calibrate": Command(
        "How likely answers are to be right, fitted on labels.",
        (
            "rung calibrate",
            "rung calibrate --ladder default --since 30d --target-risk 2%",
            "rung calibrate --apply",
            "rung calibrate --show --json",
        ),
    ),
    "probe": Command(
        "Measure a tier, or what all tiers of a ladder make of your own requests.",
        (
            "rung probe local",
            "rung probe cheap --yes --json",
            "rung probe local --no-store",
            "rung probe run --limit 200 --budget 5",
            "rung probe run --category coding --since 30d --dry-run",
            "rung probe run --requests prompts.jsonl --tiers small,large --write outcomes.jsonl",
        ),
        parts={"run": "Send a sample of your requests to every tier of a ladder."},
        itself=True,
    ),
    "private": Command(
        "What left this machine, and that nothing private did.",
        ("rung private report", "rung private report --since 30d --json"),
        parts={"report": "What left, by reason, tier and project."},
    ),
    "doctor": Command(
        "What is configured, reachable and mis-set, with the fix.",
        ("rung doctor", "rung doctor --json"),
    ),
    "keys": Command(
        "Who may ask the gateway: make, list, exchange and end keys.",
        (
            "rung keys create alice --usd-per-month 20 --expires 90d",
            "rung keys create ci --ladder cheap --project ci --requests-per-minute 60",
            "rung keys create team --may call --may keys --usd-per-day 5",
            "rung keys create intern --parent team --tier local --private",
            "rung keys list --all",
            "rung keys show alice --json",
            "rung keys rotate alice --grace 7d",
            "rung keys revoke intern",
        ),
        parts={
            "create": "Make a key; its secret is shown once.",
            "list": "Keys in force, and what they may do.",
            "show": "One key, and what was booked under it.",
            "rotate": "Exchange a key's secret.",
            "revoke": "End a key and all made with it.",
        },
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
            itself = command.itself and name in shown_whole
            line = None if itself else command.summary
            group = App(name=name, help=line, help_epilogue=examples)
            for part, summary in command.parts.items():
                whole = name in shown_whole and part in shown_whole
                told = {} if whole else {"help": summary}
                group.command(f"rung.cli.{name}:{part}", name=part, **told)
            if itself:
                group.default(getattr(import_module(f"rung.cli.{name}"), name))
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An answer that was paid for is printed on any terminal, a sign at worst as "?".
            stream.reconfigure(errors="replace")
    try:
        build(*sys.argv[1:3])(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        report("usage", str(error), _help(sys.argv[1:]))
        sys.exit(USAGE)
    except RungError as error:
        report(_kind(error), error.message, error.fix)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has seen enough; keep the interpreter from complaining at exit.
        sys.stdout = None
        sys.exit(0)


def report(kind: str, message: str, fix: str | None) -> None:
    """Tell an error in plain words; as one JSON document too where the caller asked for JSON."""
    if wants_json(sys.argv[1:]):
        from rung.cli.output import print_json

        print_json({"error": {"message": message, "fix": fix, "type": kind}})
    print(f"rung: {message}", file=sys.stderr)
    if fix:
        print(f"  fix: {fix}", file=sys.stderr)


def wants_json(tokens: Sequence[str]) -> bool:
    """Whether `--json` is among the options. Behind `--`, or as part of a text, it is a prompt's.

    An option's value cannot be `--json` by itself: that is refused as a value left out.
    """
    return "--json" in takewhile("--".__ne__, tokens)


def _help(tokens: Sequence[str]) -> str:
    """Where to read on: the page of the command that was meant, if it is one."""
    named = tokens[0] if tokens and tokens[0] in COMMANDS else None
    return f"see `rung {named} --help`" if named else "see `rung --help`"


def _kind(error: RungError) -> str:
    return type(error).__name__.removesuffix("Error").lower()
