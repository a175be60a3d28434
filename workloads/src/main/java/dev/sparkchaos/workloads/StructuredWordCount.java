package dev.sparkchaos.workloads;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;

import dev.sparkchaos.source.ReadableWords;
import dev.sparkchaos.source.WordSource;
import dev.sparkchaos.witness.Ledger;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.streaming.Trigger;

/**
 * Counts words of a source with Structured Streaming, a state store and a checkpoint. Each micro-batch goes to the
 * ledger with its range of offsets; as long as nothing is lost or doubled, the total equals the range's end.
 */
public final class StructuredWordCount {
  private static final Options OPTIONS =
      new Options("StructuredWordCount", "counts words of a source with Structured Streaming")
          .text(
              "source",
              "URL",
              null,
              "of the word source, like http://host:port; words:SEED makes the words without a network",
              ReadableWords::checked)
          .text("checkpoint", "DIR", null, "checkpoint directory, shared by driver and executors")
          .number("batch-ms", 1000, 0, 3_600_000, "interval between micro-batches, in milliseconds")
          .number("max-per-batch", 10_000, 1, Long.MAX_VALUE, "most words of a micro-batch")
          .number("partitions", 2, 1, 1000, "tasks that read a micro-batch")
          .number("reducers", 2, 1, 1000, "reduce tasks, and partitions of the state")
          .number("source-patience-ms", 60_000, 1, 3_600_000, "how long a task tries again while the source is away")
          .number("until", 0, 0, Long.MAX_VALUE, "ends when all words before this offset are counted; 0: never");

  private static final long AWAIT_MILLIS = 100;
  private static final long NONE = -1;

  private final Options.Values values;
  private final long until;
  // The batch that came to the end; the query's thread writes it, the main thread waits for it.
  private final AtomicLong lastBatch = new AtomicLong(NONE);

  private StructuredWordCount(Options.Values values) {
    this.values = values;
    this.until = values.number("until") == 0 ? Long.MAX_VALUE : values.number("until");
  }

  /** Runs the application; see --help. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return Application.run(
        OPTIONS, args, values -> new StructuredWordCount(values).stream(), System.out, System.err);
  }

  private int stream() throws IOException, TimeoutException, StreamingQueryException {
    SparkConf conf =
        new SparkConf()
            .setIfMissing("spark.app.name", "StructuredWordCount")
            .setIfMissing("spark.sql.shuffle.partitions", Long.toString(values.number("reducers")));
    SparkSession session = SparkSession.builder().config(conf).getOrCreate();
    try {
      OptionalLong committed = StreamCheckpoint.committedEnd(values.text("checkpoint"));
      if (committed.isPresent() && committed.getAsLong() >= until) {
        System.out.println("all words before offset " + until + " are counted already");
        return Application.OK;
      }
      StreamingQuery query = start(session);
      while (!query.awaitTermination(AWAIT_MILLIS)) {
        if (finished(query)) {
          query.stop();
        }
      }
      return Application.OK;
    } finally {
      session.stop();
    }
  }

  private StreamingQuery start(SparkSession session) throws TimeoutException {
    return session
        .readStream()
        .format(WordSource.class.getName())
        .option("url", values.text("source"))
        .option("maxPerBatch", values.number("max-per-batch"))
        .option("partitions", values.number("partitions"))
        .option("patienceMillis", values.number("source-patience-ms"))
        .option("until", until)
        .load()
        .groupBy(col("word"))
        .agg(
            count(lit(1)).as("count"),
            max(col("batchStart")).as("from"),
            max(col("batchEnd")).as("to"))
        .writeStream()
        .queryName("wordcount")
        .outputMode("complete")
        .option("checkpointLocation", values.text("checkpoint"))
        .trigger(Trigger.ProcessingTime(values.number("batch-ms")))
        .foreachBatch(this::commit)
        .start();
  }

  /** Puts a micro-batch into the ledger: its offsets, and what has been counted up to it. */
  private void commit(Dataset<Row> totals, Long batch) {
    List<Row> rows = totals.collectAsList();
    Map<String, Long> byWord = new LinkedHashMap<>();
    long from = 0;
    long to = 0;
    for (Row row : rows) {
      byWord.put(row.getAs("word"), row.getAs("count"));
      from = Math.max(from, row.<Long>getAs("from"));
      to = Math.max(to, row.<Long>getAs("to"));
    }
    Counts counts = new Counts(byWord);
    Map<String, String> detail =
        Map.of(
            "batchId", Long.toString(batch),
            "from", Long.toString(from),
            "to", Long.toString(to),
            "total", Long.toString(counts.total()),
            "counts", counts.summary());
    Ledger.commitBatch(batch, "batch/" + batch, from + "-" + to + " " + counts.summary(), detail);
    if (to >= until) {
      Ledger.commit("structuredwordcount", counts.summary(), detail);
      lastBatch.set(batch);
    }
  }

  /** Says whether the last micro-batch is in the checkpoint: a query's progress tells of committed ones only. */
  private boolean finished(StreamingQuery query) {
    return lastBatch.get() != NONE
        && query.lastProgress() != null
        && query.lastProgress().batchId() >= lastBatch.get();
  }
}
