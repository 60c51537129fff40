"""Objects of N rows, as a physicist tries them: length, loops, slices, masks, and tables of other
packages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import numpy.typing as npt

from smartpix.extras import missing_package
from smartpix.schema import InputError, nearest, quoted

if TYPE_CHECKING:
    import awkward as ak
    import pandas as pd

__all__ = ["Rows"]

Ints = npt.NDArray[np.int64]
Chosen = slice | npt.NDArray[Any] | list[int] | list[bool]


class Rows(ABC):
    """N rows with columns.

    ``len(x)`` is N. ``x[3]`` is a row, by column, and a loop gives one after another. ``x[2:5]``, ``x[mask]``
    and ``x[rows]`` are of the same class. ``x["z"]`` is a column of :meth:`table`.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Columns (N,) by name."""

    @abstractmethod
    def take(self, rows: Ints) -> Self:
        """Some of the rows, in the order of ``rows``."""

    def nth(self, k: int) -> Any:
        """Row ``k``: its values by column."""
        return {name: column[k].item() for name, column in self.table().items()}

    @overload
    def __getitem__(self, which: int) -> Any: ...

    @overload
    def __getitem__(self, which: str) -> npt.NDArray[Any]: ...

    @overload
    def __getitem__(self, which: Chosen) -> Self: ...

    def __getitem__(self, which: int | str | Chosen) -> Any:
        if isinstance(which, str):
            columns = self.table()
            if which not in columns:
                raise InputError(
                    f"{type(self).__name__}: has no column {quoted(which)}.{nearest(which, columns)} It has "
                    f"{', '.join(columns)}"
                )
            return columns[which]
        if isinstance(which, int | np.integer):
            if not -len(self) <= which < len(self):
                raise IndexError(f"{type(self).__name__}: has {len(self)} rows, and not the row {which}")
            return self.nth(int(which) % len(self))
        # As NumPy takes it, with its errors.
        return self.take(np.arange(len(self))[which])

    def __iter__(self) -> Iterator[Any]:
        columns = {name: column.tolist() for name, column in self.table().items()}
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))

    def to_awkward(self) -> ak.Array:
        """Records with the columns of :meth:`table`."""
        import awkward as ak

        return ak.zip(self.table(), depth_limit=1)

    def to_pandas(self) -> pd.DataFrame:
        """The columns of :meth:`table`.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise missing_package("pandas", "pandas", error) from error
        return pd.DataFrame(self.table())
