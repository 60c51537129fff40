"""What makes a particle findable. These limits are defaults of options, so this module imports nothing
heavy.
"""

from smartpix.schema import MIN_SHARE

__all__ = ["MAX_ETA", "MIN_LAYERS", "MIN_PT", "MIN_SHARE"]

MIN_PT = 0.9
"""Least pT of a findable particle in GeV."""
MAX_ETA = 2.5
"""Largest |eta| of a findable particle."""
MIN_LAYERS = 4
"""Least number of layers on which a findable particle has clusters. An option of a run may change it."""
