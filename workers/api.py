"""The API as `vigie api` runs it: workers look at once for what its requests ask for."""

from fastapi import FastAPI

from app import main
from workers.app import ask_for_sweep
from workers.bell import Bell


def create_app() -> FastAPI:
    """The service as an ASGI application, with a bell."""
    app = main.create_app()
    Bell(ask_for_sweep).listen(app.state.database)
    return app
