package dev.sparkchaos.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparkchaos.testing.WordServer;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SourceClientTest {
  private static final Words WORDS = new Words(3, 10);
  private WordServer server;

  @BeforeEach
  void start() throws IOException {
    server = new WordServer(WORDS, 50);
  }

  @AfterEach
  void stop() throws IOException {
    server.close();
  }

  @Test
  void readsTheEndAndTheWords() throws IOException {
    SourceClient client = new SourceClient(server.url() + "/", Duration.ZERO);
    assertEquals(50, client.end());
    assertEquals(List.of(WORDS.at(7), WORDS.at(8)), client.words(7, 9));
    assertEquals(List.of(), client.words(50, 50));
  }

  @Test
  void triesAgainWhileTheSourceIsInTrouble() throws IOException {
    server.failNext(2);
    assertEquals(50, new SourceClient(server.url(), Duration.ofSeconds(30)).end());
  }

  @Test
  void givesUpWhenItsPatienceEnds() {
    server.failNext(Integer.MAX_VALUE);
    IOException e =
        assertThrows(IOException.class, () -> new SourceClient(server.url(), Duration.ZERO).end());
    assertTrue(e.getCause().getMessage().contains("503"), e.toString());
  }

  @Test
  void aRefusalIsFinal() {
    SourceClient client = new SourceClient(server.url(), Duration.ofDays(1));
    IOException e = assertThrows(IOException.class, () -> client.words(49, 51));
    assertTrue(e.getMessage().contains("416"), e.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "h:1", "ftp://h", "http://", "http://h?x=1", "http://a b"})
  void notEachTextIsASourcesUrl(String url) {
    assertThrows(IllegalArgumentException.class, () -> new SourceClient(url, Duration.ZERO));
  }
}
