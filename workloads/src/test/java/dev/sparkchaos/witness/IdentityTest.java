package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import org.junit.jupiter.api.Test;

class IdentityTest {
  private static final Map<String, String> POD =
      Map.of("SPARKCHAOS_POD_UID", "u", "SPARKCHAOS_POD_NAME", "p", "SPARKCHAOS_NODE_NAME", "n");

  @Test
  void driverIsItsOwnIncarnation() {
    assertEquals(new Identity("driver", "u", "p", "n", "", "u"), Identity.ofDriver(POD));
  }

  @Test
  void executorBelongsToItsDriversIncarnation() {
    assertEquals(new Identity("executor", "u", "p", "n", "4", "d"), Identity.ofExecutor(POD, "4", "d"));
  }

  @Test
  void withoutADownwardApiTheHostNameServes() {
    Identity driver = Identity.ofDriver(Map.of("HOSTNAME", "h", "SPARKCHAOS_POD_UID", " "));
    String unique = "h-" + ProcessHandle.current().pid();
    assertEquals(new Identity("driver", unique, "h", "h", "", unique), driver);
  }
}
