"""Reports: a page of HTML that shows runs."""

from artifact_fn.extras import extra

with extra("report", "jinja2", "matplotlib", "PIL"):
    from artifact_fn.runs.reports.page import report

__all__ = ["report"]
