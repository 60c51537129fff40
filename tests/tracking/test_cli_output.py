import argparse
import json

from tracking.cli_output import print_result

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
        ["file", "a.root"], ["n", "3"], ["loss", "0.123457"], ["part.x", "1"], ["part.deep.y", "null"], ["rows[0].k", "1"],
        ["list", "[1,", "2]"],
    ]  # fmt: skip
    assert len({line.index(line.split(None, 1)[1]) for line in lines}) == 1
