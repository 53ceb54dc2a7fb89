"""A Flower round as a strategy sees it: real messages to a ClientApp, and no network.

These tests run in Flower's own environment; elsewhere they are not collected, as nothing of them
could run. ``tests/frameworks/test_flower.py`` starts them there.
"""

import importlib.util

if importlib.util.find_spec("flwr") is None:
    collect_ignore_glob = ["*.py"]
