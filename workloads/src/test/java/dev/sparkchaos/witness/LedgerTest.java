package dev.sparkchaos.witness;

import static dev.sparkchaos.testing.Records.detail;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.testing.Records;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LedgerTest {
  @TempDir Path directory;

  @Test
  void withoutThePluginACommitIsNoFailure() {
    assertNull(Witness.current());
    Ledger.commit("key", "value", Map.of());
  }

  @Test
  void aCommitIsOnTheDiskWithItsWriterWhenTheCallReturns() throws IOException {
    Identity identity = new Identity("driver", "uid", "pod", "node", "", "uid");
    Settings settings = new Settings(directory, null, "", Duration.ofHours(1));
    try (Witness witness = Witness.start(identity, settings, "app")) {
      assertEquals(identity, witness.identity());
      Ledger.commit("k", "v", Map.of("more", "m", "value", "cannot replace the value"));
      Ledger.commitBatch(7, "batch/7", "0-10", Map.of());
      List<JsonNode> ledger = Records.ofType(Records.parse(Records.onDisk(directory)), "ledger");
      assertEquals(2, ledger.size());
      assertEquals("k", detail(ledger.get(0), "key"));
      assertEquals("v", detail(ledger.get(0), "value"));
      assertEquals("m", detail(ledger.get(0), "more"));
      assertEquals("uid", ledger.get(0).path("podUID").asText());
      assertEquals(7, ledger.get(1).path("batchID").asLong());
    }
    Ledger.commit("late", "v", Map.of());
    assertEquals(2, Records.ofType(Records.parse(Records.onDisk(directory)), "ledger").size());
  }

  @Test
  void nullIsRefused() {
    assertThrows(NullPointerException.class, () -> Ledger.commit(null, "v", Map.of()));
    assertThrows(NullPointerException.class, () -> Ledger.commit("k", null, Map.of()));
  }
}
