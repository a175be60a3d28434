package dev.sparkchaos.source;

import java.util.List;
import java.util.stream.LongStream;

/**
 * Words that are made where they are read: a source without an end that no cut of the network keeps anybody from. A
 * driver that is cut off from its peers goes on reading it, as it goes on reading a queue on its own side of the cut.
 */
final class GeneratedWords implements ReadableWords {
  private static final String SCHEME = "words:";
  private static final int VOCABULARY = 20;

  private final long seed;
  private final Words words;

  private GeneratedWords(long seed) {
    this.seed = seed;
    this.words = new Words(seed, VOCABULARY);
  }

  static boolean isAddress(String address) {
    return address.startsWith(SCHEME);
  }

  /** The words of an address like words:42. */
  static GeneratedWords of(String address) {
    try {
      return new GeneratedWords(Long.parseUnsignedLong(address.substring(SCHEME.length())));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "has to be like words:SEED with a number from 0 to 18446744073709551615, not \"" + address + "\"", e);
    }
  }

  String address() {
    return SCHEME + Long.toUnsignedString(seed);
  }

  @Override
  public long end() {
    return Long.MAX_VALUE;
  }

  @Override
  public List<String> words(long from, long to) {
    if (from < 0 || to < from || to - from > PAGE) {
      throw new IllegalArgumentException(
          "words from " + from + " to " + to + ": 0 <= from <= to <= from + " + PAGE + " is needed");
    }
    return LongStream.range(from, to).mapToObj(words::at).toList();
  }
}
