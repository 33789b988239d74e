"""A proxy that only passes on: aiohttp in, aiohttp out. What Python costs without rung."""

from __future__ import annotations

import argparse
import asyncio
import socket

import aiohttp
import uvloop
from aiohttp import web

JSON = {"content-type": "application/json"}


class Proxy:
    """Passes each request on to one upstream, and each answer back as it comes."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._session = session

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        url = self._upstream + request.path
        async with self._session.request(request.method, url, data=body, headers=JSON) as got:
            kind = got.headers["content-type"]
            if not kind.startswith("text/event-stream"):
                return web.Response(
                    body=await got.read(), status=got.status, headers={"content-type": kind}
                )
            response = web.StreamResponse(status=got.status, headers={"content-type": kind})
            await response.prepare(request)
            async for chunk in got.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


async def _serve(port: int, upstream: str) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        runner = web.ServerRunner(web.Server(Proxy(upstream, session)))
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", port), backlog=1024)
        await web.SockSite(runner, listening).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.upstream))
