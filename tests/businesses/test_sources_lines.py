"""Rows read the fast way are the rows that the csv module reads."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from businesses.sources.base import MAX_LINE_BYTES
from businesses.sources.lines import Lines, csv_rows

cell = st.text(st.sampled_from('ab",;\n |\x1f\u0141'), max_size=6)
line_end = st.sampled_from(["\n", "\r\n"])


def read(text: str, delimiter: str = ",") -> list[tuple[int, list[str], str]]:
    return list(csv_rows(Lines(io.BytesIO(text.encode("utf-8", "surrogateescape"))), delimiter=delimiter))


@given(
    st.lists(st.lists(cell, min_size=1, max_size=5), max_size=6),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    line_end,
)
def test_any_table_is_read_as_it_was_written(table: list[list[str]], quoting: int, end: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=quoting, lineterminator=end).writerows(table)  # type: ignore[arg-type]
    assert [row for _, row, _ in read(buffer.getvalue())] == table


@given(st.text(st.sampled_from('a",\n\r '), max_size=60))
def test_any_text_is_read_as_the_csv_module_reads_it(text: str) -> None:
    whole = text.replace("\r", "")
    expected = [row for row in csv.reader(io.StringIO(whole, newline="")) if row]
    assert [row for _, row, _ in read(whole)] == expected


def test_lines_are_counted_and_errors_are_rows() -> None:
    text = '"a","b"\n\n"multi\nline",x\n' + "y" * (MAX_LINE_BYTES + 1) + '\n"c","d"'
    assert read(text) == [
        (1, ["a", "b"], ""),
        (3, ["multi\nline", "x"], ""),
        (5, [], "not csv: longer than a megabyte"),
        (6, ["c", "d"], ""),
    ]


def test_the_last_line_may_be_too_long() -> None:
    assert read("y" * (3 * MAX_LINE_BYTES)) == [(1, [], "not csv: longer than a megabyte")]
