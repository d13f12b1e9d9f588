"""What the registry promises, in SQLite and in PostgreSQL."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text
from support.postgres import Postgres, postgres_server

from streamproc.errors import ConfigurationError, Reason, RecordError, RefusedError, TransientError
from streamproc.models.base import ModelInfo, OutputKind, Variant
from streamproc.models.catalog import NewArtifact
from streamproc.models.sql import migrate
from streamproc.models.sql.database import Database
from streamproc.models.sql.infos import SQLAlchemyModelInfoRepository
from streamproc.models.sql.registry import ModelRegistry

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


class Opened:
    """Databases of one test, closed at its end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.all: list[Database] = []

    def database(self) -> Database:
        self.all.append(Database(self.url))
        return self.all[-1]

    def registry(self, actor: str = "me@here") -> ModelRegistry:
        clock = iter(START + timedelta(seconds=number) for number in range(10_000))
        return ModelRegistry(self.database(), actor=actor, now=lambda: next(clock))

    def infos(self, default_model_id: str | None = None) -> SQLAlchemyModelInfoRepository:
        return SQLAlchemyModelInfoRepository(self.database(), default_model_id)


@pytest.fixture
def opened(url: str) -> Iterator[Opened]:
    opened = Opened(url)
    yield opened
    for database in opened.all:
        database.close()


def content(name: str = "m", digest: str = "0" * 64) -> NewArtifact:
    return NewArtifact(
        name=name,
        digest=digest,
        format="skops",
        nbytes=2**33,
        store_key=f"00/{digest}.skops",
        feature_names=("a", "größe.breite", "v[0]"),
        output_kind=OutputKind.LONG,
        classes=("0", "1"),
        n_columns=7,
        libraries={"scikit-learn": "1.9.1"},
        description="for tests",
    )


def numbered(number: int, name: str = "m") -> NewArtifact:
    return content(name, f"{number:064x}")


def all_at_once(actions: Sequence[Callable[[], object]]) -> list[object]:
    barrier = threading.Barrier(len(actions))

    def after_all(action: Callable[[], object]) -> object:
        barrier.wait(30)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(after_all, actions))


def test_an_artifact_comes_back_as_it_was_published(opened: Opened) -> None:
    published = opened.registry().publish(content(), ["t2", "t1"])
    assert opened.infos().artifact("m@1") == published
    assert published.content == content()
    assert (published.model_id, published.version, published.tenants) == ("m@1", 1, ("t1", "t2"))
    assert (published.created_by, published.created_at.utcoffset()) == ("me@here", timedelta(0))


def test_versions_count_within_a_name(opened: Opened) -> None:
    registry = opened.registry()
    ids = [registry.publish(numbered(number, name)).model_id for number, name in enumerate(["x", "y", "x", "x", "y"])]
    assert ids == ["x@1", "y@1", "x@2", "x@3", "y@2"]
    assert [artifact.model_id for artifact in registry.list()] == ["x@1", "x@2", "x@3", "y@1", "y@2"]


def test_the_same_bytes_under_the_same_name_are_the_same_model(opened: Opened) -> None:
    registry = opened.registry()
    first, second, third = registry.publish(content("x")), registry.publish(content("x")), registry.publish(content("y"))
    assert (first, third.model_id) == (second, "y@1")
    assert len(registry.list()) == 2


def test_publishing_for_tenants_assigns_them(opened: Opened) -> None:
    opened.registry().publish(content(), ["t1", "t2", "t1"])
    infos = opened.infos()
    assert infos.get_model_info("t1") == infos.get_model_info("t2") == ModelInfo("m@1", Variant.CHAMPION, 1)


def test_a_tenant_without_an_assignment_is_unknown(opened: Opened) -> None:
    opened.registry().publish(content(), ["t1"])
    for tenant in ("T1", "t1 ", "t", "' OR 1=1 --", "t\0", "%"):
        with pytest.raises(RecordError, match="no model is assigned") as caught:
            opened.infos().get_model_info(tenant)
        assert caught.value.reason is Reason.TENANT_UNKNOWN
        assert tenant not in caught.value.message or len(tenant) < 2


def test_a_default_model_serves_tenants_without_an_assignment_as_fallback(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(numbered(1), ["t1"])
    registry.publish(numbered(2, "d"))
    infos = opened.infos("d@1")
    assert infos.get_model_info("anybody") == ModelInfo("d@1", Variant.FALLBACK, 0)
    assert infos.get_model_info("t1").model_id == "m@1"


def test_a_default_model_of_another_tenant_serves_nobody_else(opened: Opened) -> None:
    opened.registry().publish(content(), ["owner"])
    infos = opened.infos("m@1")
    assert infos.get_model_info("owner").model_id == "m@1"
    with pytest.raises(RecordError, match="belongs to other tenants") as caught:
        infos.get_model_info("stranger")
    assert (caught.value.reason, caught.value.model_id) == (Reason.TENANT_NOT_ALLOWED, "m@1")


def test_an_unknown_model_is_missing(opened: Opened) -> None:
    with pytest.raises(RecordError, match="no model m@9 is registered") as caught:
        opened.infos().artifact("m@9")
    assert caught.value.reason is Reason.MODEL_MISSING


def test_assigning_is_refused_for_an_unknown_model_and_for_one_of_other_tenants(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(content(), ["owner"])
    with pytest.raises(RefusedError, match="no model 'm@2' is registered"):
        registry.assign("t", "m@2")
    with pytest.raises(RefusedError, match="belongs to 'owner' and can't be assigned to 't'"):
        registry.assign("t", "m@1")
    assert registry.history("t") == ()
    assert len(registry.audit()) == 2


@pytest.mark.parametrize("tenant", ["", "a\nb", "a\0", "x" * 256, "é" * 128, "\x7f", "\udc80"])
def test_a_tenant_that_no_record_can_have_is_refused(opened: Opened, tenant: str) -> None:
    registry = opened.registry()
    registry.publish(content())
    with pytest.raises(RefusedError, match="can't be a tenant"):
        registry.assign(tenant, "m@1")
    with pytest.raises(RefusedError, match="can't be a tenant"):
        registry.publish(numbered(2), [tenant])
    assert [artifact.model_id for artifact in registry.list()] == ["m@1"]


def test_hostile_tenant_names_are_just_names(opened: Opened) -> None:
    registry, infos = opened.registry(), opened.infos()
    names = ["'; DROP TABLE artifacts; --", "%", "_", "\\", "é" * 127, "../..", '"', "東京", "a\u202eb", "NULL", " "]
    for number, name in enumerate(names):
        registry.publish(numbered(number), [name])
    assert [infos.get_model_info(name).model_id for name in names] == [f"m@{number + 1}" for number in range(len(names))]


def test_publishing_again_adds_owners_and_never_opens_an_owned_model(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(content(), ["t1"])
    assert registry.publish(content()).tenants == ("t1",)
    assert registry.publish(content(), ["t2"]).tenants == ("t1", "t2")


def test_publishing_an_open_model_for_a_tenant_keeps_it_open_to_others(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(content())
    registry.assign("t1", "m@1")
    assert registry.publish(content(), ["t2"]).tenants == ()
    assert opened.infos().get_model_info("t1").model_id == opened.infos().get_model_info("t2").model_id == "m@1"


def test_rollback_restores_what_preceded_and_again_one_further_back(opened: Opened) -> None:
    registry, infos = opened.registry(), opened.infos()
    for number in range(4):
        registry.publish(numbered(number), ["t"])
    assert [registry.rollback("t").model_id for _ in range(3)] == ["m@3", "m@2", "m@1"]
    with pytest.raises(RefusedError, match="only m@1, its first assignment"):
        registry.rollback("t")
    assert infos.get_model_info("t").model_id == "m@1"
    assert [entry.model_id for entry in registry.history("t")] == ["m@1", "m@2", "m@3", "m@4", "m@3", "m@2", "m@1"]


def test_an_assignment_after_a_rollback_is_preceded_by_what_the_rollback_restored(opened: Opened) -> None:
    registry = opened.registry()
    for number in range(3):
        registry.publish(numbered(number), ["t"])
    registry.rollback("t")
    registry.publish(numbered(9), ["t"])
    assert [registry.rollback("t").model_id for _ in range(2)] == ["m@2", "m@1"]


def test_a_tenant_without_assignments_has_nothing_to_roll_back(opened: Opened) -> None:
    with pytest.raises(RefusedError, match="tenant 't' has no assignment"):
        opened.registry().rollback("t")


def test_assigning_what_is_assigned_changes_nothing(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(numbered(1), ["t"])
    registry.publish(numbered(2), ["t"])
    revision = opened.infos().get_model_info("t").revision
    assert registry.assign("t", "m@2") == revision
    assert len(registry.history("t")) == 2
    assert registry.rollback("t").model_id == "m@1"


def test_every_change_has_an_audit_entry_with_who_when_before_and_after(opened: Opened) -> None:
    registry = opened.registry("ada@desk")
    registry.publish(numbered(1), ["t"])
    registry.publish(numbered(2))
    registry.assign("t", "m@2")
    registry.rollback("t")
    assert [(e.revision, e.action, e.tenant, e.before, e.after) for e in reversed(registry.audit())] == [
        (1, "publish", None, None, "m@1"),
        (1, "assign", "t", None, "m@1"),
        (2, "publish", None, None, "m@2"),
        (3, "assign", "t", "m@1", "m@2"),
        (4, "rollback", "t", "m@2", "m@1"),
    ]
    assert {entry.created_by for entry in registry.audit("t")} == {"ada@desk"}
    assert all(entry.created_at.utcoffset() == timedelta(0) for entry in registry.audit())


def test_current_assignments_are_listed_by_tenant(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(numbered(1), ["b", "a"])
    registry.publish(numbered(2), ["b"])
    assert [(entry.tenant, entry.model_id) for entry in registry.assignments()] == [("a", "m@1"), ("b", "m@2")]


def test_changes_since_a_revision_are_the_tenants_assigned_after_it(opened: Opened) -> None:
    registry, infos = opened.registry(), opened.infos()
    assert infos.changes_since(0).revision == 0
    registry.publish(numbered(1), ["a", "b"])
    seen = infos.changes_since(0)
    assert (seen.revision, set(seen.tenants)) == (1, {"a", "b"})
    registry.publish(numbered(2))
    registry.assign("c", "m@2")
    registry.rollback("a") if len(registry.history("a")) > 1 else None
    later = infos.changes_since(seen.revision)
    assert (later.revision, later.tenants) == (3, ("c",))
    assert infos.changes_since(later.revision).tenants == infos.changes_since(sys.maxsize).tenants == ()


def test_many_publishers_at_once_on_an_empty_database_get_one_version_each(opened: Opened) -> None:
    registries = [opened.registry() for _ in range(6)]
    published = all_at_once([lambda r=r, n=n: r.publish(numbered(n)).model_id for n, r in enumerate(registries)])  # type: ignore[misc]  # defaults bind the loop's values
    assert set(published) == {f"m@{number}" for number in range(1, 7)}


def test_many_publishers_of_the_same_bytes_get_the_same_id(opened: Opened) -> None:
    registries = [opened.registry() for _ in range(6)]
    published = all_at_once([lambda r=r: r.publish(content(), ["t"]).model_id for r in registries])  # type: ignore[misc]  # as above
    assert set(published) == {"m@1"}
    assert len(opened.registry().history("t")) == 1


def test_a_reader_that_follows_revisions_misses_no_change_of_concurrent_writers(opened: Opened) -> None:
    opened.registry().publish(content())
    infos, seen = opened.infos(), {"revision": 0}
    heard: set[str] = set()
    writers, per_writer = 4, 15
    finished = threading.Event()

    def write(writer: int) -> None:
        registry = opened.registry()
        for number in range(per_writer):
            registry.assign(f"t{writer}-{number}", "m@1")

    def listen() -> None:
        done = False
        while not done:
            done = finished.is_set()  # read before the last look, so that the last look sees everything
            changes = infos.changes_since(seen["revision"])
            assert changes.revision >= seen["revision"]
            seen["revision"] = changes.revision
            heard.update(changes.tenants)

    with ThreadPoolExecutor(writers + 1) as pool:
        listening = pool.submit(listen)
        writing = [pool.submit(write, writer) for writer in range(writers)]
        try:
            for future in writing:
                future.result(120)
        finally:
            finished.set()
        listening.result(60)
    assert heard == {f"t{writer}-{number}" for writer in range(writers) for number in range(per_writer)}


def test_a_later_writer_waits_for_an_earlier_one_so_that_no_revision_appears_before_a_lower_one(opened: Opened) -> None:
    opened.registry().publish(content())
    database, infos, other = opened.database(), opened.infos(), opened.registry()
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as connection:
            connection.execute(text("UPDATE revision SET revision = revision + 1"))
            late = pool.submit(other.assign, "late", "m@1")
            with pytest.raises(TimeoutError):
                late.result(0.3)  # it must not get past the one that has begun
            assert infos.changes_since(0).revision == 1
        assert late.result(30) == 3
    assert infos.changes_since(1).tenants == ("late",)


def test_a_transaction_that_fails_leaves_nothing(opened: Opened) -> None:
    registry = opened.registry()
    registry.publish(content(), ["owner"])
    with pytest.raises(RefusedError):
        registry.assign("t", "m@1")
    assert opened.infos().changes_since(0).revision == 1


def test_a_current_database_is_not_touched_at_start(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.registry().publish(content())
    monkeypatch.setattr("streamproc.models.sql.database.upgrade", lambda _: pytest.fail("upgraded a current database"))
    assert opened.infos().artifact("m@1").version == 1


def test_a_database_of_a_newer_release_is_refused(opened: Opened) -> None:
    opened.registry().publish(content())
    with opened.database().writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"at schema version 9999.*versions up to 0001"):
        opened.infos().get_model_info("t")


def test_the_upgrade_of_a_half_made_database_starts_from_where_it_is(opened: Opened) -> None:
    """An empty version table is what a process leaves that was killed between making it and the first migration."""
    with opened.database()._engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    assert opened.registry().publish(content()).model_id == "m@1"


def test_migrated_tables_are_those_that_the_code_expects(opened: Opened) -> None:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - slow, and for this test only
    from alembic.migration import MigrationContext  # noqa: PLC0415 - as above

    from streamproc.models.sql.tables import metadata  # noqa: PLC0415 - as above

    opened.registry().publish(content())
    with opened.database().reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_known_migrations_are_those_that_are_shipped() -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow, and for this test only

    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    assert scripts.get_heads() == [migrate.HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == migrate.KNOWN


def test_a_database_that_does_not_answer_is_transient_and_its_password_stays_secret() -> None:
    infos = SQLAlchemyModelInfoRepository("postgresql://user:top-secret@127.0.0.1:1/models")
    with pytest.raises(TransientError, match=r"postgresql:127.+:1/models does not answer \(OperationalError\)") as caught:
        infos.get_model_info("t")
    assert "top-secret" not in str(caught.value)


def test_a_file_that_can_not_be_opened_has_its_own_remedy(tmp_path: Path) -> None:
    infos = SQLAlchemyModelInfoRepository(f"sqlite:///{tmp_path}")
    with infos, pytest.raises(TransientError, match="write to the file and to its directory"):
        infos.get_model_info("t")


def test_a_registry_becomes_available_when_its_database_does(tmp_path: Path, postgres: Postgres) -> None:
    """The first attempt fails, and nothing of it is remembered."""
    del tmp_path
    url = postgres.new_database()
    database = Database(url)
    real, database._engine = database._engine, Database("postgresql://user@127.0.0.1:1/models")._engine
    infos = SQLAlchemyModelInfoRepository(database)
    with pytest.raises(TransientError):
        infos.changes_since(0)
    database._engine = real
    assert infos.changes_since(0).revision == 0
    database.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", "expected sqlite:///FILE or postgresql"),
        ("mysql://user:top-secret@host/db", "found mysql"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////no/such/folder/x.db", "the directory /no/such/folder does not exist"),
        ("postgresql+pg8000://user:top-secret@host/db", "expected sqlite or postgresql"),
    ],
)
def test_a_url_that_can_not_work_is_a_configuration_error(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Database(url)
    assert "top-secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"something else entirely" * 100)
    database = Database(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(ConfigurationError, match="is not a database that can be read"):
        SQLAlchemyModelInfoRepository(database).changes_since(0)
    database.close()


def test_a_registry_to_read_that_is_not_there_yet_is_empty_and_is_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    with ModelRegistry(Database.to_read(url), actor="me@here") as registry:
        assert (registry.list(), registry.assignments(), registry.history("t"), registry.audit()) == ((), (), (), ())
        with pytest.raises(RefusedError, match="no model 'm@1' is registered"):
            registry.show("m@1")
    with (
        SQLAlchemyModelInfoRepository(Database.to_read(url)) as infos,
        pytest.raises(RecordError, match="no model is assigned"),
    ):
        infos.get_model_info("t")
    assert list(tmp_path.iterdir()) == []


def test_a_registry_to_read_is_the_one_that_is_there(opened: Opened) -> None:
    opened.registry().publish(content(), ["t"])
    database = Database.to_read(opened.url)
    with SQLAlchemyModelInfoRepository(database) as infos:
        assert infos.get_model_info("t").model_id == "m@1"


def test_a_folder_that_is_not_there_is_a_configuration_error_also_to_read() -> None:
    with pytest.raises(ConfigurationError, match="the directory /no/such/folder does not exist"):
        Database.to_read("sqlite:////no/such/folder/x.db")


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_leaving_the_block_closes_every_connection(url: str) -> None:
    database = Database(url)
    closed: list[object] = []
    event.listen(database._engine, "close", lambda connection, _: closed.append(connection))
    with ModelRegistry(database, actor="me@here") as registry:
        registry.publish(content(), ["t"])
        assert not closed
    assert closed
    with SQLAlchemyModelInfoRepository(database) as infos:  # a closed database may be used again
        assert infos.get_model_info("t").model_id == "m@1"
        closed.clear()
    assert closed
