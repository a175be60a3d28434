package dev.sparkchaos.witness;

import static dev.sparkchaos.testing.Records.detail;
import static dev.sparkchaos.testing.Records.ofType;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.codahale.metrics.MetricRegistry;
import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.testing.Eventually;
import dev.sparkchaos.testing.RecordingWitness;
import dev.sparkchaos.testing.Records;
import dev.sparkchaos.testing.SparkProperties;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.resource.ResourceInformation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import scala.Tuple2;

@Timeout(300)
class WitnessPluginTest {
  @TempDir Path directory;

  /** A job of two stages, with three map tasks and two result tasks. */
  private static void runJob() {
    try (JavaSparkContext context = new JavaSparkContext(new SparkConf().setAppName("plain"))) {
      context
          .parallelize(List.of(1, 2, 3), 3)
          .mapToPair(i -> new Tuple2<>(i % 2, i))
          .reduceByKey(Integer::sum, 2)
          .collect();
    }
  }

  private static long count(List<JsonNode> records, String type, String key, String value) {
    return ofType(records, type).stream().filter(r -> detail(r, key).equals(value)).count();
  }

  @Test
  void tellsWhatAnApplicationDoesOnDiskAndByHttp() throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        SparkProperties spark = new SparkProperties().witness(directory, witness.url())) {
      runJob();
      List<String> onDisk = Records.onDisk(directory);
      assertEquals(onDisk, witness.lines());
      List<JsonNode> records = Records.parse(onDisk);

      Set<String> types = records.stream().map(r -> r.path("type").asText()).collect(Collectors.toSet());
      assertEquals(
          Set.of(
              "heartbeat", "driverStarted", "applicationStarted", "executorRegistered", "jobStarted",
              "stageSubmitted", "taskStarted", "taskEnded", "stageCompleted", "jobEnded", "applicationEnded",
              "driverStopping"),
          types);
      assertEquals("driverStopping", records.get(records.size() - 1).path("type").asText());
      assertEquals(3, count(records, "taskStarted", "kind", "map"));
      assertEquals(2, count(records, "taskStarted", "kind", "result"));
      assertEquals(3, count(records, "taskEnded", "kind", "map"));
      assertEquals(5, count(records, "taskEnded", "reason", "Success"));
      assertEquals(1, count(records, "jobEnded", "result", "succeeded"));
      assertEquals(2, count(records, "stageCompleted", "result", "succeeded"));
      assertEquals(1, count(records, "stageSubmitted", "shuffleID", "0"));
      assertEquals(1, count(records, "stageCompleted", "parents", "0"));
      assertIdentity(records);

      JsonNode started = ofType(records, "driverStarted").get(0);
      assertEquals("plain", detail(started, "spark.app.name"));
      assertEquals("127.0.0.1", detail(started, "spark.driver.host"));
      assertTrue(detail(started, "spark.app.id").startsWith("local-"), started.toString());
      assertEquals(detail(started, "spark.app.id"), started.path("appID").asText());
      assertTrue(detail(started, "sparkVersion").matches("\\d+\\.\\d+\\.\\d+.*"), started.toString());
    }
    assertNull(Witness.current());
  }

  private static void assertIdentity(List<JsonNode> records) {
    Set<Long> seqs = new HashSet<>();
    long last = 0;
    for (JsonNode record : records) {
      long seq = record.path("seq").asLong();
      assertTrue(seq > last, "out of order: " + record);
      last = seq;
      seqs.add(seq);
      assertEquals("uid-of-the-tests", record.path("podUID").asText());
      assertEquals("pod-of-the-tests", record.path("podName").asText());
      assertEquals("node-of-the-tests", record.path("node").asText());
      assertEquals("uid-of-the-tests", record.path("incarnation").asText());
      assertEquals("driver", record.path("role").asText());
    }
    assertEquals(last - records.get(0).path("seq").asLong() + 1, seqs.size(), "sequence has holes");
  }

  @Test
  void failuresAreTold() throws Exception {
    try (SparkProperties spark = new SparkProperties().witness(directory, null);
        JavaSparkContext context = new JavaSparkContext(new SparkConf().setAppName("failing"))) {
      assertThrows(
          SparkException.class,
          () ->
              context
                  .parallelize(List.of(1), 1)
                  .foreach(
                      i -> {
                        throw new IllegalStateException("on purpose");
                      }));
    }
    List<JsonNode> records = Records.parse(Records.onDisk(directory));
    JsonNode task = ofType(records, "taskEnded").get(0);
    assertEquals("ExceptionFailure", detail(task, "reason"));
    assertTrue(detail(task, "message").contains("on purpose"), task.toString());
    assertEquals("failed", detail(ofType(records, "stageCompleted").get(0), "result"));
    JsonNode job = ofType(records, "jobEnded").get(0);
    assertEquals("failed", detail(job, "result"));
    assertTrue(detail(job, "reason").contains("on purpose"), job.toString());
  }

  @Test
  void withoutAWitnessTheApplicationRunsAndTheDiskHasItAll() throws Exception {
    try (SparkProperties spark = new SparkProperties().witness(directory, "http://127.0.0.1:1")) {
      runJob();
    }
    List<JsonNode> records = Records.parse(Records.onDisk(directory));
    assertEquals(5, ofType(records, "taskEnded").size());
    assertEquals(1, ofType(records, "driverStopping").size());
  }

  @Test
  void aDirectoryThatCannotBeMadeCostsTheDiskCopyOnly() throws Exception {
    Path file = Files.createFile(directory.resolve("file"));
    try (RecordingWitness witness = new RecordingWitness();
        SparkProperties spark = new SparkProperties().witness(file.resolve("below"), witness.url())) {
      runJob();
      List<JsonNode> records = witness.records();
      assertEquals(5, ofType(records, "taskEnded").size());
      // Told at once, and once more in the end.
      List<JsonNode> troubles = ofType(records, "witnessTrouble");
      assertTrue(troubles.size() >= 2, troubles.toString());
      for (JsonNode trouble : troubles) {
        assertEquals("open", detail(trouble, "what"));
        assertEquals("1", detail(trouble, "count"));
        assertTrue(detail(trouble, "error").contains(file.toString()), trouble.toString());
      }
      assertEquals("witnessTrouble", records.get(records.size() - 1).path("type").asText());
    }
  }

  @Test
  void recordsThatTheDiskDoesNotTakeAreCountedAndTold() throws Exception {
    Files.createSymbolicLink(directory.resolve("uid-1.ndjson"), Path.of("/dev/full"));
    try (RecordingWitness witness = new RecordingWitness()) {
      Settings settings =
          new Settings(directory, URI.create(witness.url() + "/v1/records").toURL(), "t", Duration.ofMillis(20));
      Witness running =
          Witness.start(
              Identity.ofDriver(System.getenv()), settings, new DiskLog(directory, "uid", 1), new Troubles(), "app");
      Eventually.await("trouble is told", () -> !ofType(witness.records(), "witnessTrouble").isEmpty());
      running.close();
      List<JsonNode> records = witness.records();
      JsonNode last = records.get(records.size() - 1);
      assertEquals("write", detail(last, "what"));
      assertTrue(detail(last, "error").contains("No space left"), last.toString());
      assertEquals(records.size() - 1, Long.parseLong(detail(last, "count")), "all but this one");
      assertContiguous(records);
    }
  }

  @Test
  void recordsThatCannotBeMadeLeaveNoHole() throws Exception {
    try (RecordingWitness witness = new RecordingWitness()) {
      Settings settings =
          new Settings(directory, URI.create(witness.url() + "/v1/records").toURL(), "t", Duration.ofMillis(20));
      Witness running = Witness.start(Identity.ofDriver(System.getenv()), settings, "app");
      for (Error thrown : List.of(new OutOfMemoryError("on purpose"), new NoClassDefFoundError("on purpose"))) {
        running.observe(
            () -> {
              throw thrown;
            });
      }
      running.write((WitnessRecord) null); // fails within the writing
      Eventually.await("trouble is told", () -> !ofType(witness.records(), "witnessTrouble").isEmpty());
      running.close();
      List<JsonNode> records = Records.parse(Records.onDisk(directory));
      JsonNode last = records.get(records.size() - 1);
      assertEquals("write", detail(last, "what"));
      assertEquals("3", detail(last, "count"));
      assertEquals("java.lang.NullPointerException", detail(last, "error"));
      assertContiguous(records);
      assertEquals(Records.onDisk(directory), witness.lines());
    }
  }

  @Test
  void recordsThatTheWitnessRefusesAreCountedAndToldOnTheDisk() throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        SparkProperties spark = new SparkProperties().witness(directory, witness.url())) {
      witness.answerWith(401);
      runJob();
    }
    List<JsonNode> records = Records.parse(Records.onDisk(directory));
    JsonNode trouble = records.get(records.size() - 1);
    assertEquals("send", detail(trouble, "what"));
    assertEquals("status 401", detail(trouble, "error"));
    assertContiguous(records);
  }

  private static void assertContiguous(List<JsonNode> records) {
    long first = records.get(0).path("seq").asLong();
    for (int i = 0; i < records.size(); i++) {
      assertEquals(first + i, records.get(i).path("seq").asLong(), records.get(i).toString());
    }
  }

  @Test
  void unusableSettingsDoNotStopTheApplication() {
    try (SparkProperties spark = new SparkProperties().witness(null, "nonsense")) {
      runJob();
    }
    try (SparkProperties spark = new SparkProperties().witness(null, null)) {
      runJob();
    }
    assertNull(Witness.current());
  }

  @Test
  void anExecutorSpeaksForItselfWithinItsDriversIncarnation() throws Exception {
    SparkConf conf =
        new SparkConf(false).set("spark.sparkchaos.witness.dir", directory.toString()).set("spark.app.id", "app-1");
    WitnessExecutor executor = new WitnessExecutor();
    executor.init(new FakePluginContext(conf, "7"), Map.of("incarnation", "driver-uid"));
    Eventually.await("a heartbeat", () -> hasHeartbeat());
    executor.shutdown();
    List<JsonNode> records = Records.parse(Records.onDisk(directory));
    for (JsonNode record : records) {
      assertEquals("executor", record.path("role").asText());
      assertEquals("7", record.path("executorID").asText());
      assertEquals("driver-uid", record.path("incarnation").asText());
      assertEquals("app-1", record.path("appID").asText());
    }
    assertEquals(1, ofType(records, "executorStarted").size());
    assertEquals("127.0.0.1", detail(ofType(records, "executorStarted").get(0), "host"));
    assertEquals(List.of(), ofType(records, "witnessTrouble"));
    assertEquals(1, ofType(records, "executorStopping").size());
  }

  private boolean hasHeartbeat() {
    try {
      return !ofType(Records.parse(Records.onDisk(directory)), "heartbeat").isEmpty();
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private record FakePluginContext(SparkConf conf, String executorID) implements PluginContext {
    @Override
    public MetricRegistry metricRegistry() {
      return new MetricRegistry();
    }

    @Override
    public String hostname() {
      throw new NullPointerException("as Spark's own in an executor");
    }

    @Override
    public Map<String, ResourceInformation> resources() {
      return Map.of();
    }

    @Override
    public void send(Object message) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Object ask(Object message) {
      throw new UnsupportedOperationException();
    }
  }
}
