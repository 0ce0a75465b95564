"""The report: everything that a run found out, as one page."""
