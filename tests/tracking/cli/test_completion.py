"""The scripts of ``smartpix completion``, in bash itself."""

import re
import shlex
import subprocess

import pytest

from tracking.cli.completion import script, words_of
from tracking.cli.main import main, parser


def bash(*words):
    """What bash offers for the last of some words."""
    code = (
        f"{script(parser(), 'bash')}\n"
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}\n"
        '_smartpix; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["/bin/bash", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["si"], ["simulate"]), (["train", "g"], ["gnn", "gravnet", "garnet"]), (["run", "--est"], ["--estimates"]),
        (["run", "F.root", "--estimates", "m"], ["mdn"]), (["run", "--estimates", "=", "q"], ["quantised"]),
        (["run", "--estimates", "="], ["auto", "mdn", "quantised", "shape", "positions"]),
        (["run", "-o", ""], []), (["run", "--no-figures", "--jo"], ["--join"]),
        (["compress", "x", "--method", "bd"], ["bdmm"]), (["run", "--set", "cone.q"], ["cone.quantile="]),
        (["train", "mdn", "--set", "network.fil"], ["network.filters="]), (["completion", "z"], ["zsh"]),
        (["simulate", "clusters", "--dataset", ""], ["2s", "3s", "4s", "merged"]), (["--vers"], ["--version"]),
        (["run", "train", "--pileup"], []), (["simulate", "events", "--detector", "o"], ["odd"]),
        (["detector", "bar"], ["barrel3"]), (["info", "mdn-b"], ["mdn-barrel", "mdn-barrel-link-4x6"]),
        (["options", "vert"], ["vertex"]), (["examples", "toy"], ["toy_finder.py"]), (["comp"], ["compare", "compress", "completion"]),
        (["options", "--set", "fit.pi"], ["fit.pipe=", "fit.pipe_radius="]),
    ],
)  # fmt: skip
def test_bash_completes(words, expected):
    assert bash("smartpix", *words) == expected


def test_every_command_and_every_long_flag_is_in_every_script():
    all_words = list(words_of(parser()))
    assert {"run", "train gnn", "simulate clusters"} <= {words.command for words in all_words}
    for shell in ("bash", "zsh", "fish"):
        text = script(parser(), shell)
        for words in all_words:
            for flag in words.flags:
                if flag.startswith("--"):
                    assert (f"-l {flag[2:]} " if shell == "fish" else flag) in text, (shell, flag)
        assert len(re.findall(r"\bcrossings\b", text)) > 1


def test_scripts_of_zsh_and_fish_are_whole():
    zsh = script(parser(), "zsh")
    assert zsh.startswith("#compdef smartpix\n")
    # The part of its syntax that is used here is bash's but for one expansion.
    text = zsh.replace("${=found}", "$found")
    subprocess.run(["/bin/bash", "-n"], input=text, encoding="utf-8", check=True, capture_output=True)
    for line in script(parser(), "fish").splitlines()[1:]:
        assert shlex.split(line.replace("\\'", ""))[:3] == ["complete", "-c", "smartpix"]


def test_the_command_prints_the_script(capsys):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr() == (script(parser(), "bash") + "\n", "")
