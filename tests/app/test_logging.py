"""Lines of the log look alike wherever a command is started."""

from kedro.framework.project import LOGGING
from kedro.framework.startup import bootstrap_project

from conftest import ROOT
from esm2_amp.app.session import Session


def test_a_subfolder_has_the_projects_logging(monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setitem(LOGGING.data, "handlers", {})
    bootstrap_project(ROOT)
    with Session.create(project_path=ROOT) as session:
        session.load_context()
    assert LOGGING.data["handlers"]["console"]["show_path"] is False
