"""Numbers cross into each framework and back without changing a bit."""

from __future__ import annotations

import numpy as np
import pytest
from installed import load

from conformance import frameworks
from conformance.asking.asker import _changed, transport_probe
from conformance.frameworks.arrays import NumPy
from conformance.frameworks.base import LAYOUTS, RAW, SYMBOLS, Border
from reference.formats import EVERY_FORMAT, FLOAT8_FORMATS, FORMATS


@pytest.fixture(params=["numpy", *frameworks.names()])
def border(request: pytest.FixtureRequest) -> Border:
    """NumPy, and each framework that is installed."""
    return NumPy() if request.param == "numpy" else load(request.param)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_all_65536_patterns_cross_unchanged(border: Border, dtype: str) -> None:
    patterns = np.arange(2**16, dtype=np.uint16)
    stored = patterns.view(FORMATS[dtype].storage)

    name, back = border.fetch(border.send(stored, dtype, "cpu"))

    assert dtype == name
    assert patterns.tobytes() == back.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_bits_cross_unchanged(border: Border, dtype: str) -> None:
    size = np.dtype(dtype).itemsize
    stored = np.frombuffer(np.random.default_rng(0).bytes(size * 10_000), dtype=dtype)

    name, back = border.fetch(border.send(stored, dtype, "cpu"))

    assert dtype == name
    assert stored.tobytes() == back.tobytes()


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 3)])
def test_shapes_cross_unchanged(border: Border, dtype: str, shape: tuple[int, ...]) -> None:
    stored = FORMATS[dtype].encode(np.zeros(shape))

    back = border.fetch(border.send(stored, dtype, "cpu"))[1]

    assert shape == back.shape


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "bool", *FLOAT8_FORMATS])
def test_other_dtypes_cross_unchanged(border: Border, dtype: str) -> None:
    stored = np.array([0, 1, 1, 0, 1]).astype("uint8" if dtype in FLOAT8_FORMATS else dtype)

    back_dtype, back = border.fetch(border.send(stored, dtype, "cpu"))

    assert dtype == back_dtype
    assert stored.tobytes() == back.tobytes()


@pytest.mark.parametrize("dtype", FORMATS)
def test_every_device_carries_the_transport_probe(border: Border, dtype: str) -> None:
    devices, probe = border.devices(), transport_probe(FORMATS[dtype])

    assert "cpu" == devices[0]
    for device in devices:
        name, back = border.fetch(border.send(probe, dtype, device))
        assert (device, dtype, probe.tobytes()) == (device, name, back.tobytes())


def test_every_layout_holds_the_values_asked(border: Border) -> None:
    stored = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    equal = {
        "broadcast": np.full_like(stored, 7.0),
        "broadcast-row": stored[:1].repeat(2, axis=0),
        "broadcast-axis": stored[..., :1].repeat(4, axis=-1),
    }

    for layout in border.layouts:
        asked = equal.get(layout, stored)
        back = border.fetch(border.send_as(asked, "float32", "cpu", layout))[1]
        assert (layout, asked.tolist()) == (layout, back.tolist())


def test_sending_copies(border: Border) -> None:
    stored = np.zeros(64, dtype=np.float32)
    sent = border.send(stored, "float32", "cpu")

    stored += 1

    assert not border.fetch(sent)[1].any()


def _flushed(stored: np.ndarray, dtype: str) -> np.ndarray:
    """The bits after an array type that loses subnormals on the way in, as a flush-to-zero mode does."""
    format = FORMATS[dtype]
    values = format.decode(stored)
    return format.encode(np.where(np.abs(values) < format.smallest_normal, 0.0, values))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_the_transport_check_notices_a_flush(dtype: str) -> None:
    probe = transport_probe(FORMATS[dtype])

    assert "came back with other bits" in _changed(dtype, probe, {"type": "carried"}, [(dtype, _flushed(probe, dtype))])
    assert "" == _changed(dtype, probe, {"type": "carried"}, [(dtype, probe.copy())])


@pytest.mark.parametrize("dtype", FORMATS)
def test_the_transport_probe_holds_what_a_lossy_border_changes(dtype: str) -> None:
    format = FORMATS[dtype]
    values = format.decode(transport_probe(format))

    assert {format.smallest_subnormal, format.smallest_normal, format.max, np.inf} <= set(values)
    assert np.isnan(values).any()
    assert np.signbit(values[values == 0]).any()


def test_raw_is_the_storage_of_the_formats() -> None:
    raw = {name: format.storage for name, format in EVERY_FORMAT.items() if format.storage.startswith("uint")}

    assert raw == RAW


def test_symbols_are_the_operators_of_the_calls() -> None:
    from conformance.calls import ARITHMETIC  # noqa: PLC0415 - of the other half

    assert {name: operator(6.0, 4.0) for name, operator in ARITHMETIC.items()} == {
        name: eval(f"6.0 {symbol} 4.0")  # noqa: S307 - three operators
        for name, symbol in SYMBOLS.items()
    }


def test_there_is_a_layout_for_each_name() -> None:
    assert set(NumPy.layouts) == set(LAYOUTS)
