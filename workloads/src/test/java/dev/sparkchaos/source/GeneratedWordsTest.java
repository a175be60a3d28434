package dev.sparkchaos.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.apache.spark.sql.connector.read.streaming.ReadLimit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GeneratedWordsTest {
  @Test
  void theWordsAreThoseOfTheSeed() throws IOException {
    Words words = new Words(-1, 20);
    ReadableWords generated = ReadableWords.at("words:18446744073709551615", Duration.ZERO);
    assertEquals(List.of(words.at(7), words.at(8)), generated.words(7, 9));
    assertEquals(List.of(), generated.words(7, 7));
    assertTrue(generated.end() > Long.MAX_VALUE / 2);
  }

  @Test
  void aBatchIsAsLongAsItMayBe() {
    WordStream stream = new WordStream(new SourceOptions("words:3", 50, 120, 2, 1));
    WordOffset next = (WordOffset) stream.latestOffset(new WordOffset(50), ReadLimit.allAvailable());
    assertEquals(100, next.value());
    WordOffset last = (WordOffset) stream.latestOffset(next, ReadLimit.allAvailable());
    assertEquals(120, last.value());
  }

  @ParameterizedTest
  @ValueSource(strings = {"words:", "words:x", "words:-1", "words:1.5", "words:18446744073709551616"})
  void aSeedIsANumber(String address) {
    assertThrows(IllegalArgumentException.class, () -> ReadableWords.checked(address));
  }

  @Test
  void addressesAreBroughtToOneForm() {
    assertEquals("words:7", ReadableWords.checked("words:007"));
    assertEquals("http://h:1", ReadableWords.checked("http://h:1/"));
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, 100_001})
  void aRequestIsBounded(long to) {
    ReadableWords generated = ReadableWords.at("words:3", Duration.ZERO);
    assertThrows(IllegalArgumentException.class, () -> generated.words(0, to));
  }
}
