package dev.sparkchaos.workloads;

import dev.sparkchaos.source.WordReceiver;
import dev.sparkchaos.witness.Ledger;
import dev.sparkchaos.workloads.Ranges.Range;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.Optional;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.Time;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaReceiverInputDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import scala.Tuple2;

/**
 * Counts words of a source with DStreams and a checkpoint, as Spark's own example of that name does. Started again on
 * its checkpoint it goes on; the write-ahead log is the user's choice (spark.streaming.receiver.writeAheadLog.enable).
 */
@SuppressWarnings("deprecation") // DStreams are deprecated, and what is to be judged here
public final class NetworkWordCount {
  private static final Options OPTIONS =
      new Options("NetworkWordCount", "counts words of a TCP source with DStreams and a checkpoint")
          .text("host", "HOST", null, "of the word source")
          .requiredNumber("port", 1, 65_535, "of the word source (TCP)")
          .text("checkpoint", "DIR", null, "checkpoint directory, shared by driver and executors")
          .number("batch-ms", 1000, 50, 3_600_000, "length of a batch, in milliseconds")
          .number("reducers", 2, 1, 100_000, "reduce tasks")
          .number("until", 0, 0, Long.MAX_VALUE, "ends when all words before this offset are counted; 0: never");

  private static final long AWAIT_MILLIS = 100;

  // A stream recovered from its checkpoint runs copies of its functions, which cannot refer to the main thread's
  // objects; the class is what both have in common.
  private static final AtomicReference<AtomicBoolean> FINISHED = new AtomicReference<>(new AtomicBoolean());

  private NetworkWordCount() {}

  /** Runs the application; see --help. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return Application.run(OPTIONS, args, NetworkWordCount::stream, System.out, System.err);
  }

  private static int stream(Options.Values values) throws InterruptedException {
    AtomicBoolean finished = new AtomicBoolean();
    FINISHED.set(finished);
    JavaStreamingContext context =
        JavaStreamingContext.getOrCreate(values.text("checkpoint"), () -> create(values));
    try {
      context.start();
      boolean stopped = false;
      while (!stopped && !finished.get()) {
        stopped = context.awaitTerminationOrTimeout(AWAIT_MILLIS);
      }
      return Application.OK;
    } finally {
      context.stop(true, false);
    }
  }

  private static JavaStreamingContext create(Options.Values values) {
    String checkpoint = values.text("checkpoint");
    long until = values.number("until") == 0 ? Long.MAX_VALUE : values.number("until");
    SparkConf conf = new SparkConf().setIfMissing("spark.app.name", "NetworkWordCount");
    JavaStreamingContext context =
        new JavaStreamingContext(conf, Durations.milliseconds(values.number("batch-ms")));
    context.checkpoint(checkpoint);
    WordReceiver receiver =
        new WordReceiver(
            values.text("host"), values.integer("port"), checkpoint + "/receiver-position", until);
    JavaReceiverInputDStream<String> lines = context.receiverStream(receiver);
    lines.foreachRDD(NetworkWordCount::commitOffsets);
    JavaPairDStream<String, Seen> totals =
        lines
            .mapToPair(NetworkWordCount::parse)
            .updateStateByKey(NetworkWordCount::update, values.integer("reducers"));
    totals.foreachRDD((counts, time) -> commitTotals(counts, time, until));
    return context;
  }

  /** How often a word was seen, and the highest offset at which it was. */
  private record Seen(long count, long highest) implements Serializable {}

  private static Tuple2<String, Long> parse(String line) {
    int space = line.indexOf(' ');
    return new Tuple2<>(line.substring(space + 1), Long.parseLong(line.substring(0, space)));
  }

  private static Optional<Seen> update(List<Long> offsets, Optional<Seen> state) {
    Seen seen = state.or(new Seen(0, -1));
    long highest = seen.highest();
    for (long offset : offsets) {
      highest = Math.max(highest, offset);
    }
    return Optional.of(new Seen(seen.count() + offsets.size(), highest));
  }

  /** Puts into the ledger which offsets a batch holds. */
  private static void commitOffsets(JavaRDD<String> lines, Time time) {
    List<Range> ranges =
        Ranges.joined(
            lines
                .mapPartitions(
                    partition -> {
                      List<Long> offsets = new ArrayList<>();
                      partition.forEachRemaining(line -> offsets.add(parse(line)._2()));
                      return Ranges.of(offsets.stream().mapToLong(Long::longValue).toArray()).iterator();
                    })
                .collect());
    if (ranges.isEmpty()) {
      return;
    }
    Ledger.commitBatch(
        time.milliseconds(),
        "offsets/" + time.milliseconds(),
        Ranges.text(ranges),
        Map.of("words", Long.toString(Ranges.size(ranges))));
  }

  /** Puts into the ledger what has been counted up to a batch. */
  private static void commitTotals(JavaPairRDD<String, Seen> totals, Time time, long until) {
    Map<String, Long> byWord = new LinkedHashMap<>();
    long highest = -1;
    for (Tuple2<String, Seen> word : totals.collect()) {
      byWord.put(word._1(), word._2().count());
      highest = Math.max(highest, word._2().highest());
    }
    Counts counts = new Counts(byWord);
    Map<String, String> detail =
        Map.of("total", Long.toString(counts.total()), "highestOffset", Long.toString(highest));
    Ledger.commitBatch(
        time.milliseconds(), "totals/" + time.milliseconds(), counts.summary(), detail);
    if (highest >= until - 1 && FINISHED.get().compareAndSet(false, true)) {
      Ledger.commit("networkwordcount", counts.summary(), detail);
    }
  }
}
