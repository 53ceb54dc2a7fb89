"""Federated histories with known drift, or none, and what plays them through the service."""
