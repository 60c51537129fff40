"""What commands print and how they fail."""


def refused(result, *words):
    """Exit code 1, nothing on stdout and one line on stderr that says the words."""
    code, out, err = result
    assert code == 1
    assert out == ""
    assert err.startswith("smartpix: ")
    assert err.count("\n") == 1
    for word in words:
        assert str(word) in err
