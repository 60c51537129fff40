"""Damage of weights for hypothesis: any change of a JSON or of an array."""

import math

import numpy as np
from hypothesis import strategies as st

EDGE_CASES = st.sampled_from(
    [None, True, 0, -1, 1, 10**9, 2**70, 10**400, 0.0, -0.5, 1e308, math.nan, math.inf, "", [], {}]
)
VALUES = EDGE_CASES | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
"""Anything that JSON can hold."""


def _places(content, above=()):
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*above, key))


def change_somewhere(read, content, data):
    """Leave out or replace something of ``read``, at any level, in ``content``, which has it too."""
    # A long list has most of the places; keys near the top are as likely.
    depth = data.draw(st.integers(1, 5))
    *above, last = data.draw(st.sampled_from([place for place in _places(read) if len(place) <= depth]))
    holder = content
    for key in above:
        holder = holder[key]
    if data.draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = data.draw(VALUES)


def change_an_array(arrays, data):
    """Change one of several arrays; says whether what they say is ``"equal"``, ``"alike"`` (fits) or
    ``"other"``.
    """
    key = data.draw(st.sampled_from(sorted(arrays)))
    how = data.draw(
        st.sampled_from(
            ["renamed", "left out", "reshaped", "cut", "turned", "retyped", "not finite", "one more"]
        )
    )
    values = arrays.pop(key)
    if how == "renamed":
        name = data.draw(st.text(st.characters(codec="ascii"), min_size=1, max_size=20))
        same = "equal" if name == key else "other"
        arrays[name] = values
        return same
    if how == "reshaped":
        arrays[key] = values.reshape(1, *values.shape)
    elif how == "cut":
        arrays[key] = values[:-1] if values.ndim else values.reshape(1)
    elif how == "turned":
        arrays[key] = np.ascontiguousarray(values.T)
        return "equal" if values.ndim < 2 else "alike" if values.T.shape == values.shape else "other"
    elif how == "retyped":
        with np.errstate(over="ignore", invalid="ignore"):
            arrays[key] = values.astype(data.draw(st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u1", "?"])))
        if arrays[key].dtype.kind != values.dtype.kind:
            return "other"
        return "equal" if np.array_equal(arrays[key], values) else "alike"
    elif how == "not finite":
        arrays[key] = np.full(values.shape, data.draw(st.sampled_from([np.nan, np.inf, -np.inf])), dtype="f4")
    elif how == "one more":
        arrays |= {f"{key}.more": values, key: values}
    return "other"
