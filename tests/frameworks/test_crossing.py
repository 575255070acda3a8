"""Numbers cross into each framework and back without changing a bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from conformance import frameworks
from conformance.execution.ask import transport, transport_probe
from reference.formats import FORMATS

if TYPE_CHECKING:
    from conformance.frameworks import Framework


@pytest.fixture(params=frameworks.names())
def framework(request: pytest.FixtureRequest) -> Framework:
    """Each framework that is installed."""
    try:
        return frameworks.load(request.param)
    except ImportError as error:
        pytest.skip(f"{request.param} is not installed: {error}")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_all_65536_patterns_cross_unchanged(framework: Framework, dtype: str) -> None:
    patterns = np.arange(2**16, dtype=np.uint16)
    stored = patterns.view(FORMATS[dtype].storage)

    name, back = framework.fetch(framework.send(stored, dtype, "cpu"))

    assert dtype == name
    assert patterns.tobytes() == back.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_bits_cross_unchanged(framework: Framework, dtype: str) -> None:
    size = np.dtype(dtype).itemsize
    stored = np.frombuffer(np.random.default_rng(0).bytes(size * 10_000), dtype=dtype)

    name, back = framework.fetch(framework.send(stored, dtype, "cpu"))

    assert dtype == name
    assert stored.tobytes() == back.tobytes()


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 3)])
def test_shapes_cross_unchanged(framework: Framework, dtype: str, shape: tuple[int, ...]) -> None:
    stored = FORMATS[dtype].encode(np.zeros(shape))

    back = framework.fetch(framework.send(stored, dtype, "cpu"))[1]

    assert shape == back.shape


@pytest.mark.parametrize("dtype", FORMATS)
def test_every_device_passes_the_transport_check(framework: Framework, dtype: str) -> None:
    devices = framework.devices()

    assert "cpu" == devices[0]
    assert dict.fromkeys(devices, "") == {device: transport(framework, FORMATS[dtype], device) for device in devices}


def test_sending_copies(framework: Framework) -> None:
    stored = np.zeros(64, dtype=np.float32)
    sent = framework.send(stored, "float32", "cpu")

    stored += 1

    assert not framework.fetch(sent)[1].any()


class _Flushing:
    """An array type that loses subnormals on the way in, as a flush-to-zero mode does."""

    def send(self, stored: np.ndarray, dtype: str, device: str) -> np.ndarray:
        del device
        format = FORMATS[dtype]
        values = format.decode(stored)
        return format.encode(np.where(np.abs(values) < format.smallest_normal, 0.0, values))

    def fetch(self, array: np.ndarray) -> tuple[str, np.ndarray]:
        return str(array.dtype), array


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_transport_check_notices_a_flush(dtype: str) -> None:
    assert "came back with other bits" in transport(_Flushing(), FORMATS[dtype], "cpu")


@pytest.mark.parametrize("dtype", FORMATS)
def test_transport_probe_holds_what_a_lossy_border_changes(dtype: str) -> None:
    format = FORMATS[dtype]
    values = format.decode(transport_probe(format))

    assert {format.smallest_subnormal, format.smallest_normal, format.max, np.inf} <= set(values)
    assert np.isnan(values).any()
    assert np.signbit(values[values == 0]).any()
