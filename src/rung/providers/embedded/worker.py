"""The child process: one model, one answer at a time, driven through file descriptor 0.

Run by its path, so that nothing of rung is imported into it. Lines of JSON go both ways over one
socket; ``frames.py`` has their types for the parent.

    parent to child   load, then any number of ask and cancel
    child to parent   loaded | unloadable, then for each ask:
                      read?, wrote*, and one of ended, refused, stopped

The child ends when the socket does, so it cannot outlive its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import queue
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

BATCH_TOKENS = 64
"""Tokens read between two looks at "was it cancelled". On a CPU 64 reads as fast as 2,048 (within
2%, 135M parameters); 32 costs a quarter."""

PR_SET_PDEATHSIG = 1
OOM_SCORE = "500"


def main() -> None:
    """Serve one parent until its socket closes."""
    _die_with_parent(int(sys.argv[1]))
    with socket.socket(fileno=0) as parent:
        channel = Channel(parent)
        commands = Commands(parent)
        threading.Thread(target=commands.listen, daemon=True).start()
        server = load(commands.next(), channel)
        while server is not None:
            command = commands.next()
            Generation(command["id"], channel, commands).run(server, command["body"])


def _die_with_parent(parent_pid: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)  # it died before the line above could take effect
    with contextlib.suppress(OSError):  # short of memory, lose the model and not the gateway
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, "ascii")


class Channel:
    """What the child says."""

    def __init__(self, parent: socket.socket) -> None:
        self._parent = parent

    def send(self, event: str, **fields: object) -> None:
        """Write one frame; blocks while the parent is not reading."""
        line = json.dumps({"event": event, **fields}, separators=(",", ":"), allow_nan=False)
        self._parent.sendall(line.encode() + b"\n")


class Commands:
    """What the child is told, read on a thread of its own so that a cancel is seen at once."""

    def __init__(self, parent: socket.socket) -> None:
        self._lines = parent.makefile("rb")
        self._queue: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled = 0

    def listen(self) -> None:
        """Read until the parent is gone, then end the process whatever it is doing."""
        try:
            for line in self._lines:
                command = json.loads(line)
                if command["op"] == "cancel":
                    self.cancelled = command["id"]
                else:
                    self._queue.put(command)
        except Exception:  # noqa: BLE001 - boundary: a deaf child must not live on
            traceback.print_exc()
        finally:
            os._exit(0)

    def next(self) -> dict[str, Any]:
        """The next command that is not a cancel; waits for it."""
        return self._queue.get()


def load(settings: dict[str, Any], channel: Channel) -> Any:
    """The model, ready to answer, or None after telling the parent why not."""
    began = time.monotonic()
    try:
        import xllamacpp

        threads = settings["threads"] or max(1, _processors() - 1)
        server = _open(xllamacpp, settings, threads)
    except Exception as error:  # noqa: BLE001 - boundary: foreign code; told to the parent
        channel.send("unloadable", message=f"{type(error).__name__}: {error}")
        return None
    channel.send("loaded", seconds=time.monotonic() - began, threads=threads)
    return server


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open(xllamacpp: Any, settings: dict[str, Any], threads: int) -> Any:
    """A server object without a server.

    xllamacpp always listens for HTTP, by default on a TCP port that any process and any web page on
    this machine may use. It is given a socket in a private folder instead, and a key that nobody
    has, and the folder is removed.
    """
    params = xllamacpp.CommonParams()
    params.model.path = settings["model_path"]
    params.n_ctx = settings["context_tokens"]
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.verbosity = 1  # errors only: prompts stay out of stderr
    params.api_keys = [secrets.token_hex(32)]
    params.ui = False
    folder = tempfile.mkdtemp(prefix="rung-model-")
    os.chdir(folder)  # the path of a socket has 108 bytes, a relative one always fits
    try:
        params.hostnames = ["closed.sock"]
        return xllamacpp.Server(params)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


class Generation:
    """One answer: from the chunks of xllamacpp to frames."""

    def __init__(self, id_: int, channel: Channel, commands: Commands) -> None:
        self._id = id_
        self._channel = channel
        self._commands = commands
        self._announced = False
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None

    def run(self, server: Any, body: dict[str, Any]) -> None:
        """Answer ``body``, a chat completion request, and end with exactly one closing frame."""
        try:
            server.handle_chat_completions(json.dumps(body), self.on_chunk)
        except ValueError as error:  # a schema or a template that it cannot make use of
            self._error = {"code": 400, "message": str(error)}
        except Exception as error:  # noqa: BLE001 - boundary: foreign code; told to the parent
            self._error = {"code": 500, "message": f"{type(error).__name__}: {error}"}
        self._close()

    def on_chunk(self, chunk: str) -> bool:
        """Take one chunk of the stream; true stops the generation."""
        try:
            self._take(json.loads(chunk))
        except Exception as error:  # noqa: BLE001 - boundary: xllamacpp swallows what is raised here
            self._error = {"code": 500, "message": f"{type(error).__name__}: {error}"}
            return True
        return self._commands.cancelled == self._id

    def _take(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            self._error = chunk["error"]
            return
        self._usage = chunk.get("usage") or self._usage
        progress = chunk.get("prompt_progress")
        if progress and not self._announced:
            self._announced = True
            self._send("read", total=progress["total"], cached=progress["cache"])
        for choice in chunk.get("choices", ()):
            self._finish = choice.get("finish_reason") or self._finish
            text = choice.get("delta", {}).get("content")
            if text:
                self._send("wrote", text=text, logprobs=_logprobs(choice))

    def _close(self) -> None:
        if self._error is not None:
            self._refuse(self._error)
        elif self._finish is not None:
            usage = self._usage or {}
            details = usage.get("prompt_tokens_details") or {}
            self._send(
                "ended",
                finish=self._finish,
                prompt_tokens=usage.get("prompt_tokens"),
                completion_tokens=usage.get("completion_tokens"),
                cached_tokens=details.get("cached_tokens", 0),
            )
        elif self._commands.cancelled == self._id:
            self._send("stopped")
        else:
            self._refuse({"code": 500, "message": "the answer ended without a reason"})

    def _refuse(self, error: dict[str, Any]) -> None:
        too_long = error.get("type") == "exceed_context_size_error"
        caller = 400 <= error.get("code", 500) < 500
        self._send(
            "refused",
            kind="context" if too_long else "request" if caller else "engine",
            message=str(error.get("message", "")),
            prompt_tokens=error.get("n_prompt_tokens", 0),
            context_tokens=error.get("n_ctx", 0),
        )

    def _send(self, event: str, **fields: object) -> None:
        self._channel.send(event, id=self._id, **fields)


def _logprobs(choice: dict[str, Any]) -> list[float]:
    # The fence that some templates put round constrained JSON comes in chunks without text, so it
    # is not counted: what is left are the tokens of the answer.
    tokens = (choice.get("logprobs") or {}).get("content") or ()
    values = [token.get("logprob") for token in tokens]
    sound = all(isinstance(value, float | int) and math.isfinite(value) for value in values)
    return values if sound else []


if __name__ == "__main__":
    main()
