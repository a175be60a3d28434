package dev.sparkchaos.workloads;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CountsTest {
  @Test
  void summaryIsKnown() {
    Map<String, Long> unsorted = new LinkedHashMap<>();
    unsorted.put("b", 2L);
    unsorted.put("a", 1L);
    // printf 'a 1\nb 2\n' | sha256sum
    assertEquals("sha256:2951835de33689a441bfa61bc7af99b1f0305ca8ec0ab4dd508f14f57b27ca23 total=3 distinct=2", new Counts(unsorted).summary());
  }

  @Test
  void otherCountsHaveAnotherDigest() {
    assertNotEquals(new Counts(Map.of("a", 1L)).digest(), new Counts(Map.of("a", 2L)).digest());
    assertNotEquals(new Counts(Map.of("a", 1L)).digest(), new Counts(Map.of("b", 1L)).digest());
  }
}
