"""Readers of tables: tiny CSV files, broken ones, and the real house prices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from tests.trainables.data_files import message, write
from trainables.data.readers.table import house_prices, read_table

pytestmark = pytest.mark.usefixtures("mirror")


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.csv": b"x,name,y\n1,a,2.5\n\n-3,b,4e2\n"}) / "a.csv"
    table = read_table(path, ("y", "x"))
    assert table.dtype == np.float64
    assert table.tolist() == [[2.5, 1], [400, -3]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "this data file is missing (get it)"),
        (b"", "cannot be read as a CSV file, EmptyDataError: No columns to parse from file"),
        (b"\x89PNG\xff\xfe\x00", "cannot be read as a CSV file, UnicodeDecodeError"),
        (bytes(40), "needs the columns x, y and z, got ?"),
        (b"x,y,z\n1,2,3\n1,2,3,4\n", "cannot be read as a CSV file, ParserError"),
        (b"x,y,z\n1,2,3,4\n5,6,7,8\n", "no line may have more cells than the header"),
        (b"x,z\n1,2\n", "needs the columns x, y and z, got x, z"),
        (b'x,"a\nb"\n1,2\n', "needs the columns x, y and z, got x, a?b"),
        (b"x,y,z\n", "must have at least one line below the header"),
        (b"x,y,z\n1,2,3\n1,,3\n", "every y must be a finite number, line 3 is not: ''"),
        (b"x,y,z\n1,2,3\n\n1,2\n", "every z must be a finite number, line 4 is not: ''"),
        (b"x,y,z\n \n\n1,NA,3\n", "every y must be a finite number, line 4 is not: 'NA'"),
        (b'n,x,y,z\n"a\nb",1,2,3\nc,1,2,3 m\n', "every z must be a finite number, line 4 is not: '3 m'"),
        (b"x,y,z\n1,-inf,3\n", "every y must be a finite number, line 2 is not: '-inf'"),
        (b"x,y,z\n1,1e999,3\n", "every y must be a finite number, line 2 is not: 'inf'"),
        (b"x,y,z\nTrue,2,3\n", "every x must be a finite number, line 2 is not: 'True'"),
    ],
)
def test_broken_tables(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path, {"a.csv": content}) / "a.csv"
    assert message(lambda: read_table(path, ("x", "y", "z"), "(get it)")).startswith(f"{path}: {expected}")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    assert message(lambda: read_table(tmp_path, ("x",))).startswith(f"{tmp_path}: cannot be read as a CSV file, IsA")
    assert message(lambda: read_table(tmp_path / "a", ("x",))) == f"{tmp_path / 'a'}: this data file is missing"


HOUSES = pd.DataFrame(
    {"SalePrice": [9, 8], "GrLivArea": [4, 5], "Id": [1, 2], "YearBuilt": [2, 3], "OverallQual": 1, "TotalBsmtSF": 3}
)


def test_house_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "house_prices", {"house_prices.csv": HOUSES.to_csv(index=False).encode()})
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *a, **k: sklearn.utils.Bunch(frame=HOUSES))
    for folder in (tmp_path, None):
        features, prices = house_prices(folder)
        assert features.tolist() == [[1, 2, 3, 4], [1, 3, 3, 5]]
        assert prices.tolist() == [9, 8]


def test_missing_house_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "house_prices" / "house_prices.csv"
    expected = f"{path}: this data file is missing (leave out --data to download it)"
    assert message(lambda: house_prices(tmp_path)) == expected
    expected = f"{tmp_path}/cache/tunefleet/openml: lacks house_prices, and it cannot be downloaded, URLError: <urlopen"
    assert message(lambda: house_prices(None)).startswith(expected)
    broken = HOUSES.assign(YearBuilt=[2, np.nan])
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *a, **k: sklearn.utils.Bunch(frame=broken))
    expected = "house_prices of OpenML: every YearBuilt must be a finite number, row 1 is not: 'nan'"
    assert message(lambda: house_prices(None)) == expected


def test_real_house_prices(data_dir: Path) -> None:
    features, prices = house_prices(data_dir)
    assert features.shape == (1460, 4)
    assert features.min(0).tolist() == [1, 1872, 0, 334]
    assert features.max(0).tolist() == [10, 2010, 6110, 5642]
    assert prices.shape == (1460,)
    assert (prices.min(), prices.max()) == (34900, 755000)
