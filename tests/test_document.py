"""One document for the terminal, in Markdown and as a page, against what a reader must get of each."""

import pytest

from mlsl_mx.reports.cells import table_of, with_paper
from mlsl_mx.reports.document import (
    Bullets,
    Chart,
    Charts,
    Document,
    Picture,
    PictureRows,
    Section,
    Table,
    Text,
    Verbatim,
    section,
)
from mlsl_mx.reports.document_files import write_document
from mlsl_mx.reports.html_page import html_page
from mlsl_mx.reports.markdown import markdown_text
from mlsl_mx.reports.terminal import terminal_text

TABLE = Table("Numbers", ["class", "IoU"], [["a|b", "+1.5"], ["all", "20.0"]], notes=["* a note"], means=1)
ROWS = PictureRows([("x<y", [Picture("1 a.png", b"PNG", "one [a]", "a"), Picture("1-b.png", None, "no b", "b")])])
DOCUMENT = Document(
    "Title",
    "subtitle",
    (
        Text("A paragraph."),
        TABLE,
        Section("Seen", (ROWS, Picture("sheet.jpeg", b"JPEG", "a sheet", "its caption"))),
        Section("Drawn", (Charts([Chart("Chart", "<svg></svg>")]),)),
        Section("More", (Verbatim("# a: 1\n  b: <2>\n"), Bullets(["one", "two"])), folded=True),
    ),
    notice="Notice",
)


def test_the_terminal_shows_texts_and_tables():
    assert (
        terminal_text(DOCUMENT)
        == """Notice

Title
subtitle

A paragraph.

Numbers
class   IoU
-----------
a|b    +1.5
all    20.0
* a note

Notice"""
    )


def test_markdown_shows_all_but_charts():
    assert (
        markdown_text(DOCUMENT)
        == r"""Notice

# Title

subtitle

A paragraph.

## Numbers

| class | IoU |
|---|---:|
| a\|b | +1.5 |
| all | 20.0 |

\* a note

## Seen

|  | a | b |
|---|---|---|
| x\<y | ![one \[a\]](pictures/1%20a.png) | - |

its caption

![a sheet](pictures/sheet.jpeg)

## More

    # a: 1
      b: <2>

- one
- two

Notice"""
    )


def test_a_page_shows_all(tmp_path):
    page = html_page(DOCUMENT)
    order = ["<p class=banner>Notice", "<h1>Title", "subtitle", "A paragraph.", "<h2>Numbers", "<h2>Seen", "x&lt;y"]
    order += [
        'src="data:image/png;base64,UE5H"',
        "<div class=nothing>",
        "its caption",
        "data:image/jpeg;base64,SlBFRw==",
    ]
    order += ["<h2>Drawn", "<figcaption>Chart</figcaption><svg>", "<summary>More", "b: &lt;2&gt;", "<li>two", "banner"]
    places = [0]
    for text in order:
        places.append(page.index(text, places[-1] + 1))
    assert '<td class="up">+1.5</td>' in page and "<tr class=mean><th scope=row>all</th>" in page


def test_files_of_a_document(tmp_path):
    write_document(DOCUMENT, tmp_path, "name")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"name.md", "name.html", "pictures/1 a.png", "pictures/sheet.jpeg"}
    assert (tmp_path / "pictures/sheet.jpeg").read_bytes() == b"JPEG"


def test_columns_without_a_value_are_left_out():
    rows = [
        ("method", ["a", "b"]),
        *with_paper("ours", [2.0, None], [1.5, 3.0]),
        *with_paper("new", [4.0, 5.0], [None] * 2),
    ]
    table = table_of("Title", rows)
    assert table.header == ("method", "ours", "paper", "diff", "new") and table.joined == ("paper", "diff")
    assert table.rows == [("a", "2.0", "1.5", "+0.5", "4.0"), ("b", "-", "3.0", "-", "5.0")]
    assert html_page(Document("", "", [table])).count('class="first"') == 2 * 2  # before each of ours


@pytest.mark.parametrize("parts", [(), (None,)])
def test_a_section_of_nothing_is_none(parts):
    assert section("Title", *parts) is None and section("Title", *parts, Text("x")).parts == (Text("x"),)
