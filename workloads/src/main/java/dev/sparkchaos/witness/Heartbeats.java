package dev.sparkchaos.witness;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * Beats at a fixed interval of the monotonic clock until closed. Beats missed while the process was frozen are not made
 * up for: the hole in the record is the evidence.
 */
final class Heartbeats implements AutoCloseable {
  private final Duration interval;
  private final Runnable beat;
  private final Troubles troubles;
  private final Thread thread;
  private volatile boolean closed;

  Heartbeats(Duration interval, Runnable beat, Troubles troubles) {
    this.interval = interval;
    this.beat = beat;
    this.troubles = troubles;
    this.thread = new Thread(this::run, "sparkchaos-witness-heartbeat");
    thread.setDaemon(true);
    thread.start();
  }

  private void run() {
    long next = System.nanoTime();
    while (!closed) {
      try {
        beat.run();
      } catch (Throwable t) {
        // A thread that ends here would look like the death of the process.
        troubles.add(Troubles.What.WRITE, t);
      }
      next = Math.max(next + interval.toNanos(), System.nanoTime());
      for (long left = next - System.nanoTime(); left > 0 && !closed; left = next - System.nanoTime()) {
        LockSupport.parkNanos(left);
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(thread);
  }
}
