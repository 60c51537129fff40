"""Files of results that commands write."""

import json
import math

from tracking.cli.results import write_json


def test_numbers_that_json_has_not_are_null_in_the_file(tmp_path):
    write_json(tmp_path / "a.json", {"loss": math.nan, "rows": [(1.0, math.inf)], "n": 3})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"loss": None, "rows": [[1.0, None]], "n": 3}
