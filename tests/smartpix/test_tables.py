import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smartpix.schema import InputError
from smartpix.tables import find_csv, open_csv, parquet_writer, read_csv, write_csv


def table(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path / "t.csv"


def test_columns_come_in_the_wanted_types_and_optional_ones_where_they_are_there(tmp_path):
    path = table(tmp_path, "a,b,c,more\n1,2,18446744073709551615,x\n3,4.5,0,y\n")
    columns = read_csv(path, {"a": "i4", "b": "f8", "c": "u8"}, "a table", {"a2": "i8", "b": "f8"})
    assert {n: (v.dtype.str[1:], v.tolist()) for n, v in columns.items()} == {
        "a": ("i4", [1, 3]), "b": ("f8", [2.0, 4.5]), "c": ("u8", [2**64 - 1, 0]),
    }  # fmt: skip


def test_a_table_with_a_head_alone_is_empty(tmp_path):
    assert read_csv(table(tmp_path, "a,b\n"), {"a": "i8"}, "a table")["a"].tolist() == []


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ("1.5", "i8", "has the value 1.5 in row 1, which is not a whole number"),
        ("3000000000", "i4", "value 3000000000 in row 1, which is no number of type int32"),
        ("9223372036854775808", "i8", "which a float64 does not tell from its neighbours"),
        (
            "9007199254740992.0",
            "i8",
            r"row 1, which a float64 does not tell .* ids have been merged, as by a left join of pandas",
        ),
        ("1e300", "f8", "value 1e\\+300 in row 1, which is too large"),
        ("true", "f8", "has the value True in row 0, which is no number"),
        ("2020-01-01", "i8", "in row 0, which is no number"),
        ("1_000", "f8", "has the value '1_000' in row 1, which is no number"),
        ("abc", "f8", "has the value 'abc' in row 1, which is no number"),
        ("-inf", "f8", "a value that is not finite in row 1"),
        ("", "f8", "1 empty cells"),
        ("-1", "u8", "value -1.0 in row 1, which is no number of type uint64"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(tmp_path, value, dtype, message):
    first = "true" if value == "true" else "2020-01-01" if "-01" in value else "1"
    path = table(tmp_path, f"a,b\n{first},2\n{value},2\n")
    with pytest.raises(InputError, match=message):
        read_csv(path, {"a": dtype}, "a table")


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="column 'a' is there 2 times; keep one"):
        read_csv(table(tmp_path, "a,b,a\n1,2,3\n"), {"a": "i8"}, "a table")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_what_is_written_reads_back_and_is_found(tmp_path, ending):
    columns = {"id": np.array([3, 1, 2**60]), "x": np.array([0.1, -2.5, 1e-9])}
    assert find_csv(tmp_path, "mine") is None
    write_csv(tmp_path / f"mine{ending}", columns)
    path = find_csv(tmp_path, "mine")
    assert path == tmp_path / f"mine{ending}"
    assert path.read_bytes()[:2] == (b"\x1f\x8b" if ending.endswith("gz") else b'"i')
    if ending.endswith("gz"):
        gzip.decompress(path.read_bytes())
    read = read_csv(path, {"id": "i8", "x": "f8"}, "a table")
    assert {n: v.tolist() for n, v in read.items()} == {n: v.tolist() for n, v in columns.items()}


def test_parquet_is_written_whole_or_not_at_all(tmp_path):
    types = {"event": pa.int64(), "hits": pa.list_(pa.int32())}
    with parquet_writer(tmp_path / "t.parquet", types, {"a": 1}) as add:
        add({"event": [1, 2], "hits": [[1], []]})
        add({"event": [], "hits": []})
        add({"event": [3], "hits": [[4, 5]]})
    read = pq.read_table(tmp_path / "t.parquet")
    assert read.to_pydict() == {"event": [1, 2, 3], "hits": [[1], [], [4, 5]]}
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 1
    assert read.schema.metadata[b"smartpix"] == b'{"a": 1}'

    def fails():
        with parquet_writer(tmp_path / "u.parquet", types, {}) as add:
            add({"event": [1], "hits": [[1]]})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert {p.name for p in tmp_path.iterdir()} == {"t.parquet"}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_than_commas_are_named(tmp_path, separator):
    path = table(tmp_path, f"a{separator}b\n1{separator}2\n")
    with pytest.raises(InputError, match=r"columns are separated by .*; separate them by commas"):
        read_csv(path, {"a": "i8"}, "a table")


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfa,b\n1,2.5\n3,4\n",
        b"a,b\r\n1,2.5\r\n3,4\r\n",
        b"a,b\r1,2.5\r3,4\r",
        b"\n\na,b\n1,2.5\n\n3,4\n\n",
        b"a,b,\n1,2.5,\n3,4,\n",
        b'"a","b"\n"1","2.5"\n"3","4"\n',
        b"\xef\xbb\xbf\"a\",\"b\"\r\n1,2.5\r\n3,4\r\n",
        b",a,note,b,note\n0,1,\xe9t\xe9,2.5,\n1,3,1_0,4,2020-01-01\n",
        b"b,a\n2.5,1e0\n4,3.0\n",
        b"a,b\n1,2.5\n3,4",
        b"a,b\n 1 ,2.5\n3, 4\n",
    ],
    ids=["bom", "windows", "mac", "empty lines", "trailing commas", "quoted", "all of them", "columns of others in Latin-1",
         "floats", "no last line end", "spaces"],
)  # fmt: skip
def test_tables_are_read_however_they_were_saved(tmp_path, text):
    read = read_csv(table(tmp_path, text), {"a": "i8", "b": "f8"}, "a table")
    assert {n: v.tolist() for n, v in read.items()} == {"a": [1, 3], "b": [2.5, 4.0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "may be in UTF-16: save it in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "may be in UTF-16: save it in UTF-8"),
        (b"", r"it is empty"),
        (b"\n\n", r"it is empty"),
        (b"a,b\n1,2,3\n", r"Expected 2 columns, got 3"),
        (
            b"a,b\n1,2\na,b\n1,2\n",
            r"value 'a' in row 1, which is another head: tables were put one after the other",
        ),
        (b"a,b\n\xe9,2\n", r"column 'a' has the value .* in row 0, which is no number"),
        (b'a,b\n1,"2\n', r"not a readable CSV table|'b'"),
    ],
)
def test_what_is_no_table_says_what_may_be_wrong(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"t\.csv: .*({message})"):
        read_csv(table(tmp_path, text), {"a": "i8", "b": "f8"}, "a table")


@pytest.mark.parametrize(("value", "message"), [
    ("1.2249792360837381e+18", "does not tell from its neighbours .* left join of pandas"),
    ("1224979236083738112.0", "does not tell from its neighbours .* left join of pandas"),
    (str(2**64), "does not tell from its neighbours"),
    ("abc", "has the value 'abc' in row 1, which is no number"),
    ("", "1 empty cells"),
])  # fmt: skip
def test_identifiers_of_64_bits_are_exact_or_refused(tmp_path, value, message):
    good = read_csv(table(tmp_path, f"g\n{2**64 - 1}\n 7\n"), {"g": "u8"}, "a table")
    assert good["g"].tolist() == [2**64 - 1, 7]
    assert read_csv(table(tmp_path, "g\n1e3\n2.0\n"), {"g": "u8"}, "a table")["g"].tolist() == [1000, 2]
    with pytest.raises(InputError, match=message):
        read_csv(table(tmp_path, f"g,h\n1,1\n{value},1\n"), {"g": "u8"}, "a table")


def test_rows_that_are_not_taken_need_no_good_values_and_others_keep_their_numbers(tmp_path):
    types = {"a": "i8", "b": "f8", "g": "u8"}
    opened = open_csv(
        table(tmp_path, "a,b,g\n,nan,\n1,2.5,3\n0.5,inf,-1\n4,5,6\nnan,,1e300\n7,1e300,8\n"), types, "a table"
    )
    assert len(opened) == 6
    taken = opened.take(types, np.array([3, 1]))
    assert {n: v.tolist() for n, v in taken.items()} == {"a": [4, 1], "b": [5.0, 2.5], "g": [6, 3]}
    for rows, message in (
        ([1, 2], "'a' has the value 0.5 in row 2"),
        ([3, 5], "value 1e.300 in row 5"),
        ([0, 1], "'a' has 1 empty"),
    ):
        with pytest.raises(InputError, match=message):
            opened.take(types, np.array(rows))
