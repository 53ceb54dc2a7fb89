"""NVIDIA FLARE: its rounds go to Vigie, and Vigie's retrain requests become its jobs.

Needs ``nvflare`` (2.9), which ``vigie-client`` does not install.
"""

from vigie_client.nvflare.records import attach
from vigie_client.nvflare.reporter import VigieReporter
from vigie_client.nvflare.training import FlareJobFailed, FlareTraining
from vigie_client.weights import weights_sha256

__all__ = ["FlareJobFailed", "FlareTraining", "VigieReporter", "attach", "weights_sha256"]
