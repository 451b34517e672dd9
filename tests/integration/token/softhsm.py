"""A SoftHSM2 token of the test's own; it can be pulled out and put back."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)
TOOL_S_MAX: Final = 30.0
TOKEN: Final = "gw-token"
PIN: Final = "135790"
SO_PIN: Final = "24680135"


def find_module() -> str | None:
    """Return the path of SoftHSM2's module, if the machine has it with its tool."""
    if shutil.which("softhsm2-util") is None:
        return None
    return next((path for path in MODULES if Path(path).is_file()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftToken:
    """A token in a folder, with the configuration's lines that name it."""

    folder: Path
    module: str

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to see this token and no other."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @property
    def pin_file(self) -> Path:
        """Where the gateway finds the PIN."""
        return self.folder / "pin"

    def section(self, more: str = "") -> str:
        """Return the section of the gateway's configuration."""
        return (
            f'[key]\nmodule = "{self.module}"\ntoken = "{TOKEN}"\n'
            f'pin_file = "{self.pin_file}"\n{more}\n'
        )

    def write_pin(self, pin: str = PIN) -> None:
        """Put a PIN into its file."""
        self.pin_file.touch(mode=0o600)
        self.pin_file.write_text(f"{pin}\n", encoding="ascii")

    def labels(self) -> list[str]:
        """Return the labels of the private keys inside, as another process sees them."""
        look = (
            "import sys, pkcs11\n"
            "from pkcs11 import Attribute, ObjectClass\n"
            "module, token, pin = sys.argv[1:]\n"
            "session = pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin)\n"
            "for key in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}):\n"
            "    sys.stdout.write(key[Attribute.LABEL] + '\\n')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", look, self.module, TOKEN, PIN],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
            timeout=TOOL_S_MAX,
        )
        return sorted(done.stdout.split())

    def pull(self) -> None:
        """Take the token away: its objects are gone for whoever uses it."""
        (self.folder / "tokens").rename(self.folder / "away")
        (self.folder / "tokens").mkdir()

    def put_back(self) -> None:
        """Undo ``pull``."""
        (self.folder / "tokens").rmdir()
        (self.folder / "away").rename(self.folder / "tokens")


def make_token(folder: Path, module: str) -> SoftToken:
    """Return a new token in ``folder``."""
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n",
        encoding="utf-8",
    )
    token = SoftToken(folder=folder, module=module)
    _tool(
        "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", SO_PIN, token=token
    )
    token.write_pin()
    return token


def _tool(*arguments: str, token: SoftToken) -> None:
    subprocess.run(
        ["softhsm2-util", *arguments],
        env={**os.environ, **token.environment},
        check=True,
        capture_output=True,
        timeout=TOOL_S_MAX,
    )
