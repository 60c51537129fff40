"""Estimates to candidate edges and seeds: NumPy and Numba, never torch.

Start at :mod:`seeding.edges` (cones and edges) and :mod:`seeding.references` (the window we compare with).
"""
