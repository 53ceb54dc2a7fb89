"""Every claim about speed or calibration, as a command that prints it.

`python -m benchmarks.NAME` prints a table, and with `--json` one object: {"rows": [...]}.
"""
