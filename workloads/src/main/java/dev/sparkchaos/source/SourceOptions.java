package dev.sparkchaos.source;

import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * Options of the streaming source {@link WordSource}.
 *
 * @param url of the source's HTTP server, or words:SEED for {@link GeneratedWords}
 * @param maxPerBatch most words of a micro-batch
 * @param until the stream ends before this offset; Long.MAX_VALUE for an endless one
 * @param partitions into which a micro-batch is split
 * @param patienceMillis how long reading is tried again while the source is away
 */
record SourceOptions(String url, long maxPerBatch, long until, int partitions, long patienceMillis)
    implements Serializable {

  static SourceOptions of(CaseInsensitiveStringMap options) {
    List<String> problems = new ArrayList<>();
    String url = options.getOrDefault("url", "");
    try {
      url = ReadableWords.checked(url);
    } catch (IllegalArgumentException e) {
      problems.add("url " + e.getMessage());
    }
    SourceOptions read =
        new SourceOptions(
            url,
            number(options, "maxPerBatch", 10_000, Long.MAX_VALUE, problems),
            number(options, "until", Long.MAX_VALUE, Long.MAX_VALUE, problems),
            (int) number(options, "partitions", 2, 1000, problems),
            number(options, "patienceMillis", 60_000, Integer.MAX_VALUE, problems));
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException("options of the word source: " + String.join("; ", problems));
    }
    return read;
  }

  private static long number(
      CaseInsensitiveStringMap options, String name, long fallback, long largest, List<String> problems) {
    String text = options.get(name);
    if (text == null) {
      return fallback;
    }
    try {
      long value = Long.parseLong(text);
      if (value >= 1 && value <= largest) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Told below, together with numbers out of range.
    }
    problems.add(name + " has to be a number from 1 to " + largest + ", not \"" + text + "\"");
    return fallback;
  }

  ReadableWords client() {
    return ReadableWords.at(url, Duration.ofMillis(patienceMillis));
  }

  /** A client that tries once. */
  ReadableWords impatientClient() {
    return ReadableWords.at(url, Duration.ZERO);
  }
}
