package dev.sparkchaos.witness;

import static dev.sparkchaos.testing.Records.detail;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.testing.Records;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.spark.SparkException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

class LogEvidenceTest {
  private static final String SNAPSHOTS =
      "org.apache.spark.scheduler.cluster.k8s.ExecutorPodsSnapshotsStoreImpl";

  @TempDir Path directory;
  private Witness witness;
  private LogEvidence evidence;

  @BeforeEach
  void start() {
    Identity identity = new Identity("driver", "uid", "pod", "node", "", "uid");
    witness = Witness.start(identity, new Settings(directory, null, "", Duration.ofHours(1)), "app");
    evidence = LogEvidence.attach(witness);
  }

  @AfterEach
  void stop() {
    evidence.detach();
    witness.close();
    Configurator.setRootLevel(Level.WARN);
  }

  private List<JsonNode> records(String type) throws IOException {
    return Records.ofType(Records.parse(Records.onDisk(directory)), type);
  }

  @Test
  void aRefusedPodIsRecordedEvenWhenTheApplicationSilencedTheLog() throws IOException {
    Configurator.setRootLevel(Level.OFF);
    LoggerFactory.getLogger(SNAPSHOTS)
        .warn("Exception when notifying snapshot subscriber.", PodCreateRefusalTest.conflict());

    JsonNode refused = records("createRefused").get(0);
    assertEquals("run-exec-1", detail(refused, "podName"));
    assertEquals("409", detail(refused, "code"));
    assertEquals(PodCreateRefusalTest.TOLD, detail(refused, "message"));
    assertEquals("app", refused.path("appID").asText());

    JsonNode log = records("log").get(0);
    assertEquals(SNAPSHOTS, detail(log, "logger"));
    assertEquals("WARN", detail(log, "level"));
    assertEquals("Exception when notifying snapshot subscriber.", detail(log, "message"));
    assertEquals("io.fabric8.kubernetes.client.KubernetesClientException", detail(log, "exceptions"));
  }

  @Test
  void theChainOfCausesAndSparksErrorConditionAreKept() throws IOException {
    Exception twoQueries =
        new SparkException(
            "CONCURRENT_STREAM_LOG_UPDATE",
            new scala.collection.immutable.Map.Map1<>("batchId", "15"),
            new IllegalStateException("file exists"));
    LoggerFactory.getLogger("org.apache.spark.sql.execution.streaming.runtime.MicroBatchExecution")
        .error("Query wordcount terminated with error", twoQueries);
    JsonNode log = records("log").get(0);
    assertEquals("ERROR", detail(log, "level"));
    assertEquals("CONCURRENT_STREAM_LOG_UPDATE", detail(log, "condition"));
    assertEquals(
        "org.apache.spark.SparkException < java.lang.IllegalStateException", detail(log, "exceptions"));
    assertTrue(detail(log, "causes").contains("Multiple streaming jobs detected for 15"), log.toString());
  }

  @Test
  void otherLoggersAndLowerLevelsAreNoEvidence() throws IOException {
    LoggerFactory.getLogger("org.apache.spark.storage.BlockManager").error("something");
    LoggerFactory.getLogger(SNAPSHOTS).info("all well");
    assertEquals(List.of(), records("log"));
    LoggerFactory.getLogger("org.apache.spark.scheduler.TaskSchedulerImpl").error("Lost executor 1 on h: x");
    assertEquals(1, records("log").size());
  }

  @Test
  void theVolumeIsLimited() throws IOException {
    for (int i = 0; i < 5000; i++) {
      evidence.append(
          org.apache.logging.log4j.core.impl.Log4jLogEvent.newBuilder()
              .setLoggerName(SNAPSHOTS)
              .setLevel(Level.WARN)
              .setMessage(new org.apache.logging.log4j.message.SimpleMessage("again"))
              .build());
    }
    int written = records("log").size();
    assertTrue(written >= 100 && written < 1000, written + " records");
  }

  @Test
  void detachingLeavesTheLogAsItWas() {
    Level before = LogManager.getLogger(SNAPSHOTS).getLevel();
    evidence.detach();
    Configurator.setRootLevel(Level.ERROR);
    assertEquals(Level.WARN, before);
    assertEquals(Level.ERROR, LogManager.getLogger(SNAPSHOTS).getLevel());
  }
}
