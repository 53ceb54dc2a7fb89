"""Every name that a service writes into the outbox is a registered task, and beat's too."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from app.core.settings import Settings
from workers.app import create_celery
from workers.schedule import beat_schedule
from workers.tasks import EFFECTS, app

SERVICE = Path(str(import_module("app").__file__)).parent


def enqueued_names() -> Iterator[str]:
    """The task of every `outbox.enqueue(session, task, ...)` in the service, as it evaluates."""
    for path in sorted(SERVICE.rglob("*.py")):
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        for call in calls:
            if ast.unparse(call.func) == "outbox.enqueue":
                parts = path.relative_to(SERVICE.parent).with_suffix("").parts
                module = import_module(".".join(parts))
                yield eval(ast.unparse(call.args[1]), vars(module))


def test_every_enqueued_name_has_an_effect() -> None:
    names = set(enqueued_names())
    assert {"incidents.on_round", "incidents.deliver_notice", "registry.mirror_version"} <= names
    assert names <= set(EFFECTS)


def test_every_effect_and_every_periodic_task_is_registered(tmp_path: Path) -> None:
    assert set(EFFECTS) <= set(app.tasks)
    assert set(beat_schedule(Settings(data_dir=tmp_path))) <= set(app.tasks)


def test_messages_never_wait_for_an_answer_nor_keep_results(tmp_path: Path) -> None:
    celery = create_celery(Settings(data_dir=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    assert celery.conf.task_ignore_result
    assert celery.conf.broker_transport_options["socket_connect_timeout"] <= 5
    assert celery.conf.result_backend is None
