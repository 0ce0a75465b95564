"""The node that puts the chapters together as one page."""

from esm2_amp.parameters.run import RunParameters
from esm2_amp.report.page import render
from esm2_amp.report.parts import Section


def write_report(run: RunParameters, *sections: Section) -> str:
    """Write the report: one page that needs nothing but a browser.

    Parameters
    ----------
    run : RunParameters
    *sections : Section
        In the order of the page.

    Returns
    -------
    page : str
        HTML.
    """
    return render(f"Interactions of {run.data_name}", list(sections))
