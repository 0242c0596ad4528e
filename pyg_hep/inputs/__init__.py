"""What a model sees of a batch: named columns of objects, events and pairs, standardised, and their inverses."""

from pyg_hep.inputs.columns import register_column
from pyg_hep.inputs.inverses import Inverse
from pyg_hep.inputs.raw import RawColumns
from pyg_hep.inputs.summary_variables import SummaryVariables
from pyg_hep.inputs.view import Channels, View

__all__ = ["Channels", "Inverse", "RawColumns", "SummaryVariables", "View", "register_column"]
