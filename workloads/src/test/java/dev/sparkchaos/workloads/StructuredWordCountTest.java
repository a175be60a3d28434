package dev.sparkchaos.workloads;

import static dev.sparkchaos.testing.Records.detail;
import static dev.sparkchaos.testing.Records.ofType;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.source.Words;
import dev.sparkchaos.testing.Records;
import dev.sparkchaos.testing.SparkProperties;
import dev.sparkchaos.testing.WordServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class StructuredWordCountTest {
  private static final Words WORDS = new Words(5, 20);

  @TempDir Path directory;

  private List<JsonNode> run(String name, WordServer server, long until) throws IOException {
    Path disk = directory.resolve(name);
    try (SparkProperties spark = new SparkProperties().witness(disk, null)) {
      int code =
          StructuredWordCount.run(
              "--source=" + server.url(),
              "--checkpoint=" + directory.resolve("checkpoint").toUri(),
              "--batch-ms=0",
              "--max-per-batch=100",
              "--until=" + until);
      assertEquals(Application.OK, code);
    }
    return Records.parse(Records.onDisk(disk));
  }

  private static List<JsonNode> batches(List<JsonNode> records) {
    return ofType(records, "ledger").stream().filter(r -> detail(r, "key").startsWith("batch/")).toList();
  }

  @Test
  void aQueryStartedAgainGoesOnAtTheCommittedOffsets() throws IOException {
    try (WordServer server = new WordServer(WORDS, 450)) {
      List<JsonNode> first = run("first", server, 250);
      assertBatches(first, 0, 250);
      server.failNext(1);
      List<JsonNode> second = run("second", server, 450);
      assertBatches(second, 250, 450);
      assertEquals(3, batches(second).get(0).path("batchID").asLong());

      JsonNode started = ofType(first, "queryStarted").get(0);
      JsonNode again = ofType(second, "queryStarted").get(0);
      assertEquals(detail(started, "queryId"), detail(again, "queryId"));
      assertNotEquals(detail(started, "runId"), detail(again, "runId"));

      JsonNode completed = ofType(second, "batchCompleted").get(0);
      assertEquals("{\"offset\":250}", detail(completed, "startOffset"));
      assertEquals("{\"offset\":350}", detail(completed, "endOffset"));
      assertEquals("100", detail(completed, "numInputRows"));
      assertEquals(detail(again, "runId"), detail(completed, "runId"));
      assertEquals(2, ofType(second, "batchStarted").size());
      assertEquals(1, ofType(second, "queryEnded").size());

      assertEquals(List.of(), batches(run("third", server, 450)));
    }
  }

  /** Each batch starts where the one before ended, and the state holds each word exactly once. */
  private static void assertBatches(List<JsonNode> records, long from, long until) {
    long next = from;
    for (JsonNode batch : batches(records)) {
      assertEquals(Long.toString(next), detail(batch, "from"));
      next = Long.parseLong(detail(batch, "to"));
      assertEquals(detail(batch, "to"), detail(batch, "total"));
      assertEquals(WordCountTest.counts(WORDS, next).summary(), detail(batch, "counts"));
    }
    assertEquals(until, next);
    JsonNode last = ofType(records, "ledger").get(ofType(records, "ledger").size() - 1);
    assertEquals("structuredwordcount", detail(last, "key"));
    assertEquals(WordCountTest.counts(WORDS, until).summary(), detail(last, "value"));
  }

  @Test
  void wrongArgumentsEndBeforeSparkStarts() {
    assertEquals(Application.USAGE, StructuredWordCount.run("--source=nowhere", "--checkpoint=/c"));
    assertTrue(StructuredWordCount.run("--help") == Application.OK);
  }
}
