package dev.sparkchaos.workloads;

import dev.sparkchaos.source.Words;
import dev.sparkchaos.witness.Identity;
import dev.sparkchaos.witness.Ledger;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaSparkContext;
import scala.Tuple2;

/**
 * Counts words in a batch: a map stage, a shuffle, a result stage. The words are made from a seed, so the answer is
 * known; the result goes to a file under the writer's identity and to the ledger.
 */
public final class WordCount {
  private static final Options OPTIONS =
      new Options("WordCount", "counts generated words in a batch with a shuffle")
          .number("partitions", 24, 1, 100_000, "map tasks")
          .number("task-ms", 500, 0, 3_600_000, "time that each map task takes, in milliseconds")
          .number("reducers", 4, 1, 100_000, "reduce tasks")
          .number("reduce-ms", 0, 0, 3_600_000, "time that each reduce task takes, in milliseconds")
          .number("words", 100_000, 0, 10_000_000_000L, "words to count, in all map tasks together")
          .number("vocabulary", 100, 1, Words.LARGEST_VOCABULARY, "how many different words there are")
          .seed("seed", "1", "of the words")
          .text("output", "DIR", "", "directory for <pod UID>/result.json, on a volume that outlives the pod")
          .text(
              "tally",
              "DIR",
              "",
              "known to be bad: each map task leaves a file in this directory, and how many there are belongs to the"
                  + " result, so that tasks which a restart repeats count twice");

  private final Words words;
  private final long total;
  private final int partitions;
  private final int reducers;
  private final long taskMillis;
  private final long reduceMillis;
  private final String output;
  private final String tally;

  private WordCount(Options.Values values) {
    this.words = new Words(values.number("seed"), values.integer("vocabulary"));
    this.total = values.number("words");
    this.partitions = values.integer("partitions");
    this.reducers = values.integer("reducers");
    this.taskMillis = values.number("task-ms");
    this.reduceMillis = values.number("reduce-ms");
    this.output = values.text("output");
    this.tally = values.text("tally");
  }

  /** Runs the application; see --help. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return Application.run(
        OPTIONS, args, values -> new WordCount(values).countAndCommit(), System.out, System.err);
  }

  private int countAndCommit() throws IOException {
    SparkConf conf = new SparkConf().setIfMissing("spark.app.name", "WordCount");
    try (JavaSparkContext context = new JavaSparkContext(conf)) {
      Counts counted = count(context);
      Counts known = knownAnswer();
      boolean correct = counted.byWord().equals(known.byWord());
      commit(counted, correct, context.sc().applicationId());
      if (!correct) {
        System.err.println(
            "error: counted " + counted.summary() + "; the known answer is " + known.summary());
      }
      return correct ? Application.OK : Application.FAILED;
    }
  }

  private Counts count(JavaSparkContext context) {
    List<Integer> numbers = IntStream.range(0, partitions).boxed().toList();
    MapTask map = new MapTask(words, total, partitions, taskMillis, tally);
    long millis = reduceMillis;
    JavaPairRDD<String, Long> counts =
        context
            .parallelize(numbers, partitions)
            .flatMapToPair(map::words)
            .reduceByKey(Long::sum, reducers)
            .mapPartitionsToPair(
                pairs -> {
                  Thread.sleep(millis);
                  return pairs;
                },
                true);
    return new Counts(counts.collectAsMap());
  }

  /** What has to come out: counted by the driver alone, in one loop, without Spark. */
  private Counts knownAnswer() {
    long[] byIndex = new long[words.vocabulary()];
    for (long offset = 0; offset < total; offset++) {
      byIndex[words.indexAt(offset)]++;
    }
    Map<String, Long> byWord = new TreeMap<>();
    for (int i = 0; i < byIndex.length; i++) {
      if (byIndex[i] > 0) {
        byWord.put(Words.word(i), byIndex[i]);
      }
    }
    return new Counts(byWord);
  }

  private void commit(Counts counted, boolean correct, String appID) throws IOException {
    Map<String, String> detail = new LinkedHashMap<>();
    detail.put("correct", Boolean.toString(correct));
    if (!output.isEmpty()) {
      Identity writer = Identity.ofDriver(System.getenv());
      Map<String, Object> result = new LinkedHashMap<>();
      result.put("podUID", writer.podUID());
      result.put("podName", writer.podName());
      result.put("node", writer.node());
      result.put("appID", appID);
      result.put("correct", correct);
      result.put("total", counted.total());
      result.put("digest", counted.digest());
      result.put("counts", counted.byWord());
      detail.put("file", ResultFile.commit(Path.of(output), writer.podUID(), result).toString());
    }
    Ledger.commit("wordcount", counted.summary() + tallied(), detail);
  }

  private String tallied() throws IOException {
    if (tally.isEmpty()) {
      return "";
    }
    try (Stream<Path> files = Files.list(Path.of(tally))) {
      return ", " + files.count() + " map tasks";
    }
  }

  /** Makes the words of a map task. */
  private record MapTask(Words words, long total, int partitions, long millis, String tally)
      implements Serializable {
    Iterator<Tuple2<String, Long>> words(int partition) throws InterruptedException, IOException {
      Thread.sleep(millis);
      if (!tally.isEmpty()) {
        Path directory = Files.createDirectories(Path.of(tally));
        Files.createFile(directory.resolve(UUID.randomUUID().toString()));
      }
      return LongStream.range(start(partition), start(partition + 1))
          .mapToObj(offset -> new Tuple2<>(words.at(offset), 1L))
          .iterator();
    }

    /** First offset of a partition; the last one ends at the total. */
    private long start(int partition) {
      return total / partitions * partition + total % partitions * partition / partitions;
    }
  }
}
