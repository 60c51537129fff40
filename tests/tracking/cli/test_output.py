import argparse
import json

from tracking.cli.output import print_result

RESULT = {
    "file": "a.root",
    "n": 3,
    "loss": 0.123456789,
    "part": {"x": 1.0, "deep": {"y": None}},
    "rows": [{"k": 1}],
    "list": [1, 2],
}


def test_json_is_one_object(capsys):
    print_result(argparse.Namespace(json=True), RESULT)
    assert json.loads(capsys.readouterr().out) == RESULT


def test_nested_keys_have_dots_and_columns_are_aligned(capsys):
    print_result(argparse.Namespace(json=False), RESULT)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["file", "a.root"], ["n", "3"], ["loss", "0.123457"], ["part.x", "1"], ["part.deep.y", "null"],
        ["rows[0].k", "1"],
        ["list", "[1,", "2]"],
    ]  # fmt: skip
    assert len({line.index(line.split(None, 1)[1]) for line in lines}) == 1


def test_on_a_screen_long_lists_and_long_tables_are_counted(capsys):
    rows = [{"a": k, "b": 2 * k} for k in range(150)]
    print_result(
        argparse.Namespace(json=False),
        {"first": 1, "many": list(range(41)), "few": [1, 2], "table": rows[:3]},
    )
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert dict(lines)["many"] == "(41 values; --json prints them)"
    assert dict(lines)["few"] == "[1, 2]"
    assert dict(lines)["table[2].b"] == "4"
    print_result(argparse.Namespace(json=False), {"first": 1, "table": rows})
    assert capsys.readouterr().out.split("\n") == ["first  1", "table  (150 rows; --json prints them)", ""]
