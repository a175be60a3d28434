package dev.sparkchaos.witness;

import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The records on the node's own disk: the evidence that is left when the network, or the node, is gone. Each line is
 * handed to the operating system by one write, unbuffered, so that the death of the JVM costs no line.
 */
final class DiskLog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DiskLog.class);

  private final Path file;
  // A stream, not a FileChannel: a channel is closed for good when the writing thread is interrupted, and Spark
  // interrupts the threads of tasks and queries.
  private final FileOutputStream out;
  private boolean torn;
  private boolean failing;
  private boolean closed;

  /** Opens a new file for a JVM's records, and makes its directory when that is missing. */
  DiskLog(Path directory, String podUID, long startMicros) throws IOException {
    Files.createDirectories(directory);
    this.file = directory.resolve(Text.fileName(podUID) + "-" + startMicros + ".ndjson");
    this.out = new FileOutputStream(file.toFile(), true);
    syncDirectory(directory);
  }

  private static void syncDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      LOG.warn("Directory {} cannot be synced; a power loss may take the witness's file", directory, e);
    }
  }

  Path file() {
    return file;
  }

  /** Appends a line. A failure is logged when it begins; the application goes on. */
  synchronized void append(byte[] line) {
    if (closed) {
      return;
    }
    try {
      if (torn) {
        // Ends what a failed write may have left behind, so that it spoils no other line.
        out.write('\n');
        torn = false;
      }
      torn = true;
      out.write(line);
      torn = false;
      failing = false;
    } catch (IOException e) {
      if (!failing) {
        LOG.warn("Witness records cannot be written to {}; the next ones are tried all the same", file, e);
      }
      failing = true;
    }
  }

  /** Waits until the disk has all lines appended before. Says whether it has. */
  boolean sync() {
    try {
      out.getFD().sync();
      return true;
    } catch (IOException e) {
      LOG.warn("Witness records in {} cannot be synced to the disk", file, e);
      return false;
    }
  }

  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      out.close();
    } catch (IOException e) {
      LOG.warn("Witness file {} cannot be closed", file, e);
    }
  }
}
