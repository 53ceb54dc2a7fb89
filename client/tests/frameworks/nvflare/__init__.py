"""NVIDIA FLARE's adapter."""
