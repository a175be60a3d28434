package dev.sparkchaos.workloads;

import static dev.sparkchaos.testing.Records.detail;
import static dev.sparkchaos.testing.Records.ofType;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparkchaos.source.Words;
import dev.sparkchaos.testing.Records;
import dev.sparkchaos.testing.SparkProperties;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class WordCountTest {
  @TempDir Path directory;

  static Counts counts(Words words, long until) {
    Map<String, Long> byWord = new TreeMap<>();
    for (long offset = 0; offset < until; offset++) {
      byWord.merge(words.at(offset), 1L, Long::sum);
    }
    return new Counts(byWord);
  }

  private List<JsonNode> run(String name, String... args) throws IOException {
    Path disk = directory.resolve(name);
    try (SparkProperties spark = new SparkProperties().witness(disk, null)) {
      assertEquals(Application.OK, WordCount.run(args));
    }
    return Records.parse(Records.onDisk(disk));
  }

  @Test
  void theKnownAnswerIsCommittedUnderTheWritersIdentity() throws IOException {
    Path output = directory.resolve("output");
    List<JsonNode> records =
        run(
            "first", "--partitions=7", "--task-ms=1", "--reducers=3", "--words=10001", "--seed=42",
            "--vocabulary=50", "--output=" + output);
    Counts known = counts(new Words(42, 50), 10_001);

    JsonNode result = new ObjectMapper().readTree(output.resolve("uid-of-the-tests/result.json").toFile());
    assertEquals("uid-of-the-tests", result.path("podUID").asText());
    assertEquals(known.digest(), result.path("digest").asText());
    assertEquals(10_001, result.path("total").asLong());
    assertEquals(50, result.path("counts").size());

    List<JsonNode> ledger = ofType(records, "ledger");
    assertEquals(1, ledger.size());
    assertEquals("wordcount", detail(ledger.get(0), "key"));
    assertEquals(known.summary(), detail(ledger.get(0), "value"));
    assertEquals("true", detail(ledger.get(0), "correct"));
    assertEquals(7, ofType(records, "taskEnded").stream().filter(r -> detail(r, "kind").equals("map")).count());
    assertEquals(3, ofType(records, "taskEnded").stream().filter(r -> detail(r, "kind").equals("result")).count());
  }

  @Test
  void theAnswerDependsOnTheSeedAndNotOnThePartitions() throws IOException {
    String one = value(run("one", "--partitions=1", "--task-ms=0", "--reducers=1", "--words=500", "--seed=1"));
    String two = value(run("two", "--partitions=9", "--task-ms=0", "--reducers=4", "--words=500", "--seed=1"));
    String other = value(run("other", "--partitions=9", "--task-ms=0", "--words=500", "--seed=2"));
    assertEquals(one, two);
    assertNotEquals(one, other);
  }

  private static String value(List<JsonNode> records) {
    return detail(ofType(records, "ledger").get(0), "value");
  }

  @Test
  void aTallyOfTasksCountsThoseOfAnEarlierDriverToo() throws IOException {
    String tally = "--tally=" + directory.resolve("tally");
    String first = value(run("one", "--partitions=5", "--task-ms=0", "--words=500", tally));
    String again = value(run("two", "--partitions=5", "--task-ms=0", "--words=500", tally));
    assertEquals(counts(new Words(1, 100), 500).summary() + ", 5 map tasks", first);
    assertEquals(counts(new Words(1, 100), 500).summary() + ", 10 map tasks", again);
  }

  @Test
  void noWordsAreARightAnswerToo() throws IOException {
    String value = value(run("none", "--partitions=3", "--task-ms=0", "--words=0"));
    assertEquals(new Counts(Map.of()).summary(), value);
  }

  @Test
  void wrongArgumentsEndBeforeSparkStarts() {
    assertEquals(Application.USAGE, WordCount.run("--partitions=0", "--what"));
    assertEquals(Application.OK, WordCount.run("--help"));
  }
}
