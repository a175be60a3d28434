package dev.sparkchaos.testing;

import java.util.Map;
import java.util.TreeMap;

/** Spark's settings as system properties, which is where an application started without arguments finds them. */
public final class SparkProperties implements AutoCloseable {
  private final Map<String, String> settings = new TreeMap<>();

  /** Settings of a small Spark inside the tests' JVM. */
  public SparkProperties() {
    set("spark.master", "local[2]");
    set("spark.ui.enabled", "false");
    set("spark.driver.host", "127.0.0.1");
    set("spark.driver.bindAddress", "127.0.0.1");
    set("spark.sql.shuffle.partitions", "2");
  }

  public SparkProperties set(String key, String value) {
    settings.put(key, value);
    System.setProperty(key, value);
    return this;
  }

  /** Loads the witness plugin, with a directory and a URL; null leaves one out. */
  public SparkProperties witness(Object directory, String url) {
    set("spark.plugins", "dev.sparkchaos.witness.WitnessPlugin");
    set("spark.sparkchaos.witness.interval", "20ms");
    if (directory != null) {
      set("spark.sparkchaos.witness.dir", directory.toString());
    }
    return url == null ? this : set("spark.sparkchaos.witness.url", url);
  }

  public Map<String, String> asMap() {
    return Map.copyOf(settings);
  }

  @Override
  public void close() {
    settings.keySet().forEach(System::clearProperty);
  }
}
