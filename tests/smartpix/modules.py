"""Modules written out by hand."""

import numpy as np

from tests.helpers import detector_of, module_row


def barrel_module(phi, z, radius, tilt, su, sv):
    """A module at azimuth phi, turned by tilt about the beam, with the file's u and v along either
    direction.
    """
    normal = np.array([np.cos(phi + tilt), np.sin(phi + tilt), 0.0])
    along_phi = np.array([-np.sin(phi + tilt), np.cos(phi + tilt), 0.0])
    center = np.array([radius * np.cos(phi), radius * np.sin(phi), z])
    return detector_of(
        [module_row(center, su * along_phi, sv * np.array([0, 0, 1.0]), su * sv * normal, 2, 1)]
    )
