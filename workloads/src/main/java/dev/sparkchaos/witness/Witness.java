package dev.sparkchaos.witness;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The observer inside a driver's or an executor's JVM: it writes records to the node's own disk and sends them to the
 * harness. Whatever goes wrong in here costs records, is counted and told; it never costs the application.
 */
public final class Witness implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Witness.class);
  private static final Duration FLUSH_AT_MOST = Duration.ofSeconds(1);

  /** How often troubles are told while there are new ones. */
  private static final Duration TELL_TROUBLES_EVERY = Duration.ofSeconds(5);

  // Of the JVM, not of an instance: readers recognise a record by pod UID and sequence number, and an application may
  // open several Spark contexts one after the other. The numbers have no hole, and lines get to both ways in their order.
  private static final Object SEQUENCE = new Object();
  private static long lastSeq;

  private static final AtomicReference<Witness> CURRENT = new AtomicReference<>();

  private final Identity identity;
  private final DiskLog disk;
  private final HttpSender http;
  private final Troubles troubles;
  private final RateLimit lostLog = new RateLimit(10, 0.1);
  private final AtomicBoolean stopping = new AtomicBoolean();
  private final Thread shutdownHook = new Thread(this::stopWithJVM, "sparkchaos-witness-stop");
  private Heartbeats heartbeats;
  private long troublesToldNanos = System.nanoTime() - TELL_TROUBLES_EVERY.toNanos(); // of the heartbeats' thread
  private volatile String appID;

  private Witness(Identity identity, DiskLog disk, HttpSender http, Troubles troubles, String appID) {
    this.identity = identity;
    this.disk = disk;
    this.http = http;
    this.troubles = troubles;
    this.appID = appID;
  }

  /**
   * Starts this JVM's witness: from now on it beats.
   *
   * @param appID Spark's application id, empty when it is not known yet
   */
  static Witness start(Identity identity, Settings settings, String appID) {
    Troubles troubles = new Troubles();
    return start(identity, settings, openDisk(identity, settings, troubles), troubles, appID);
  }

  /** The same with a file that is open already; null for none. */
  static Witness start(Identity identity, Settings settings, DiskLog disk, Troubles troubles, String appID) {
    Witness witness = new Witness(identity, disk, openHttp(settings, troubles), troubles, appID);
    witness.heartbeats = new Heartbeats(settings.interval(), witness::beat, troubles);
    try {
      Runtime.getRuntime().addShutdownHook(witness.shutdownHook);
    } catch (IllegalStateException e) {
      LOG.info("The JVM is going down already; the witness writes what it still can");
    }
    CURRENT.set(witness);
    return witness;
  }

  private static DiskLog openDisk(Identity identity, Settings settings, Troubles troubles) {
    if (settings.directory() == null) {
      return null;
    }
    try {
      return new DiskLog(settings.directory(), identity.podUID(), nowMicros());
    } catch (IOException | RuntimeException e) {
      troubles.add(Troubles.What.OPEN, 1, e.toString());
      LOG.warn(
          "Witness cannot write to {}; its records are lost when the harness cannot be reached",
          settings.directory(),
          e);
      return null;
    }
  }

  private static HttpSender openHttp(Settings settings, Troubles troubles) {
    return settings.url() == null ? null : new HttpSender(settings.url(), settings.token(), troubles);
  }

  /** This JVM's witness, or null when the plugin is not loaded or was shut down. */
  static Witness current() {
    return CURRENT.get();
  }

  Identity identity() {
    return identity;
  }

  void appID(String id) {
    appID = id;
  }

  /** Writes a record to the disk and queues it for the harness. Throws nothing, whatever happens. */
  void write(WitnessRecord event) {
    try {
      synchronized (SEQUENCE) {
        byte[] line = event.toLine(lastSeq + 1, nowMicros(), identity, appID);
        // From here on one of the two ways may have the line: a record that cannot be encoded leaves no hole.
        lastSeq++;
        append(line);
        if (http != null) {
          http.offer(line);
        }
      }
    } catch (Throwable t) {
      lost(t);
    }
  }

  /** Does what makes and writes records, or ends doing so. Throws nothing: Spark ends an application whose plugin fails. */
  void observe(Runnable observation) {
    try {
      observation.run();
    } catch (Throwable t) {
      lost(t);
    }
  }

  /** Appends a line to the file; the other way is tried whatever comes of it. */
  private void append(byte[] line) {
    if (disk == null) {
      return;
    }
    try {
      IOException failure = disk.append(line);
      if (failure != null) {
        troubles.add(Troubles.What.WRITE, 1, String.valueOf(failure.getMessage()));
      }
    } catch (Throwable t) {
      lost(t);
    }
  }

  /** Counts a record that could not be made or written. It is told with the next heartbeat that can be. */
  void lost(Throwable thrown) {
    troubles.add(Troubles.What.WRITE, thrown);
    try {
      // What keeps one record from being made may keep all of them.
      if (lostLog.admit(System.nanoTime()) >= 0) {
        LOG.warn("A witness record is lost", thrown);
      }
    } catch (Throwable t) {
      // A log that needs memory which is not there; the count is enough.
    }
  }

  /** The same as write, and waits until the disk has it. */
  void writeDurably(WitnessRecord event) {
    write(event);
    if (disk == null) {
      return;
    }
    try {
      if (!disk.sync()) {
        troubles.add(Troubles.What.WRITE, 1, "the file cannot be synced");
      }
    } catch (Throwable t) {
      lost(t);
    }
  }

  /** Tells that the process lives, and every few seconds what the witness could not do meanwhile. */
  private void beat() {
    write(WitnessRecord.of(RecordType.HEARTBEAT));
    long now = System.nanoTime();
    if (now - troublesToldNanos >= TELL_TROUBLES_EVERY.toNanos()) {
      troublesToldNanos = now;
      troubles.tell(false, this::write);
    }
  }

  /** Ends the witness when Spark shuts the plugin down. */
  @Override
  public void close() {
    try {
      heartbeats.close();
      end("pluginShutdown");
      CURRENT.compareAndSet(this, null);
      if (http != null) {
        http.close();
      }
      if (disk != null) {
        disk.close();
      }
      Runtime.getRuntime().removeShutdownHook(shutdownHook);
    } catch (IllegalStateException e) {
      LOG.debug("The JVM is going down; its hooks stay as they are");
    } catch (Throwable t) {
      lost(t);
    }
  }

  /** Tells that the JVM goes down. Heartbeats go on until Spark's own hook, or the process's end, stops them. */
  private void stopWithJVM() {
    try {
      end("jvmShutdown");
    } catch (Throwable t) {
      lost(t);
    }
  }

  /** Writes, once, that this process ends in an orderly way, and why, and in the end what the witness could not do. */
  private void end(String cause) {
    if (stopping.compareAndSet(false, true)) {
      boolean driver = identity.role().equals(Identity.DRIVER);
      write(
          WitnessRecord.of(driver ? RecordType.DRIVER_STOPPING : RecordType.EXECUTOR_STOPPING)
              .detail("cause", cause));
      troubles.tell(true, this::write);
    }
    if (http != null && !http.flush(FLUSH_AT_MOST)) {
      http.giveUp();
      troubles.tell(false, this::write); // to the disk, which is the way that is left
    }
  }

  private static long nowMicros() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
  }
}
