"""Every page of the console, and who looks at it where: for accessibility and for pictures."""

from dataclasses import dataclass

from starlette.routing import Match

from app.console import router
from app.federations.roles import Role
from tests.routes import every_route
from tests.unit.console.world import World

MODEL = "/f/flights/models/late-arrival"
ROUND = "/f/flights/rounds/{world.round_id}"
INCIDENT = "/f/flights/incidents/{world.incident_id}"
PROMOTION = "/f/flights/promotions/{world.promotion_id}"


@dataclass(frozen=True)
class Look:
    """A page's address in the world, and what it answers."""

    address: str
    status: int = 200
    picture: str = ""  # the documentation's name for its picture, where it has one

    def at(self, world: World, **made: str) -> str:
        """Where it is; `made` is what the world had not."""
        return self.address.format(world=world, **made)


# Each page is seen by somebody who may do most on it; None is whoever has not signed in.
LOOKS: dict[Role | None, tuple[Look, ...]] = {
    None: (Look("/login"), Look("/password/{password}")),
    Role.OWNER: (
        Look("/", picture="overview"),
        Look("/account", picture="account"),
        Look("/f/flights", picture="federation"),
        Look(MODEL, picture="model"),
        Look(f"{MODEL}/cohorts", picture="cohorts"),
        Look(f"{MODEL}/versions/2/card"),
        Look(f"{MODEL}/versions/2/report", 202),
        Look("/f/flights/inventory", picture="inventory"),
        Look("/f/flights/policy", picture="policy"),
        Look("/f/flights/policy/trials/{trial}", 202),
        Look(ROUND, picture="round"),
        Look(f"{ROUND}/report", 202),
        Look(INCIDENT, picture="incident"),
        Look(f"{INCIDENT}/report", 202),
        Look("/f/flights/nothing", 404),
    ),
    Role.VALIDATOR: (
        Look(PROMOTION, picture="promotion"),
        Look(f"{PROMOTION}/report", 202),
        Look("/f/flights/audit?verify=true", picture="audit"),
        Look("/f/flights/proposals", picture="proposals"),
    ),
    Role.ADMIN: (Look("/f/flights/members", picture="members"),),
}
NO_PAGES = {
    "/static/{digest}/{name}",
    "/f/{federation}/audit/export",  # a file
    "/login/provider",  # both send elsewhere
    "/login/provider/callback",
}


def routes_without_a_look() -> set[str]:
    """The pages' routes that nobody in `LOOKS` comes by."""
    routes = [one for one in every_route(router.router.routes) if "GET" in one.methods]
    seen = set()
    for look in (one for some in LOOKS.values() for one in some):
        path = look.address.partition("?")[0].replace("{", "").replace("}", "")
        seen.add(next(one.path for one in routes if _leads(one, path)))
    return {one.path for one in routes} - seen


def _leads(route: object, path: str) -> bool:
    scope = {"type": "http", "method": "GET", "path": path}
    return route.matches(scope)[0] is Match.FULL
