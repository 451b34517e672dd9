"""The running daemon: its software, its configuration, its receipts and its backlog."""

from collections.abc import Iterator
from typing import Final

from gateway.cli.doctor.finding import Finding, ok, problem, warning
from gateway.cli.words import age_text, ago_text, bytes_text
from gateway.control.software import software_sha256, software_version
from gateway.control.status import OutboxStatus, Status, UplinkStatus

RECEIPT_S_MAX: Final = 60.0  # Envelopes wait, the link is open, and the backend says nothing.
FULL_SHARE: Final = 0.8
RSS_BYTES_MAX: Final = 200_000_000


def check_daemon(status: Status, config_sha256: bytes) -> Iterator[Finding]:
    """Yield how the running daemon is."""
    yield ok("daemon", f"runs for {age_text(status.process.uptime_s)}, pid {status.process.pid}")
    if status.software_sha256 != software_sha256().hex():
        what = f"the daemon runs other code than is installed ({software_version()})"
        yield warning("software", what, "systemctl restart pledgewatch-gateway")
    else:
        yield ok("software", f"{status.software}, {status.software_sha256[:12]}")
    if status.config_sha256 != config_sha256.hex():
        what = f"{status.config_file} has changed since the daemon read it"
        yield warning("configuration", what, "`reload`")
    else:
        yield ok("configuration", "the daemon goes by this file")
    if status.process.rss_bytes > RSS_BYTES_MAX:
        what = f"the daemon uses {bytes_text(status.process.rss_bytes)}"
        yield warning("memory", what, "restart it, and tell the makers")
    if status.key_fault:
        remedy = "put the token back; readings are journalled, and sealed when the key signs"
        yield problem("key", status.key_fault, remedy)
    if status.certificate is not None and status.certificate.failures:
        what = f"not renewed after {status.certificate.failures} tries: {status.certificate.error}"
        remedy = "look at the way to the backend's API; a new code and `enrol` help as well"
        yield warning("certificate", what, remedy)
    if status.clock.steps:
        what = f"it stepped {status.clock.steps} times since the start"
        yield warning("clock", what, "one source of time only: NTP or GNSS")
    yield from _uplink(status.uplink, status.outbox)
    yield from _outbox(status.outbox)


def _uplink(uplink: UplinkStatus, outbox: OutboxStatus | None) -> Iterator[Finding]:
    if uplink.stopped:
        remedy = "the operator must look: this is evidence; then enrol again"
        yield problem("uplink", uplink.stopped, remedy)
    elif uplink.state != "open":
        what = f"{uplink.state} for {age_text(uplink.for_s)}: {uplink.error or 'not yet open'}"
        yield problem("uplink", what, "readings are kept; look at the network below")
    else:
        yield ok("uplink", f"open for {age_text(uplink.for_s)}")
    if uplink.forged:
        what = f"{uplink.forged} receipts were not the backend's"
        yield warning("receipts", what, "tell the operator: somebody writes on the broker")
    waiting = 0 if outbox is None else outbox.unreceipted
    age_s = uplink.receipt_age_s
    if not waiting:
        yield ok("receipts", f"all confirmed, the last: {ago_text(age_s)}")
    elif uplink.state == "open" and (
        (age_s if age_s is not None else uplink.for_s) > RECEIPT_S_MAX
    ):
        what = f"{waiting} envelopes wait, last receipt: {ago_text(age_s)}"
        yield problem("receipts", what, "the backend does not confirm: ask its operator")
    else:
        yield ok("receipts", f"{waiting} envelopes wait, last receipt: {ago_text(age_s)}")


def _outbox(outbox: OutboxStatus | None) -> Iterator[Finding]:
    if outbox is None:
        yield problem("outbox", "its disk does not answer", "check the disk: dmesg, fsck")
        return
    shown = f"{bytes_text(outbox.bytes)} of {bytes_text(outbox.bytes_max)}"
    if not outbox.head_known:
        remedy = "wait for a receipt; if none comes, enrol again"
        yield warning("outbox", "only a receipt can tell where the stream stands", remedy)
    elif outbox.bytes > FULL_SHARE * outbox.bytes_max:
        remedy = "restore the network, or raise outbox.bytes_max"
        yield warning("outbox", f"{shown}: periodic values will be thinned", remedy)
    else:
        yield ok("outbox", shown)
    if outbox.dropped:
        remedy = "restore the network, or raise outbox.bytes_max"
        yield warning("outbox", f"{outbox.dropped} readings were dropped", remedy)
