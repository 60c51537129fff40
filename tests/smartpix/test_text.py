"""Text files are read as UTF-8, with or without a byte order mark; what is no text of their kind is a
ValueError.
"""

import time

import pytest

from smartpix.text import parse_json, parse_toml, read_json, read_text, read_toml

DEEP = 100_000
DEEPISH = 10_000
"""In a file that is not too long for options."""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_are_utf_8_with_or_without_a_byte_order_mark(tmp_path, mark):
    for name, content, read, value in (
        ("a.json", '{"µ": "Größe"}', read_json, {"µ": "Größe"}),
        ("a.toml", '"µ" = "Größe"', read_toml, {"µ": "Größe"}),
        ("a.txt", "Größe", read_text, "Größe"),
    ):
        (tmp_path / name).write_bytes(mark + content.encode())
        assert read(tmp_path / name) == value
    assert parse_json(mark + b"[1]") == parse_json((mark + b"[1]").decode()) == [1]


def test_other_encodings_and_other_content_are_value_errors(tmp_path):
    (tmp_path / "a").write_bytes("µ = 'Größe'".encode("latin-1"))
    for read in (read_text, read_json, read_toml):
        with pytest.raises(ValueError, match="utf-8"):
            read(tmp_path / "a")
        with pytest.raises(OSError, match="missing"):
            read(tmp_path / "missing")
    for parse, text in (
        (parse_json, "{"),
        (parse_json, "9" * 5000),
        (parse_toml, "a = "),
        (parse_toml, "a = " + "9" * 5000),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            parse(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_json, "[" * DEEP + "]" * DEEP), (parse_json, '{"a":' * DEEP + "1" + "}" * DEEP),
        (parse_toml, "a = " + "[" * DEEPISH + "]" * DEEPISH),
        (parse_toml, "a = " + "{b = " * DEEPISH + "1" + "}" * DEEPISH),
    ],
)  # fmt: skip
def test_deep_nesting_is_a_value_error(parse, text):
    with pytest.raises(ValueError, match="nested"):
        parse(text)


def test_what_is_nested_so_that_its_use_would_fail_is_refused_too():
    for levels, fine in ((100, True), (101, False)):
        for text in ("[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels):
            if fine:
                parse_json(text)
            else:
                with pytest.raises(ValueError, match="nested"):
                    parse_json(text)


def test_a_key_that_is_there_twice_is_named():
    with pytest.raises(ValueError, match="'b' is there twice"):
        parse_json('{"a": [{"b": 1, "c": 2, "b": 1}]}')


@pytest.mark.parametrize("key", ["a", '"a"', "'a.b'", " a\t"])
@pytest.mark.parametrize("form", ["{} = 1", "[{}]", "x = {{{} = 1}}"])
def test_a_key_with_very_many_dots_is_refused_at_once(key, form):
    text = form.format(".".join([key] * 10_000))
    started = time.perf_counter()
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml(text)
    # Python's parser takes seconds, and of ten times as many minutes.
    assert time.perf_counter() - started < 1


def test_dots_that_are_no_levels_are_fine():
    dots = "." * 1000
    numbers = ", ".join(["0.5"] * 1000)
    text = f'# {dots}\na = [{numbers}]\nb = \'{dots}\' # {dots}\nc = "\\"{dots}"\n'
    assert parse_toml(text) == {"a": [0.5] * 1000, "b": dots, "c": '"' + dots}


def test_a_file_too_long_for_options_is_refused_with_the_limit():
    assert parse_toml("#" * 100_000) == {}
    with pytest.raises(ValueError, match="has 100001 characters, at most 100000 are expected"):
        parse_toml("#" * 100_001)


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 101, "-" + "9" * 5000])
def test_numbers_of_very_many_digits_are_refused_in_our_own_words(digits):
    for parse, text in ((parse_json, f"[{digits}]"), (parse_toml, f"a = {digits}")):
        with pytest.raises(
            ValueError, match=f"^a number has {len(digits.strip('-'))} digits, at most 100 are expected$"
        ):
            parse(text)
    assert parse_json("9" * 100) == parse_toml("a = " + "9" * 100)["a"] == 10**100 - 1
    assert parse_toml("a = '" + "9" * 5000 + "'")["a"] == "9" * 5000
