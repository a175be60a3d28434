package dev.sparkchaos.source;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.receiver.Receiver;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Receives lines "offset word" from a source by TCP (SOURCE_PROTOCOL.md) for a DStream. How far it has come is noted
 * beside the checkpoint after Spark has stored a block (with a write-ahead log: durably), so that a receiver started
 * again, wherever, goes on from there: no word is skipped, the last block may come twice.
 */
@SuppressWarnings("deprecation") // DStreams are deprecated, and what is to be judged here
public final class WordReceiver extends Receiver<String> {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(WordReceiver.class);

  private static final int CONNECT_TIMEOUT_MILLIS = 2000;
  private static final int READ_TIMEOUT_MILLIS = 100;
  private static final long RECONNECT_MILLIS = 500;
  private static final int BLOCK_LINES = 2000;
  private static final long BLOCK_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
  private static final int LONGEST_LINE = 1000;

  private final String host;
  private final int port;
  private final String positions;
  private final long until;

  /**
   * @param host of the source
   * @param port of the source
   * @param positions directory in which the position is noted, reachable from driver and executors
   * @param until receiving ends before this offset
   */
  public WordReceiver(String host, int port, String positions, long until) {
    super(StorageLevel.MEMORY_AND_DISK_SER());
    this.host = host;
    this.port = port;
    this.positions = positions;
    this.until = until;
  }

  @Override
  public void onStart() {
    Thread thread = new Thread(this::receive, "sparkchaos-word-receiver");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void onStop() {
    // The thread looks at isStopped() at least each READ_TIMEOUT_MILLIS.
  }

  private void receive() {
    try {
      PositionStore store = new PositionStore(positions);
      for (long next = store.read(); !isStopped() && next < until; next = store.read()) {
        try (Socket socket = new Socket()) {
          receiveFrom(socket, next, store);
        } catch (SourceException e) {
          LOG.warn("The word source at {}:{}: {}; it is asked again", host, port, e.getMessage(), e);
        }
        TimeUnit.MILLISECONDS.sleep(RECONNECT_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException | RuntimeException e) {
      restart("the receiver of words from " + host + ":" + port + " failed", e);
    }
  }

  private void receiveFrom(Socket socket, long from, PositionStore store)
      throws IOException, SourceException {
    Lines lines = request(socket, from);
    List<String> block = new ArrayList<>();
    long next = from;
    long blockSince = System.nanoTime();
    while (!isStopped() && next < until) {
      for (String line : lines.read()) {
        if (next < until) {
          checkOffset(line, next);
          block.add(line);
          next++;
        }
      }
      boolean full = block.size() >= BLOCK_LINES || next >= until;
      if (!block.isEmpty() && (full || System.nanoTime() - blockSince >= BLOCK_NANOS)) {
        store(block.iterator());
        store.write(next);
        block.clear();
        blockSince = System.nanoTime();
      }
    }
  }

  private Lines request(Socket socket, long from) throws SourceException {
    try {
      socket.connect(new InetSocketAddress(host, port), CONNECT_TIMEOUT_MILLIS);
      socket.setSoTimeout(READ_TIMEOUT_MILLIS);
      socket.setKeepAlive(true);
      socket.getOutputStream().write(("FROM " + from + "\n").getBytes(StandardCharsets.US_ASCII));
      return new Lines(socket);
    } catch (IOException e) {
      throw new SourceException("offset " + from + " cannot be asked for", e);
    }
  }

  private static void checkOffset(String line, long expected) throws SourceException {
    if (!line.startsWith(expected + " ")) {
      throw new SourceException("\"" + line + "\" came where offset " + expected + " was expected");
    }
  }

  /** The lines of a socket as they come; a time-out loses no half line. */
  private static final class Lines {
    private final InputStream in;
    private final byte[] chunk = new byte[16 * 1024];
    private final StringBuilder rest = new StringBuilder();

    Lines(Socket socket) throws IOException {
      this.in = socket.getInputStream();
    }

    List<String> read() throws SourceException {
      List<String> lines = new ArrayList<>();
      int count;
      try {
        count = in.read(chunk);
      } catch (SocketTimeoutException e) {
        return lines;
      } catch (IOException e) {
        throw new SourceException("the connection broke", e);
      }
      if (count < 0) {
        throw new SourceException("the source closed the connection");
      }
      // Words are ASCII: a byte is a character.
      rest.append(new String(chunk, 0, count, StandardCharsets.ISO_8859_1));
      int begin = 0;
      for (int end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n", begin)) {
        lines.add(rest.substring(begin, end));
        begin = end + 1;
      }
      rest.delete(0, begin);
      if (rest.length() > LONGEST_LINE) {
        throw new SourceException("a line is longer than " + LONGEST_LINE + " characters");
      }
      return lines;
    }
  }

  /** The source does not keep to the protocol, or is gone: to be asked again. */
  private static final class SourceException extends Exception {
    private static final long serialVersionUID = 1L;

    SourceException(String message) {
      super(message);
    }

    SourceException(String message, Throwable cause) {
      super(message, cause);
    }
  }
}
