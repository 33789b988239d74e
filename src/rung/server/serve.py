"""Running the gateway: a free port, the server, its signals, an orderly end."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from rung.assemble import Assembly, assemble
from rung.config import Config
from rung.core.errors import ConfigError
from rung.server.app import build
from rung.server.guard import App, Receive, Scope, Send

HEADER_READ_MS = 10_000
DRAIN_SECONDS = 20.0
BACKLOG = 1024


def listen(
    config: Config,
    *,
    host: str | None = None,
    port: int | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until interrupted. Raises ConfigError when the port is taken or a part is missing."""
    import uvloop

    server = config.file.server
    address = (host or server.host, port or server.port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, address, ready))


async def _serve(config: Config, address: tuple[str, int], ready: Callable[[str], None]) -> None:
    _must_be_free(*address)
    parts = assemble(config)
    try:
        draining = Draining(build(parts))
        server = Server(
            draining,
            address=address[0],
            port=address[1],
            interface=Interfaces.ASGI,
            backlog=BACKLOG,
            websockets=False,
            log_enabled=False,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS),
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        serving = asyncio.ensure_future(server.serve())
        await _reachable(serving, *address)
        ready(_url(*address))
        warming = asyncio.ensure_future(_warm(parts))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        warming.cancel()
        await draining.drain(DRAIN_SECONDS)
        server.stop()  # type: ignore[no-untyped-call]
        await serving
    finally:
        await parts.close()


class Draining:
    """An ASGI application that can be asked to finish what it has begun."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._running.discard(task)

    async def drain(self, seconds: float) -> None:
        """Wait for running requests, then cancel what is left and let it reach the ledger."""
        lifespan_aside = set(self._running)
        if lifespan_aside:
            _, late = await asyncio.wait(lifespan_aside, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=seconds)


async def _warm(parts: Assembly) -> None:
    """Load local models of the default ladder, one after the other, while serving."""
    for name in parts.config.file.ladders[parts.config.default_ladder].tiers:
        tier = parts.tiers[name]
        if tier.local:
            await tier.provider.warm()


def _must_be_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
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
