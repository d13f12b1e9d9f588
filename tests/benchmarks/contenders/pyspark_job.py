"""PySpark Structured Streaming: Avro is decoded in the JVM, `mapInPandas` predicts batches of columns, in micro-batches.

The output record is encoded by fastavro in the same Python step: `to_avro` has no way to choose a branch of its union.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders.job import Job, Place

if TYPE_CHECKING:
    import pandas as pd

_OUTPUT = "key binary, value binary, timestamp timestamp"
_loaded: list[Job] = []


def job_of_worker() -> Job:
    """The job with its models, loaded once in each of Spark's Python workers, which live on between batches."""
    if not _loaded:
        job = Job()
        job.load_models()
        _loaded.append(job)
    return _loaded[0]


def predicted(chunks: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Enrich Arrow batches of records."""
    import pandas as pd  # noqa: PLC0415 - in Spark's workers, which unpickle this function

    job = job_of_worker()
    fields = [field["name"] for field in json.loads(job.schema_text)["fields"]]
    for chunk in chunks:
        columns = {name: chunk[name].tolist() for name in fields}
        events = [dict(zip(fields, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        places = [
            Place(*place)
            for place in zip(chunk["topic"].tolist(), chunk["partition"].tolist(), chunk["offset"].tolist(), strict=True)
        ]
        values = [job.encode(event) for event in job.predict_all(events, places)]
        yield pd.DataFrame({"key": chunk["key"], "value": values, "timestamp": chunk["timestamp"]})


def main() -> None:
    """Work until SIGTERM."""
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]  # noqa: PLC0415 - in an environment of its own
    from pyspark.sql.avro.functions import from_avro  # type: ignore[import-not-found]  # noqa: PLC0415 - as above
    from pyspark.sql.functions import expr  # type: ignore[import-not-found]  # noqa: PLC0415 - as above

    job = Job()
    jars = ",".join(str(jar) for jar in sorted(Path(os.environ["BENCH_JARS"]).glob("*.jar")))
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", jars)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.local.dir", str(job.folder / "spark"))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "50000")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", job.bootstrap_servers)
        .option("subscribe", job.input)
        .option("startingOffsets", "earliest")
        .option("kafka.isolation.level", "read_committed")
        .option("maxOffsetsPerTrigger", os.environ.get("BENCH_TRIGGER_RECORDS", "200000"))
        .load()
    )
    event = from_avro(expr("substring(value, 6)"), job.schema_text).alias("event")
    body = records.select("key", "topic", "partition", "offset", "timestamp", event)
    flat = body.select("key", "topic", "partition", "offset", "timestamp", "event.*")
    query = (
        flat.mapInPandas(predicted, _OUTPUT)
        .writeStream.format("kafka")
        .option("kafka.bootstrap.servers", job.bootstrap_servers)
        .option("topic", job.output)
        .option("checkpointLocation", str(job.folder / f"checkpoint-{time.time_ns()}"))
        .start()
    )
    query.awaitTermination()


if __name__ == "__main__":
    main()
