package dev.sparkchaos.witness;

import static dev.sparkchaos.testing.Records.ofType;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.testing.Eventually;
import dev.sparkchaos.testing.RecordingWitness;
import dev.sparkchaos.testing.Records;
import dev.sparkchaos.testing.SparkProcess;
import dev.sparkchaos.testing.SparkProperties;
import dev.sparkchaos.workloads.WordCount;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What is left of a driver that ends in the middle of its work. */
@Timeout(300)
class WitnessOfAProcessTest {
  @TempDir Path directory;

  private interface End {
    void of(Process driver) throws Exception;
  }

  private List<JsonNode> recordsOfADriverThatEndsBy(End end) throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        SparkProperties spark = new SparkProperties().witness(directory, witness.url())) {
      Process driver = SparkProcess.start(spark, WordCount.class, "--partitions=2", "--task-ms=600000");
      try {
        Eventually.await(
            "a task runs",
            () -> !driver.isAlive() || !ofType(witness.records(), "taskStarted").isEmpty());
        assertTrue(driver.isAlive(), "the driver ended; see target/WordCount.log");
        end.of(driver);
      } finally {
        driver.destroyForcibly().waitFor();
      }
    }
    return Records.parse(Records.onDisk(directory));
  }

  @Test
  void aTerminatedDriverTellsThatItStops() throws Exception {
    List<JsonNode> records =
        recordsOfADriverThatEndsBy(
            driver -> {
              driver.destroy();
              driver.waitFor();
            });
    // Written by the JVM's hook or by Spark's, whichever is first, and only once.
    assertEquals(1, ofType(records, "driverStopping").size());
    assertEquals(1, ofType(records, "applicationEnded").size());
  }

  @Test
  void aKilledDriverLeavesWholeLinesAndNoFarewell() throws Exception {
    List<JsonNode> records = recordsOfADriverThatEndsBy(driver -> driver.destroyForcibly().waitFor());
    assertTrue(ofType(records, "taskStarted").size() >= 1, "the disk has less than the witness saw");
    assertEquals(List.of(), ofType(records, "driverStopping"));
    assertEquals(List.of(), ofType(records, "applicationEnded"));
  }
}
