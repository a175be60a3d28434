package dev.sparkchaos.source;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.InterruptedIOException;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Reads words from a source by HTTP (SOURCE_PROTOCOL.md); tries again while the source is away. */
public final class SourceClient implements ReadableWords {
  private static final int TIMEOUT_MILLIS = 5000;
  private static final int LONGEST_LINE = 1000;
  private static final Duration FIRST_PAUSE = Duration.ofMillis(200);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(2);

  private final String base;
  private final Duration patience;

  /**
   * @param base URL of the source, like http://host:port
   * @param patience how long a request is tried again while the source is away; zero for a single try
   */
  public SourceClient(String base, Duration patience) {
    this.base = checked(base);
    this.patience = patience;
  }

  /** The URL without a slash at its end, when it can be a source's. */
  public static String checked(String url) {
    try {
      URI uri = new URI(url);
      boolean http = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
      if (!http || uri.getHost() == null || uri.getQuery() != null) {
        throw new IllegalArgumentException("has to be like http://host:port, not \"" + url + "\"");
      }
      return url.replaceAll("/+$", "");
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException("has to be like http://host:port, not \"" + url + "\"", e);
    }
  }

  @Override
  public long end() throws IOException {
    String path = "/v1/words/end";
    List<String> lines = get(path);
    try {
      return Long.parseUnsignedLong(lines.get(0).trim());
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      throw new IOException(base + path + " answered " + lines + "; a decimal number was expected", e);
    }
  }

  @Override
  public List<String> words(long from, long to) throws IOException {
    if (from < 0 || to < from || to - from > PAGE) {
      throw new IllegalArgumentException(
          "words from " + from + " to " + to + ": 0 <= from <= to <= from + " + PAGE + " is needed");
    }
    if (from == to) {
      return List.of();
    }
    String path = "/v1/words?from=" + from + "&to=" + to;
    List<String> words = get(path);
    if (words.size() != to - from) {
      throw new IOException(
          base + path + " answered " + words.size() + " words; " + (to - from) + " were expected");
    }
    return words;
  }

  private List<String> get(String path) throws IOException {
    long deadline = System.nanoTime() + patience.toNanos();
    Duration pause = FIRST_PAUSE;
    while (true) {
      try {
        return getOnce(path);
      } catch (RefusedException e) {
        throw e;
      } catch (IOException e) {
        if (System.nanoTime() + pause.toNanos() > deadline) {
          throw new IOException("source " + base + path + " could not be read within " + patience, e);
        }
      }
      sleep(pause);
      Duration doubled = pause.multipliedBy(2);
      pause = doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
    }
  }

  private List<String> getOnce(String path) throws IOException {
    HttpURLConnection connection =
        (HttpURLConnection) new URL(base + path).openConnection(Proxy.NO_PROXY);
    connection.setConnectTimeout(TIMEOUT_MILLIS);
    connection.setReadTimeout(TIMEOUT_MILLIS);
    connection.setInstanceFollowRedirects(false);
    int status = connection.getResponseCode();
    if (status == HttpURLConnection.HTTP_OK) {
      return lines(connection.getInputStream());
    }
    InputStream error = connection.getErrorStream();
    String told = error == null ? "" : cut(String.join(" ", lines(error)));
    String message = base + path + " answered status " + status + " (" + told + "); 200 was expected";
    // A refused request stays refused; a source in trouble may mend.
    throw status / 100 == 4 ? new RefusedException(message) : new IOException(message);
  }

  private static String cut(String text) {
    return text.length() <= LONGEST_LINE ? text : text.substring(0, LONGEST_LINE) + "…";
  }

  private static List<String> lines(InputStream in) throws IOException {
    List<String> lines = new ArrayList<>();
    try (BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        lines.add(line);
      }
    }
    return lines;
  }

  private static void sleep(Duration pause) throws InterruptedIOException {
    try {
      Thread.sleep(pause.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while the source is away");
    }
  }

  /** The source understood the request and refuses it. */
  private static final class RefusedException extends IOException {
    private static final long serialVersionUID = 1L;

    RefusedException(String message) {
      super(message);
    }
  }
}
