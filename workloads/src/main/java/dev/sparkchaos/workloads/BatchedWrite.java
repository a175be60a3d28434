package dev.sparkchaos.workloads;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;

/**
 * Writes a table in batches, each into a partition of its own. It commits nothing to the ledger, as applications of others don't: what
 * it did is judged by its files.
 */
public final class BatchedWrite {
  /** What a driver does with batches that an earlier one may have written. */
  enum Repeat {
    /** Writes them again in their place: right. */
    overwrite,
    /** Writes them again beside what is there: known to be bad, rows are doubled. */
    append,
    /** Passes over those that were begun: known to be bad, the one that was being written is lost. */
    skip
  }

  private static final Options OPTIONS =
      new Options("BatchedWrite", "writes a table in batches, each into a partition of its own")
          .text("output", "DIR", null, "directory of the table, on a volume that all nodes see")
          .text("format", "NAME", "parquet", "of the files: parquet, orc, json, csv")
          .number("batches", 4, 1, 10_000, "how many batches there are")
          .number("rows", 100, 1, 1_000_000_000, "rows of each batch")
          .number("partitions", 2, 1, 100_000, "tasks of each batch, and files")
          .number("task-ms", 3000, 0, 3_600_000, "time that each task takes, in milliseconds")
          .text("repeat", "HOW", "overwrite", "what a driver does with batches of an earlier one: " + names(), Repeat::valueOf);

  private final SparkSession spark;
  private final Options.Values values;

  private BatchedWrite(SparkSession spark, Options.Values values) {
    this.spark = spark;
    this.values = values;
  }

  private static String names() {
    return Arrays.stream(Repeat.values()).map(Repeat::name).collect(Collectors.joining(", "));
  }

  /** Runs the application; see --help. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return Application.run(OPTIONS, args, BatchedWrite::write, System.out, System.err);
  }

  private static int write(Options.Values values) throws IOException {
    SparkConf conf = new SparkConf().setIfMissing("spark.app.name", "BatchedWrite");
    try (SparkSession spark = SparkSession.builder().config(conf).getOrCreate()) {
      BatchedWrite application = new BatchedWrite(spark, values);
      for (int batch = 0; batch < values.integer("batches"); batch++) {
        application.write(batch);
      }
    }
    return Application.OK;
  }

  private void write(int batch) throws IOException {
    Repeat repeat = (Repeat) values.value("repeat");
    if (repeat == Repeat.skip && !begin(batch)) {
      return;
    }
    long rows = values.number("rows");
    long millis = values.number("task-ms");
    MapPartitionsFunction<Long, Long> slow =
        ids -> {
          Thread.sleep(millis);
          return ids;
        };
    Dataset<Long> ids = spark.range(batch * rows, (batch + 1) * rows, 1, values.integer("partitions")).mapPartitions(slow, Encoders.LONG());
    ids.toDF("id")
        .selectExpr("id", "concat('customer-', id % 17) AS customer", "id * 7 % 1000 AS amount")
        .write()
        .format(values.text("format"))
        .mode(repeat == Repeat.append ? SaveMode.Append : SaveMode.Overwrite)
        .save(values.text("output") + "/batch=" + batch);
  }

  /** Notes that a batch is begun; false if an earlier driver did. */
  private boolean begin(int batch) throws IOException {
    Path begun = Files.createDirectories(Path.of(values.text("output") + ".begun"));
    try {
      Files.createFile(begun.resolve(Integer.toString(batch)));
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    }
  }
}
