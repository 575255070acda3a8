"""The machine that asks and judges.

Kernels of frameworks dispatch on the instruction set, so a finding belongs to a *platform*: the architecture and the
widest vector set, ``x86_64/avx512``.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from conformance.record.schema import Machine
from conformance.record.typed import printable

# Widest first; the first flag found names the vector set.  With avx512_fp16 kernels have arithmetic in float16.
_VECTOR_SETS = {
    "avx512_fp16": "avx512-fp16",
    "avx512f": "avx512",
    "avx2": "avx2",
    "avx": "avx",
    "sse4_2": "sse4.2",
    "sve": "sve",
    "asimd": "neon",
}
_FLAGS = ("avx", "sse", "fma", "f16c", "amx")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PACKAGES = ("numpy", "pandas", "pyarrow", "softmax-conformance")

PLATFORMS = tuple(
    f"{architecture}/{vectors}"
    for architecture, sets in {
        "x86_64": ("avx512-fp16", "avx512", "avx2", "avx", "sse4.2"),
        "aarch64": ("sve", "neon"),
        "arm64": (),
        "ppc64le": (),
        "riscv64": (),
        "s390x": (),
    }.items()
    for vectors in (*sets, "scalar")
)
"""Every platform that :func:`this_platform` may name on the usual machines."""


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    pairs = (line.partition(":") for line in path.read_text(errors="replace").splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def vector_set() -> str:
    """The widest vector instruction set the CPU reports, ``scalar`` where none is known."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return next((name for flag, name in _VECTOR_SETS.items() if flag in flags), "scalar")


def this_platform() -> str:
    """Architecture and widest vector set, ``x86_64/avx512``."""
    return f"{platform.machine()}/{vector_set()}"


def this_machine() -> Machine:
    """Everything about this machine that a result may depend on."""
    info = _cpuinfo()
    return Machine(
        platform=this_platform(),
        system=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()),
        cpu=printable(info.get("model name") or platform.processor() or platform.machine()),
        cpu_flags=" ".join(flag for flag in (info.get("flags") or "").split() if flag.startswith(_FLAGS)),
        cores=os.cpu_count() or 0,
        memory=_memory(),
        threads={name: printable(os.environ[name]) for name in _THREADS if name in os.environ},
        gpus=_gpus(),
        python=platform.python_version(),
        versions={package: found for package in _PACKAGES if (found := _version(package))},
    )


def _memory() -> int:
    """Bytes; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpus() -> tuple[str, ...]:
    if not shutil.which("nvidia-smi"):
        return ()
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, timeout=30, check=False)  # noqa: S603 - fixed arguments
    except (OSError, subprocess.TimeoutExpired):  # a driver that hangs is no reason not to ask the CPU
        return ()
    return tuple(printable(line) for line in done.stdout.decode("utf-8", "backslashreplace").splitlines())
