"""Flower: its rounds go to Vigie, and Vigie's retrain requests become its runs.

Needs ``flwr`` (1.41), which ``vigie-client`` does not install.
"""

from vigie_client.flower.classic import ClassicVigieMixin
from vigie_client.flower.outcome import Outcome
from vigie_client.flower.records import METRIC, attach, to_metric
from vigie_client.flower.strategies import VigieMixin
from vigie_client.flower.trainees import trainees_from
from vigie_client.flower.training import FlowerRunFailed, FlowerTraining
from vigie_client.flower.watcher import Watcher
from vigie_client.flower.watching import watch
from vigie_client.flower.weights import weights_sha256

__all__ = [
    "METRIC",
    "ClassicVigieMixin",
    "FlowerRunFailed",
    "FlowerTraining",
    "Outcome",
    "VigieMixin",
    "Watcher",
    "attach",
    "to_metric",
    "trainees_from",
    "watch",
    "weights_sha256",
]
