"""The six dashboards, one a file; each answers one person's question."""

from dashboards.boards import data_quality, drift, lifecycle, on_call, operations, overview
from dashboards.frame import Board

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    drift.BOARD,
    lifecycle.BOARD,
    on_call.BOARD,
    data_quality.BOARD,
    operations.BOARD,
)
