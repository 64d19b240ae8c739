"""Rows of Parquet files, a batch at a time (https://parquet.apache.org/docs/file-format/).

A file says itself how large its parts are, and may lie: read strangers' files in a process with a limit on its memory,
as :mod:`training.data.data_process` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.training.data.rows import MAX_COLUMNS, Row, as_row

BATCH_ROWS = 256
MAX_GROUP_BYTES = 2 * 2**30
# What the file says of itself, in the form that Thrift reads it: names and counts, a few kilobytes each.
MAX_THRIFT_BYTES = 64 * 2**20
MAX_THRIFT_ITEMS = 1_000_000


def parquet_rows(path: Path, name: str) -> Iterator[Row]:
    """The rows of a file.

    Args:
        path: the file.
        name: how a message calls it.

    Raises:
        DocumentError: it is damaged, or a row group of it is larger than ``MAX_GROUP_BYTES``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_regular(path) as raw, pa.PythonFile(raw, mode="r") as source:
            file = pq.ParquetFile(
                source, thrift_string_size_limit=MAX_THRIFT_BYTES, thrift_container_size_limit=MAX_THRIFT_ITEMS
            )
            meta = file.metadata
            if len(file.schema_arrow.names) > MAX_COLUMNS:
                raise DocumentError(f"{name} has more than {MAX_COLUMNS:,} columns")
            largest = max((meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)), default=0)
            if largest > MAX_GROUP_BYTES:
                raise DocumentError(
                    f"{name} has a row group of {size(largest)}; write it with smaller ones (row_group_size=10_000)"
                )
            number = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for value in batch.to_pylist():
                    number += 1
                    yield as_row(f"row {number}", value)
    except pa.ArrowException as exc:
        raise DocumentError(f"{name} is no Parquet file that can be read: {str(exc)[:300]}") from exc
