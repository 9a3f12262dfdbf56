"""Transfer functions against their standard's numbers, and there and back."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from photofix import color


def test_examples_in_the_documentation_hold() -> None:
    result = doctest.testmod(color)
    assert result.attempted >= 2
    assert result.failed == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back_also_outside_of_the_range(dtype: type) -> None:
    values = np.linspace(-2, 8, 10001, dtype=dtype)
    back = color.linear_to_srgb(color.srgb_to_linear(values))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, values, rtol=2e-6 if dtype == np.float32 else 1e-7, atol=1e-7)


def test_negative_values_mirror_positive_ones() -> None:
    values = np.linspace(0, 3, 301)
    assert np.array_equal(color.srgb_to_linear(-values), -color.srgb_to_linear(values))
    assert np.array_equal(color.linear_to_srgb(-values), -color.linear_to_srgb(values))


def test_curve_rises_and_keeps_black_and_white() -> None:
    encoded = color.linear_to_srgb(np.linspace(0, 1, 5001))
    assert (np.diff(encoded) > 0).all()
    assert encoded[0] == 0
    assert encoded[-1] == pytest.approx(1)


def test_every_16_bit_value_survives_linear_light_in_float32() -> None:
    values = np.arange(65536, dtype=np.float32) / np.float32(65535)
    back = color.linear_to_srgb(color.srgb_to_linear(values))
    assert np.array_equal(np.rint(back * 65535), np.arange(65536))
