"""`rung tune --apply`: a tuned ladder into rung.toml, its certificate into the ledger.

Nothing is written that the configuration's own reader would not take, and nothing but the ladder is
changed: what came out is held against the same edits on plain tables.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from difflib import unified_diff
from pathlib import Path
from typing import Any

from rung import config
from rung.config import Config
from rung.core.cues import Category
from rung.core.errors import ConfigError, Problem
from rung.core.nearest import nearest
from rung.core.plan import Policy
from rung.inspection import problems as faults
from rung.tuner import toml_text
from rung.tuner.aims import Basis, Part, Recommendation, Tuned
from rung.tuner.cautions import cautions
from rung.tuner.ladder_edit import PLAIN, Edit, drop_rules, percent, with_comments, write
from rung.tuner.tier_names import matched, shown, tier_of

BACKUP = ".bak"
CATEGORIES = frozenset(each.value for each in Category)
DIGITS = 6
"""Of a share that is written."""

PART = "part"
"""What the ladder of a share of all requests is called after its base, as a category's by its name.
"""


@dataclass(frozen=True, slots=True)
class RungFile:
    """A rung.toml as it was read, with the environment that its secrets come from."""

    path: Path
    text: str
    environment: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, environment: Mapping[str, str]) -> RungFile:
        """Raises ConfigError for a file that is not there or cannot be read."""
        try:
            return cls(path, path.read_bytes().decode("utf-8"), environment)
        except FileNotFoundError:
            fix = "write one with `rung init`"
            raise ConfigError(f"{path} does not exist.", fix=fix) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None

    def parsed(self, text: str | None = None) -> Config:
        """The file, or another text in its place. Raises ConfigError."""
        return config.parse(self.text if text is None else text, self.path, self.environment)


@dataclass(frozen=True, slots=True)
class Applied:
    """A ladder put into a configuration that is not written yet.

    ``policies`` is what was tuned with the configuration's names of tiers and ladders. With
    ``problems`` nothing may be written, and ``new_text`` is the old one. ``notes`` are sentences
    that people should read before they agree.
    """

    file: RungFile
    new_text: str
    ladder: str
    policies: Tuned
    baseline: str | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the file would be another one."""
        return self.new_text != self.file.text

    @property
    def diff(self) -> str:
        """What would change, as a unified diff; "" for nothing."""
        name = self.file.path.name
        old, new = (text.splitlines(keepends=True) for text in (self.file.text, self.new_text))
        lines = (
            line if line.endswith("\n") else f"{line}\n"
            for line in unified_diff(old, new, name, f"{name} (tuned)")
        )
        return "".join(lines)


def applied(
    file: RungFile, ladder: str, made: Recommendation, named: Mapping[str, str], day: date
) -> Applied:
    """Put a recommendation into ``file`` as its ladder ``ladder``, without writing anything.

    ``named`` says which tier a model of the outcomes is, where names do not. ``day`` stands beside
    the ladder. Raises ConfigError where the file is wrong as it is.
    """
    found = file.parsed()
    tuned = Tuned(Policy(ladder, ())) if made.tuned is None else _distinct(made.tuned)
    if ladder != found.default_ladder:
        # It is reached by its name, and who names a ladder stays on it: no rule leads elsewhere.
        tuned = replace(tuned, part=None)
    tiers, problems = _tiers(tuned, found, named)
    problems += _why_not(found, ladder, made, tuned)
    baseline = None
    if made.baseline is not None:
        baseline = tier_of(made.baseline.model, found.file.tiers, named)
    if problems:
        return Applied(file, file.text, ladder, tuned, baseline, tuple(problems))
    policies = _renamed(tuned, ladder, tiers)
    edits = _edits(policies, found, pinned=made.aim.errors.any)
    stale = _stale(found, ladder, edits)
    text = _edited(file, found, edits, stale)
    text = _claimed(file.text, text, edits, made, baseline, day)
    notes = (*cautions(found, edits, baseline), *(_gone(ladder, name) for name in stale))
    problems = _new_faults(file, text)
    kept = file.text if problems else text
    return Applied(file, kept, ladder, policies, baseline, tuple(problems), notes)


def _gone(ladder: str, name: str) -> str:
    whose = "no share of requests" if name == own_ladder(ladder, PART) else "its category"
    has = "is sent to its ladder" if whose.startswith("no") else "has no ladder of its own"
    return f"rule {name!r} goes: {whose} {has} any more; that ladder stays, and nothing leads there"


def write_file(made: Applied) -> Path | None:
    """Write the new text in the place of the old, which is kept beside it; gives its path.

    ``None`` where there was nothing to write. Raises ConfigError for problems, and where the file
    has changed since it was read or cannot be written.
    """
    if made.problems:
        raise ConfigError(made.problems)
    if not made.changed:
        return None
    path = made.file.path.resolve()
    backup = path.with_name(path.name + BACKUP)
    try:
        if path.read_bytes() != made.file.text.encode():
            fix = "look at it, and tune again"
            raise ConfigError(f"{path} has changed since it was read.", fix=fix)
        _replace(backup, made.file.text, like=path)
        _replace(path, made.new_text, like=path)
    except OSError as error:
        fix = "the diff can be put in by hand"
        raise ConfigError(f"{path} cannot be written: {error}", fix=fix) from None
    return backup


def _replace(path: Path, text: str, like: Path) -> None:
    """All of it or nothing, whatever happens meanwhile."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(like, name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# ------------------------------------------------------------------ what is asked


def _distinct(tuned: Tuned) -> Tuned:
    """Without the categories whose ladder is the one for all."""
    own = {
        category: policy
        for category, policy in tuned.by_category.items()
        if replace(policy, ladder=tuned.whole.ladder) != tuned.whole
    }
    part = tuned.part
    if part is not None:
        part = replace(part, share=round(part.share, DIGITS))
    return Tuned(tuned.whole, own, part)


def _tiers(
    tuned: Tuned, found: Config, named: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    policies = [tuned.whole, *tuned.by_category.values()]
    policies += [] if tuned.part is None else [tuned.part.policy]
    models = (rung.tier for policy in policies for rung in policy.rungs)
    return matched(models, found.file.tiers, named)


def _why_not(found: Config, ladder: str, made: Recommendation, tuned: Tuned) -> list[Problem]:
    """Why this cannot be put into this file at all."""
    ladders, problems = found.file.ladders, []
    if made.tuned is None:
        fix = "name a baseline with --baseline MODEL, or give more outcomes"
        problems.append(Problem("rung tune", "there is no ladder to apply.", fix))
    if ladder not in ladders:
        near = nearest(ladder, list(ladders)) or f"add [ladders.{ladder}] with its `tiers`"
        problems.append(Problem("--ladder", f"there is no ladder {ladder!r}.", near))
    problems += _taken(found, ladder, tuned)
    if not tuned.by_category:
        return problems
    if strange := sorted(set(tuned.by_category) - CATEGORIES):
        said = f"rung recognises no category {', '.join(map(repr, strange))}."
        fix = (
            f"tune without --by category, or name the outcomes' categories as rung does: "
            f"{', '.join(sorted(CATEGORIES))}"
        )
        problems.append(Problem("--by category", said, fix))
    elif ladder in ladders and ladder != found.default_ladder:
        said = (
            f"ladder {ladder!r} is reached by its name, and no rule sends such requests elsewhere."
        )
        fix = f"tune the default ladder, {found.default_ladder!r}, or without --by category"
        problems.append(Problem("--by category", said, fix))
    return problems


def _taken(found: Config, ladder: str, tuned: Tuned) -> list[Problem]:
    """Names of ladders and rules that somebody else has given."""
    rules = {rule.name: rule for rule in found.file.rules if rule.name}
    problems = []
    for whose in (*([] if tuned.part is None else [PART]), *tuned.by_category):
        name = own_ladder(ladder, whose)
        rule = rules.get(name)
        ours = rule is not None and rule.ladder == name and rule.on == {ladder}
        if not ours and (rule is not None or name in found.file.ladders):
            what = "rule" if rule is not None else "ladder"
            said = f"there is a {what} {name!r} already that `rung tune` did not write."
            problems.append(Problem(f"ladders.{name}", said, "give it another name"))
    return problems


def own_ladder(ladder: str, category: str) -> str:
    """What the ladder of one category's requests is called, or that of a share of all (`PART`)."""
    return f"{ladder}-{category}"


def _renamed(tuned: Tuned, ladder: str, tiers: Mapping[str, str]) -> Tuned:
    def of(policy: Policy, name: str) -> Policy:
        rungs = tuple(replace(rung, tier=tiers[rung.tier]) for rung in policy.rungs)
        return replace(policy, ladder=name, rungs=rungs)

    own = {
        category: of(policy, own_ladder(ladder, category))
        for category, policy in sorted(tuned.by_category.items())
    }
    part = tuned.part
    if part is not None:
        part = Part(part.share, of(part.policy, own_ladder(ladder, PART)))
    return Tuned(of(tuned.whole, ladder), own, part)


def _edits(policies: Tuned, found: Config, *, pinned: bool) -> list[Edit]:
    """The ladder of all first, then that of a share of all, which holds before any category."""
    base, ladders = policies.whole.ladder, found.file.ladders
    top = policies.whole.rungs[-1].tier
    edits = [Edit(base, base, policies.whole, ladders[base], pinned=pinned)]

    def beside(policy: Policy, category: str = "", share: float | None = None) -> Edit:
        old = ladders.get(policy.ladder, ladders[base])
        return Edit(policy.ladder, base, policy, old, category, pinned, share, top)

    if policies.part is not None:
        edits.append(beside(policies.part.policy, share=policies.part.share))
    return edits + [beside(policy, name) for name, policy in policies.by_category.items()]


def _stale(found: Config, ladder: str, edits: list[Edit]) -> list[str]:
    """The rules of an earlier tuning that lead to ladders which this one does not have."""
    ours = {own_ladder(ladder, whose) for whose in (*CATEGORIES, PART)}
    ours -= {edit.ladder for edit in edits}
    return [
        rule.name
        for rule in found.file.rules
        if rule.name in ours and rule.ladder == rule.name and rule.on == {ladder}
    ]


# ------------------------------------------------------------------ the new text


def _edited(file: RungFile, found: Config, edits: list[Edit], stale: list[str]) -> str:
    """The file with the edits made. Raises ConfigError where it cannot be without more changes."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    unix = file.text.replace("\r\n", "\n")
    wanted: dict[str, Any] = tomllib.loads(unix, parse_float=Decimal)
    document = tomlkit.parse(unix)
    try:
        for tables, style in ((wanted, PLAIN), (document, with_comments())):
            for edit in edits:
                write(tables, edit, found.file.tiers, style)
            drop_rules(tables, stale)
        text = toml_text.spaced(tomlkit.dumps(document), unix)
        same = tomllib.loads(text, parse_float=Decimal) == wanted
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError):
        same, text = False, ""
    if not same:
        names = [edit.ladder for edit in edits]
        only = {"ladders": {name: wanted["ladders"][name] for name in names}}
        shown = tomlkit.dumps(_floats(only)).strip()
        said = f"{file.path} is written in a way that this ladder cannot be put into safely."
        raise ConfigError(said, fix=f"put it in by hand:\n{shown}")
    return text.replace("\n", "\r\n") if "\r\n" in file.text else text


def _floats(value: Any) -> Any:
    """The same tables with plain numbers."""
    if isinstance(value, dict):
        return {key: _floats(each) for key, each in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def _claimed(
    old: str, text: str, edits: list[Edit], made: Recommendation, baseline: str | None, day: date
) -> str:
    """The new text with what the ladders were tuned for beside them.

    The day stays as it is where nothing else is new.
    """
    says = _claims(claim(made, baseline), edits)
    if text == old and all(toml_text.claimed(old, name) in {s, None} for name, s in says.items()):
        return text
    crlf, text = "\r\n" in text, text.replace("\r\n", "\n")
    for name, said in says.items():
        text = toml_text.with_claim(text, name, said, day)
    return text.replace("\n", "\r\n") if crlf else text


def _claims(says: str, edits: list[Edit]) -> dict[str, str]:
    """What stands beside each ladder: with a share of requests it is promised of both together."""
    found = {edit.ladder: says for edit in edits}
    for edit in edits:
        if edit.share is not None:
            share = f"{percent(edit.share)} of requests"
            found[edit.base] = f"{says}; {share} go by {edit.ladder}"
            found[edit.ladder] = f"{share} of {edit.base}, and with it {says}"
    return found


def claim(made: Recommendation, baseline: str | None) -> str:
    """What is promised of a ladder, in one line."""
    if made.certificate.basis is Basis.NOTHING:
        return f"no guarantee; {made.quality.value:.1%} right on {made.n} queries"
    good = _target(made, baseline)
    sure, basis = made.certificate.confidence, made.certificate.basis.value
    return f"{good}, with {sure:.0%} confidence ({basis}, n = {made.n})"


def _target(made: Recommendation, baseline: str | None) -> str:
    """A loss is against the reference itself: its quality on these data is no number to promise."""
    aim, reference = made.aim, baseline
    if reference is None and made.baseline is not None:
        reference = shown(made.baseline.model)
    if reference is None or aim.quality is not None or aim.budget_usd is not None:
        return "certified" if made.target is None else f"at least {made.target:.1%} right"
    if aim.max_loss <= 0:
        return f"as good as {reference}"
    points = f"{100 * aim.max_loss:g}"
    return f"at most {points} point{'' if points == '1' else 's'} worse than {reference}"


def _new_faults(file: RungFile, text: str) -> list[Problem]:
    """What the configuration's own reader has against the new text and had not against the old."""
    try:
        after = faults(file.parsed(text))
    except ConfigError as error:
        return list(error.problems)
    before = {(each.place, each.message) for each in faults(file.parsed())}
    return [each for each in after if (each.place, each.message) not in before]
