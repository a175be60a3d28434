package dev.sparkchaos.witness;

import java.net.MalformedURLException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.Map;
import org.apache.spark.SparkConf;

/** Where the witness's records go and how often it beats. */
final class Settings {
  static final String DIRECTORY_KEY = "spark.sparkchaos.witness.dir";
  static final String URL_KEY = "spark.sparkchaos.witness.url";
  static final String INTERVAL_KEY = "spark.sparkchaos.witness.interval";
  private static final String DEFAULT_INTERVAL = "100ms";

  // Not a setting: Spark prints those, and they stand on the driver's command line.
  static final String TOKEN_VARIABLE = "SPARKCHAOS_WITNESS_TOKEN";

  private final Path directory;
  private final URL url;
  private final String token;
  private final Duration interval;

  Settings(Path directory, URL url, String token, Duration interval) {
    this.directory = directory;
    this.url = url;
    this.token = token;
    this.interval = interval;
  }

  /** On the node's own disk; null when the records are not to be stored. */
  Path directory() {
    return directory;
  }

  /** Of the harness's witness, where records are posted; null when they are not to be sent. */
  URL url() {
    return url;
  }

  /** That the harness's witness wants to see; empty when it wants none. */
  String token() {
    return token;
  }

  /** Between heartbeats. */
  Duration interval() {
    return interval;
  }

  static Settings of(SparkConf conf, Map<String, String> environment) {
    String directory = conf.get(DIRECTORY_KEY, "").trim();
    String url = conf.get(URL_KEY, "").trim();
    if (directory.isEmpty() && url.isEmpty()) {
      throw new IllegalArgumentException(
          "neither " + DIRECTORY_KEY + " nor " + URL_KEY + " is set: the witness has nowhere to write to");
    }
    Duration interval = Duration.ofMillis(conf.getTimeAsMs(INTERVAL_KEY, DEFAULT_INTERVAL));
    if (interval.isNegative() || interval.isZero()) {
      throw new IllegalArgumentException(
          INTERVAL_KEY + " is " + conf.get(INTERVAL_KEY) + "; at least 1ms is needed");
    }
    return new Settings(
        directory.isEmpty() ? null : Paths.get(directory), url.isEmpty() ? null : endpoint(url),
        environment.getOrDefault(TOKEN_VARIABLE, "").trim(), interval);
  }

  /** Without the token, which must be in no log. */
  @Override
  public String toString() {
    return "Settings[directory=" + directory + ", url=" + url + ", interval=" + interval + "]";
  }

  private static URL endpoint(String base) {
    try {
      URI uri = new URI(base.replaceAll("/+$", "") + "/v1/records");
      if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme()) || uri.getHost() == null) {
        throw new IllegalArgumentException(
            URL_KEY + " is " + base + "; it has to be like http://host:port");
      }
      return uri.toURL();
    } catch (URISyntaxException | MalformedURLException e) {
      throw new IllegalArgumentException(URL_KEY + " is " + base + "; it has to be like http://host:port", e);
    }
  }
}
