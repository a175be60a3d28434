package dev.sparkchaos.witness;

import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.SparkPlugin;
import org.slf4j.LoggerFactory;

/**
 * The Spark plugin that tells the harness what a driver and its executors do, heartbeats included:
 * {@code spark.plugins=dev.sparkchaos.witness.WitnessPlugin}. Works with any application.
 */
public final class WitnessPlugin implements SparkPlugin {
  @Override
  public DriverPlugin driverPlugin() {
    try {
      return new WitnessDriver();
    } catch (Throwable t) {
      return cannotStart(t);
    }
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    try {
      return new WitnessExecutor();
    } catch (Throwable t) {
      return cannotStart(t);
    }
  }

  /** Returns null, with which Spark goes on without the plugin. */
  static <T> T cannotStart(Throwable thrown) {
    try {
      LoggerFactory.getLogger(WitnessPlugin.class).warn("The witness cannot start; the application runs without it", thrown);
    } catch (Throwable t) {
      // A log that is as broken as what it is to tell of.
    }
    return null;
  }
}
