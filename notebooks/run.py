"""Execute every notebook of this folder, in memory; `--inplace` also saves the outputs.

python notebooks/run.py [--inplace] [--timeout SECONDS] [NOTEBOOK ...]

A notebook that reads data which do not come with the project lists them in its metadata,
{"needs": ["folder/file.npz"]}, and is skipped where one is absent. They are looked for below PYRO_FAVAE_DATA, or else
below ../shared/data next to the checkout.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

FOLDER = Path(__file__).resolve().parent
VARIABLE = "PYRO_FAVAE_DATA"
NO_WIDGETS = "ignore:IProgress not found"  # said by tqdm, with a path of this machine in it


def find(folder: Path) -> list[Path]:
    """Return every notebook directly in the folder, by name."""
    return sorted(folder.glob("*.ipynb"))


def data_root() -> Path:
    """Return the folder of real data, absolute because notebooks run elsewhere."""
    return Path(os.environ.get(VARIABLE, FOLDER.parents[1] / "shared" / "data")).resolve()


def absent(path: Path) -> list[str]:
    """Return what a notebook needs and the folder of data lacks."""
    needs = nbformat.read(path, as_version=4).metadata.get("needs", [])
    return [name for name in needs if not (data_root() / name).is_file()]


def execute(path: Path, timeout: float, inplace: bool) -> None:
    """Run one notebook in a scratch folder, where what it writes vanishes; `timeout` is in seconds a cell."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": scratch}}
        )
        client.execute(env={**os.environ, VARIABLE: str(data_root()), "PYTHONWARNINGS": NO_WIDGETS})
    if inplace:
        nbformat.write(notebook, path)


def main(arguments: list[str] | None = None) -> int:
    """Execute the notebooks and return the number that failed."""
    parser = argparse.ArgumentParser(description="Execute notebooks; the exit status says whether all ran.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook of this folder")
    parser.add_argument("--inplace", action="store_true", help="save the outputs in the notebooks")
    parser.add_argument("--timeout", type=float, default=600, help="seconds allowed to each cell")
    options = parser.parse_args(arguments)

    notebooks = options.notebooks or find(FOLDER)
    if not notebooks:
        parser.error(f"no notebooks in {FOLDER}")

    failed, skipped = [], []
    for path in notebooks:
        if lacking := absent(path):
            skipped.append(path)
            print(f"skip   {path.name}  {VARIABLE}={data_root()} has no {', '.join(lacking)}")
            continue
        start = time.perf_counter()
        try:
            execute(path, options.timeout, options.inplace)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failed.append(path)
            print(f"FAILED {path.name}\n{error}", file=sys.stderr)
        else:
            print(f"ok     {path.name}  {time.perf_counter() - start:.0f} s")
    ran = len(notebooks) - len(failed) - len(skipped)
    print(f"{ran} of {len(notebooks)} notebooks ran, {len(skipped)} skipped for want of data")
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
