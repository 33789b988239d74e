"""What the ledger's tables share: their place, and the checks that their columns have."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, MetaData, String

metadata = MetaData()

ID = String().with_variant(String(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does: ids are looked up by how they begin."""


def one_of(column: str, values: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    """That a column holds one of these words."""
    listed = ", ".join(f"'{value!s}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def not_negative(*columns: str) -> list[CheckConstraint]:
    """That columns hold no number below 0."""
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]
