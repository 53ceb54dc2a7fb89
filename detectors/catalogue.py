"""Sequential detectors by name, so that a policy can choose one: for one stream, or for many."""

from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import Any

from detectors.errors import BadParameterError, PluginError, UnknownDetectorError
from detectors.protocol import SequentialDetector
from detectors.sequential.adwin import Adwin
from detectors.sequential.blocks.block import Block
from detectors.sequential.cusum import Cusum
from detectors.sequential.ddm import Ddm
from detectors.sequential.eddm import Eddm
from detectors.sequential.hddm import HddmA, HddmW
from detectors.sequential.kswin import Kswin
from detectors.sequential.mean_eprocess import MeanEProcess
from detectors.sequential.multiflow import MultiflowAdapter, MultiflowDetector
from detectors.sequential.page_hinkley import PageHinkley
from detectors.sequential.sprt import Sprt

KNOWN: MappingProxyType[str, Callable[..., SequentialDetector]] = MappingProxyType(
    {
        "adwin": Adwin,
        "page-hinkley": PageHinkley,
        "cusum": Cusum,
        "sprt": Sprt,
        "ddm": Ddm,
        "eddm": Eddm,
        "hddm-a": HddmA,
        "hddm-w": HddmW,
        "kswin": Kswin,
        "mean-eprocess": MeanEProcess,
    }
)

# By name and not by class: blocks import numba, a third of a second that `create` does not need.
BLOCKS: MappingProxyType[str, str] = MappingProxyType(
    {
        "adwin": "adwin:AdwinBlock",
        "page-hinkley": "page_hinkley:PageHinkleyBlock",
        "cusum": "cusum:CusumBlock",
        "sprt": "sprt:SprtBlock",
        "ddm": "ddm:DdmBlock",
        "eddm": "eddm:EddmBlock",
        "hddm-a": "hddm:HddmABlock",
        "hddm-w": "hddm:HddmWBlock",
        "kswin": "kswin:KswinBlock",
        "mean-eprocess": "mean_eprocess:MeanEProcessBlock",
    }
)


def create(name: str, **parameters: Any) -> SequentialDetector:  # noqa: ANN401 - each has its own
    """Return a new detector for one stream, by its name in `KNOWN` or by "package.module:Class".

    The last form imports a class with scikit-multiflow's API and adapts it. Importing runs its
    code, so the name must come from whoever runs the service, never from a request. Raises
    UnknownDetectorError, PluginError, BadParameterError.

    >>> create("adwin", delta=0.01).drift_detected
    False
    """
    if ":" in name:
        return MultiflowAdapter(_plugin(name, parameters))
    if name not in KNOWN:
        raise UnknownDetectorError(name, tuple(KNOWN))
    try:
        return KNOWN[name](**parameters)
    except TypeError as error:
        raise BadParameterError("parameters", sorted(parameters), f"those of {name}") from error


def create_block(name: str, streams: int, **parameters: Any) -> Block:  # noqa: ANN401 - as above
    """Return a new block of `streams` streams of a detector, by its name in `BLOCKS`.

    The parameters are those of `create`. Raises UnknownDetectorError, BadParameterError.

    >>> create_block("cusum", 3, h=4.0).streams
    3
    """
    block = block_class(name)
    try:
        return block(streams, **parameters)
    except TypeError as error:
        raise BadParameterError("parameters", sorted(parameters), f"those of {name}") from error


def block_class(name: str) -> type[Block]:
    """Return the class of a detector's blocks, for its `restore`; UnknownDetectorError."""
    if name not in BLOCKS:
        raise UnknownDetectorError(name, tuple(BLOCKS))
    module, _, attribute = BLOCKS[name].partition(":")
    found: type[Block] = getattr(import_module(f"detectors.sequential.blocks.{module}"), attribute)
    return found


def _plugin(name: str, parameters: dict[str, Any]) -> MultiflowDetector:
    module, _, attribute = name.partition(":")
    try:
        made = getattr(import_module(module), attribute)(**parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise PluginError(name, str(error)) from error
    if not isinstance(made, MultiflowDetector):
        raise PluginError(
            name, "it lacks add_element, detected_change, detected_warning_zone or reset"
        )
    return made
