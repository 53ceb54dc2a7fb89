"""The files that set up PostgreSQL and Redis, given to a real PostgreSQL and a real Redis."""

import stat
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis

from tests.servers import postgres_program, running_postgres, running_redis
from tests.unit.deployment.compose import COMPOSE, ROOT

PASSWORD = "a password of the test"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that `deploy/make-secrets.sh` makes, in a checkout of its own."""
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy/make-secrets.sh"
    script.write_bytes((ROOT / "deploy/make-secrets.sh").read_bytes())
    subprocess.run(["/bin/sh", str(script)], check=True, stdout=subprocess.DEVNULL)
    return tmp_path / "secrets"


def test_secrets_are_made_once_each_its_own_and_closed_to_others(secrets: Path) -> None:
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(made) == {f"{name}.txt" for name in COMPOSE["secrets"]}
    random = [text.strip() for name, text in made.items() if name != "alert_webhook_url.txt"]
    assert len(set(random)) == len(random)
    assert all(len(text) == 64 and int(text, 16) for text in random)
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700

    script = secrets.parent / "deploy/make-secrets.sh"
    subprocess.run(["/bin/sh", str(script)], check=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == made


@pytest.mark.postgres
def test_the_databases_are_made_with_owners_that_are_no_superusers(
    secrets: Path, tmp_path: Path
) -> None:
    script = (ROOT / "deploy/postgres/10-databases.sql").read_text()
    for name in ("database_password", "mlflow_password"):
        script = script.replace(f"/run/secrets/{name}", str(secrets / f"{name}.txt"))
    with running_postgres(tmp_path) as url:
        address = url.replace("+psycopg", "")
        command = [postgres_program("psql"), address, "--no-psqlrc", "--quiet"]
        subprocess.run(command, input=script.encode(), check=True)
        with psycopg.connect(address) as connection:
            roles = connection.execute(
                "SELECT rolname, rolsuper, rolcanlogin, rolpassword IS NOT NULL FROM pg_authid"
                " WHERE rolname IN ('vigie', 'mlflow') ORDER BY 1"
            ).fetchall()
        assert roles == [("mlflow", False, True, True), ("vigie", False, True, True)]
        home = address.rsplit("/", 1)[0]
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(f"{home}/vigie", user="mlflow")
        with psycopg.connect(f"{home}/vigie", user="vigie") as connection:
            connection.execute("CREATE TABLE mine (id int)")


@pytest.mark.redis
def test_redis_keeps_every_message_and_wants_its_password(tmp_path: Path) -> None:
    password = tmp_path / "password.conf"
    password.write_text(f'requirepass "{PASSWORD}"\n')
    options = [str(ROOT / "deploy/redis/redis.conf"), "--include", str(password)]
    with running_redis(tmp_path, options=options) as url:
        with redis.Redis.from_url(url) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(url, password=PASSWORD, decode_responses=True) as client:
            wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": ""}
            assert {name: client.config_get(name)[name] for name in wanted} == wanted
            client.set("message", "waits")
    with (
        running_redis(tmp_path, options=options) as url,
        redis.Redis.from_url(url, password=PASSWORD, decode_responses=True) as client,
    ):
        assert client.get("message") == "waits"


@pytest.mark.postgres
def test_postgres_comes_back_with_its_data_on_the_same_port(tmp_path: Path) -> None:
    with running_postgres(tmp_path) as url:
        address = url.replace("+psycopg", "")
        port = int(address.rsplit(":", 1)[1].split("/")[0])
        with psycopg.connect(address) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    with running_postgres(tmp_path, port) as again:
        assert again == url
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
