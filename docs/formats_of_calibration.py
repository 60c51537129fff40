"""Words of docs/formats.md on calibrations from tracks."""

from smartpix.calibration import CALIBRATION_VERSION, FARTHEST, KIND, STEEPEST

CALIBRATION = f"""
## Calibrations (JSON, version {CALIBRATION_VERSION})

`smartpix calibrate --from-tracks` writes them; a run reads them (`--set calibration=C.json`), and refuses one of
another detector table. `smartpix.calibration` has both as functions. M is the number of modules and L of layers, in
the order of the detector table and of `Detector.layers`.

| key | content |
|---|---|
| `kind`, `version` | "{KIND}", {CALIBRATION_VERSION} |
| `detector` | CRC-32 of the table's columns, eight hexadecimal digits |
| `shift` | (M, 3) mm along a module's x, y and normal, at most {FARTHEST:g} |
| `rotation` | (M, 3) rad about these axes, at most {STEEPEST:g} |
| `position_error` | (M, 2) mm, added to x and y of the module's hits in quadrature |
| `charge_scale` | charges of the files over those of the training |
| `bias` | (L, 4) estimated less true x, y (mm), cot alpha and cot beta |
| `scale` | (L, 4) factors on the standard deviations of these |
| `made_by` | command, files and number of events |
"""
