"""From outcomes to a ladder with a guarantee: replay, search, certificates, reports."""
