"""Compiled loops: no checks and no decisions, only what numpy cannot say fast enough.

Each is checked by its caller, cached on disk by numba, and has a readable reference that tests
hold it to. Import one only where it is called: numba alone costs a third of a second.
"""
