"""What is written for people does what it says: the README's lines, the notebook, the types."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from conftest import Server
from PIL import Image

ROOT = Path(__file__).parents[1]


def test_the_five_lines_of_the_readme_work(server: Server, cat: Path, tmp_path: Path) -> None:
    lines = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    assert len(lines.strip().splitlines()) == 5
    (tmp_path / "cat.png").write_bytes(cat.read_bytes())
    here = lines.replace("http://127.0.0.1:50051", server.url)
    assert here != lines
    done = subprocess.run([sys.executable, "-c", here], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cat (224, 224)" in done.stdout
    assert Image.open(tmp_path / "why.png").size == Image.open(cat).size


class Counting(nbclient.NotebookClient):  # type: ignore[misc]
    """Counts how often a display that is there already is shown anew."""

    updates = 0

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        self.updates += msg["msg_type"] == "update_display_data"
        return super().process_message(msg, cell, cell_index)


def test_the_notebook_runs_and_shows_its_explanation_growing(server: Server) -> None:
    path = ROOT / "examples/explain.ipynb"
    text = path.read_text().replace("http://127.0.0.1:50051", server.url)
    notebook = nbformat.reads(text, as_version=4)
    runner = Counting(notebook, timeout=60, resources={"metadata": {"path": str(path.parent)}})
    runner.execute()
    outputs = {cell.id: json.dumps(cell.get("outputs", [])) for cell in notebook.cells}
    assert runner.updates >= 3, f"shown anew {runner.updates} times"
    assert "data:image/png" in outputs["occlusion"] and "complete" in outputs["occlusion"]
    assert "(224, 224)" in outputs["result"] and "image/png" in outputs["result"]
    assert "Egyptian cat" in outputs["cam"]


def test_the_types_hold_strictly(tmp_path: Path) -> None:
    tests = [f"--module={path.stem}" for path in (ROOT / "tests").glob("*.py")]
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--package=whyglass", "--module=messages"]
    done = subprocess.run([*command, *tests], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
