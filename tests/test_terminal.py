import pandas as pd
import pytest

from snnvtg.terminal import digits, energy, figures_text, page_text, table_text


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")


def test_a_wide_table_is_no_wider_than_the_terminal_and_lacks_no_column():
    table = pd.DataFrame({f"column{i}": [i / 7, i] for i in range(20)} | {"row": ["a" * 200, "b"]})
    said = table_text(table)
    assert max(map(len, said.splitlines())) <= 60
    assert all(f"column{i}" in said for i in range(20)) and "row" in said
    small = table_text(pd.DataFrame({"metric": ["mIoU"], "value": [1.23456]}))
    assert [line.split() for line in small.splitlines()] == [["metric", "value"], ["mIoU", "1.235"]]


def test_a_page_is_wrapped_and_says_where_the_whole_of_it_is():
    row = "| " + " | ".join(["cell"] * 30) + " |"
    said = page_text(f"# Title\n\n{'word ' * 40}\n\n{row}\n", "report.md").splitlines()
    assert max(map(len, said)) <= 60
    assert said[-1] == "(tables are cut to the terminal: report.md has all of them)"
    assert sum(line.count("word") for line in said) == 40
    assert page_text("| a |\n", "report.md") == "| a |"


@pytest.mark.parametrize(
    ("picojoules", "said"),
    [
        (5.656e7, "56.56 µJ"),
        (0, "0 pJ"),
        (999, "999 pJ"),
        (1000, "1 nJ"),
        (2.5e9, "2.500 mJ"),
        (3.2e15, "3,200 J"),
        (0.5, "0.5000 pJ"),
    ],
)
def test_energies_have_the_unit_that_fits(picojoules, said):
    assert energy(picojoules) == said


def test_numbers_have_no_exponents_where_digits_will_do():
    assert [digits(value) for value in (6336710.88, 0.2071, 46.294374, 132199, 1e-7, float("nan"))] == [
        "6,336,711",
        "0.2071",
        "46.29",
        "132,199",
        "1e-07",
        "nan",
    ]
    lines = figures_text({"mIoU": 46.294, "energy_pj": 4.79e7, "best": None, "unit": "x"}).splitlines()
    assert [line.split() for line in lines] == [
        ["mIoU", "46.29"],
        ["energy", "47.90", "µJ"],
        ["best", "none"],
        ["unit", "x"],
    ]
