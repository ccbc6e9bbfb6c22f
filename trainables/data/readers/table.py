"""Columns of numbers in CSV files."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from search_spaces.errors import DataError, reason
from trainables.data.dataset import Array, Pair
from trainables.data.readers.downloads import data_folder, quiet_download

FEATURES = ("OverallQual", "YearBuilt", "TotalBsmtSF", "GrLivArea")
"""Of a house: material and finish (1 to 10), year, basement and living area in square feet."""

PRICE = "SalePrice"
"""In US dollars."""


def read_table(path: Path, columns: Sequence[str], missing: str = "") -> Array:
    """Read ``columns`` of a CSV file with a header; other columns are ignored.

    Args:
        path: of the file.
        columns: their names, in the order of the result.
        missing: what to do without the file, for the message of a missing one.

    Returns:
        float64 (N, len(columns)).

    Raises:
        DataError: if the file is missing or broken, or a cell of these columns is not a finite number.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Cells stay as written, "NA" too, for the message; low_memory reads by parts, which may differ in type. By
            # default pandas takes the first column for the names of the rows where lines are longer than the header.
            table = pd.read_csv(path, keep_default_na=False, low_memory=False, index_col=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: this data file is missing {missing}".rstrip()) from error
    except pd.errors.ParserWarning as error:
        raise DataError(f"{path}: no line may have more cells than the header") from error
    except Exception as error:
        raise DataError(f"{path}: cannot be read as a CSV file, {reason(error)}") from error
    return _numbers(table, columns, str(path), lambda row: f"line {_line(path, row)}")


def house_prices(data_dir: Path | None) -> Pair:
    """Read the houses of Ames, Iowa: ``house_prices/house_prices.csv`` below ``data_dir``, or where that is None OpenML's.

    Returns:
        float64 features (1460, 4) in the order of ``FEATURES``, and prices (1460,) in US dollars.

    Raises:
        DataError: if the file is missing or broken, or cannot be downloaded.
    """
    if data_dir is not None:
        path = data_dir / "house_prices" / "house_prices.csv"
        values = read_table(path, (*FEATURES, PRICE), "(leave out --data to download it)")
    else:
        frame = _openml("house_prices", data_folder(None))
        values = _numbers(frame, (*FEATURES, PRICE), "house_prices of OpenML", lambda row: f"row {row}")
    return values[:, :-1], values[:, -1]


def _openml(name: str, cache: Path) -> pd.DataFrame:
    from sklearn.datasets import fetch_openml

    try:
        with quiet_download():
            frame = fetch_openml(name, as_frame=True, data_home=cache, parser="auto", n_retries=1).frame
    except Exception as error:
        raise DataError(
            f"{cache / 'openml'}: lacks {name}, and it cannot be downloaded, {reason(error)} (or name a folder with --data)"
        ) from error
    return pd.DataFrame(frame)


def _numbers(table: pd.DataFrame, columns: Sequence[str], where: str, place: Callable[[int], str]) -> Array:
    if not set(columns) <= set(table):
        needed = " and ".join([", ".join(columns[:-1]), columns[-1]] if len(columns) > 1 else columns)
        got = "".join(letter if letter.isprintable() else "?" for letter in ", ".join(map(str, table)))
        raise DataError(f"{where}: needs the columns {needed}, got {got[:200]}")
    if table.empty:
        raise DataError(f"{where}: must have at least one line below the header")
    numbers = np.empty((len(table), len(columns)))
    for i, column in enumerate(columns):
        cells = table[column]
        numbers[:, i] = np.nan if cells.dtype == bool else pd.to_numeric(cells, errors="coerce")
        finite = np.isfinite(numbers[:, i])
        if not finite.all():
            row = int(np.argmin(finite))
            cell = str(cells.iloc[row])[:30]
            raise DataError(f"{where}: every {column} must be a finite number, {place(row)} is not: {cell!r}")
    return numbers


def _line(path: Path, row: int) -> int:
    """Return the number of the line that holds a row of the table; pandas leaves out blank lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            return [reader.line_num for cells in reader if "".join(cells).strip() or len(cells) > 1][row + 1]
    except (OSError, ValueError, csv.Error, IndexError):
        return row + 2
