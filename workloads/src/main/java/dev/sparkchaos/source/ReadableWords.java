package dev.sparkchaos.source;

import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** A replayable sequence of words as its readers see it: an end, and words at the offsets before it. */
public interface ReadableWords {
  /** Most words of one request; longer ranges are read page by page. */
  int PAGE = 100_000;

  /** The end: the first offset that cannot be read yet. */
  long end() throws IOException;

  /** The words at offsets from … to - 1; at most {@link #PAGE} of them. */
  List<String> words(long from, long to) throws IOException;

  /** The address when it can be a source's: http://host:port without a slash at its end, or words:SEED. */
  static String checked(String address) {
    return GeneratedWords.isAddress(address)
        ? GeneratedWords.of(address).address()
        : SourceClient.checked(address);
  }

  /**
   * The words at an address.
   *
   * @param address as {@link #checked} accepts it
   * @param patience how long a request is tried again while the source is away; zero for a single try
   */
  static ReadableWords at(String address, Duration patience) {
    return GeneratedWords.isAddress(address)
        ? GeneratedWords.of(address)
        : new SourceClient(address, patience);
  }
}
