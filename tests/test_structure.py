"""Imports run downwards: a folder or module of the package imports only from those that stand before it."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src/esm2_amp"
ORDER = [
    *["errors", "files", "checked_tensors", "checked_json", "moving_line", "progress", "protein", "names", "columns"],
    *["threads"],
    *["parameters", "cluster", "statistics", "figures", "devices", "precision", "validation"],
    *["features", "pairs", "models", "splits", "synthetic", "training", "encoder"],
    *["finetuning", "search", "evaluation", "regions", "screening"],
    *["prediction", "explanation", "report", "io"],
    *["pipelines", "pipeline_registry", "app", "given_tables", "interface", "settings"],
    *["cli", "__main__"],
]
"""From the ground up."""


def imported_by(file: Path) -> Iterator[str]:
    """Folders and modules of the package that a file imports anywhere, in its functions, too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "esm2_amp":
            yield from (name.name for name in node.names if name.name in ORDER)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("esm2_amp."):
            yield node.module.split(".")[1]


def test_every_folder_and_module_has_its_place():
    assert {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} == {
        "__init__",
        *ORDER,
    }


def test_imports_run_downwards():
    upwards = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in PACKAGE.rglob("*.py")
        for name in imported_by(file)
        if (at := file.relative_to(PACKAGE).parts[0].removesuffix(".py")) in ORDER
        and ORDER.index(name) > ORDER.index(at)
    ]
    assert not upwards
