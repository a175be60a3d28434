package dev.sparkchaos.witness;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends records to the witness from a thread of its own. The queue is bounded: while the witness is away the oldest
 * records are dropped, for the disk has them. Nobody who offers a record ever waits.
 */
final class HttpSender implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(HttpSender.class);

  static final int CAPACITY = 10_000;
  // Small enough for a socket's send buffer, so that a write to a vanished peer does not block.
  private static final int MAX_BATCH_BYTES = 64 * 1024;
  private static final int TIMEOUT_MILLIS = 1000;
  private static final long FIRST_PAUSE_MILLIS = 100;
  private static final long LONGEST_PAUSE_MILLIS = 1000;

  /** How much of an answer is looked at. */
  private static final int MAX_ANSWER_BYTES = 16 * 1024;

  private static final Pattern REJECTED = Pattern.compile("\"rejected\":(\\d{1,9})[,}]");

  private final URL url;
  private final String token;
  private final Troubles troubles;
  private final int capacity;
  private final Thread thread;
  private final Deque<byte[]> queue = new ArrayDeque<>();
  private boolean sending;
  private int underWay;
  private boolean closed;
  private boolean away;
  private long dropped;

  HttpSender(URL url, String token, Troubles troubles) {
    this(url, token, troubles, CAPACITY);
  }

  HttpSender(URL url, String token, Troubles troubles, int capacity) {
    this.url = url;
    this.token = token;
    this.troubles = troubles;
    this.capacity = capacity;
    this.thread = new Thread(this::sendUntilClosed, "sparkchaos-witness-http");
    thread.setDaemon(true);
    thread.start();
  }

  /** Queues a line; drops the oldest when the queue is full. */
  synchronized void offer(byte[] line) {
    if (closed) {
      return;
    }
    queue.addLast(line);
    dropBeyondCapacity();
    notifyAll();
  }

  /** How many records were dropped so far. */
  synchronized long dropped() {
    return dropped;
  }

  /** Waits until all lines are sent, at most that long. Says whether they are. */
  synchronized boolean flush(Duration atMost) {
    long deadline = System.nanoTime() + atMost.toNanos();
    while (sending || !queue.isEmpty()) {
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return false;
      }
      try {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
    }
    return true;
  }

  /** Gives up what is still to be sent, and counts it. */
  synchronized void giveUp() {
    int left = queue.size() + underWay;
    if (left > 0) {
      troubles.add(Troubles.What.SEND, left, "not sent when the process ended");
    }
    dropped += queue.size();
    queue.clear();
  }

  /** Stops sending; what is still queued stays on the disk only. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    thread.interrupt();
  }

  private void sendUntilClosed() {
    long pause = FIRST_PAUSE_MILLIS;
    while (!isClosed()) {
      boolean sent = false;
      try {
        List<byte[]> batch = take();
        sent = batch == null || send(batch);
      } catch (InterruptedException e) {
        // close() asks for it; a daemon thread has nobody else to answer to.
        return;
      } catch (Throwable t) {
        // Whatever it is, an OutOfMemoryError say, may pass: a thread that ends here would send nothing ever again.
        lost(t);
      }
      try {
        if (sent) {
          pause = FIRST_PAUSE_MILLIS;
        } else {
          waitAtMost(pause);
          pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS);
        }
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  /** Notes that the batch under way was given up. */
  private synchronized void lost(Throwable thrown) {
    troubles.add(Troubles.What.SEND, Math.max(1, underWay), thrown.getClass().getName());
    sending = false;
    underWay = 0;
    notifyAll();
  }

  /** Takes the next batch; null when the sender is closed. */
  private synchronized List<byte[]> take() throws InterruptedException {
    while (queue.isEmpty() && !closed) {
      wait();
    }
    if (closed) {
      return null;
    }
    List<byte[]> batch = new ArrayList<>();
    int bytes = 0;
    while (!queue.isEmpty() && (batch.isEmpty() || bytes + queue.peekFirst().length <= MAX_BATCH_BYTES)) {
      byte[] line = queue.pollFirst();
      bytes += line.length;
      batch.add(line);
    }
    sending = true;
    underWay = batch.size();
    return batch;
  }

  /** Sends a batch; puts it back when the witness is away. */
  private boolean send(List<byte[]> batch) {
    String failure;
    try {
      Answer answer = post(batch);
      if (answer.status / 100 == 4) {
        // The witness is there and will never accept these lines: sending them again would block all others.
        refused(answer, batch.size());
        failure = null;
      } else {
        failure = answer.status / 100 == 2 ? null : "status " + answer.status;
      }
    } catch (IOException e) {
      failure = e.toString();
    }
    note(failure);
    synchronized (this) {
      sending = false;
      underWay = 0;
      if (failure != null) {
        putBack(batch);
      }
      notifyAll();
    }
    return failure == null;
  }

  private void putBack(List<byte[]> batch) {
    for (int i = batch.size() - 1; i >= 0; i--) {
      queue.addFirst(batch.get(i));
    }
    dropBeyondCapacity();
  }

  private void dropBeyondCapacity() {
    long before = dropped;
    while (queue.size() > capacity) {
      queue.removeFirst();
      dropped++;
    }
    if (dropped > before) {
      troubles.add(Troubles.What.SEND, dropped - before, "the witness is away for too long");
    }
  }

  /** Counts what the witness did not take of a batch; it may have taken most of it. */
  private void refused(Answer answer, int size) {
    Matcher rejected = REJECTED.matcher(answer.text);
    long count = rejected.find() ? Math.min(size, Long.parseLong(rejected.group(1))) : size;
    if (count > 0) {
      troubles.add(Troubles.What.SEND, count, "status " + answer.status);
    }
    LOG.warn("Witness at {} refused {} of {} records with status {}", url, count, size, answer.status);
  }

  private static final class Answer {
    private final int status;
    private final String text;

    Answer(int status, String text) {
      this.status = status;
      this.text = text;
    }
  }

  private Answer post(List<byte[]> batch) throws IOException {
    HttpURLConnection connection = (HttpURLConnection) url.openConnection(Proxy.NO_PROXY);
    connection.setConnectTimeout(TIMEOUT_MILLIS);
    connection.setReadTimeout(TIMEOUT_MILLIS);
    connection.setInstanceFollowRedirects(false);
    connection.setRequestMethod("POST");
    connection.setRequestProperty("Content-Type", "application/x-ndjson");
    if (!token.isEmpty()) {
      connection.setRequestProperty("Authorization", "Bearer " + token);
    }
    connection.setDoOutput(true);
    connection.setFixedLengthStreamingMode(batch.stream().mapToInt(line -> line.length).sum());
    try (OutputStream body = connection.getOutputStream()) {
      for (byte[] line : batch) {
        body.write(line);
      }
    }
    int status = connection.getResponseCode();
    return new Answer(status, read(status < 400 ? connection.getInputStream() : connection.getErrorStream()));
  }

  /** Reads an answer to its end, so that the connection can be used again, and returns its beginning. */
  private static String read(InputStream answer) throws IOException {
    if (answer == null) {
      return "";
    }
    try (InputStream closing = answer) {
      ByteArrayOutputStream beginning = new ByteArrayOutputStream();
      byte[] part = new byte[1024];
      for (int n = answer.read(part); n >= 0; n = answer.read(part)) {
        beginning.write(part, 0, Math.min(n, MAX_ANSWER_BYTES - beginning.size()));
      }
      return new String(beginning.toByteArray(), StandardCharsets.UTF_8);
    }
  }

  /** Logs that the witness went away, or came back; not each failed attempt. */
  private void note(String failure) {
    if (failure != null && !away) {
      LOG.warn("Witness at {} is away ({}); the disk has the records, sending is tried again", url, failure);
    }
    if (failure == null && away) {
      LOG.info("Witness at {} is back; {} records were dropped meanwhile", url, dropped());
    }
    away = failure != null;
  }

  private synchronized void waitAtMost(long millis) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    for (long left = deadline - System.nanoTime(); left > 0 && !closed; left = deadline - System.nanoTime()) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
  }
}
