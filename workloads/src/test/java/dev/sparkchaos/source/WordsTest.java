package dev.sparkchaos.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WordsTest {
  // The vectors of SOURCE_PROTOCOL.md, which the harness's server is tested with too.
  @ParameterizedTest
  @CsvSource({
    "0, 100, w0035 w0000 w0079 w0044 w0047, w0050",
    "1, 100, w0065 w0019 w0090 w0035 w0061, w0052",
    "42, 7, w0005 w0005 w0000 w0002 w0006, w0003",
    "18446744073709551615, 10000, w3936 w8969 w7001 w7842 w4606, w1944",
  })
  void areThoseOfTheProtocol(String seed, int vocabulary, String first, String millionth) {
    Words words = new Words(Long.parseUnsignedLong(seed), vocabulary);
    assertEquals(first, LongStream.range(0, 5).mapToObj(words::at).collect(Collectors.joining(" ")));
    assertEquals(millionth, words.at(1_000_000));
  }

  @Test
  void haveFourDigits() {
    assertEquals("w0000", Words.word(0));
    assertEquals("w0042", Words.word(42));
    assertEquals("w9999", Words.word(9999));
  }

  @Test
  void vocabularyHasItsBounds() {
    assertThrows(IllegalArgumentException.class, () -> new Words(1, 0));
    assertThrows(IllegalArgumentException.class, () -> new Words(1, 10_001));
  }
}
