"""Files of outcomes, row by row: JSON lines, CSV or Parquet, who answered what and was it right.

Every fault is a RequestError that names the file, the line and the fix. The format is described in
docs/outcomes.md.
"""

from rung.outcome_rows.reading import Rows, open_rows
from rung.outcome_rows.row import COLUMNS, EXAMPLE, Kind, Row

__all__ = ["open_rows", "Rows", "Row", "COLUMNS", "Kind", "EXAMPLE"]
