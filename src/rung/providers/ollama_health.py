"""Whether a model of an Ollama server could answer, and what about it is set wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field

from rung.providers.base import Health
from rung.providers.ollama_server import OllamaError, OllamaServer
from rung.wire import ollama as wire
from rung.wire.ollama import server as about


@dataclass(slots=True)
class _Findings:
    """What is to be said, in order, and the first fix."""

    said: list[str] = field(default_factory=list)
    fix: str | None = None

    def add(self, what: str, fix: str | None = None) -> None:
        self.said.append(what)
        self.fix = self.fix or fix


async def examine(server: OllamaServer, context_tokens: int | None) -> Health:
    """Look at the server, the model, its windows and where it runs; spends no tokens."""
    try:
        version = await server.version()
        found = await server.installed()
        if about.full_name(server.model) not in {about.full_name(name) for name in found}:
            return _missing(server, version, found)
        shown = await server.shown()
        loaded = await server.loaded()
    except wire.OllamaWireError as error:
        return Health(ok=False, message=f"{server.place} is {error}")
    except OllamaError as error:
        return Health(ok=False, message=error.complaint.message, fix=error.complaint.fix)
    findings = _Findings()
    _window(findings, context_tokens, shown)
    _memory(findings, context_tokens, loaded)
    if shown.remote_host:
        findings.add(
            f"it runs at {shown.remote_host}, not here",
            "set `local = false` for the tier, or take a model that is installed whole",
        )
    message = f"Ollama {version} has {server.model}: {'; '.join(findings.said)}"
    return Health(
        ok=True,
        message=message,
        fix=findings.fix,
        models=found,
        facts=_facts(version, shown, loaded),
    )


def _missing(server: OllamaServer, version: str, found: tuple[str, ...]) -> Health:
    return Health(
        ok=False,
        message=f"Ollama {version} has no model {server.model}",
        fix=f"ollama pull {server.model}",
        models=found,
        facts={"version": version},
    )


def _window(findings: _Findings, configured: int | None, shown: about.Shown) -> None:
    trained = shown.trained_tokens
    if configured is not None and trained is not None and configured > trained:
        findings.add(
            f"context_tokens is {configured}, but it was trained for {trained} and gets no more",
            f"set context_tokens = {trained}",
        )


def _memory(findings: _Findings, configured: int | None, loaded: about.Loaded | None) -> None:
    if loaded is None:
        findings.add("not loaded, so a first call waits for that")
        return
    window = loaded.context_tokens
    findings.add(f"loaded with a context of {window}" if window else "loaded")
    if configured is not None and window > configured:
        findings.add(
            f"another program loaded it with more than the {configured} configured: "
            "each of the two will make the other reload it",
            f"set context_tokens = {window}",
        )
    if 0 < loaded.bytes_vram < loaded.bytes_total:
        beside = 100 - round(100 * loaded.bytes_vram / loaded.bytes_total)
        findings.add(
            f"{beside}% of it does not fit into the GPU, which is slow",
            "lower context_tokens, or take a smaller model",
        )


def _facts(
    version: str, shown: about.Shown, loaded: about.Loaded | None
) -> dict[str, str | int | float]:
    facts: dict[str, str | int | float] = {"version": version}
    if shown.trained_tokens is not None:
        facts["trained_tokens"] = shown.trained_tokens
    if loaded is not None:
        facts |= {
            "loaded_tokens": loaded.context_tokens,
            "bytes": loaded.bytes_total,
            "bytes_in_gpu": loaded.bytes_vram,
        }
    return facts
