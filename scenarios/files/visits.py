"""A PySpark application: counts made-up visits by page, twice, with a shuffle each, and writes the counts as Parquet.

What it commits is read back from the files, so that rows that were lost or written twice change the result.
"""
import argparse
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

VISITS = 20_000
PAGES = 50
HALVES = 2


def visits(half, partition, partitions, task_ms):
    """Returns the visits of one partition; Python makes them, on an executor."""
    time.sleep(task_ms / 1000)
    for visit in range(partition, VISITS, partitions):
        yield (visit * 7919 + half) % PAGES, visit


def count(spark, half, options):
    """Counts the visits of one half and writes the counts."""
    sliced = spark.sparkContext.parallelize(range(options.partitions), options.partitions)
    made = sliced.flatMap(lambda p: visits(half, p, options.partitions, options.task_ms))
    counts = spark.createDataFrame(made, "page long, visit long").groupBy("page").agg(
        F.count("*").alias("visits"), F.sum("visit").alias("checksum"))
    counts.write.mode(options.mode).parquet(f"{options.output}/half={half}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True, help="directory that all nodes see")
    parser.add_argument("--partitions", type=int, default=10, help="map tasks of each half")
    parser.add_argument("--task-ms", type=int, default=1000, help="how long each of them takes at least")
    parser.add_argument("--mode", choices=["overwrite", "append"], default="overwrite", help="append writes again what an earlier driver wrote already")
    options = parser.parse_args()

    spark = SparkSession.builder.getOrCreate()
    for half in range(HALVES):
        count(spark, half, options)
    written = spark.read.parquet(options.output).agg(
        F.count("*").alias("rows"), F.sum("visits").alias("visits"), F.sum("checksum").alias("checksum")).first()
    result = f"rows={written.rows} visits={written.visits} checksum={written.checksum}"
    print(result)
    spark.sparkContext._jvm.dev.sparkchaos.witness.Ledger.commit("visits", result, {})
    spark.stop()


if __name__ == "__main__":
    main()
