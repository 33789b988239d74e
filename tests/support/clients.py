"""Real clients as people run them: found where installed, pointed at a base URL, headless.

    client = CLIENTS["codex"]
    transcript = client.run(gateway.url, tmp_path)

They are looked for in the folder that RUNG_TEST_CLIENTS names, then on the PATH:

    npm install --prefix $RUNG_TEST_CLIENTS @anthropic-ai/claude-code @openai/codex ...
    python3 -m venv $RUNG_TEST_CLIENTS/venv-llm && $RUNG_TEST_CLIENTS/venv-llm/bin/pip install llm

Each gets a home of its own and nothing of our environment; whatever asks for another host than this
one is sent to a port where nobody listens.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("RUNG_TEST_CLIENTS", "")
KEY = "unused"
MODEL = "rung"
NOTE = "seventeen brass lamps"
RUN = "Run `cat note.txt` and tell me what it says."
WEATHER = "What is the weather in Oslo?"
FORECAST = "snow until Thursday"
PATIENCE_SECONDS = 90.0
NOWHERE = "http://127.0.0.1:9"
SCRIPTS = Path(__file__).with_name("scripts")


@dataclass(frozen=True)
class Transcript:
    """What came of it. ``said`` is the client's last word on the task."""

    said: str
    status: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Job:
    """One use of a client: where its program is, what it is pointed at, a folder to work in."""

    program: str
    url: str
    folder: Path
    prompt: str
    model: str = MODEL

    @property
    def base_url(self) -> str:
        """What clients of OpenAI are pointed at."""
        return f"{self.url}/v1"

    def execute(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        cwd: Path | None = None,
    ) -> Transcript:
        """Run the program to its end; the last word is what it printed."""
        began = time.monotonic()
        child = subprocess.Popen(
            [self.program, *arguments],
            cwd=cwd or self.folder,
            env=environment(self.folder, env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Some are a script around the program itself: none of it may outlive the test.
            start_new_session=True,
        )
        try:
            out, err = child.communicate(stdin, PATIENCE_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        return Transcript(out.strip(), child.returncode, out, err, time.monotonic() - began)


@dataclass(frozen=True)
class Client:
    """One client. ``places`` are where its program may be in the folder of clients, as patterns.

    ``package`` is what has to be beside the program for it to be of use: an npm package.
    """

    name: str
    dialect: str
    install: str
    use: Callable[[Job], Transcript]
    program: str
    places: Sequence[str] = ()
    package: str = ""
    prompt: str = RUN

    @property
    def found(self) -> str | None:
        """Its program's path."""
        folder = Path(FOLDER) if FOLDER else None
        if self.package and not (folder and (folder / "node_modules" / self.package).is_dir()):
            return None
        here = [path for place in self.places if folder for path in sorted(folder.glob(place))]
        return str(here[0]) if here else shutil.which(self.program)

    @property
    def missing(self) -> str:
        """Why it is skipped, and how not to."""
        return (
            f"{self.name} is not installed: {self.install} (RUNG_TEST_CLIENTS={FOLDER or 'unset'})"
        )

    def run(
        self, url: str, folder: Path, *, prompt: str | None = None, model: str = MODEL
    ) -> Transcript:
        """Let it finish its task, with a note in its folder that only a tool call can read."""
        program = self.found
        assert program, self.missing
        (folder / "note.txt").write_text(NOTE + "\n", "utf-8")
        return self.use(Job(program, url, folder, prompt or self.prompt, model))


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A home in ``folder``, no key, no way out."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "DO_NOT_TRACK": "1",
        **proxies,
        **(more or {}),
    }


# ------------------------------------------------------------------ agents


def _claude(job: Job) -> Transcript:
    told = job.execute(
        *("-p", job.prompt, "--output-format", "json", "--model", job.model),
        *("--allowedTools", "Bash", "--strict-mcp-config"),
        env={
            "ANTHROPIC_BASE_URL": job.url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
        },
    )
    return _with_word(told, lambda out: json.loads(out).get("result", ""))


def _codex(job: Job) -> Transcript:
    home = job.folder / "home" / ".codex"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(
        f"""\
model = "{job.model}"
model_provider = "rung"
check_for_update_on_startup = false
analytics = {{ enabled = false }}

[model_providers.rung]
name = "rung"
base_url = "{job.base_url}"
wire_api = "responses"
env_key = "RUNG_KEY"
""",
        "utf-8",
    )
    last = job.folder / "last.txt"
    # Its own sandbox needs what containers seldom allow; what it runs here is `cat`.
    told = job.execute(
        *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
        *("--output-last-message", str(last), job.prompt),
        env={"RUNG_KEY": KEY},
    )
    return _with_word(told, lambda _: last.read_text("utf-8"))


OPENCODE_PACKAGES = {
    "chat": "@ai-sdk/openai-compatible",
    "messages": "@ai-sdk/anthropic",
    "responses": "@ai-sdk/openai",
}


def _opencode(dialect: str) -> Callable[[Job], Transcript]:
    def use(job: Job) -> Transcript:
        config = {
            "model": f"rung/{job.model}",
            "small_model": f"rung/{job.model}",
            "autoupdate": False,
            "share": "disabled",
            "permission": {"bash": "allow"},
            "provider": {
                "rung": {
                    "npm": OPENCODE_PACKAGES[dialect],
                    "name": "rung",
                    "options": {"baseURL": job.base_url, "apiKey": KEY},
                    "models": {job.model: {"name": job.model}},
                }
            },
        }
        (job.folder / "opencode.json").write_text(json.dumps(config), "utf-8")
        told = job.execute(
            *("run", "--format", "json", job.prompt),
            env={
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
            },
        )
        return _with_word(told, _opencode_word)

    return use


def _opencode_word(out: str) -> str:
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return "".join(one["part"]["text"] for one in events if one["type"] == "text")


def _aider(job: Job) -> Transcript:
    told = job.execute(
        *("--model", f"openai/{job.model}", "--openai-api-base", job.base_url),
        *("--openai-api-key", KEY, "--edit-format", "whole", "--map-tokens", "0"),
        *("--no-git", "--yes-always", "--no-pretty", "--no-show-model-warnings"),
        *("--no-check-update", "--no-analytics", "--no-show-release-notes", "--no-detect-urls"),
        *("--message", job.prompt, "note.txt"),
    )
    return _with_word(told, lambda _: (job.folder / "note.txt").read_text("utf-8"))


def _llm(job: Job) -> Transcript:
    user = job.folder / "llm"
    user.mkdir()
    (user / "extra-openai-models.yaml").write_text(
        f'- model_id: {job.model}\n  model_name: {job.model}\n  api_base: "{job.base_url}"\n'
        "  supports_tools: true\n",
        "utf-8",
    )
    tool = f"def get_weather(city: str) -> str:\n    'The forecast'\n    return '{FORECAST}'\n"
    return job.execute(
        *("-m", job.model, "--key", KEY, "--no-log", "--functions", tool, job.prompt),
        env={"LLM_USER_PATH": str(user)},
    )


def _with_word(told: Transcript, word: Callable[[str], str]) -> Transcript:
    """The same with its last word, if it came to one."""
    try:
        said = word(told.out)
    except (OSError, ValueError, KeyError):
        said = ""
    return Transcript(said, told.status, told.out, told.err, told.seconds)


# ------------------------------------------------------------------ SDKs of other programs


def _node(script: str) -> Callable[[Job], Transcript]:
    def use(job: Job) -> Transcript:
        # Packages are found from where a script is, or, read from its input, from where it runs.
        root = job.url if "anthropic" in script else job.base_url
        return job.execute(
            *("--input-type=module", "-", root, job.model, job.prompt, FORECAST),
            stdin=(SCRIPTS / script).read_text("utf-8"),
            cwd=Path(FOLDER),
        )

    return use


def _pydantic(dialect: str) -> Callable[[Job], Transcript]:
    script = str(SCRIPTS / "pydantic_agent.py")
    return lambda job: job.execute(script, dialect, job.base_url, job.model, job.prompt, FORECAST)


# ------------------------------------------------------------------ all of them


def _npm(package: str) -> str:
    return f"npm install --prefix $RUNG_TEST_CLIENTS {package}"


def _pip(package: str, name: str) -> str:
    venv = f"$RUNG_TEST_CLIENTS/venv-{name}"
    return f"python3 -m venv {venv} && {venv}/bin/pip install {package}"


_OPENCODE = {
    "install": _npm("opencode-ai"),
    "program": "opencode",
    # The program itself: npm leaves a placeholder where install scripts are not allowed.
    "places": ("node_modules/opencode-*/bin/opencode",),
}
_ALL = (
    Client(
        "claude",
        "messages",
        _npm("@anthropic-ai/claude-code"),
        _claude,
        "claude",
        ("node_modules/@anthropic-ai/claude-code-*/claude",),
    ),
    Client(
        "codex", "responses", _npm("@openai/codex"), _codex, "codex", ("node_modules/.bin/codex",)
    ),
    *(
        Client(f"opencode-{dialect}", dialect, use=_opencode(dialect), **_OPENCODE)
        for dialect in OPENCODE_PACKAGES
    ),
    Client(
        "aider",
        "chat",
        _pip("aider-chat", "aider"),
        _aider,
        "aider",
        ("venv-aider/bin/aider",),
        prompt="Write the note.",
    ),
    Client("llm", "chat", _pip("llm", "llm"), _llm, "llm", ("venv-llm/bin/llm",), prompt=WEATHER),
    *(
        Client(
            name,
            dialect,
            _npm(package),
            _node(script),
            "node",
            package=package,
            prompt=WEATHER,
        )
        for name, dialect, package, script in (
            ("openai-node-chat", "chat", "openai", "openai_chat.mjs"),
            ("openai-node-responses", "responses", "openai", "openai_responses.mjs"),
            ("anthropic-node", "messages", "@anthropic-ai/sdk", "anthropic_messages.mjs"),
        )
    ),
    *(
        Client(
            f"pydantic-ai-{dialect}",
            dialect,
            _pip("'pydantic-ai-slim[openai,anthropic]'", "pydantic-ai"),
            _pydantic(dialect),
            "python-with-pydantic-ai",
            ("venv-pydantic-ai/bin/python",),
            prompt=WEATHER,
        )
        for dialect in ("chat", "messages", "responses")
    ),
)
CLIENTS = {client.name: client for client in _ALL}


def each(*names: str) -> list[Any]:
    """These clients as parameters of a test, or all: what is not installed is skipped, and says so.

    As marks, so that nothing is started for what is skipped.
    """
    return [
        pytest.param(
            CLIENTS[name],
            id=name,
            marks=pytest.mark.skipif(not CLIENTS[name].found, reason=CLIENTS[name].missing),
        )
        for name in names or CLIENTS
    ]
