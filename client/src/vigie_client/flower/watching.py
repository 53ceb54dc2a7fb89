"""``watch``: makes a watched strategy of one that is there."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from vigie_client.flower.classic import ClassicVigieMixin
from vigie_client.flower.strategies import VigieMixin
from vigie_client.flower.watcher import OwnReports, Reports, Watcher

S = TypeVar("S")


def watch(
    strategy: S,
    reporter: Reports | Callable[[], OwnReports],
    /,
    **what: Any,  # noqa: ANN401 - the Watcher's
) -> S:
    """Return a copy of ``strategy``, of either API, that tells ``reporter`` of its rounds.

    A function that opens the reporter is called under guard, so that nothing of it can stop the
    training; ``strategy.vigie.close(30)`` at the end of the run then sends what is left. ``what``
    are ``Watcher``'s arguments: ``model`` and ``version`` at least. The copy is shallow and of a
    subclass of the strategy's own class, so it does all that the strategy does, its own ``start``
    included. ``TypeError`` for what is no strategy.
    """
    kind = type(strategy)
    mixin = _mixin_for(strategy)
    subclass = type(f"Watched{kind.__name__}", (mixin, kind), {})
    watched = cast("S", object.__new__(subclass))
    vars(watched).update(vars(strategy), vigie=Watcher(reporter, **what))
    return watched


def _mixin_for(strategy: object) -> type:
    if hasattr(strategy, "configure_train"):
        return VigieMixin
    if hasattr(strategy, "configure_fit"):
        return ClassicVigieMixin
    raise TypeError(f"{type(strategy).__name__} is no Flower strategy.")
