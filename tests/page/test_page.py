"""The page of a folder of reports, without a browser."""

import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest

from snnvtg.errors import InputError
from snnvtg.page.build import page
from snnvtg.page.findings import Number, five_sentences
from snnvtg.page.results import paired, results_of
from snnvtg.page.sources import read_sources
from snnvtg.page.tables import number_text


class Elements(HTMLParser):
    """Names and attributes of every element, and what was left open."""

    def __init__(self, text):
        super().__init__()
        self.found, self.ids = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]


def test_the_same_files_give_the_same_bytes(reports, tmp_path):
    for path in [*reports.glob("comparison*"), *reports.glob("timestep*"), *reports.glob("explorer*")]:
        shutil.copy(path, tmp_path)
    first = page(tmp_path)
    results_of.cache_clear()
    paired.cache_clear()
    assert page(tmp_path) == first


def test_the_page_asks_for_nothing_and_stays_small(html):
    elements = Elements(html).found
    addresses = [v for _, found in elements for n, v in found.items() if n in ("src", "href", "xlink:href", "action")]
    assert addresses and all(address.startswith("#") for address in addresses)
    assert "@import" not in html and not re.search(r"url\((?!#)", html)
    assert len(html.encode()) < 3_000_000


def test_every_inner_address_leads_somewhere_and_no_name_is_given_twice(html):
    elements = Elements(html)
    addresses = {value[1:] for _, found in elements.found for name, value in found.items() if name == "href"}
    named = {found["aria-controls"] for _, found in elements.found if "aria-controls" in found}
    assert (addresses | named) <= set(elements.ids)
    outside_pictures = [name for name in elements.ids if not re.match(r"[mp][0-9a-f]{10}$", name)]
    assert len(outside_pictures) == len(set(outside_pictures))


@pytest.fixture(scope="module")
def sentences(reports):
    return five_sentences(read_sources(reports))


def test_every_number_of_the_answer_says_where_it_comes_from(sentences):
    assert len(sentences) == 5
    for words in sentences:
        numbers = [part for part in words if isinstance(part, Number)]
        assert numbers and all(number.source.provenance.get("command") for number in numbers)


def test_the_answer_says_what_the_tables_say(sentences, reports):
    said = ["".join(p.text if isinstance(p, Number) else p for p in words) for words in sentences]
    assert said[0].startswith(
        "Of 3 models measured alike on charades_sta, dense one answers best (mean mIoU 36.0) at 90.0"
    )
    assert "the cheapest, small one, takes 20.0 µJ, for 31.0." in said[0]
    table = pd.read_csv(reports / "timestep_sweep_charades_sta.csv").query("model == 'spikemba'")
    first, last = (table.query(f"num_timesteps == {steps}")["mIoU"].mean() for steps in (1, 8))
    assert said[1].startswith(
        f"On charades_sta, mIoU is {first:.1f} at T = 1 and {last:.1f} at T = 8, a difference of "
    )
    assert re.search(rf"of \{last - first:+.1f} points \[[+−]\d\.\d, \+\d\.\d\] \(95 %, paired", said[1])
    assert "77.2 µJ per query (45 nm, fp32), its dense twin at 75.5" in said[3]
    assert "a factor of 132" in said[4]


def test_rows_of_other_queries_are_not_paired_in_the_answer(reports, tmp_path):
    for end in (".csv", ".json", "_queries.csv"):
        shutil.copy(reports / f"timestep_sweep_charades_sta{end}", tmp_path)
    path = tmp_path / "timestep_sweep_charades_sta_queries.csv"
    queries = pd.read_csv(path)
    queries.loc[queries["row"].str.contains("num_timesteps=8"), "query"] += 1000
    queries.to_csv(path, index=False)
    (words,) = five_sentences(read_sources(tmp_path))
    said = "".join(part.text if isinstance(part, Number) else part for part in words)
    assert "at T = 8, of other queries each, while energy" in said


def test_origins_are_told_with_command_commit_date_and_data(html):
    text = re.search(r'id="origin-comparison-charades-sta">(.*?)</li>', html, re.DOTALL).group(1)
    for part in ("compare &lt;them&gt; &amp; all", "abc123", "2026-11-21 10:00:00 UTC", "charades_sta"):
        assert part in text


def test_synthetic_and_published_are_marked_where_they_stand(html):
    table = re.search(r'<table id="table-ablation-synthetic-ablation-table4".*?</table>', html, re.DOTALL).group()
    assert 'class="mark synthetic">synthetic' in table
    heads = re.findall(r"<th scope=\"col\"[^>]*>.*?</th>", table)
    published = [head for head in heads if "published (QVHighlights" in head]
    assert len(published) == 4 and all('class="mark published"' in head for head in published)
    assert table.count("published") > 4 * len(published)  # and every cell below
    real = re.search(r'<table id="table-timestep-sweep-charades-sta".*?</table>', html, re.DOTALL).group()
    assert "mark synthetic" not in real


def test_what_a_recording_says_cannot_end_its_script(html):
    assert "a </script> query" not in html
    assert "a \\u003c/script> query" in html


def test_a_folder_of_one_table_without_provenance_is_a_page(tmp_path):
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    text = page(tmp_path)
    assert "no provenance lies beside this table" in text and 'id="table-one"' in text
    assert "explorer-controls" not in text


def test_a_missing_table_takes_its_sentence_with_it(reports, tmp_path):
    shutil.copy(reports / "timestep_sweep_charades_sta.csv", tmp_path)
    shutil.copy(reports / "timestep_sweep_charades_sta.json", tmp_path)
    assert len(five_sentences(read_sources(tmp_path))) == 1


def test_no_folder_and_broken_files_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        page(tmp_path / "nowhere")
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    (tmp_path / "one.json").write_text("{")
    with pytest.raises(InputError, match=r"one\.json: no JSON"):
        page(tmp_path)
    (tmp_path / "one.json").unlink()
    (tmp_path / "explorer.json").write_text("[]")
    with pytest.raises(InputError, match=r"explorer\.json: no recording"):
        page(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1234567.0, "1,234,567"), (0.12345, "0.1235"), (72.396, "72.4"), (1e-7, "1e-07")]
)
def test_numbers_are_short(value, text):
    assert number_text(value) == text
