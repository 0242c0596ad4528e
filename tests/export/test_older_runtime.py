"""Releases of experiments have older runtimes: 1.17.3, in an environment of its own, reads the file too."""

import subprocess
import sys
import venv

import numpy as np
import pytest

from pyg_hep.export import PaddedEvents, run_onnx, to_onnx
from pyg_hep.training import EventModel

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RUNTIME = "1.17.3"
SCRIPT = """
import sys
import numpy, onnxruntime
assert onnxruntime.__version__ == sys.argv[1] and numpy.__version__.startswith("1."), numpy.__version__
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
columns = numpy.load(sys.argv[3])
names = [value.name for value in session.get_outputs()]
values = session.run(names, {value.name: columns[value.name] for value in session.get_inputs()})
numpy.save(sys.argv[4], numpy.stack(values))
"""


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """Python with the old runtime; it was built for Python 3.8 to 3.12."""
    if sys.version_info >= (3, 13):
        pytest.skip(f"onnxruntime {RUNTIME} was built for Python 3.8 to 3.12, this is {sys.version.split()[0]}")
    folder = tmp_path_factory.mktemp("runtime")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", "--retries", "1", f"onnxruntime=={RUNTIME}", "numpy<2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        pytest.skip(f"onnxruntime {RUNTIME} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.mark.slow
def test_runtime_of_2024_reads_the_file(interpreter, tmp_path):
    path = to_onnx(EventModel.from_pretrained("ho-multiclass"), tmp_path / "ho.onnx").path
    events = PaddedEvents.random(500, 20, seed=5)
    expected = run_onnx(path, events.columns, events.mask)
    np.savez(tmp_path / "columns.npz", **{k: v.numpy() for k, v in {**events.columns, "mask": events.mask}.items()})
    command = [str(interpreter), "-c", SCRIPT, RUNTIME, path, tmp_path / "columns.npz", tmp_path / "values.npy"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(tmp_path / "values.npy"), np.stack(list(expected.values())), atol=1e-5)
