"""``to_onnx``: a trained model as one ONNX file, which C++ programs (Athena, CMSSW) run with onnxruntime."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from pyg_hep.errors import ConfigError, ExportError, OutputError
from pyg_hep.export.agreement import largest_difference
from pyg_hep.export.inference import Inference
from pyg_hep.export.operators import known_operators
from pyg_hep.export.padded_events import PaddedEvents
from pyg_hep.provenance import git_hash, versions

if TYPE_CHECKING:
    from pyg_hep.training import EventModel

OPSET, IR_VERSION = 17, 8
"""What onnxruntime reads since 1.12, so the releases of the experiments do."""

LARGEST = 24
"""Objects of the largest random event on which file and model are compared."""


class Exported(NamedTuple):
    """What was written.

    Args:
        path: the file.
        inputs: name -> shape and type, ``float32 [events, objects, 4]``.
        outputs: name -> the same.
        difference: the largest between file and model, on ``events`` events.
        events: how many were compared.
    """

    path: Path
    inputs: dict[str, str]
    outputs: dict[str, str]
    difference: float
    events: int


def to_onnx(model: EventModel, path: str | Path, example: Any = None, tolerance: float = 1e-5) -> Exported:
    r"""Write a trained model as an ONNX file (opset 17, IR version 8), checked against PyTorch on the way.

    The file takes raw columns as events are stored, so that no program has to make features again: those that the
    view reads, ``p4`` ``[events, objects, 4]`` (pt [GeV], eta, phi [rad], mass [GeV]), others ``[events, objects]``
    (or with numbers of their own after it), columns of events ``[events]``, and ``mask`` ``[events, objects]``, True
    where there is an object. Numbers with a fraction are float32, others int64. Both sizes are free in every call, and
    what stands in the padding, NaN included, has no influence.

    Every prediction is an output of its own, ``[events]``, under the name that :func:`~pyg_hep.training.predict` gives
    it (a class's probability under the class's name): a program asks for ``ttH`` and cannot mix up an order. The
    order, class names, view, versions, commit and card are in the metadata of the file.

    Args:
        model: a trained model whose objective predicts numbers of an event. It stays as it is.
        path: of the file.
        example: events (a data set or a packed batch) that show the shapes of columns outside the schema, and on which
            file and model are compared too; None takes random events.
        tolerance: largest difference to PyTorch, absolute for probabilities, for numbers above 1 relative to the
            largest of their column.

    Raises:
        ExportError: when the objective predicts nothing of an event, the model holds what ONNX lacks, or the file does
            not agree with the model; nothing is written then.
        ConfigError: for an example that lacks a column.
        OutputError: when the file cannot be written.
    """
    onnx = _onnx()
    reference, inference = Inference(model), Inference(model).float()
    events = (PaddedEvents.random(5, 5) if example is None else PaddedEvents.of(example)).widened(3)
    try:
        inference.prepare(events)
    except ConfigError as error:
        raise (
            error if example is not None else ExportError(f"{error} (or give events that have it: example=)")
        ) from None
    samples = [events.spoiled(), events.first(1)]
    if example is None:
        samples = [PaddedEvents.random(200, LARGEST, seed=1), PaddedEvents.random(20, 1, seed=2), *samples]
    reference.inputs = inference.inputs
    file = onnx.load_model_from_string(_traced(inference, events))
    _check_format(file)
    _name_outputs(file, inference.outputs)
    _annotate(file, model, inference)
    onnx.checker.check_model(file, full_check=True)
    content = file.SerializeToString()
    difference = largest_difference(content, reference, samples, tolerance)
    inputs, outputs = _described(file.graph.input), _described(file.graph.output)
    number = sum(sample.mask.size(0) for sample in samples)
    return Exported(_write(Path(path), content), inputs, outputs, difference, number)


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise ExportError("to_onnx needs onnx and onnxruntime: pip install 'pyg_hep[export]'") from None
    return onnx


def _traced(inference: Inference, events: PaddedEvents) -> bytes:
    arguments = inference.arguments(events)
    axes = {name: {0: "events", 1: "objects"} for name in arguments if name not in events.events}
    # Predictions get their names afterwards: the exporter refuses some, a class called "0" for one.
    outputs = [f"prediction_{k}" for k in range(len(inference.outputs))]
    axes |= {name: {0: "events"} for name in (*(name for name in arguments if name in events.events), *outputs)}
    buffer = io.BytesIO()
    with known_operators(), torch.no_grad():
        try:
            # The newer exporter writes opset 18 and up only, which many releases of experiments do not read.
            torch.onnx.export(
                inference,
                tuple(arguments.values()),
                buffer,  # type: ignore[arg-type]  # the signature leaves out what the exporter takes
                dynamo=False,
                opset_version=OPSET,
                input_names=list(arguments),
                output_names=outputs,
                dynamic_axes=axes,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f"{type(inference.backbone).__name__} cannot be written as ONNX: {reason}") from None
    return buffer.getvalue()


def _check_format(file: Any) -> None:
    opsets = {entry.domain or "ai.onnx": entry.version for entry in file.opset_import}
    if opsets != {"ai.onnx": OPSET} or file.ir_version != IR_VERSION:
        raise ExportError(
            f"torch {torch.__version__} wrote opsets {opsets} and IR version {file.ir_version} instead of "
            f"opset {OPSET} and IR version {IR_VERSION}"
        )


def _name_outputs(file: Any, names: tuple[str, ...]) -> None:
    new = {value.name: name for value, name in zip(file.graph.output, names, strict=True)}
    for value in file.graph.output:
        value.name = new[value.name]
    for node in file.graph.node:
        for ends in (node.input, node.output):
            for place, name in enumerate(ends):
                ends[place] = new.get(name, name)


def _annotate(file: Any, model: EventModel, inference: Inference) -> None:
    """Metadata: plain text, lists and mappings as JSON."""
    data = model.metadata.get("data", {})
    card = data.get("card") or model.metadata.get("card") or ""
    names = getattr(inference.objective, "class_names", None) or list(inference.outputs)
    content: dict[str, Any] = {
        "class_names": names,
        "outputs": list(inference.outputs),
        "inputs": _described(file.graph.input),
        "objective": type(inference.objective).__name__,
        "backbone": type(inference.backbone).__name__,
        "view": inference.view.config(),
        "card": card.get("name", "") if isinstance(card, Mapping) else str(card),
        "data_digest": data.get("digest", ""),
        "versions": {**versions(), "onnx": _onnx().__version__},
        "git": git_hash(),
        "trained_with": {key: model.metadata[key] for key in ("versions", "git") if key in model.metadata},
    }
    file.producer_name, file.producer_version = "pyg_hep", content["versions"]["pyg_hep"]
    for key, value in content.items():
        entry = file.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)


def _described(values: Any) -> dict[str, str]:
    """Name -> type and shape of inputs or outputs."""
    described = {}
    for value in values:
        tensor = value.type.tensor_type
        kind = _onnx().helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        described[value.name] = f"{kind} [{', '.join(d.dim_param or str(d.dim_value) for d in tensor.shape.dim)}]"
    return described


def _write(path: Path, content: bytes) -> Path:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if partial.parent.is_dir():
            partial.unlink(missing_ok=True)
    return path
