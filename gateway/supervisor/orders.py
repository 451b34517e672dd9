"""How this gateway carries out what the backend may order: one method a type of command."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.commands.executor import FAILED, Answer, Handler, done
from gateway.config.remote import REMOTE_FILE, InForce, load_with
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import StateError, UnavailableError
from gateway.images.store import find_image
from gateway.signing import save_private, sync_folder
from schemas.command import Challenge, Command, CommandType, Configure, FetchImage
from schemas.image import encode_chunk, split_image
from schemas.quantities import EventType
from schemas.topics import image_topic

GoBy = Callable[[InForce, int], Awaitable[object]]
Publish = Callable[[str, Iterable[bytes]], Awaitable[None]]
_REMOTE: Final = "remote configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What carrying out an order needs of the running gateway.

    ``go_by`` puts a configuration in force, on the command of that number; ``in_force`` is the
    present one; ``freshen`` has every sensor told anew; ``turn_key`` begins a rotation;
    ``publish`` sends messages on a topic, each when the broker has the one before.
    """

    config_file: Path
    state_dir: Path
    in_force: Callable[[], InForce]
    go_by: GoBy
    freshen: Callable[[], None]
    turn_key: Callable[[], Awaitable[object]]
    publish: Publish

    def handlers(self) -> dict[CommandType, Handler]:
        """Return who carries out what."""
        return {
            CommandType.CHALLENGE: self.challenge,
            CommandType.CONFIGURE: self.configure,
            CommandType.ROTATE: self.rotate,
            CommandType.FETCH_IMAGE: self.fetch_image,
        }

    async def challenge(self, command: Command) -> Answer:
        """Answer with the nonce, then tell every sensor anew: a replayed world cannot."""
        assert isinstance(command.order, Challenge), "handlers are chosen by type"
        body = {"number": command.number, "nonce": command.order.nonce}
        return Answer(type=EventType.CHALLENGE_ANSWER, body=body, then=self._freshen)

    async def configure(self, command: Command) -> Answer:
        """Go by another text, then keep it: one that cannot be gone by changes nothing.

        Raises:
            GatewayError: The text is wrong, or a device of it cannot be planned.
        """
        assert isinstance(command.order, Configure), "handlers are chosen by type"
        text = None if command.order.toml is None else command.order.toml.encode()
        wanted = await asyncio.to_thread(load_with, self.config_file, text, vocabulary())
        present = self.in_force()
        await self.go_by(wanted, command.number)
        try:
            await asyncio.to_thread(self._keep, text)
        except StateError as error:
            await self.go_by(present, command.number)  # Else a restart would silently undo it.
            return done(command, FAILED, str(error))
        return done(command)

    async def rotate(self, command: Command) -> Answer:
        """Begin to turn to a new key; the answer is among the first words under it.

        Raises:
            GatewayError: It cannot begin now.
        """
        await self.turn_key()
        return done(command)

    async def fetch_image(self, command: Command) -> Answer:
        """Send an image that is kept here, or the chunks of it that did not arrive.

        Raises:
            StateError: It is not kept, or no longer.
        """
        order = command.order
        assert isinstance(order, FetchImage), "handlers are chosen by type"
        image = await asyncio.to_thread(find_image, self.state_dir, order.sha256)
        chunks = split_image(order.sha256, image, order.chunks)
        try:
            await self.publish(image_topic(command.gateway), map(encode_chunk, chunks))
        except UnavailableError as error:
            return done(command, FAILED, str(error))  # Failed, not refused: asking again is right.
        return done(command)

    async def _freshen(self) -> None:
        self.freshen()

    def _keep(self, text: bytes | None) -> None:
        path = self.state_dir / REMOTE_FILE
        if text is not None:
            save_private(path, text, _REMOTE)
            return
        try:
            path.unlink(missing_ok=True)
            sync_folder(self.state_dir)
        except OSError as error:
            raise StateError(f"{_REMOTE} {path}: {error.strerror or error}") from error
