"""Networks of the ECAL talk's kinds for the question one particle or two: their layers and sizes, without
torch.

One shower against two is the same question as one particle against two in a merged cluster. The members of
the front, with the parameters of one image of 16 x 16:

- ``ecal-cnn``: the talk's printed table. Convolution of 10 filters, batch normalisation, convolution of 10,
  the largest of 2 x 2 places in steps of one, dense 256, dense 2. 100 + 40 + 910 + 576,256 + 514 are the
  printed 577,820: the normalisation's 20 moving averages count, and 577,800 are trained.
- ``tmva-cnn``: the layout above that table, as ROOT's tutorial ``TMVA_CNN_Classification`` has it: dense 100
  and one output in place of dense 256 and two. 226,231 are trained; 20 moving averages come on top.
- ``ecal-dnn``: 256-100-100-100-100-1 with normalisations between the layers of 100; 56,701 are trained, and
  600 moving averages come on top.
- ``ecal-shape``: one hidden layer on the shape variables of :mod:`smartpix.merged.variables`.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.merged.variables import N_VARIABLES, ShapeVariables
from smartpix.schema import N_COLUMNS, N_ROWS, check_ranges, check_types, one_of, ranged

__all__ = ["FRONT_NETWORKS", "FrontOptions", "Sizes", "sizes"]

FRONT_NETWORKS = ("ecal-cnn", "tmva-cnn", "ecal-dnn", "ecal-shape")
N_FILTERS = 10
FILTER = 3
"""Rows and columns that a filter sees; the image is padded, so that it keeps its size."""
POOLED = 2
"""Rows and columns of which the largest place is taken, in steps of one."""
CNN_DENSE = {"ecal-cnn": (256, 2), "tmva-cnn": (100, 1)}
"""Units of the dense layer and of the output."""
DNN_WIDTH, DNN_LAYERS = 100, 4
LARGEST_IMAGE = 200


@dataclass(frozen=True)
class FrontOptions:
    """A network of the front.

    Attributes:
        network: ``ecal-cnn``, ``tmva-cnn``, ``ecal-dnn`` or ``ecal-shape``.
        n_slices: slices of its input.
        n_rows: rows of its input.
        n_columns: columns of its input.
        unit: what images are divided by; 0 takes the estimates' logarithm of a charge in e
            (:func:`smartpix.networks.modules.encode`). ``ecal-shape`` sees images as they are.
        hidden: units of the hidden layer of ``ecal-shape``.
        w0: least logarithm of a pixel's share with a weight, of ``ecal-shape``.
    """

    network: str = one_of("ecal-cnn", FRONT_NETWORKS)
    n_slices: int = ranged(2, 1, 100)
    n_rows: int = ranged(N_ROWS, 5, LARGEST_IMAGE)
    n_columns: int = ranged(N_COLUMNS, 5, LARGEST_IMAGE)
    unit: float = ranged(0.0, 0.0, 1e6)
    hidden: int = ranged(20, 1, 1000)
    w0: float = ranged(4.7, 0.1, 20.0)

    def __post_init__(self) -> None:
        check_types("front", self)
        check_ranges("front", self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns of its input."""
        return self.n_slices, self.n_rows, self.n_columns

    @property
    def variables(self) -> ShapeVariables:
        """How ``ecal-shape`` looks at an image."""
        return ShapeVariables(self.w0)


@dataclass(frozen=True)
class Sizes:
    """How large a network is.

    Attributes:
        trained: weights and biases, with the scales and shifts of normalisations.
        moving: averages that normalisations keep of what they saw; they are used, not trained.
    """

    trained: int
    moving: int

    @property
    def all(self) -> int:
        """Both, as Keras prints them."""
        return self.trained + self.moving


def sizes(options: FrontOptions) -> Sizes:
    """Parameters of a network, counted from its layers."""
    n_slices, n_rows, n_columns = options.shape
    if options.network in CNN_DENSE:
        dense, outputs = CNN_DENSE[options.network]
        filters = N_FILTERS * (FILTER**2 * n_slices + 1) + N_FILTERS * (FILTER**2 * N_FILTERS + 1)
        places = N_FILTERS * (n_rows - POOLED + 1) * (n_columns - POOLED + 1)
        return Sizes(filters + 2 * N_FILTERS + dense * (places + 1) + outputs * (dense + 1), 2 * N_FILTERS)
    if options.network == "ecal-dnn":
        norms = DNN_LAYERS - 1
        first = DNN_WIDTH * (n_slices * n_rows * n_columns + 1)
        return Sizes(
            first + norms * DNN_WIDTH * (DNN_WIDTH + 1) + 2 * norms * DNN_WIDTH + DNN_WIDTH + 1,
            2 * norms * DNN_WIDTH,
        )
    # The variables' means and widths are kept like moving averages.
    seen = N_VARIABLES * n_slices
    return Sizes(options.hidden * (seen + 1) + options.hidden + 1, 2 * seen)
