"""dlt: push the rows of SQLite to the API by a custom destination, 100 a batch, and keep what it answered."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import dlt_jobs  # isort: skip  sets dlt up before it is imported
import dlt
import orjson
import requests
from sqlalchemy import text

from benchmarks.plain_mapping import outward

_PAGE = 5000


def _rows(home: Path, since: str) -> Iterator[list[dict[str, Any]]]:
    """The hub's rows changed since, in pages."""
    query = text(f"SELECT * FROM {dlt_jobs.DATASET}.{dlt_jobs.TABLE} WHERE updated_at >= :since")  # noqa: S608
    engine = dlt_jobs.engine(home)
    with engine.connect() as conn:
        conn.execute(text(f"ATTACH DATABASE '{home / f'dlt__{dlt_jobs.DATASET}.db'}' AS {dlt_jobs.DATASET}"))
        for page in conn.execute(query, {"since": since}).mappings().partitions(_PAGE):
            yield [dict(row) for row in page]


def run(home: Path, url: str, since: str) -> None:
    """Run the pipeline once; raises when a load failed."""
    session = requests.Session()
    session.headers.update({"Authorization": "Bearer not-a-secret", "Content-Type": "application/json"})
    answers = (home / "answers.jsonl").open("ab")

    @dlt.destination(batch_size=100, name="target", skip_dlt_columns_and_tables=True, loader_file_format="typed-jsonl")
    def target(items: list[dict[str, Any]], table: Any) -> None:
        inputs = [{"id": row["id"], "idProperty": "source_id", "properties": outward(row)} for row in items]
        answer = session.post(f"{url}/crm/v3/objects/contacts/batch/upsert", data=orjson.dumps({"inputs": inputs}))
        answer.raise_for_status()
        results = orjson.loads(answer.content)["results"]
        if len(results) != len(inputs):
            raise ValueError("the answer does not match the batch")
        answers.write(b"".join(orjson.dumps({"id": each["id"]}) + b"\n" for each in results))

    rows = dlt.resource(_rows(home, since), name=dlt_jobs.TABLE, max_table_nesting=0)
    with answers:
        dlt_jobs.pipeline("push", home, target()).run(rows).raise_on_failed_jobs()


def main() -> None:
    """Run one job."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--since", default="")
    options = parser.parse_args()
    run(options.home, options.url, options.since)


if __name__ == "__main__":
    main()
