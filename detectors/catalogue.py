"""Sequential detectors by name, so that a policy can choose one."""

from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import Any

from detectors.errors import BadParameterError, PluginError, UnknownDetectorError
from detectors.protocol import SequentialDetector
from detectors.sequential.adwin import Adwin
from detectors.sequential.multiflow import MultiflowAdapter, MultiflowDetector
from detectors.sequential.page_hinkley import PageHinkley

KNOWN: MappingProxyType[str, Callable[..., SequentialDetector]] = MappingProxyType(
    {"adwin": Adwin, "page-hinkley": PageHinkley}
)


def create(name: str, **parameters: Any) -> SequentialDetector:  # noqa: ANN401 - each has its own
    """Return a new detector: "adwin", "page-hinkley", or "package.module:Class".

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
