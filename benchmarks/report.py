"""Figures as medians over the rounds, and as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway import Figures

DIRECT = "direct"
BARE = "bare aiohttp proxy"

Place = tuple[str, int]
Measured = dict[Place, dict[str, list["Figures"]]]
"""Rounds of figures, by scenario (name, connections) and target."""


def summary(measured: Measured) -> list[dict[str, Any]]:
    """One row a scenario and target. Differences and ratios are taken within a round."""
    return [
        {"scenario": name, "connections": connections, "target": target}
        | _row(rounds, by_target[DIRECT], by_target[BARE])
        for (name, connections), by_target in measured.items()
        for target, rounds in by_target.items()
    ]


def _row(
    rounds: list[Figures], direct: list[Figures], bare: list[Figures]
) -> dict[str, float | None]:
    def middle(of: Callable[[Figures], float | None]) -> float | None:
        return _median([of(each) for each in rounds])

    def added(of: Callable[[Figures], float | None]) -> float | None:
        return _median([_less(of(a), of(b)) for a, b in zip(rounds, direct, strict=True)])

    pairs = list(zip(rounds, bare, strict=True))
    return {
        "p50_us": middle(lambda one: one.p50_us),
        "p99_us": middle(lambda one: one.p99_us),
        "added_p50_us": added(lambda one: one.p50_us),
        "added_p99_us": added(lambda one: one.p99_us),
        "added_first_chunk_us": added(lambda one: one.first_chunk_us),
        "per_second": middle(lambda one: one.per_second),
        "cpu_us": middle(lambda one: one.cpu_us),
        "cpu_to_bare": _median([_over(a.cpu_us, b.cpu_us) for a, b in pairs]),
        "per_second_to_bare": _median([_over(a.per_second, b.per_second) for a, b in pairs]),
    }


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _over(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


# ------------------------------------------------------------------ as text

COLUMNS: Mapping[str, tuple[str, str]] = {
    "added_p50_us": ("+p50 us", "{:.0f}"),
    "added_p99_us": ("+p99 us", "{:.0f}"),
    "added_first_chunk_us": ("+1st chunk us", "{:.0f}"),
    "per_second": ("per s", "{:.0f}"),
    "cpu_us": ("CPU us", "{:.0f}"),
    "cpu_to_bare": ("CPU / bare", "{:.2f}"),
}


def text(told: Mapping[str, Any]) -> str:
    """All figures for a terminal."""
    lines = [f"{name}: {_plain(value)}" for name, value in told["conditions"].items()]
    lines += ["", "start-up, seconds"]
    lines += [f"  {name:<38}{value:8.3f}" for name, value in told["start_up_seconds"].items()]
    heads = "".join(f"{head:>15}" for head, _ in COLUMNS.values())
    lines += ["", f"{'scenario, connections':<26}{'target':<24}{heads}"]
    for row in told["scenarios"]:
        cells = "".join(f"{_cell(row[key], form):>15}" for key, (_, form) in COLUMNS.items())
        place = f"{row['scenario']}, {row['connections']}"
        lines.append(f"{place:<26}{row['target']:<24}{cells}")
    lines += [
        "",
        "+ is what the target adds to a direct call in the same round; CPU is its process's, all",
        "threads, a request (a chunk where it says so). In 'first tier fails' the direct caller",
        "and the one behind the bare proxy send both requests themselves. Medians over the rounds.",
        "",
    ]
    lines += [
        f"resident memory, {name}: {each['idle']:.0f} MB idle, {each['after']:.0f} MB after"
        for name, each in told["rss_mb"].items()
    ]
    if soaked := told.get("soak"):
        before, after = soaked["rss_mb_before"], soaked["rss_mb_after"]
        lines.append(f"soak: {soaked['requests']} requests, {before:.1f} -> {after:.1f} MB")
    return "\n".join(lines)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)
