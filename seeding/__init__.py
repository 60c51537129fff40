"""Estimates to candidate edges and seeds: NumPy and Numba, never torch.

:mod:`seeding.edges` and :mod:`seeding.seeds` search an event; :mod:`seeding.cones` says where one hit's
    particle goes next;
:mod:`seeding.references` and :mod:`seeding.acts_reference` are what they are compared with.
"""
