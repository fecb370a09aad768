"""The rows that a Prefect run shows: their text stays text, although Prefect takes it for Markdown."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.driver import open_driver
from lamplighter.reporting import publish_report
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool


def test_foreign_text_of_the_pool_stays_text(tmp_path: Path) -> None:
    write_pool(tmp_path, rows=100)
    for file in (tmp_path / "pool").iterdir():
        table = pq.read_table(file)
        text = pa.array(["![x](http://elsewhere.example/y.png) <b>"] * len(table))
        place = table.schema.get_field_index("text")
        pq.write_table(table.set_column(place, "text", text), file)
    driver = open_driver(write_campaign(tmp_path, evaluation={"holdout": 10}))
    run_round(driver)
    top = publish_report(driver).top_rows
    assert {row["text"] for row in top} == {r"\!\[x\]\(http\://elsewhere.example/y.png\) \<b\>"}
