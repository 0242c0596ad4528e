"""Trained models in formats that other programs read; nothing here changes a model."""

from pyg_hep.export.agreement import run_onnx
from pyg_hep.export.inference import Inference
from pyg_hep.export.onnx_file import Exported, to_onnx
from pyg_hep.export.padded_events import PaddedEvents

__all__ = ["Exported", "Inference", "PaddedEvents", "run_onnx", "to_onnx"]
