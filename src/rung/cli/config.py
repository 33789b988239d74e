"""`rung config check|show`."""

from __future__ import annotations

from rung.cli.output import console, plain, print_json
from rung.cli.settings import ConfigPath, Json, load
from rung.config import Config
from rung.core.addresses import origin_alone, shown, without_login


def check(*, path: ConfigPath = None, json: Json = False) -> None:
    """Look for every fault in the configuration and name it with its place and its fix."""
    found = load(path)
    if json:
        print_json({"ok": True, "file": None if found.path is None else str(found.path)})
        return
    console().print(f"{plain(_whence(found))}: no faults.")


def show(*, path: ConfigPath = None, json: Json = False) -> None:
    """Show the configuration in force with all defaults filled in; never a secret."""
    found = load(path)
    table = found.file.model_dump(mode="json", exclude_none=True)
    for tier in table["tiers"].values():
        if "base_url" in tier:
            tier["base_url"] = without_login(tier["base_url"])
    for owner, key in ((table, "inbox_webhook"), (table["spending"], "webhook")):
        if key in owner:
            owner[key] = origin_alone(owner[key])
    if "otlp_endpoint" in table["telemetry"]:
        table["telemetry"]["otlp_endpoint"] = without_login(table["telemetry"]["otlp_endpoint"])
    document = {**table, "ledger": shown(found.ledger), "default_ladder": found.default_ladder}
    if json:
        print_json(document)
        return
    from rich.pretty import pprint

    console().print(plain(_whence(found)))
    pprint(document, console=console(), expand_all=True)


def _whence(found: Config) -> str:
    return "the built-in configuration" if found.path is None else str(found.path)
