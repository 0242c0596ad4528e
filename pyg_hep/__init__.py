"""pyg_hep: collider events and jets as PyTorch Geometric graphs, pretraining and fine-tuning on them."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pyg_hep")
except PackageNotFoundError:  # a checkout on the path that was never installed
    __version__ = "0+unknown"
