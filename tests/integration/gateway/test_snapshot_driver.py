"""The driver of HTTP cameras, against the simulated camera and against servers gone wrong."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import cbor2
import pytest
from PIL import Image

from firmware_sim.devices.scene import Scene
from firmware_sim.devices.scene import View as Seen
from firmware_sim.world import Sight
from gateway.clock import SystemClock
from gateway.config.snapshot import SnapshotSection
from gateway.drivers.snapshot import SnapshotCamera
from gateway.errors import DeviceError
from gateway.images.store import find_image
from gateway.reading import Arrival, EventReading
from schemas.image import IMAGE_BYTES_MAX
from schemas.quantities import EventType
from tests.stream_server import listening

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
SCENE = Scene(3, "cam")


def seen(*sights: Sight, covered: bool = False) -> Seen:
    """Return what the camera looks at."""
    return Seen(pallets=("30" * 12,), covered=covered, sights=frozenset(sights))


@asynccontextmanager
async def server(serve: Serve) -> AsyncGenerator[str]:
    """Serve whatever a test wants; yields the address."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(await reader.readuntil(b"\r\n\r\n"), writer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with listening(accept) as port:
        yield f"http://127.0.0.1:{port}/snapshot.jpg"


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def giving(data: bytes) -> Serve:
    """Return a server that always says the same."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return serve


def shooting(view: Callable[[], Seen]) -> Serve:
    """Return a server of the simulated camera's images."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(SCENE.shoot(view())))

    return serve


def camera(url: str, folder: Path, **changes: Any) -> SnapshotCamera:  # noqa: ANN401
    """Return a camera that is asked as fast as it can be."""
    values: dict[str, Any] = {
        "sensor": "cam",
        "url": url,
        "every_s": 0.02,
        "persist_s": 0.06,
        "timeout_s": 1.0,
        **changes,
    }
    return SnapshotCamera(SnapshotSection(**values), SystemClock(), folder)


async def take(watched: SnapshotCamera, images: int) -> list[Arrival]:
    """Return what the first so many images say."""
    arrivals: list[Arrival] = []
    async with aclosing(watched.read()) as batches:
        async for batch in batches:
            arrivals += batch
            images -= 1
            if images == 0:
                break
    return arrivals


def events(arrivals: Sequence[Arrival], kind: EventType) -> list[EventReading]:
    """Return the events of one kind."""
    found = [r for arrival in arrivals for r in arrival if isinstance(r, EventReading)]
    return [event for event in found if event.type is kind]


def body(event: EventReading) -> dict[str, Any]:
    """Return what an event says."""
    return cast("dict[str, Any]", cbor2.loads(event.body))


async def refusal(data: bytes, folder: Path) -> str:
    """Return why what a server says is refused."""
    async with server(giving(data)) as url:
        with pytest.raises(DeviceError) as caught:
            await take(camera(url, folder), 1)
    return str(caught.value)


async def test_first_image_is_told_with_its_digest_and_kept(tmp_path: Path) -> None:
    """The digest in the event finds the image in the folder; the next ones are signs of life."""
    async with server(shooting(seen)) as url:
        arrivals = await take(camera(url, tmp_path), 3)

    (told,) = events(arrivals, EventType.SNAPSHOT)
    said = body(told)
    assert told.image_sha256 is not None
    image = find_image(tmp_path, told.image_sha256)
    assert sha256(image).digest() == told.image_sha256
    assert (said["why"], said["bytes"], said["kept"]) == ("heartbeat", len(image), True)
    assert (said["in_place"], said["doubts"]) == (1.0, [])
    assert len(events(arrivals, EventType.CAMERA_STATUS)) == 3


async def test_cover_is_told_with_the_image_that_shows_it(tmp_path: Path) -> None:
    """The verdict and its image are one arrival; freed, it is told as well."""
    now: list[Seen] = [seen()]
    watched = camera("", tmp_path)
    async with server(shooting(lambda: now[0])) as url:
        watched = camera(url, tmp_path)
        await take(watched, 3)
        now[0] = seen(covered=True)
        covered = await take(watched, 12)
        now[0] = seen()
        freed = await take(watched, 12)

    for arrivals, active in ((covered, True), (freed, False)):
        (change,) = [a for a in arrivals if len(a) == 2]
        tamper, snapshot = cast("Sequence[EventReading]", change)
        assert body(tamper) == {"what": "covered", "active": active}
        assert body(snapshot)["why"] == "tamper"
        assert tamper.image_sha256 is not None
        assert tamper.image_sha256 == snapshot.image_sha256
        assert find_image(tmp_path, tamper.image_sha256)


async def test_lorry_and_light_are_no_tampering(tmp_path: Path) -> None:
    """However long the driver looks, within what a lorry takes."""
    now: list[Seen] = [seen()]
    async with server(shooting(lambda: now[0])) as url:
        watched = camera(url, tmp_path)
        arrivals = await take(watched, 3)
        for sight in (Sight.TRUCK, Sight.DIMMED):
            now[0] = seen(sight)
            arrivals += await take(watched, 8)
            now[0] = seen()
            arrivals += await take(watched, 3)

    assert all(not body(e)["active"] for e in events(arrivals, EventType.CAMERA_TAMPER))


async def test_challenge_has_an_image_made_at_once(tmp_path: Path) -> None:
    """Long before the next is due, and kept with that reason."""
    async with server(shooting(seen)) as url:
        watched = camera(url, tmp_path, every_s=500.0)
        async with aclosing(watched.read()) as batches:
            await anext(batches)
            watched.freshen()
            async with asyncio.timeout(10):
                arrivals = await anext(batches)

    (told,) = events(arrivals, EventType.SNAPSHOT)
    assert body(told)["why"] == "challenge"


async def test_full_disk_does_not_stop_the_camera(tmp_path: Path) -> None:
    """The image is told, and that it is not kept: here a file stands where the folder should."""
    (tmp_path / "images").write_bytes(b"")
    async with server(shooting(seen)) as url:
        arrivals = await take(camera(url, tmp_path, heartbeat_s=0.01), 3)

    told = events(arrivals, EventType.SNAPSHOT)
    assert [body(event)["kept"] for event in told] == [False, False, False]


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
async def test_login_is_given_when_it_is_asked_for(tmp_path: Path, scheme: str) -> None:
    """Never before, and from a file."""
    requests: list[bytes] = []
    asked = {"Basic": 'Basic realm="cam"', "Digest": 'Digest realm="cam", nonce="n", qop="auth"'}

    async def serve(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        if b"Authorization: " + scheme.encode() in request:
            writer.write(answer(SCENE.shoot(seen())))
        else:
            writer.write(answer(b"", "401 Unauthorized", f"WWW-Authenticate: {asked[scheme]}"))

    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    async with server(serve) as url:
        watched = camera(url, tmp_path, username="gate", password_file=str(secret))
        assert events(await take(watched, 1), EventType.SNAPSHOT)

    assert b"Authorization" not in requests[0]
    if scheme == "Basic":
        assert b64encode(b"gate:s3cret") in requests[1]


async def test_login_that_is_refused_or_missing_is_named(tmp_path: Path) -> None:
    """An installer reads what is wrong."""
    data = answer(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="cam"')

    assert "wants a username" in await refusal(data, tmp_path)
    async with server(giving(data)) as url:
        with pytest.raises(DeviceError, match="login refused"):
            await take(camera(url, tmp_path, username="gate", password="x"), 1)


async def test_chunked_answer_is_read(tmp_path: Path) -> None:
    """As web servers in cameras send what they make on the fly."""
    image = SCENE.shoot(seen())
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [image[:1_000], image[1_000:]]
    data = head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    async with server(giving(data)) as url:
        (told,) = events(await take(camera(url, tmp_path), 1), EventType.SNAPSHOT)

    assert told.image_sha256 == sha256(image).digest()


async def test_answer_until_the_end_of_the_connection_is_read(tmp_path: Path) -> None:
    """As HTTP/1.0 servers send."""
    image = SCENE.shoot(seen())
    async with server(giving(b"HTTP/1.0 200 OK\r\n\r\n" + image)) as url:
        (told,) = events(await take(camera(url, tmp_path), 1), EventType.SNAPSHOT)

    assert told.image_sha256 == sha256(image).digest()


def png() -> bytes:
    """Return a picture in another format."""
    file = BytesIO()
    Image.new("L", (320, 240)).save(file, "PNG")
    return file.getvalue()


def bomb() -> bytes:
    """Return a JPEG whose frame header says that it is 65,500 pixels square."""
    image = bytearray(SCENE.shoot(seen()))
    at = image.index(b"\xff\xc0")
    image[at + 5 : at + 9] = (65_500).to_bytes(2) * 2
    return bytes(image)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "in the middle"),
        (answer(SCENE.shoot(seen()))[:-500], "in the middle"),
        (answer(SCENE.shoot(seen())[:9_000]), "decoded"),
        (answer(b"<html>"), "no JPEG"),
        (answer(png()), "no JPEG"),
        (answer(bomb()), "65500 x 65500"),
        (answer(b"", "404 Not Found"), "status 404"),
        (answer(b"", "302 Found", "Location: http://elsewhere/"), "status 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (IMAGE_BYTES_MAX + 1), "at most"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + bytes(IMAGE_BYTES_MAX + 1), "at most"),
        (b"SSH-2.0-dropbear\r\n\r\n", "begins with"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9_000 + b"\r\n", "more than"),
    ],
)
async def test_answer_gone_wrong_is_refused_by_name(data: bytes, why: str, tmp_path: Path) -> None:
    """Truncated on the way, truncated in the camera, another type, a bomb, too much of it."""
    assert why in await refusal(data, tmp_path)


async def test_camera_that_drips_is_given_up(tmp_path: Path) -> None:
    """The time is for the whole answer, not for each byte."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
        for _ in range(200):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(serve) as url:
        with pytest.raises(DeviceError, match=r"no whole answer within 0\.3 s"):
            await take(camera(url, tmp_path, timeout_s=0.3), 1)


async def test_camera_that_is_away_is_named(tmp_path: Path) -> None:
    """Nothing listens there any more."""
    async with server(giving(b"")) as url:
        pass

    with pytest.raises(DeviceError, match="cam: http"):
        await take(camera(url, tmp_path), 1)
