"""`rung serve`: the gateway."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

from rung.cli.output import console, one_line
from rung.cli.settings import ConfigPath, load

Port = Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=65_535))]


def serve(*, host: str | None = None, port: Port = None, path: ConfigPath = None) -> None:
    """Run the gateway until it is interrupted.

    Point an OpenAI client at it: `OPENAI_BASE_URL=http://127.0.0.1:4100/v1`, model `rung`.

    Args:
        host: The address to listen on, instead of the configured one. One that other machines can
            reach needs keys: see `rung keys`.
        port: The port to listen on, instead of the configured one; 0 takes any that is free.
    """
    from rung.server.serve import listen

    found = load(path)
    whence = "the built-in ladder" if found.path is None else str(found.path)

    def ready(url: str, who: str) -> None:
        if found.file.telemetry.logs == "json":
            return  # whoever reads the lines is told by one of them
        tiers = " -> ".join(found.file.ladders[found.default_ladder].tiers)
        said = console(err=True)
        said.print(f"rung listens at [bold]{url}[/]  ({one_line(whence)}: {one_line(tiers)})")
        said.print(f"  OpenAI clients: base_url = {url}/v1, model = rung")
        said.print(f"  Anthropic clients, Claude Code: ANTHROPIC_BASE_URL={url}")
        said.print(f"  served: {who}")

    listen(found, host=host, port=port, ready=ready)
