package dev.sparkchaos.staged;

import static dev.sparkchaos.testing.Records.detail;
import static dev.sparkchaos.testing.Records.ofType;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.testing.Records;
import dev.sparkchaos.testing.SparkProperties;
import dev.sparkchaos.workloads.Application;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class StagedWordCountTest {
  @TempDir Path directory;

  private static Path artifacts() throws IOException {
    return Files.createDirectories(Path.of(System.getenv(StagedWordCount.ARTIFACTS)));
  }

  private int run(Path disk, String dictionary) {
    try (SparkProperties spark = new SparkProperties().witness(disk, null)) {
      return StagedWordCount.run(
          "--dictionary=" + dictionary, "--partitions=3", "--task-ms=1", "--rounds=5");
    }
  }

  @Test
  void theWordsOfTheFetchedDictionaryAreCounted() throws IOException {
    Files.writeString(artifacts().resolve("words.txt"), "ash\nbirch\nash\n");
    Path disk = directory.resolve("disk");

    assertEquals(Application.OK, run(disk, "words.txt"));

    List<JsonNode> ledger = ofType(Records.parse(Records.onDisk(disk)), "ledger");
    assertEquals(1, ledger.size());
    assertEquals("stagedwordcount", detail(ledger.get(0), "key"));
    assertEquals("ash=30 birch=15", detail(ledger.get(0), "value"));
  }

  @Test
  void withoutTheDictionaryNothingIsCounted() throws IOException {
    artifacts();
    Path disk = directory.resolve("disk");

    assertEquals(Application.FAILED, run(disk, "missing.txt"));

    assertEquals(0, disk.toFile().exists() ? ofType(Records.parse(Records.onDisk(disk)), "ledger").size() : 0);
  }
}
