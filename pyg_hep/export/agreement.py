"""Whether an ONNX file says what the model says, event by event."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.errors import ExportError
from pyg_hep.export.inference import Inference
from pyg_hep.export.padded_events import PaddedEvents


def session(content: bytes | str | Path) -> Any:
    """An onnxruntime session on the CPU, with one thread.

    Raises:
        ExportError: when onnxruntime is missing or refuses the file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ExportError("running an ONNX file needs onnxruntime: pip install 'pyg_hep[export]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = content if isinstance(content, bytes) else str(content)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class
        where = "the exported model" if isinstance(content, bytes) else content
        raise ExportError(f"onnxruntime {onnxruntime.__version__} does not load {where}: {error}") from None


def run_onnx(content: bytes | str | Path, columns: Mapping[str, Tensor], mask: Tensor) -> dict[str, np.ndarray]:
    """Predictions of an exported file by name, each ``[B]``.

    Args:
        content: the file, or what is in it.
        columns: padded columns; those that the file does not take are left out.
        mask: True where there is an object, shape ``[B, n]``.

    Raises:
        ExportError: when the file cannot be run, or takes a column that is not there.
    """
    return _run(session(content), {**columns, "mask": mask})


def _run(started: Any, every: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    names = [value.name for value in started.get_inputs()]
    for name in names:
        if name not in every:
            raise ExportError(f"the file takes {name!r}, which the events do not have")
    outputs = [value.name for value in started.get_outputs()]
    values = started.run(outputs, {name: every[name].numpy() for name in names})
    return dict(zip(outputs, values, strict=True))


def largest_difference(content: bytes, inference: Inference, samples: list[PaddedEvents], tolerance: float) -> float:
    """The largest difference between file and model, packed in PyTorch, over all events and predictions.

    Numbers that are larger than 1 (not probabilities) are compared relative to the largest of their column.

    Raises:
        ExportError: when it is above the tolerance, or one of the two is not finite.
    """
    started, largest = session(content), 0.0
    for events in samples:
        expected = inference.predict(events)
        found = _run(started, inference.arguments(events))
        for name, column in expected.items():
            assert isinstance(column, Tensor), "Objective.decode gives one row per event"
            size = float(column.abs().max().clamp(min=1.0))
            difference = (torch.from_numpy(found[name]).double() - column.double()).abs() / size
            worst = int(difference.nan_to_num(nan=torch.inf).argmax())
            # Not "above": a comparison with NaN must fail too.
            if not float(difference[worst]) <= tolerance:
                raise ExportError(
                    f"the prediction {name!r} is {float(found[name][worst]):.8g} in the exported file and "
                    f"{float(column[worst]):.8g} in PyTorch for an event of {int(events.mask[worst].sum())} objects: "
                    f"more than {tolerance:g} apart, so no file was written"
                )
            largest = max(largest, float(difference[worst]))
    return largest
