"""Edges to tracks: graph, network, building, fit, metrics, figures, the chain and its command line.

Start at :mod:`tracking.pipeline` (the chain) and :mod:`tracking.metrics` (what the numbers mean).
"""
