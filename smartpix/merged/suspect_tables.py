"""Quadratic forms of :mod:`smartpix.merged.suspects`, as ``python benchmarks/tune_suspects.py`` fits them."""

__all__ = ["BARREL", "ENDCAP", "FEATURES"]

FEATURES = (
    "charge per path, logarithmic", "|cot alpha|", "cot beta", "rows", "columns",
    "sigma of x in pitches, logarithmic", "sigma of y in pitches, logarithmic",
)  # fmt: skip

BARREL = (
    -58.565, 16.1444, -2.14844, -0.957479, -2.42484, -0.00264438, 0.362022, 1.18347, -0.0120924,
    3.7112, 0.0535865, -0.979733, -0.0909785, -0.0521743, 0.0661978, 0.487707, 3.63698, -0.989559,
    0.165261, 0.592456, 1.0027, 0.329201, -0.814002, -0.0618383, 0.0693079, 0.0191935, 0.387209,
    0.196611, -0.017592, -0.356952, -0.182995, 9.06119, -2.926, 0.299591, 7.39674, -1.19554,
)  # fmt: skip
ENDCAP = (
    -50.5501, 11.3496, 0.0330277, -1.75316, -2.48364, -0.596496, -0.101959, -0.542643, -1.2384,
    0.816896, -1.149, 1.80392, -0.628562, 4.39411, -5.22161, 3.88195, 8.45054, 12.0664,
    0.245925, -0.58025, -0.862368, 0.947033, 3.11126, -0.0621686, -0.189011, 0.476049, 0.0357962,
    4.75179, 0.675364, -2.01096, 0.112911, -0.120892, 0.656409, 0.409515, 4.89367, -0.265512,
)  # fmt: skip
"""The constant, then of each feature its own coefficient and those of its products with itself and with those
after it. It is above 0 for 99 % of the merged clusters that the network of counts finds.
"""
