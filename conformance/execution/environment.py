"""On what machine was this seen?

Framework kernels dispatch on the instruction set, so a finding belongs to a *platform*: the
architecture and the widest vector set, ``x86_64/avx512``.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

# Widest first; the first flag found names the vector set.
_VECTOR_SETS = {"avx512f": "avx512", "avx2": "avx2", "avx": "avx", "sse4_2": "sse4.2", "sve": "sve", "asimd": "neon"}
_VARIABLES = ("CUDA_", "JAX_", "KMP_", "MKL_", "OMP_", "ONEDNN_", "PYTORCH_", "TF_", "TORCH", "XLA_", "CONFORMANCE_")
_PACKAGES = (
    "jax", "jaxlib", "ml_dtypes", "numpy", "pandas", "pyarrow", "softmax-conformance", "tensorflow",
    "tensorflow-cpu", "torch",
)  # fmt: skip


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    pairs = (line.partition(":") for line in path.read_text().splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def vector_set() -> str:
    """The widest vector instruction set the CPU reports, ``scalar`` where none is known."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return next((name for flag, name in _VECTOR_SETS.items() if flag in flags), "scalar")


def this_platform() -> str:
    """Architecture and widest vector set, ``x86_64/avx512``."""
    return f"{platform.machine()}/{vector_set()}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - fixed arguments
    return done.stdout.splitlines()


def environment() -> dict[str, Any]:
    """Everything about this machine that a result may depend on."""
    info = _cpuinfo()
    return {
        "platform": this_platform(),
        "system": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cpu_flags": " ".join(
            flag for flag in (info.get("flags") or "").split() if flag.startswith(("avx", "sse", "fma", "f16c", "amx"))
        ),
        "cores": os.cpu_count(),
        "threads": {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ},
        "gpus": _gpus(),
        "python": platform.python_version(),
        "versions": {package: found for package in _PACKAGES if (found := _version(package))},
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)},
    }
