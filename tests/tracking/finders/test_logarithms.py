import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracking.finders.logarithms import asinh, log, log_odds


@settings(max_examples=300, deadline=None)
@given(x=st.floats(2**-126, 2**127, width=32))
@example(x=1.0)
@example(x=2 / 3)
@example(x=4 / 3)
@example(x=2**-126)
def test_log_is_numpys(x):
    single = np.float32(x)
    assert log(single) == pytest.approx(np.log(np.float64(single)), rel=2e-7, abs=2e-7)


@settings(max_examples=300, deadline=None)
@given(x=st.floats(-(2**59), 2**59, width=32))
@example(x=0.0)
@example(x=1e-40)
@example(x=-(2**59))
def test_asinh_is_numpys(x):
    single = np.float32(x)
    assert asinh(single) == pytest.approx(np.arcsinh(np.float64(single)), rel=5e-7, abs=5e-7)
    assert asinh(np.float32(3e38)) == asinh(np.float32(1e18))


@settings(max_examples=200, deadline=None)
@given(score=st.floats(1e-6, 1 - 1e-6))
def test_log_odds_are_numpys(score):
    single, out = np.full(5, score, dtype=np.float32), np.empty(5, dtype=np.float32)
    log_odds(single, out)
    exact = single.astype(np.float64)
    np.testing.assert_allclose(out, np.log(exact / (1 - exact)), rtol=2e-6, atol=2e-6)
