"""Collisions to clusters: generate, transport, deposit, drift, response, readout, events."""
