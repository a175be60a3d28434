package dev.sparkchaos.witness;

/** Lets a burst of events through, then so many a second, and counts what it holds back. */
final class RateLimit {
  private final long burst;
  private final double perNano;
  private double tokens;
  private long lastNanos;
  private long suppressed;

  RateLimit(long burst, double perSecond) {
    this.burst = burst;
    this.perNano = perSecond / 1e9;
    this.tokens = burst;
    this.lastNanos = System.nanoTime();
  }

  /** Number of events held back since the last one let through, or -1 when this one is held back too. */
  synchronized long admit(long nowNanos) {
    tokens = Math.min(burst, tokens + (nowNanos - lastNanos) * perNano);
    lastNanos = nowNanos;
    if (tokens < 1) {
      suppressed++;
      return -1;
    }
    tokens--;
    long before = suppressed;
    suppressed = 0;
    return before;
  }
}
