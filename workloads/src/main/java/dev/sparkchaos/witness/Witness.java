package dev.sparkchaos.witness;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.streaming.StreamingContext;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The observer inside a driver's or an executor's JVM: it writes records to the node's own disk and sends them to the
 * harness. Whatever goes wrong in here costs records and is logged; it never costs the application.
 */
public final class Witness implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Witness.class);
  private static final Duration FLUSH_AT_MOST = Duration.ofSeconds(1);

  // Of the JVM, not of an instance: readers recognise a record by pod UID and sequence number, and an application may
  // open several Spark contexts one after the other.
  private static final AtomicLong LAST_SEQ = new AtomicLong();
  private static final AtomicReference<Witness> CURRENT = new AtomicReference<>();

  private final Identity identity;
  private final DiskLog disk;
  private final HttpSender http;
  private final AtomicBoolean stopping = new AtomicBoolean();
  private final Thread shutdownHook = new Thread(this::stopWithJVM, "sparkchaos-witness-stop");
  private Heartbeats heartbeats;
  private volatile String appID;

  private Witness(Identity identity, DiskLog disk, HttpSender http, String appID) {
    this.identity = identity;
    this.disk = disk;
    this.http = http;
    this.appID = appID;
  }

  /**
   * Starts this JVM's witness: from now on it beats.
   *
   * @param appID Spark's application id, empty when it is not known yet
   */
  static Witness start(Identity identity, Settings settings, String appID) {
    Witness witness = new Witness(identity, openDisk(identity, settings), openHttp(settings), appID);
    witness.heartbeats =
        new Heartbeats(settings.interval(), () -> witness.write(WitnessRecord.of(RecordType.HEARTBEAT)));
    try {
      Runtime.getRuntime().addShutdownHook(witness.shutdownHook);
    } catch (IllegalStateException e) {
      LOG.info("The JVM is going down already; the witness writes what it still can");
    }
    CURRENT.set(witness);
    return witness;
  }

  private static DiskLog openDisk(Identity identity, Settings settings) {
    if (settings.directory() == null) {
      return null;
    }
    try {
      return new DiskLog(settings.directory(), identity.podUID(), nowMicros());
    } catch (IOException e) {
      LOG.warn(
          "Witness cannot write to {}; its records are lost when the harness cannot be reached",
          settings.directory(),
          e);
      return null;
    }
  }

  private static HttpSender openHttp(Settings settings) {
    return settings.url() == null ? null : new HttpSender(settings.url());
  }

  /** This JVM's witness, or null when the plugin is not loaded or was shut down. */
  static Witness current() {
    return CURRENT.get();
  }

  /**
   * Reports the batches of a DStream application, which the plugin cannot see by itself. To be called before the
   * context starts; does nothing when the plugin is not loaded.
   */
  @SuppressWarnings("deprecation") // DStreams are deprecated, and what is to be judged here
  public static void attach(StreamingContext context) {
    Witness witness = current();
    if (witness == null) {
      LOG.warn("The witness plugin is not loaded (spark.plugins); batches are not reported");
      return;
    }
    context.addStreamingListener(new BatchListener(witness));
  }

  /** The same for Java's wrapper of the context. */
  @SuppressWarnings("deprecation")
  public static void attach(JavaStreamingContext context) {
    attach(context.ssc());
  }

  Identity identity() {
    return identity;
  }

  void appID(String id) {
    appID = id;
  }

  /** Writes a record to the disk and queues it for the harness. */
  void write(WitnessRecord event) {
    try {
      synchronized (this) {
        byte[] line = event.toLine(LAST_SEQ.incrementAndGet(), nowMicros(), identity, appID);
        if (disk != null) {
          disk.append(line);
        }
        if (http != null) {
          http.offer(line);
        }
      }
    } catch (RuntimeException e) {
      LOG.warn("A witness record of type {} is lost", event.type(), e);
    }
  }

  /** The same, and waits until the disk has it. */
  void writeDurably(WitnessRecord event) {
    write(event);
    if (disk != null) {
      disk.sync();
    }
  }

  /** Ends the witness when Spark shuts the plugin down. */
  @Override
  public void close() {
    heartbeats.close();
    writeStopping("pluginShutdown");
    CURRENT.compareAndSet(this, null);
    if (http != null) {
      http.flush(FLUSH_AT_MOST);
      http.close();
    }
    if (disk != null) {
      disk.close();
    }
    try {
      Runtime.getRuntime().removeShutdownHook(shutdownHook);
    } catch (IllegalStateException e) {
      LOG.debug("The JVM is going down; its hooks stay as they are");
    }
  }

  /** Tells that the JVM goes down. Heartbeats go on until Spark's own hook, or the process's end, stops them. */
  private void stopWithJVM() {
    writeStopping("jvmShutdown");
    if (http != null) {
      http.flush(FLUSH_AT_MOST);
    }
  }

  /** Writes, once, that this process ends in an orderly way, and why. */
  private void writeStopping(String cause) {
    if (!stopping.compareAndSet(false, true)) {
      return;
    }
    boolean driver = identity.role().equals(Identity.DRIVER);
    write(
        WitnessRecord.of(driver ? RecordType.DRIVER_STOPPING : RecordType.EXECUTOR_STOPPING)
            .detail("cause", cause));
  }

  private static long nowMicros() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
  }
}
