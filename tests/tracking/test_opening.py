from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from multi_llm_comparator.core.exceptions import ConfigurationError, DamagedStoreError, StoreError
from multi_llm_comparator.tracking import database
from multi_llm_comparator.tracking.database import open_engine, parse_url
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.tables import SCHEMA_REVISION, metadata
from tests.support.postgres import new_database
from tests.tracking.records import a_run, an_item

pytestmark = pytest.mark.cold
ROOT = Path(__file__).parents[2]
_OPEN = """
import sys
from multi_llm_comparator.tracking.store import Store
print("ready", flush=True)
sys.stdin.readline()
print(Store(sys.argv[1]).count_runs(), flush=True)
"""


def test_the_migrations_make_what_the_tables_declare(database_url: str) -> None:
    engine = open_engine(parse_url(database_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_the_tables_name() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_REVISION


@pytest.mark.slow
def test_processes_that_open_one_new_database_at_once_all_succeed(database_url: str) -> None:
    command = [sys.executable, "-c", _OPEN, database_url]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    answers = [child.communicate("go\n", timeout=60)[0] for child in children]
    assert answers == ["0\n"] * 2


def test_opening_again_does_not_import_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    Store(url).close()
    code = (
        "import sys; from multi_llm_comparator.tracking.store import Store; Store(sys.argv[1]); "
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=True, timeout=60)


def test_a_database_of_a_newer_version_is_left_alone(database_url: str) -> None:
    engine = open_engine(parse_url(database_url))
    with database.writing(engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="newer version"):
        Store(database_url)


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'deep' / 'down' / 'runs.db'}").save_run(a_run())
    assert (tmp_path / "deep" / "down" / "runs.db").exists()


def test_a_percent_sign_in_the_path_is_only_a_character(tmp_path: Path) -> None:
    assert Store(f"sqlite:///{tmp_path / '50%25 off %(here)s.db'}").count_runs() == 0


@pytest.mark.parametrize(
    "content", [b"this is not a database, whatever its name says" * 50, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged: restore a copy") as caught:
        Store(f"sqlite:///{path}")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_damage_that_shows_only_later_is_named_as_well(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    store = Store(f"sqlite:///{path}")
    store.save_run(a_run(), [an_item(str(n), text="text " * 2000) for n in range(50)])
    store.close()
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[8192 : len(data) - 4096] = b"\xa5" * (len(data) - 12288)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        Store(f"sqlite:///{path}").load_items("r1")


def test_a_folder_in_place_of_the_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a regular file; move it away"):
        Store(f"sqlite:///{tmp_path}")


def test_a_locked_database_is_waited_for_and_then_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "runs.db"
    store = Store(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.count_runs() == 0
    with pytest.raises(StoreError, match="held by another program"):
        store.save_run(a_run())
    other.execute("COMMIT")
    store.save_run(a_run())
    assert store.count_runs() == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "not a URL"),
        ("runs.db", "not a URL"),
        ("mysql://me@host/db", "'mysql'"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Store(url)


def test_an_unreachable_postgres_is_explained_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is it running") as caught:
        Store(f"postgresql://me:secret@/db?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_a_postgres_that_went_away_and_came_back_is_used_again(postgres_socket: Path) -> None:
    url = new_database(postgres_socket)
    store = Store(url)
    killer = sa.create_engine(parse_url(url), isolation_level="AUTOCOMMIT")
    with killer.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(sa.text(f"{others} AND pid <> pg_backend_pid()"))
    killer.dispose()
    store.save_run(a_run())
    assert store.count_runs() == 1
    store.close()


def test_a_damaged_file_is_set_aside_with_its_date_when_that_is_asked_for(tmp_path: Path) -> None:
    path, content = tmp_path / "runs.db", b"not a database at all" * 100
    path.write_bytes(content)
    path.with_name("runs.db-wal").write_bytes(b"more")
    with pytest.raises(DamagedStoreError, match=r"is damaged: restore a copy, or start with .*--set-database-aside"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == content
    aside = database.set_aside(f"sqlite:///{path}")
    assert aside is not None
    assert aside.read_bytes() == content
    assert aside.name.startswith("runs.db.damaged-20")
    Store(f"sqlite:///{path}").close()


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    Store(f"sqlite:///{path}").close()
    path.chmod(0o644)
    store = Store(f"sqlite:///{path}")
    store.save_run(a_run())
    assert {stat.S_IMODE(part.stat().st_mode) for part in tmp_path.glob("runs.db*")} == {0o600}
    store.close()
