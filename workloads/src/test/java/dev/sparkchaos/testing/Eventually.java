package dev.sparkchaos.testing;

import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Waits for what another thread or process brings about. */
public final class Eventually {
  private static final Duration AT_MOST = Duration.ofSeconds(120);

  private Eventually() {}

  public static void await(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + AT_MOST.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("not within " + AT_MOST + ": " + what);
      }
      Thread.sleep(10);
    }
  }
}
