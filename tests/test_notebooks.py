"""`make notebooks` executes every notebook, and says so when one fails."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, *cells: str, **metadata) -> Path:
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=metadata), path)
    return path


def test_no_notebook_is_forgotten(runner):
    # one in a subfolder, or under another suffix's case, would never be executed
    everywhere = {path for path in FOLDER.rglob("*") if path.suffix.lower() == ".ipynb"}
    assert set(runner.find(runner.FOLDER)) == {
        path for path in everywhere if ".ipynb_checkpoints" not in path.parts
    }


def test_the_default_is_every_notebook_of_the_folder(runner, tmp_path, monkeypatch):
    notebooks = [write(tmp_path / name) for name in ("b.ipynb", "a.ipynb")]
    ran = []
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    monkeypatch.setattr(runner, "execute", lambda path, timeout, inplace: ran.append(path))
    assert runner.main([]) == 0
    assert ran == sorted(notebooks)


def test_no_notebook_at_all_fails(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    with pytest.raises(SystemExit, match="2"):
        runner.main([])


def test_a_failing_notebook_is_named_and_the_others_still_run(runner, tmp_path, capsys):
    bad = write(tmp_path / "bad.ipynb", "raise ValueError('on purpose')")
    good = write(tmp_path / "good.ipynb", "open('left.txt', 'w').close()", "6 * 7000000000000")
    assert runner.main([str(bad), str(good)]) == 1
    output = capsys.readouterr()
    assert "FAILED bad.ipynb" in output.err
    assert "on purpose" in output.err
    assert "ok     good.ipynb" in output.out
    assert "42000000000000" not in good.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"bad.ipynb", "good.ipynb"}

    assert runner.main(["--inplace", str(good)]) == 0
    assert "42000000000000" in good.read_text()


READS_DATA = (
    "import os, pathlib; print(pathlib.Path(os.environ['PYRO_FAVAE_DATA'], 'sub', 'table.csv').read_text())"
)


def test_a_notebook_whose_data_are_absent_is_skipped_saying_why(runner, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYRO_FAVAE_DATA", str(tmp_path / "data"))
    notebook = write(tmp_path / "wants.ipynb", READS_DATA, needs=["sub/table.csv"])
    assert runner.main(["--inplace", str(notebook)]) == 0
    output = capsys.readouterr().out
    assert "skip   wants.ipynb" in output
    assert f"PYRO_FAVAE_DATA={tmp_path / 'data'} has no sub/table.csv" in output
    assert "0 of 1 notebooks ran, 1 skipped" in output


def test_a_notebook_finds_its_data_wherever_it_runs(runner, tmp_path, monkeypatch):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "sub" / "table.csv").write_text("forty-two")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYRO_FAVAE_DATA", "data")  # relative to where the runner was started
    notebook = write(tmp_path / "wants.ipynb", READS_DATA, needs=["sub/table.csv"])
    assert runner.main(["--inplace", str(notebook)]) == 0
    assert "forty-two" in nbformat.read(notebook, as_version=4).cells[0].outputs[0].text


def test_every_notebook_that_reads_the_folder_of_data_says_what_it_needs(runner):
    for path in runner.find(runner.FOLDER):
        notebook = nbformat.read(path, as_version=4)
        reads = any("PYRO_FAVAE_DATA" in cell.source for cell in notebook.cells if cell.cell_type == "code")
        assert bool(notebook.metadata.get("needs")) == reads, path.name
