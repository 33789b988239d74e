"""Running the gateway: a free port, the server, its signals, an orderly end."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from rung.assemble import Assembly, assemble
from rung.config import Config
from rung.core.errors import ConfigError, Problem
from rung.core.task_weights import shipped
from rung.exposure import is_loopback, not_listenable
from rung.fittings import secrets_of
from rung.lines import STOPPING
from rung.projects import keys_of
from rung.server.app import build
from rung.server.guard import App, Receive, Scope, Send, stopping
from rung.server.replies import refuse_at
from rung.telemetry.logs import Logs
from rung.telemetry.secrets import secrets_in
from rung.warmth import Warmth, kept_of

logger = logging.getLogger(__name__)

HEADER_READ_MS = 10_000
DRAIN_SECONDS = 20.0
"""How long requests that are running may take when the gateway is asked to end."""

LAST_WORDS_SECONDS = 5.0
"""How long those that did not end by then have to reach the ledger."""

SHORTEST_KEY = 20
"""Characters of a project's key where others can connect: rung has not made it."""

Ready = Callable[[str, str], None]
"""Is told the address, and who may ask there."""

BACKLOG = 4096
MOST_CONNECTIONS = 8192
"""More are not accepted until some end. Clients keep connections that they do not use."""

LOCALHOST = {"localhost": "127.0.0.1"}


def listen(
    config: Config,
    *,
    host: str | None = None,
    port: int | None = None,
    ready: Ready = lambda _, __: None,
) -> None:
    """Serve until interrupted. Raises ConfigError when the port is taken or a part is missing."""
    import uvloop

    server = config.file.server
    name = host or server.host
    if (problem := not_listenable("--host", name, server.keys)) is not None:
        raise ConfigError([problem])
    there = server.model_copy(update={"host": name})
    config = replace(config, file=config.file.model_copy(update={"server": there}))
    # The server takes addresses only, and a name could stand for another machine.
    address = (LOCALHOST.get(name, name), server.port if port is None else port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, address, ready))


async def _serve(config: Config, address: tuple[str, int], ready: Ready) -> None:
    host, port = address[0], _free_port(*address)
    signals = Signals()
    secrets = secrets_in(config, secrets_of(config))
    with closing(Logs(json=config.file.telemetry.logs == "json", secrets=secrets)):
        await _served(config, (host, port), signals, ready)


async def _served(config: Config, address: tuple[str, int], signals: Signals, ready: Ready) -> None:
    host, port = address
    parts = assemble(config)
    try:
        who = await _who_may_ask(parts)
        draining = Draining(build(parts))
        server = Server(
            draining,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            backlog=BACKLOG,
            backpressure=MOST_CONNECTIONS,
            websockets=False,
            log_enabled=False,
            # Otherwise it closes all handlers of logs that there are.
            log_dictconfig={"incremental": True, "handlers": {}, "loggers": {}},
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS),
        )
        serving = asyncio.ensure_future(server.serve())
        await _reachable(serving, host, port)
        ready(_url(host, port), who)
        _say("listening", f"rung listens at {_url(host, port)}")
        if parts.board is not None:
            parts.board.run()
        warming = asyncio.ensure_future(_warm(parts))
        stopping = asyncio.ensure_future(signals.first.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        _say("stopping", "rung was asked to end")
        warming.cancel()
        await asyncio.wait({warming})
        parts.intake.let_go()
        await draining.drain(DRAIN_SECONDS, signals.second)
        server.stop()  # type: ignore[no-untyped-call]
        await serving
    finally:
        await parts.close()
        _say("stopped", "rung has ended")


def _say(event: str, message: str) -> None:
    logger.info(message, extra={"event": event})


async def _who_may_ask(parts: Assembly) -> str:
    """Who is served, for people. Raises ConfigError where strangers could connect and nobody may.

    Also LedgerError where that cannot be known: a gateway that forgot its keys must not open.
    """
    callers, host = parts.intake.parts.callers, parts.config.file.server.host
    await callers.up_to_date()
    count = callers.count_in_force()
    if not is_loopback(host):
        _must_be_guarded(parts.config, count)
    if callers.locked:
        return f"whoever shows a key ({count} in force)"
    return "everybody on this machine, with any key or none"


def _must_be_guarded(config: Config, count: int) -> None:
    host = config.file.server.host
    if not count:
        said = f"{host!r} can be reached from other machines, and no key is in force."
        fix = "make one with `rung keys create NAME`, or listen at 127.0.0.1"
        raise ConfigError([Problem("server.host", said, fix)])
    for project, keys in keys_of(config).items():
        if any(len(key) < SHORTEST_KEY for key in keys):
            said = f"{host!r} can be reached from other machines, and this key can be guessed."
            fix = f"give it {SHORTEST_KEY} characters or more, or make one with `rung keys create`"
            raise ConfigError([Problem(f"projects.{project}.key_env", said, fix)])


class Signals:
    """SIGINT and SIGTERM as events: the first asks for an orderly end, the second for a quick one.

    Made inside of the event loop that is to be told.
    """

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self._came)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


class Draining:
    """An ASGI application that can be asked to finish what it has begun and begin no more."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ending = False
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ending:
            await refuse_at(stopping(), send, scope["path"])
            return
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._running.discard(task)

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """Wait for running requests; cancel what is left, and let that reach the ledger.

        New requests are refused from now on. ``hurry`` cuts the wait short.
        """
        self._ending = True
        if not self._running:
            return
        finished = asyncio.ensure_future(asyncio.wait(set(self._running)))
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait(
            {finished, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        for task in set(self._running):
            task.cancel(STOPPING)
        await asyncio.wait({finished}, timeout=LAST_WORDS_SECONDS)


async def _warm(parts: Assembly) -> None:
    """Load the price list, then local models, and keep loaded what is to be, while serving."""
    await asyncio.to_thread(parts.prices.load)
    if parts.config.file.rules or parts.config.file.routing is not None:
        await asyncio.to_thread(shipped)
    ladder = parts.config.file.ladders[parts.config.default_ladder]
    local = [name for name in ladder.tiers if parts.tiers[name].local]
    warmth = Warmth(parts.tiers, kept_of(parts.config.file.tiers), local)
    parts.pace.cold = warmth.wake
    await warmth.run()


def _free_port(host: str, port: int) -> int:
    """The port to listen on, any free one for 0. Raises ConfigError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return int(probe.getsockname()[1])
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = f"port {port} on {host} is in use."
                fix = f"stop what listens there, or `rung serve --port {port + 1}`"
            else:
                message = f"cannot listen on {host}:{port}: {error.strerror}."
                fix = "choose a loopback address and a port above 1023"
            raise ConfigError(message, fix=fix) from None


async def _reachable(serving: asyncio.Future[None], host: str, port: int) -> None:
    """Return once connections are accepted."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return
    await serving


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
