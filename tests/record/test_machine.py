"""The machine that a record names is this one, and a driver that fails is no reason not to run."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.record import Machine, machine
from conformance.record.typed import from_json, to_json

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3\x1b")

    here = machine.this_machine()

    assert machine.this_platform() == here.platform
    assert here.platform.split("/")[0] == platform.machine()
    assert (platform.python_version(), np.__version__) == (here.python, here.versions["numpy"])
    assert r"3\x1b" == here.threads["OMP_NUM_THREADS"]
    assert here.cores >= 1
    assert here.memory > 2**26
    assert here == from_json(Machine, to_json(Machine, here))


def test_a_processor_goes_by_its_own_name_and_by_its_kind_where_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for info, name in (({"model name": "Some\x1b CPU"}, r"Some\x1b CPU"), ({}, platform.machine())):
        monkeypatch.setattr(machine, "_cpuinfo", lambda info=info: info)
        monkeypatch.setattr("platform.processor", lambda: "")

        assert name == machine.this_machine().cpu


@pytest.mark.parametrize(
    ("flags", "kept"), [({"flags": "fpu vme sse4_2 avx2 fma f16c amx_bf16"}, "sse4_2 avx2 fma f16c amx_bf16"), ({}, "")]
)
def test_of_a_processors_flags_those_of_arithmetic_are_kept(
    flags: dict[str, str], kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", lambda: flags)

    assert kept == machine.this_machine().cpu_flags


@pytest.mark.parametrize(
    ("cpuinfo", "vectors"),
    [
        ("flags : fpu sse4_2 avx avx2 avx512f", "avx512"),
        ("flags : fpu sse4_2 avx avx2", "avx2"),
        ("Features\t: fp asimd sve", "sve"),
        ("Features : fp asimd", "neon"),
        ("flags : fpu", "scalar"),
        ("", "scalar"),
    ],
)
def test_the_widest_vectors_name_the_platform(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, vectors: str) -> None:
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: cpuinfo)
    monkeypatch.setattr("pathlib.Path.exists", lambda _: True)

    assert vectors == machine.vector_set()
    assert f"x86_64/{vectors}" in machine.PLATFORMS or f"aarch64/{vectors}" in machine.PLATFORMS


def test_cards_are_told_as_their_driver_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nprintf 'H100, 550, 80 GB\\nA\\033[1m, 5, 4\\n'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert ("H100, 550, 80 GB", r"A\x1b[1m, 5, 4") == machine.this_machine().gpus


def test_a_driver_that_hangs_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, timeout: float, **__: Any) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", timeout)

    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr("subprocess.run", hang)

    assert () == machine.this_machine().gpus
    assert replace(machine.this_machine(), gpus=("x",)).gpus
