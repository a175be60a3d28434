package dev.sparkchaos.staged;

import dev.sparkchaos.witness.Ledger;
import dev.sparkchaos.workloads.Application;
import dev.sparkchaos.workloads.Options;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import scala.Tuple2;

/**
 * Counts words of a dictionary, out of a jar that no image holds: driver and executors run it only where they fetched the
 * jar and the dictionary from the staging server, each for itself. The answer is known.
 */
public final class StagedWordCount {
  /** Where a pod finds the artifacts that it fetched. */
  static final String ARTIFACTS = "SPARKCHAOS_ARTIFACTS";

  private static final Options OPTIONS =
      new Options("StagedWordCount", "counts words of a dictionary that was fetched from a staging server")
          .text("dictionary", "FILE", null, "name of the dictionary among the artifacts, a word a line")
          .number("partitions", 24, 1, 100_000, "map tasks")
          .number("task-ms", 500, 0, 3_600_000, "time that each map task takes, in milliseconds")
          .number("rounds", 100, 1, 1_000_000, "how often a map task counts each word");

  private StagedWordCount() {}

  /** Runs the application; see --help. */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  static int run(String... args) {
    return Application.run(OPTIONS, args, StagedWordCount::count, System.out, System.err);
  }

  private static int count(Options.Values values) {
    MapTask map = new MapTask(values.text("dictionary"), values.number("rounds"), values.number("task-ms"));
    int partitions = values.integer("partitions");
    Map<String, Long> expected = new TreeMap<>();
    map.dictionary().forEach(word -> expected.merge(word, values.number("rounds") * partitions, Long::sum));
    SparkConf conf = new SparkConf().setIfMissing("spark.app.name", "StagedWordCount");
    try (JavaSparkContext context = new JavaSparkContext(conf)) {
      List<Integer> numbers = IntStream.range(0, partitions).boxed().toList();
      Map<String, Long> counted =
          new TreeMap<>(
              context.parallelize(numbers, partitions).flatMapToPair(map::words).reduceByKey(Long::sum).collectAsMap());
      Ledger.commit("stagedwordcount", summary(counted), Map.of("words", Integer.toString(counted.size())));
      if (counted.equals(expected)) {
        return Application.OK;
      }
      System.err.println("error: counted " + summary(counted) + "; the known answer is " + summary(expected));
      return Application.FAILED;
    }
  }

  private static String summary(Map<String, Long> counts) {
    return counts.entrySet().stream()
        .map(count -> count.getKey() + "=" + count.getValue())
        .collect(Collectors.joining(" "));
  }

  /** Counts the words of the dictionary that lies in the task's own pod. */
  private record MapTask(String name, long rounds, long millis) implements Serializable {
    Iterator<Tuple2<String, Long>> words(int partition) throws InterruptedException {
      Thread.sleep(millis);
      List<Tuple2<String, Long>> counts = new ArrayList<>();
      dictionary().forEach(word -> counts.add(new Tuple2<>(word, rounds)));
      return counts.iterator();
    }

    List<String> dictionary() {
      String artifacts = System.getenv(ARTIFACTS);
      if (artifacts == null) {
        throw new IllegalStateException(
            "the environment has no " + ARTIFACTS + ": the pod did not fetch artifacts from a staging server");
      }
      try {
        return Files.readAllLines(Path.of(artifacts, name));
      } catch (IOException e) {
        throw new UncheckedIOException("the dictionary was not fetched: " + e, e);
      }
    }
  }
}
