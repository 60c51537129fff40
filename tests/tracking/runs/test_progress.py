from tracking.runs.progress import progress_bar


def test_progress_without_terminal_prints_nothing(capsys):
    with progress_bar("work", 3) as step:
        step()
    assert capsys.readouterr() == ("", "")
