"""Leases: who writes which partition, and who takes over."""

import pytest

from backend.clock import SystemClock
from backend.db import Database
from backend.ingest.service import examine_all
from backend.ingest.types import Accepted
from backend.worker import Writer
from deploy.ports import polls
from schemas.topics import PARTITIONS
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import build_warehouse

TAKE_OVER_S_MAX = 10.0  # The server must first see that the connection has ended.

pytestmark = pytest.mark.integration


def test_one_worker_takes_all_and_the_next_takes_over(db: Database, db_url: str) -> None:
    """A lease lives on the connection: when it ends, another worker has the partitions."""
    build_warehouse(db_url)
    first, second = Writer(db, SystemClock()), Writer(db, SystemClock())
    assert [head.gateway for head in first.lease()] == ["gw-1"]
    assert len(first.partitions) == PARTITIONS
    assert second.lease() == []
    assert second.partitions == set()
    first.close()
    assert next(heads for _ in polls(TAKE_OVER_S_MAX) if (heads := second.lease()))
    assert len(second.partitions) == PARTITIONS
    second.close()


def test_worker_without_lease_commits_nothing(db: Database, db_url: str) -> None:
    """Messages of partitions that another worker holds are left to it."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    holder, other = Writer(db, SystemClock()), Writer(db, SystemClock())
    other.book.learn_keys(holder.lease())
    message = rig.made.gateway.seal(rig.round())
    assert other.write(examine_all([message], other.book)).verdicts == ()
    assert rig.made.execute("SELECT count(*) FROM envelope") == [(0,)]
    verdicts = holder.write(examine_all([message], other.book)).verdicts
    assert isinstance(verdicts[0], Accepted)
    holder.close()
    other.close()


def test_worker_whose_connection_ended_has_no_lease(db: Database, db_url: str) -> None:
    """A new connection begins without leases, and gets them only when they are free."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    writer, other = Writer(db, SystemClock()), Writer(db, SystemClock())
    other.book.learn_keys(writer.lease())
    pid = writer.connection().info.backend_pid
    rig.made.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
    other.lease()
    with pytest.raises(Exception, match=r"database_unavailable|terminating|closed"):
        writer.write(examine_all([rig.made.gateway.seal(rig.round())], writer.book))
    assert writer.lease() == []
    assert writer.partitions == set()
    writer.close()
    other.close()
