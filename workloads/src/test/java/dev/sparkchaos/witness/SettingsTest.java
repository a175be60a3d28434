package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SettingsTest {
  @Test
  void readsAllSettings() {
    Settings settings =
        Settings.of(
            new SparkConf(false)
                .set("spark.sparkchaos.witness.dir", "/d")
                .set("spark.sparkchaos.witness.url", "http://h:1/")
                .set("spark.sparkchaos.witness.interval", "2s"),
            Map.of("SPARKCHAOS_WITNESS_TOKEN", " secret\n"));
    assertEquals(Path.of("/d"), settings.directory());
    assertEquals("http://h:1/v1/records", settings.url().toString());
    assertEquals(Duration.ofSeconds(2), settings.interval());
    assertEquals("secret", settings.token());
    assertFalse(settings.toString().contains("secret"), settings.toString());
  }

  @Test
  void oneOfTheTwoDestinationsIsEnough() {
    Settings settings = Settings.of(new SparkConf(false).set("spark.sparkchaos.witness.dir", "/d"), Map.of());
    assertNull(settings.url());
    assertEquals("", settings.token());
    assertEquals(Duration.ofMillis(100), settings.interval());
  }

  @ParameterizedTest
  @CsvSource({
    "spark.sparkchaos.witness.url, ftp://h:1, http://host:port",
    "spark.sparkchaos.witness.url, h:1, http://host:port",
    "spark.sparkchaos.witness.url, http://a b, http://host:port",
    "spark.sparkchaos.witness.interval, 0ms, at least 1ms",
    "spark.other, x, nowhere to write",
  })
  void saysWhatIsWrong(String key, String value, String told) {
    SparkConf conf = new SparkConf(false).set(key, value);
    if (key.endsWith("interval")) {
      conf.set("spark.sparkchaos.witness.dir", "/d");
    }
    Exception e = assertThrows(IllegalArgumentException.class, () -> Settings.of(conf, Map.of()));
    assertTrue(e.getMessage().contains(told), e.getMessage());
  }
}
