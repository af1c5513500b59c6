"""What the parser of options refuses is one line too."""

import pytest

from snnvtg.cli.command import _in_one_line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train --nonsense 3", "error: Unrecognized options: --nonsense, 3"),
        ("train --seed x", "error: Error parsing --seed: invalid literal for int() with base 10: 'x'"),
        ("train --device", "error: Missing value for argument '--device'"),
        ("evaluate", "--submission PATH"),
        ("train --split nowhere", "invalid choice 'nowhere' for argument '--split'. Expected one of"),
        ("tools/check_data --seed", "error: "),
    ],
)
def test_an_option_that_the_parser_refuses(line, said, command, capsys):
    name, *arguments = line.split()
    assert command(name, *arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and said in printed
    assert len(printed.splitlines()) == 1 and printed.endswith("(--help lists the options)\n")


def test_help_is_as_it_was(command, capsys):
    assert command("train", "--help") == 0
    printed = capsys.readouterr()
    assert "--epochs" in printed.out or "--preset" in printed.out
    assert not printed.err


def test_a_frame_of_lines_is_taken_off_as_one_of_letters_is():
    framed = "╭─ Value error ──╮\n│ Error parsing   │\n│ --seed │\n│ ────── │\n│ See --help │\n╰────╯\n"
    plain = " Value error    \n ------------- \n Error parsing \n --seed\n --------\n See --help\n"
    assert _in_one_line(framed) == _in_one_line(plain) == "Error parsing --seed (--help lists the options)"
