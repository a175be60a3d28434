package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparkchaos.testing.Eventually;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class HeartbeatsTest {
  private static final Duration INTERVAL = Duration.ofMillis(10);

  @Test
  void missedBeatsAreNotMadeUpFor() throws InterruptedException {
    List<Long> beats = new CopyOnWriteArrayList<>();
    Runnable beat =
        () -> {
          if (beats.isEmpty()) {
            // As long as 50 beats: what a freeze of the process looks like.
            long until = System.nanoTime() + 50 * INTERVAL.toNanos();
            while (System.nanoTime() < until) {
              LockSupport.parkNanos(until - System.nanoTime());
            }
          }
          beats.add(System.nanoTime());
        };
    try (Heartbeats heartbeats = new Heartbeats(INTERVAL, beat, new Troubles())) {
      Eventually.await("12 beats", () -> beats.size() >= 12);
      // The second beat follows the first at once, each later one an interval after the one before.
      assertTrue(beats.get(11) - beats.get(0) >= 10 * INTERVAL.toNanos(), beats.toString());
    }
  }

  @Test
  void noErrorEndsThem() throws InterruptedException {
    List<Throwable> thrown =
        List.of(new OutOfMemoryError("on purpose"), new StackOverflowError(), new IllegalStateException(), new NoClassDefFoundError());
    List<Integer> beats = new CopyOnWriteArrayList<>();
    Troubles troubles = new Troubles();
    Runnable beat =
        () -> {
          beats.add(beats.size());
          if (beats.size() <= thrown.size()) {
            sneak(thrown.get(beats.size() - 1));
          }
        };
    try (Heartbeats heartbeats = new Heartbeats(INTERVAL, beat, troubles)) {
      Eventually.await("beats after the errors", () -> beats.size() > thrown.size() + 2);
    }
    assertEquals(thrown.size(), troubles.count(Troubles.What.WRITE));
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void sneak(Throwable thrown) throws T {
    throw (T) thrown;
  }

  @Test
  void theEndIsTheEnd() throws InterruptedException {
    List<Long> beats = new CopyOnWriteArrayList<>();
    Heartbeats heartbeats = new Heartbeats(INTERVAL, () -> beats.add(System.nanoTime()), new Troubles());
    Eventually.await("a beat", () -> !beats.isEmpty());
    heartbeats.close();
    int atMost = beats.size() + 1;
    Thread.sleep(20 * INTERVAL.toMillis());
    assertTrue(beats.size() <= atMost, beats.size() + " beats");
  }
}
