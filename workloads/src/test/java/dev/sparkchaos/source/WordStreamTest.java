package dev.sparkchaos.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparkchaos.source.WordStream.WordPartition;
import dev.sparkchaos.testing.WordServer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.connector.read.streaming.Offset;
import org.apache.spark.sql.connector.read.streaming.ReadLimit;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WordStreamTest {
  private static final Words WORDS = new Words(3, 10);

  private static long latest(SourceOptions options, long from) {
    Offset latest = new WordStream(options).latestOffset(new WordOffset(from), ReadLimit.allAvailable());
    return ((WordOffset) latest).value();
  }

  @Test
  void aBatchEndsAtTheFirstOfItsBounds() throws IOException {
    try (WordServer server = new WordServer(WORDS, 100)) {
      String url = server.url();
      long endless = Long.MAX_VALUE;
      assertEquals(100, latest(new SourceOptions(url, endless, endless, 1, 1), 40));
      assertEquals(50, latest(new SourceOptions(url, 10, endless, 1, 1), 40));
      assertEquals(45, latest(new SourceOptions(url, 10, 45, 1, 1), 40));
      assertEquals(40, latest(new SourceOptions(url, 10, 30, 1, 1), 40));
      assertEquals(200, latest(new SourceOptions(url, 10, endless, 1, 1), 200));
      server.failNext(1);
      assertEquals(40, latest(new SourceOptions(url, 10, endless, 1, 1), 40));
    }
  }

  @Test
  void partitionsCoverTheBatchWithoutHolesAndReadItsWords() throws IOException {
    try (WordServer server = new WordServer(WORDS, 100)) {
      SourceOptions options = new SourceOptions(server.url(), 100, 100, 3, 1000);
      var partitions = new WordStream(options).planInputPartitions(new WordOffset(10), new WordOffset(21));
      List<String> read = new ArrayList<>();
      long next = 10;
      for (var partition : partitions) {
        WordPartition words = (WordPartition) partition;
        assertEquals(next, words.from());
        next = words.to();
        WordReader reader = new WordReader(words);
        for (long offset = words.from(); reader.next(); offset++) {
          assertEquals(offset, reader.get().getLong(0));
          read.add(reader.get().getString(1));
          assertEquals(10, reader.get().getLong(2));
          assertEquals(21, reader.get().getLong(3));
        }
      }
      assertEquals(3, partitions.length);
      assertEquals(21, next);
      assertEquals(Arrays.asList(wordsOf(10, 21)), read);
    }
  }

  private static String[] wordsOf(long from, long to) {
    return java.util.stream.LongStream.range(from, to).mapToObj(WORDS::at).toArray(String[]::new);
  }

  @Test
  void anEmptyBatchHasNoPartition() {
    SourceOptions options = new SourceOptions("http://h", 1, 1, 3, 1);
    assertEquals(0, new WordStream(options).planInputPartitions(new WordOffset(5), new WordOffset(5)).length);
  }

  @Test
  void offsetsSurviveTheCheckpoint() {
    assertEquals(7, WordOffset.parse(new WordOffset(7).json()).value());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "7", "{}", "{\"offset\":-1}", "{\"offset\":1.5}", "{\"offset\":\"7\"}", "{\"offset\""})
  void brokenOffsetsAreRefused(String json) {
    assertThrows(IllegalArgumentException.class, () -> WordOffset.parse(json));
  }

  @Test
  void allWrongOptionsAreToldTogether() {
    var options =
        new CaseInsensitiveStringMap(Map.of("url", "h", "maxPerBatch", "0", "partitions", "many"));
    Exception e = assertThrows(IllegalArgumentException.class, () -> SourceOptions.of(options));
    for (String name : List.of("url", "maxPerBatch", "partitions")) {
      assertTrue(e.getMessage().contains(name), e.getMessage());
    }
  }
}
