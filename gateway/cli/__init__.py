"""The command line, one module a subject.

* ``common``: what every command shares: exit codes, the configuration, how a refusal looks.
* ``app``: which commands there are.
* ``daemon``: run, check.
* ``control``, ``view``, ``words``: watch, reload: ask the running daemon; how that looks.
* ``doctor``: look for what keeps a gateway from working, and say what to do.
* ``scan``: find serial adapters, and recognise what speaks on them.
* ``captures``: decode: what a capture of a device's bytes means.
* ``probe``, ``plausible``: what registers mean in every type and order, and which is likely.
* ``identity``: keygen, pubkey, enrol.
* ``trust``: rotate.
* ``inspect``: outbox: what is there, printed beside a running daemon.

Invariant: nothing here decides; a command asks a stage and prints the answer.
"""

import importlib
import sys
from types import ModuleType
from typing import Final, cast

_TAKEN_ALONG: Final = ("rich", "greenlet")

if sys.modules.keys().isdisjoint({*_TAKEN_ALONG, "structlog"}):
    # structlog takes them along where it finds them, for a console and for threads that a daemon
    # does not have: a tenth of its memory. The commands that draw import rich themselves, later.
    for _name in _TAKEN_ALONG:
        sys.modules[_name] = cast("ModuleType", None)  # Python reference, 5.3.1: it is not found.
    importlib.import_module("structlog")
    for _name in _TAKEN_ALONG:
        del sys.modules[_name]
