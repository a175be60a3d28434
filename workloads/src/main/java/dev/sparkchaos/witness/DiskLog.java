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
 * handed to the operating system by one write, unbuffered, so that the death of the JVM costs no line, and neither does
 * a machine that is switched off while its kernel, or its disk's cache, lives on.
 *
 * <p>The file's name is synced when the file is made; lines are synced only where {@link #sync} is called, which the
 * ledger does for each commit. A real loss of power takes what the kernel had not written back by itself: with Linux'
 * defaults (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs) the last 30 to 35 seconds of lines since the last
 * sync. What is lost is a tail of the file, torn at any byte or filled with zeros, so the numbers of the records still
 * have no hole. Heartbeats are not synced one by one: ten syncs a second and JVM would slow what is observed.
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

  /** Appends a line. Returns null, or why the file does not have it; that is logged when it begins. */
  synchronized IOException append(byte[] line) {
    if (closed) {
      return null;
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
      return null;
    } catch (IOException e) {
      if (!failing) {
        LOG.warn("Witness records cannot be written to {}; the next ones are tried all the same", file, e);
      }
      failing = true;
      return e;
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
