package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class RateLimitTest {
  @Test
  void letsABurstThroughAndCountsTheRest() {
    RateLimit limit = new RateLimit(2, 1);
    long now = System.nanoTime();
    assertEquals(0, limit.admit(now));
    assertEquals(0, limit.admit(now));
    assertEquals(-1, limit.admit(now));
    assertEquals(-1, limit.admit(now));
    assertEquals(2, limit.admit(now + 1_000_000_000L));
    assertEquals(-1, limit.admit(now + 1_000_000_000L));
    assertEquals(1, limit.admit(now + 60_000_000_000L));
    assertEquals(0, limit.admit(now + 60_000_000_000L));
    assertEquals(-1, limit.admit(now + 60_000_000_000L));
  }
}
