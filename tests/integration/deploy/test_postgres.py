"""The embedded PostgreSQL, with the system's and with the wheel's programs."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.accounts import SHARED_STATE_ROOT, choose_account, stand_in_for
from deploy.database import DATABASE_URL_VARIABLE, DatabaseServer, database_server
from deploy.errors import MissingProgramError, StateError
from deploy.pg_binaries import Binaries, find_binaries, inspect, system_dirs, wheel_dirs
from deploy.ports import polls
from deploy.postgres import EmbeddedPostgres

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[3]
SOURCES = {"system": system_dirs, "wheel": wheel_dirs}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop privileges")


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """Return a state folder that is removed with its stand-in."""
    folder = tmp_path / "postgres"
    yield folder
    shutil.rmtree(stand_in_for(folder), ignore_errors=True)


@pytest.fixture(params=sorted(SOURCES))
def binaries(request: pytest.FixtureRequest) -> Binaries:
    """Return each source's programs."""
    found = [inspect(folder) for folder in SOURCES[request.param]()]
    usable = [each for each in found if each is not None and each.major >= 15]
    if not usable:
        pytest.skip(f"no PostgreSQL from the {request.param}")
    return usable[0]


def execute(url: str, statement: str) -> None:
    """Run and commit one statement."""
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def fetch_one(url: str, query: str) -> tuple[object, ...]:
    """Return one row."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def test_committed_rows_survive_kill_and_restart(binaries: Binaries, state_dir: Path) -> None:
    """After kill -9 the server comes back at the same address with what was committed."""
    with EmbeddedPostgres(state_dir, binaries=binaries) as postgres:
        url = postgres.url
        execute(url, "CREATE TABLE kept (n int)")
        for number in range(3):
            execute(url, f"INSERT INTO kept VALUES ({number})")
            postgres.kill()
            postgres.start()
        assert postgres.url == url
        assert fetch_one(url, "SELECT count(*) FROM kept") == (3,)
        assert fetch_one(url, "SHOW fsync") == ("on",)


def test_second_start_keeps_state_and_address(binaries: Binaries, state_dir: Path) -> None:
    """A second launcher on the same folder finds rows, password and port again."""
    with EmbeddedPostgres(state_dir, binaries=binaries) as postgres:
        first_url = postgres.url
        execute(first_url, "CREATE TABLE kept (n int)")
        version = fetch_one(first_url, "SHOW server_version_num")
    made = (state_dir / "secrets.json").stat().st_mtime_ns

    with EmbeddedPostgres(state_dir) as again:
        assert again.url == first_url
        assert fetch_one(first_url, "SELECT count(*) FROM kept") == (0,)
        assert fetch_one(first_url, "SHOW server_version_num") == version
    assert (state_dir / "secrets.json").stat().st_mtime_ns == made


def test_programs_connect_as_an_owner_who_is_no_superuser(
    binaries: Binaries, state_dir: Path
) -> None:
    """The owner makes tables and roles, acts as them, and stays under row-level security."""
    with EmbeddedPostgres(state_dir, binaries=binaries, durable=False) as postgres:
        execute(postgres.url, "CREATE TABLE kept (n int)")
        execute(postgres.url, "CREATE ROLE reader")
        execute(postgres.url, "GRANT reader TO pledgewatch")
        execute(postgres.url, "SET ROLE reader")
        query = "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        assert fetch_one(postgres.url, query) == (False, False)
        assert fetch_one(postgres.url, "SHOW server_encoding") == ("UTF8",)
        assert fetch_one(postgres.url, "SELECT 'B' < 'a'") == (True,)
        assert fetch_one(postgres.superuser_url, "SHOW is_superuser") == ("on",)


def test_wrong_password_is_refused(state_dir: Path) -> None:
    """Loopback is no password."""
    with EmbeddedPostgres(state_dir, durable=False) as postgres:
        wrong = f"postgresql://pledgewatch:wrong@127.0.0.1:{postgres.port}/pledgewatch"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


@needs_root
def test_root_drops_privileges(binaries: Binaries, state_dir: Path) -> None:
    """Under root the server and its files belong to an unprivileged account; secrets do not."""
    account = choose_account()
    assert account is not None
    with EmbeddedPostgres(state_dir, binaries=binaries, durable=False) as postgres:
        assert postgres.child is not None
        status = Path(f"/proc/{postgres.child.pid}/status").read_text(encoding="ascii")
        assert f"Uid:\t{account.uid}\t{account.uid}\t{account.uid}\t{account.uid}\n" in status
        assert "Groups:\t \n" in status
        (directory,) = fetch_one(postgres.superuser_url, "SHOW data_directory")
    cluster = Path(str(directory)).stat()
    assert (cluster.st_uid, stat.S_IMODE(cluster.st_mode)) == (account.uid, 0o700)
    assert (state_dir / "secrets.json").stat().st_uid == 0
    assert stat.S_IMODE((state_dir / "secrets.json").stat().st_mode) == 0o600


@needs_root
def test_private_folders_of_root_are_no_obstacle(tmp_path: Path) -> None:
    """State and programs below a 0700 folder are replaced by ones that the account can reach."""
    source = inspect(next(wheel_dirs()))
    assert source is not None
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    package = source.bin_dir.parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, private / folder.name, symlinks=True)
    hidden_dir = private / package.name / source.bin_dir.relative_to(package)
    hidden = Binaries(bin_dir=hidden_dir, major=source.major)
    postgres = EmbeddedPostgres(private / "state", binaries=hidden, durable=False)
    stand_in = stand_in_for(private / "state")
    with postgres:
        execute(postgres.url, "CREATE TABLE kept (n int)")
        assert stand_in.parent == SHARED_STATE_ROOT
        assert (stand_in / "cluster").is_dir()
    with postgres:
        assert fetch_one(postgres.url, "SELECT count(*) FROM kept") == (0,)
    shutil.rmtree(private / "state")
    with postgres, pytest.raises(psycopg.errors.UndefinedTable):
        execute(postgres.url, "TABLE kept")
    postgres.remove()
    assert not stand_in.exists()


def test_second_launcher_on_the_same_folder_is_refused(state_dir: Path) -> None:
    """Two launchers never share a cluster."""
    with (
        EmbeddedPostgres(state_dir, durable=False),
        pytest.raises(StateError, match="in use by another launcher"),
    ):
        EmbeddedPostgres(state_dir, durable=False).start()


def test_server_left_by_a_killed_launcher_is_replaced(state_dir: Path) -> None:
    """A launcher killed with -9 leaves a folder that the next one starts from at once."""
    script = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from deploy.postgres import EmbeddedPostgres\n"
        "EmbeddedPostgres(Path(sys.argv[1])).start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(state_dir)], cwd=ROOT, check=False)

    with EmbeddedPostgres(state_dir) as postgres:
        assert fetch_one(postgres.url, "SELECT 1") == (1,)


def test_stop_is_a_clean_shutdown(binaries: Binaries, state_dir: Path) -> None:
    """A stopped cluster needs no recovery."""
    with EmbeddedPostgres(state_dir, binaries=binaries) as postgres:
        (cluster,) = fetch_one(postgres.superuser_url, "SHOW data_directory")
    control = subprocess.run(
        [binaries.bin_dir / "pg_controldata", str(cluster)],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C"},
    )
    assert "shut down\n" in control.stdout


def test_interrupted_first_start_is_begun_anew(state_dir: Path) -> None:
    """Half a cluster is never taken for a whole one."""
    state_dir.mkdir(parents=True)
    for home in (state_dir, stand_in_for(state_dir)):
        if home.exists():
            (home / "cluster.partial").mkdir()
    with EmbeddedPostgres(state_dir, durable=False) as postgres:
        assert fetch_one(postgres.url, "SELECT 1") == (1,)


def test_version_that_is_not_installed_is_named() -> None:
    """The error says which version is needed and which there are."""
    with pytest.raises(MissingProgramError, match=r"version 99 is not installed \(found: 1"):
        find_binaries(99)


def test_database_server_gives_databases_and_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests get databases of their own, also as copies of a prepared one."""
    monkeypatch.delenv(DATABASE_URL_VARIABLE, raising=False)
    with database_server() as server:
        prepared = server.create_database("prepared")
        execute(prepared, "CREATE TABLE kept (n int)")
        copy = server.create_database("copy", template="prepared")
        assert fetch_one(copy, "SELECT count(*) FROM kept") == (0,)
        server.drop_database("copy")
        server.drop_database("copy")

        monkeypatch.setenv(DATABASE_URL_VARIABLE, server.url)
        with database_server() as given:
            assert given == DatabaseServer(url=server.url)


@needs_root
def test_ordinary_user_runs_it_too(tmp_path: Path) -> None:
    """The same launcher works without root, as the same user as its server."""
    account = choose_account()
    assert account is not None
    if not _may_import(account.uid):
        pytest.skip("the checkout or its environment is not readable by an ordinary user")
    folder = SHARED_STATE_ROOT / f"pledgewatch-test-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, account.uid, account.gid)
    script = (
        "import sys, psycopg\n"
        "from pathlib import Path\n"
        "from deploy.postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as postgres:\n"
        "    print(psycopg.connect(postgres.url).execute('SELECT 42').fetchone())\n"
    )
    try:
        result = subprocess.run(
            [sys.executable, "-c", script, str(folder / "state")],
            cwd=ROOT,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(folder)
    assert (result.returncode, result.stdout) == (0, "(42,)\n"), result.stderr


def _may_import(uid: int) -> bool:
    try:
        result = subprocess.run(
            [sys.executable, "-c", "import psycopg, deploy.postgres"],
            cwd=ROOT,
            user=uid,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return result.returncode == 0


def test_polls_are_bounded() -> None:
    """A wait makes at least one attempt and ends."""
    assert list(polls(0.0)) == [0]
    assert len(list(polls(0.02, every_s=0.01))) == 2
