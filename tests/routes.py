"""Every route of an application, those of routers within routers too."""

from collections.abc import Iterable, Iterator

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute


def every_route(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """The API's and the console's, in the order in which they were added."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from every_route(route.original_router.routes)


def api_routes(routes: Iterable[BaseRoute]) -> dict[str, APIRoute]:
    """The routes of the API's document, each by method and path."""
    of_api = (route for route in every_route(routes) if route.include_in_schema)
    return {f"{method} {route.path}": route for route in of_api for method in route.methods}
