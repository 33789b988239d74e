"""A command as a gate: the answer becomes files in a sandbox, the command runs there, zero passes.

Its exit status is all it goes by, with what test runners count: sound where the answer is data to
the command (linters, compilers, scripts that read a text), and no more than evidence where the
command runs the answer's own code, which can print and return what it likes. A command that is not
there, ran nothing or did not come to its end has not judged the answer: it abstains. So it does at
a limit, unless the operator has said how long the command may take: then a hang is a failure.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rung.core.errors import RungError
from rung.core.verdicts import Trust, Weight
from rung.verifiers import workspace as workspaces
from rung.verifiers.answer_files import Laid, LayoutError, laid_out, over, safe_path
from rung.verifiers.answer_name import name_of
from rung.verifiers.base import Finding, Subject, abstained, failed, shown
from rung.verifiers.command_outcome import Expected, judged
from rung.verifiers.command_words import argv_of, programs_of, reads_files, scripts_of, words_of
from rung.verifiers.kit import CommandBox, Errand, Kit
from rung.verifiers.material import listed, text_of
from rung.verifiers.options import Options, count, flag, text, texts, weight, wrong
from rung.verifiers.options import seconds as seconds_of
from rung.verifiers.unified_diff import TooLargeError
from rung.verifiers.workspace import WorkspaceError

SECONDS = 60.0
WAIT_SECONDS = 60.0
"""How long a check waits, beside its own time, for a box that is busy with others."""

OPTIONS = (
    *("run", "workspace", "protected", "file", "stdin", "tests", "skipped", "writable"),
    *("environment", "gate", "timeout_seconds"),
)
EXAMPLE = 'kind = "command"\nrun = "ruff check --isolated ."\ntimeout_seconds = 20'

_NO_BOX = "no sandbox to run it in: install bubblewrap, or set allow_unsandboxed"


@dataclass(frozen=True, slots=True)
class Command:
    """Passes an answer with which ``argv`` exits zero.

    The answer is laid over a copy of ``workspace``, which is read at each check. It must not touch
    what matches ``protected``: by default what tells tools what to check, and tests that are there.
    ``file`` is where an answer goes that names none, by default what `name_of` makes of it.
    ``stdin`` says that answers are the command's input, whole. At least ``tests`` have to run, and
    at most ``skipped`` may be skipped.
    ``seconds`` is the operator's limit; None is `SECONDS`, and then a hang proves nothing.
    """

    argv: tuple[str, ...]
    box: CommandBox | None = field(default=None, repr=False)
    workspace: Path | None = None
    protected: tuple[str, ...] | None = None
    file: str = ""
    stdin: bool = False
    tests: int = 0
    skipped: int | None = None
    writable: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    label: str = ""
    name: str = "command"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.COMMAND

    @property
    def timeout_seconds(self) -> float:
        return (self.seconds or SECONDS) + WAIT_SECONDS

    @property
    def said(self) -> str:
        """The command as people wrote it."""
        return f"`{shown(self.label or shlex.join(self.argv), 80)}`"

    def equipped(self, kit: Kit) -> Command:
        """The same command with a box to run in."""
        return self if self.box is not None else replace(self, box=kit.box)

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Lay the answer out, which takes reading the workspace; then run."""
        answer = text_of(subject)
        if isinstance(answer, Finding):
            return answer
        if self.box is None:
            return abstained(_NO_BOX)
        return self._prepared(self.box, answer) if answer.strip() else failed("the answer is empty")

    def _prepared(self, box: CommandBox, answer: str) -> Finding | _Run:
        try:
            there = {} if self.workspace is None else workspaces.read(self.workspace)
            laid = Laid({}, answer) if self.stdin else self._laid(answer, there)
        except LayoutError as error:
            return failed(str(error))
        except WorkspaceError as error:
            return abstained(str(error))
        except TooLargeError:
            return abstained("the diff is too large to be applied in time")
        return self._begun(box, there, laid)

    def _laid(self, answer: str, there: dict[str, bytes]) -> Laid:
        laid = laid_out(answer, there, self.file)
        if laid.changes or self.file:
            return laid
        name = name_of(answer, self.argv, there, alone=self.workspace is None)
        return laid_out(answer, there, name) if name else laid

    def _begun(self, box: CommandBox, there: dict[str, bytes], laid: Laid) -> Finding | _Run:
        if laid.whole is not None and not self.stdin and self._looks_at_files():
            said = f"the answer names no file and is no diff: {self.said} would not see it"
            return abstained(f"{said} (set file or stdin if it is to)")
        files = over(there, laid.changes)
        broken = self._touched(there, files)
        if broken:
            return failed(f"the answer must leave files as they are or out: {listed(broken)}")
        errand = Errand(
            argv=self.argv,
            files=files,
            stdin=(laid.whole or "").encode("utf-8", "replace"),
            seconds=self.seconds or SECONDS,
            writable=self.writable,
            environment=self.environment,
        )
        return _Run(self, box, errand, workspaces.hashes(there, self.watched))

    @property
    def expected(self) -> Expected:
        """What a run of it is judged by."""
        return Expected(
            said=self.said,
            argv=self.argv,
            seconds=self.seconds or SECONDS,
            hang_fails=self.seconds is not None,
            tests=self.tests,
            skipped=self.skipped,
        )

    @property
    def kept(self) -> tuple[str, ...]:
        """Patterns of what an answer may neither change nor make."""
        own = workspaces.SETTINGS if self.protected is None else self.protected
        return (*own, *programs_of(self.argv))

    @property
    def watched(self) -> tuple[str, ...]:
        """Patterns of the files of a workspace that must stay as they are."""
        if self.protected is not None:
            return self.kept
        return (*self.kept, *workspaces.TESTS, *scripts_of(self.argv))

    def _touched(self, there: Mapping[str, bytes], files: Mapping[str, bytes]) -> list[str]:
        before, after = (workspaces.hashes(each, self.watched) for each in (there, files))
        kept = workspaces.matcher(self.kept)
        return [
            path
            for path in _differing(before, after)
            if path in before or kept.fullmatch(path) is not None
        ]

    def _looks_at_files(self) -> bool:
        return self.workspace is not None or reads_files(self.argv)


@dataclass(frozen=True, slots=True)
class _Run(Awaitable[Finding]):
    """One run that is ready to start, on the loop that awaits it. ``before`` are kept hashes."""

    command: Command
    box: CommandBox
    errand: Errand
    before: Mapping[str, str]

    def __await__(self) -> Generator[Any, None, Finding]:
        return self._finding().__await__()

    async def _finding(self) -> Finding:
        try:
            ran = await self.box.run(self.errand)
        except RungError as error:
            fix = "" if error.fix is None else f" (fix: {error.fix})"
            return abstained(f"{self.command.said} cannot be run: {error.message}{fix}")
        found = judged(self.command.expected, ran)
        if ran.sandboxed:
            return found
        found = await asyncio.to_thread(self._unless_tampered, found)
        return replace(found, reason=f"not sandboxed: {found.reason}")

    def _unless_tampered(self, found: Finding) -> Finding:
        """Without a sandbox, the command could reach the workspace itself."""
        folder = self.command.workspace
        if folder is None:
            return found
        try:
            after = workspaces.hashes(workspaces.read(folder), self.command.watched)
        except WorkspaceError as error:
            return abstained(str(error))
        changed = _differing(self.before, after)
        said = "protected files of the workspace changed while it ran"
        return failed(f"{said}: {listed(changed)}") if changed else found


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    paths = sorted({*before, *after})
    return [path for path in paths if before.get(path) != after.get(path)]


# ------------------------------------------------------------------ options


def command(options: Options, box: CommandBox | None = None) -> Command:
    """The check that a table of the configuration asks for. Raises ConfigError.

    A relative ``workspace`` is one of the current folder; ``{"run": line}`` is what a command that
    stands by itself in a ladder's ``verify`` means.
    """
    made = Command(
        argv=_run_of(options),
        box=box,
        workspace=_workspace_of(options),
        protected=texts(options, "protected", '["tests/**"]') if "protected" in options else None,
        file=_file_of(options),
        stdin=flag(options, "stdin"),
        tests=count(options, "tests", 0),
        skipped=count(options, "skipped", 0) if "skipped" in options else None,
        writable=flag(options, "writable"),
        environment=_environment_of(options),
        seconds=seconds_of(options, SECONDS) if "timeout_seconds" in options else None,
        label=options["run"] if isinstance(options["run"], str) else "",
        weight=weight(options),
    )
    if made.stdin and (made.file or made.workspace):
        raise wrong("stdin", "an answer that is all input is no file.", "remove stdin or the other")
    if made.writable and made.protected != ():
        said = "protected files are safe only where the command cannot write."
        raise wrong("writable", said, "let it write to /tmp instead, or set protected = []")
    return made


def _run_of(options: Options) -> tuple[str, ...]:
    example = 'run = "ruff check ."'
    several = isinstance(options.get("run"), list | tuple)
    try:
        argv = (
            texts(options, "run", 'run = ["ruff", "check", "."]')
            if several
            else argv_of(text(options, "run", example))
        )
        words_of(argv)
    except ValueError as error:
        raise wrong("run", f"run is no command: {error}.", "close the quotes") from None
    if not argv or not argv[0].strip() or any("\0" in word for word in argv):
        raise wrong("run", "run holds no command.", f"write {example}")
    return argv


def _workspace_of(options: Options) -> Path | None:
    if "workspace" not in options:
        return None
    folder = Path(text(options, "workspace", 'workspace = "."')).absolute()
    if "\0" in str(folder) or not folder.is_dir():
        raise wrong("workspace", f"{shown(str(folder), 200)} is no folder.", "correct the path")
    return folder


def _file_of(options: Options) -> str:
    if "file" not in options:
        return ""
    try:
        return safe_path(text(options, "file", 'file = "answer.py"'))
    except LayoutError as error:
        raise wrong("file", f"{error}.", 'write file = "answer.py"') from None


def _environment_of(options: Options) -> Mapping[str, str]:
    given = options.get("environment", {})
    fine = isinstance(given, Mapping) and all(
        isinstance(word, str) and "\0" not in word for pair in given.items() for word in pair
    )
    if not fine or any(not name or "=" in name for name in given):
        said = "environment must be a table of texts."
        raise wrong("environment", said, 'environment = { CI = "1" }')
    return dict(given)
