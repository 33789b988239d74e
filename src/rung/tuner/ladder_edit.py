"""A tuned ladder written into the tables of a rung.toml: plain ones, or tomlkit's with comments.

The same edits are made on both, so that one can be held against the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from rung.core.money import to_usd
from rung.core.plan import OnExhausted, Policy, Rung
from rung.file_tables import LadderTable, TierTable

Table = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How tables are made, and how values stand in them."""

    table: Callable[[Table, Mapping[str, Any]], Table]
    """One that fits into another, with these values."""
    above: Callable[[Table], Table]
    """One that fits into another and holds tables alone, so that it needs no line of its own."""
    rows: Callable[[], Any]
    value: Callable[[object], Any]
    names: Callable[[Any, list[str]], Any]
    """A list of names in the place of another."""


def _plain(value: object) -> Any:
    """As a file is read: numbers with a point are decimals."""
    if isinstance(value, float):
        return Decimal(repr(value))
    return list(value) if isinstance(value, list) else value


def _toml(value: object) -> Any:
    import tomlkit
    from tomlkit.items import Item

    if isinstance(value, Item):
        value = value.unwrap()
    if isinstance(value, float | Decimal):
        exact = Decimal(repr(value)) if isinstance(value, float) else value
        whole = exact == exact.to_integral_value()
        return tomlkit.integer(int(exact)) if whole else tomlkit.float_(f"{exact:f}")
    return tomlkit.item(value)


def _toml_table(around: Table, values: Mapping[str, Any]) -> Table:
    made = _fitting(around)
    for key, value in values.items():
        made[key] = _toml(value)
    return made


def _fitting(around: Table, *, above: bool = False) -> Table:
    import tomlkit
    from tomlkit.items import Array, InlineTable

    if isinstance(around, InlineTable | Array):
        return tomlkit.inline_table()
    return tomlkit.table(is_super_table=above)


def _toml_names(old: Any, names: list[str]) -> Any:
    """On as many lines as the old list, each with the comment that its name has there."""
    import tomlkit

    made, lines = tomlkit.array(), old.as_string().splitlines()
    if len(lines) == 1:
        made.extend(names)
        return made
    entries = [found for line in lines if (found := _ENTRY.match(line))]
    indent = entries[0][1] if entries else "    "
    comments = {found[3]: found[4] for found in entries}
    for name in names:
        made.add_line(name, indent=indent, comment=comments.get(name))
    made.add_line(indent="")
    return made


_ENTRY = re.compile(r"""(\s*)(["'])(.+?)\2\s*,?\s*(?:#\s*(.*\S))?\s*$""")


def with_comments() -> Style:
    """On tomlkit's tables."""
    import tomlkit

    above = partial(_fitting, above=True)
    return Style(_toml_table, above, tomlkit.aot, _toml, _toml_names)


PLAIN = Style(
    lambda _, values: {key: _plain(value) for key, value in values.items()},
    lambda _: {},
    list,
    _plain,
    lambda _, names: list(names),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One ladder to be written. ``base`` is the ladder that a new one takes its other keys from.

    ``category`` is whose requests a rule sends there, "" for the ladder of all; or ``share`` (0..1)
    which part of them all. ``old`` is what the ladder is so far, or its base. ``pinned``: repairs
    are as tuned, and not left to experience. ``top`` is the highest tier of the base.
    """

    ladder: str
    base: str
    policy: Policy
    old: LadderTable
    category: str = ""
    pinned: bool = False
    share: float | None = None
    top: str = ""

    @property
    def by_rule(self) -> bool:
        """Whether a rule leads there."""
        return bool(self.category) or self.share is not None


def write(document: Table, edit: Edit, tiers: Mapping[str, TierTable], style: Style) -> None:
    """Write a ladder with its limits, and the rule that leads there if it is not that of all."""
    ladders = document["ladders"]
    if edit.ladder not in ladders:
        ladders[edit.ladder] = _copied(ladders, edit.base, style)
    table = ladders[edit.ladder]
    wanted = [rung.tier for rung in edit.policy.rungs]
    if list(table["tiers"]) != wanted:
        table["tiers"] = style.names(table["tiers"], wanted)
    for key, value in settings(edit).items():
        _put(table, key, value, style)
    limits = {
        rung.tier: limits_of(place, edit, tiers) for place, rung in enumerate(edit.policy.rungs)
    }
    _write_limits(table, limits, style)
    if edit.by_rule:
        _write_rule(document, edit, style)


def settings(edit: Edit) -> dict[str, Any]:
    """The ladder's own keys that the policy has a word on. The tighter of two limits holds."""
    policy, old = edit.policy, edit.old
    found: dict[str, Any] = {}
    if policy.cost_cap_nanousd is not None:
        cap = to_usd(policy.cost_cap_nanousd)
        found["max_usd"] = cap if old.max_usd is None else min(cap, old.max_usd)
    if policy.deadline_seconds is not None:
        mine = old.deadline_seconds
        found["deadline_seconds"] = min(policy.deadline_seconds, mine or policy.deadline_seconds)
    if policy.on_exhausted is OnExhausted.BEST:
        found["on_exhausted"] = OnExhausted.BEST.value
    if edit.by_rule and old.audit and old.audit_by is None and not _stands(edit.top, policy):
        # Who looks again at the base's answers looks at these too: their own top may be the bottom.
        found["audit_by"] = edit.top
    return found


def _stands(tier: str, policy: Policy) -> bool:
    return any(rung.tier == tier for rung in policy.rungs)


def limits_of(place: int, edit: Edit, tiers: Mapping[str, TierTable]) -> dict[str, Any]:
    """What `[ladders.NAME.limits.TIER]` has to say; ``None`` where nothing need be said."""
    rung = edit.policy.rungs[place]
    tier, most, climbed = tiers[rung.tier], rung.most_spent_nanousd, place > 0
    return {
        "min_confidence": _bar(rung, edit),
        "most_spent_usd": to_usd(most) if climbed and most is not None else None,
        "reach": rung.reach if climbed and rung.reach < 1 else None,
        "samples": rung.samples if rung.samples != tier.samples else None,
        "repairs": _repairs(rung, tier, edit),
    }


def rule_of(edit: Edit) -> dict[str, Any]:
    """The rule that sends a category's requests, or a share of all, to their own ladder."""
    whose = {"category": [edit.category]} if edit.category else {"share": edit.share}
    return {"name": edit.ladder, "on": [edit.base], **whose, "ladder": edit.ladder}


def percent(share: float) -> str:
    """A share (0..1) as people read it."""
    return f"{100 * share:.3g}%"


def _bar(rung: Rung, edit: Edit) -> float | None:
    """The confidence that a tier needs; nothing where no tier of the policy goes by one."""
    if all(each.min_confidence is None for each in edit.policy.rungs):
        return None
    needed = edit.policy.min_confidence if rung.min_confidence is None else rung.min_confidence
    return None if needed == edit.old.min_confidence else needed


def _repairs(rung: Rung, tier: TierTable, edit: Edit) -> int | None:
    if rung.repairs == tier.repairs:
        return None
    left_open = tier.repairs == "auto" and rung.repairs == 0 and not edit.pinned
    return None if left_open else rung.repairs


def _copied(ladders: Table, base: str, style: Style) -> Table:
    """A ladder with the same keys, without limits: they are each ladder's own."""
    return style.table(ladders, {k: v for k, v in ladders[base].items() if k != "limits"})


def _write_limits(table: Table, wanted: Mapping[str, Mapping[str, Any]], style: Style) -> None:
    """Limits are said where there are any, and those of tiers that left the ladder go with them."""
    told = {tier: {k: v for k, v in each.items() if v is not None} for tier, each in wanted.items()}
    told = {tier: each for tier, each in told.items() if each}
    if told and "limits" not in table:
        table["limits"] = style.above(table)
    limits = table.get("limits", {})
    for tier in [tier for tier in limits if tier not in told]:
        del limits[tier]
    for tier, each in told.items():
        if tier not in limits:
            limits[tier] = style.table(limits, {})
        _fill(limits[tier], each, style)
    if "limits" in table and not told:
        del table["limits"]


def _fill(table: Table, wanted: Mapping[str, Any], style: Style) -> None:
    """Make these the table's keys."""
    for key in [key for key in table if key not in wanted]:
        del table[key]
    for key, value in wanted.items():
        _put(table, key, value, style)


def _write_rule(document: Table, edit: Edit, style: Style) -> None:
    """A rule that is there keeps what people have added to it."""
    rules = document.get("rules")
    if rules is None:
        document["rules"] = style.rows()
        rules = document["rules"]
    rule = rule_of(edit)
    place = next((at for at, each in enumerate(rules) if each.get("name") == edit.ladder), None)
    if place is None:
        rules.insert(_place(rules, edit), style.table(rules, rule))
    elif edit.share is not None:
        _put(rules[place], "share", rule["share"], style)


def _place(rules: Any, edit: Edit) -> int:
    """Last; but a share of all requests is drawn before what goes by their category."""
    first = (at for at, each in enumerate(rules) if edit.share is not None and own(each, edit.base))
    return next(first, len(rules))


def own(rule: Mapping[str, Any], base: str) -> bool:
    """Whether it leads a category's requests to a ladder of their own, as it is written here."""
    name = str(rule.get("name", ""))
    leads = rule.get("ladder") == name and list(rule.get("on", ())) == [base]
    return leads and name.startswith(f"{base}-") and bool(rule.get("category"))


def drop_rules(document: Table, names: Sequence[str]) -> None:
    """Take out the rules of these names."""
    rules = document.get("rules", [])
    for place in reversed(range(len(rules))):
        if rules[place].get("name") in names:
            del rules[place]
    if "rules" in document and not rules:
        del document["rules"]


def _put(table: Table, key: str, value: object, style: Style) -> None:
    """Set a key, unless it says the same already: then it stays as it was written."""
    if key not in table or not _same(table[key], value):
        table[key] = style.value(value)


def _same(one: Any, other: Any) -> bool:
    numbers = (int, float, Decimal)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return float(one) == float(other)
    return bool(one == other)
