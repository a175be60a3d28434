package dev.sparkchaos.witness;

import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * What the witness could not do, counted, so that it can be told: evidence that is missing must not look like evidence
 * that something did not happen. Counting needs no memory, which may be what is lacking.
 */
final class Troubles {
  /** The kinds of trouble, as a record's detail names them. */
  enum What {
    /** The file on the node's disk could not be opened, so it has none of the records. */
    OPEN("open"),
    /** Records, or beats, that could not be made or are not in the file. */
    WRITE("write"),
    /** Records that were not sent, because there were too many of them or the harness's witness refused them. */
    SEND("send");

    private final String text;

    What(String text) {
      this.text = text;
    }
  }

  private static final class Kind {
    private final AtomicLong count = new AtomicLong();
    private volatile String error = "";
    private long told; // used by one thread at a time, as the lock of Troubles says
  }

  private final Kind[] kinds = new Kind[What.values().length];

  Troubles() {
    for (int i = 0; i < kinds.length; i++) {
      kinds[i] = new Kind();
    }
  }

  /** Counts so many records that are lost in this way. */
  void add(What what, long count, String error) {
    Kind kind = kinds[what.ordinal()];
    kind.error = error;
    kind.count.addAndGet(count);
  }

  /** Counts one, with the class of what was thrown. Of most a message might need memory; what does not link says all by it. */
  void add(What what, Throwable thrown) {
    add(what, 1, thrown instanceof LinkageError ? thrown.toString() : thrown.getClass().getName());
  }

  long count(What what) {
    return kinds[what.ordinal()].count.get();
  }

  /**
   * Hands on a record for each kind of trouble of which there is more than was told, or for each that there ever was.
   * Each has the sum since the JVM started, so that a record that is lost itself takes nothing along.
   */
  synchronized void tell(boolean all, Consumer<WitnessRecord> to) {
    for (What what : What.values()) {
      Kind kind = kinds[what.ordinal()];
      long count = kind.count.get();
      if (count > kind.told || all && count > 0) {
        kind.told = count;
        to.accept(
            WitnessRecord.of(RecordType.WITNESS_TROUBLE)
                .detail("what", what.text)
                .detail("error", kind.error)
                .detail("count", count));
      }
    }
  }
}
