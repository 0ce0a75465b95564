"""The report: all results of a run as one page."""
