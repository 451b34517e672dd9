"""What this process costs, as the kernel counts it."""

import os
import resource
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")  # proc(5): sizes in pages; the second is resident.


def rss_bytes() -> int:
    """Return the resident memory of this process."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s() -> float:
    """Return the processor time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
