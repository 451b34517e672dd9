"""A daemon's memory: what it used while it started goes back to the machine."""

import ctypes
import gc
from typing import Final, TypeVar

import msgspec

_M_ARENA_MAX: Final = -8  # Source: glibc, malloc.h, and mallopt(3).
_ARENAS_MAX: Final = 1  # One heap for all threads: they seldom want memory at the same time.

T = TypeVar("T", bound=msgspec.Struct)


def bound_heaps() -> None:
    """Have all threads share one heap; call it before the first is started."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # Only glibc has it.
        libc.mallopt(_M_ARENA_MAX, _ARENAS_MAX)


def give_back() -> None:
    """Give memory that is no longer used back to the machine."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def pack(value: msgspec.Struct) -> bytes:
    """Return ``value`` as bytes, for ``unpack``."""
    return msgspec.msgpack.encode(value)


def unpack(packed: bytes, kind: type[T]) -> T:
    """Return what was packed, in one place.

    What a parser leaves of a large file lies between its garbage, which keeps that from being
    given back: pack it, forget it, give back, unpack it.
    """
    return msgspec.msgpack.decode(packed, type=kind)
