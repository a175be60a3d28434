package dev.sparkchaos.source;

/**
 * An endless sequence of words in which the word at an offset is a pure function of seed and offset (SplitMix64), as
 * SOURCE_PROTOCOL.md defines it; whoever reads an offset again reads the same word.
 *
 * @param seed all 64 bits count
 * @param vocabulary how many different words there are, 1 … {@link #LARGEST_VOCABULARY}
 */
public record Words(long seed, int vocabulary) implements java.io.Serializable {
  /** Words have four digits. */
  public static final int LARGEST_VOCABULARY = 10_000;

  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  public Words {
    if (vocabulary < 1 || vocabulary > LARGEST_VOCABULARY) {
      throw new IllegalArgumentException(
          "vocabulary is " + vocabulary + "; it has to be 1 to " + LARGEST_VOCABULARY);
    }
  }

  /** The word at an offset. */
  public String at(long offset) {
    return word(indexAt(offset));
  }

  /** The number of the word at an offset, 0 … vocabulary - 1. */
  public int indexAt(long offset) {
    long z = seed + (offset + 1) * GAMMA;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    return (int) Long.remainderUnsigned(z, vocabulary);
  }

  /** The word of a number: "w" and four decimal digits. */
  public static String word(int index) {
    char[] digits = {'w', '0', '0', '0', '0'};
    for (int i = digits.length - 1, rest = index; rest > 0; i--, rest /= 10) {
      digits[i] = (char) ('0' + rest % 10);
    }
    return new String(digits);
  }
}
