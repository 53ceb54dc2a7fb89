# mypy: disable-error-code="import-not-found"
"""Play the example's rounds in this process: ``play.py FOLDER ROUNDS [SECONDS]``.

They are on the first windows; ``SECONDS`` is how long to wait for their delivery at the end.
"""

import sys
from pathlib import Path

import tomllib

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "flower"
sys.path[:0] = [str(EXAMPLE), str(HERE)]


def main() -> None:
    from flwr.app import Context, RecordDict
    from grid import RUN_ID, InProcessGrid
    from smog import client_app, server_app

    folder, rounds, *seconds = sys.argv[1:]
    if seconds:
        server_app.DELIVERY_SECONDS = float(seconds[0])
    declared = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    config = declared["tool"]["flwr"]["app"]["config"]
    config |= {"folder": folder, "num-server-rounds": int(rounds)}
    grid = InProcessGrid(client_app.app, server_app.STATIONS, config)
    server_app.app(grid, Context(RUN_ID, 0, {}, RecordDict(), config))


if __name__ == "__main__":
    main()
