package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;

class WitnessRecordTest {
  private static final Identity DRIVER = new Identity("driver", "uid", "pod", "node", "", "uid");

  private static String line(WitnessRecord record, Identity writer, String appID) {
    return new String(record.toLine(7, 1_000_001, writer, appID), StandardCharsets.UTF_8);
  }

  @Test
  void heartbeatIsSmall() {
    assertEquals(
        "{\"seq\":7,\"wallMicros\":1000001,\"type\":\"heartbeat\",\"role\":\"driver\",\"podUID\":\"uid\","
            + "\"podName\":\"pod\",\"node\":\"node\",\"incarnation\":\"uid\"}\n",
        line(WitnessRecord.of(RecordType.HEARTBEAT), DRIVER, ""));
  }

  @Test
  void fieldsHaveTheNamesThatTheHarnessReads() {
    WitnessRecord record =
        WitnessRecord.of(RecordType.TASK_ENDED)
            .executor("3")
            .job(1)
            .stage(2)
            .attempt(0)
            .task(4)
            .partition(5)
            .batch(6)
            .detail("reason", "Success")
            .detail("empty", "")
            .detail("missing", null);
    assertEquals(
        "{\"seq\":7,\"wallMicros\":1000001,\"type\":\"taskEnded\",\"role\":\"driver\",\"podUID\":\"uid\","
            + "\"podName\":\"pod\",\"node\":\"node\",\"appID\":\"spark-1\",\"executorID\":\"3\",\"jobID\":1,"
            + "\"stageID\":2,\"attempt\":0,\"taskID\":4,\"partition\":5,\"batchID\":6,\"incarnation\":\"uid\","
            + "\"detail\":{\"reason\":\"Success\"}}\n",
        line(record, DRIVER, "spark-1"));
  }

  @Test
  void executorSpeaksOfItselfUnlessToldOtherwise() {
    Identity executor = Identity.ofExecutor(Map.of("SPARKCHAOS_POD_UID", "e"), "9", "uid");
    assertTrue(line(WitnessRecord.of(RecordType.HEARTBEAT), executor, "a").contains("\"executorID\":\"9\""));
  }

  @Test
  void textIsOneLineOfValidJsonWhateverItHolds() {
    String nasty = "a\nb\r\"\\\u0000\u2028\ud800" + "x".repeat(5000);
    String line = line(WitnessRecord.of(RecordType.LOG).detail("message", nasty), DRIVER, "");
    assertEquals(line.length() - 1, line.indexOf('\n'));
    String read = dev.sparkchaos.testing.Records.parse(java.util.List.of(line)).get(0).at("/detail/message").asText();
    assertEquals(Text.LIMIT, read.length());
    assertTrue(read.startsWith("a\nb\r\"\\\u0000\u2028?x"), read.substring(0, 12));
  }

  @Test
  void whatAnApplicationCommitsIsNotCut() {
    String value = "v".repeat(10_000);
    String line = line(WitnessRecord.of(RecordType.LEDGER).exactDetail("value", value), DRIVER, "");
    assertTrue(line.contains(value));
  }
}
