"""A thin port over MLflow's model registry: everything here can be done twice without harm."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.registry.deviations import Seen
from app.registry.mlflow_store import MlflowStore
from app.registry.twins import VERSION_ID, Held, Twin, to_be_set


class MlflowRegistry(MlflowStore):
    """MLflow's model registry.

    With a database, a version without weights of its own has its lineage under `artifacts_dir` as
    source.
    """

    def ensure_version(self, twin: Twin) -> Held:
        """MLflow's version of the twin, which is made if there is none, with the twin's tags.

        It is looked for by its id, so a repetition after a crash makes no second one.
        """
        self._ensure_model(twin.name)
        known = self._found(twin) or self._made(twin)
        for key, value in to_be_set(twin.tags, twin.told, known.tags).items():
            self._client.set_model_version_tag(twin.name, known.number, key, value)
        return Held(known.number, twin.tags, known.source)

    def aliases(self, name: str) -> dict[str, str]:
        """MLflow's number under each alias of a registered model."""
        model = self._client.get_registered_model(name)
        return {alias: str(number) for alias, number in model.aliases.items()}

    def align(
        self, name: str, wanted: Mapping[str, str | None], told: Mapping[str, str] | None
    ) -> dict[str, str]:
        """Set each alias to its number, and delete those wanted as None; others are let alone.

        So are those that were `told` as they are wanted, and that somebody has moved since; with
        `told` None they are put back. Returns the aliases as they were before.
        """
        found = self.aliases(name)
        for alias, number in to_be_set(wanted, told, found).items():
            if number is None:
                self._client.delete_registered_model_alias(name, alias)
            else:
                self._client.set_registered_model_alias(name, alias, number)
        return found

    def look(self, name: str) -> Seen:
        """What MLflow has under a registered model's name."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - the import takes seconds

        try:
            aliases = self.aliases(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return Seen(None, {})
        found = self._search(f"name = '{name}'")
        return Seen(aliases, {held.number: held for held in found})

    def _found(self, twin: Twin) -> Held | None:
        """The version of the twin; one of another source goes, where that is to be mended."""
        found = self._oldest(twin)
        if found and twin.told is None and twin.told_source not in (None, found.source):
            self._client.delete_model_version(twin.name, found.number)
            return None
        return found

    def _made(self, twin: Twin) -> Held:
        made = self._client.create_model_version(
            twin.name, self._source(twin), tags=twin.tags, description=twin.note
        )
        first = self._oldest(twin)
        assert first is not None  # it was made
        if str(made.version) != first.number:  # somebody made it at the same time, and was first
            self._client.delete_model_version(twin.name, str(made.version))
        return first

    def _oldest(self, twin: Twin) -> Held | None:
        versions = self._search(
            f"name = '{twin.name}' AND tags.`{VERSION_ID}` = '{twin.version_id}'"
        )
        return min(versions, key=lambda held: int(held.number), default=None)

    def _search(self, query: str) -> list[Held]:
        found, token = [], None
        while True:
            page = self._client.search_model_versions(query, page_token=token)
            found += [
                Held(str(version.version), dict(version.tags), version.source) for version in page
            ]
            token = page.token
            if not token:
                return found

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - the import takes seconds

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _source(self, twin: Twin) -> str:
        """Where the weights are; else a written lineage, or on a server the weights' hash."""
        if twin.artifact_uri is not None:
            return twin.artifact_uri
        if self._is_a_server:
            return f"vigie://weights/{twin.weights_sha256}"
        return self._write_lineage(twin).as_uri()

    def _write_lineage(self, twin: Twin) -> Path:
        folder = self._artifacts_dir / twin.name / twin.version_id
        folder.mkdir(parents=True, exist_ok=True)
        lineage: dict[str, Any] = {**twin.tags, "note": twin.note}
        (folder / "lineage.json").write_text(json.dumps(lineage, indent=2, sort_keys=True))
        return folder
