package dev.sparkchaos.witness;

import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * The Spark plugin that tells the harness what a driver and its executors do, heartbeats included:
 * {@code spark.plugins=dev.sparkchaos.witness.WitnessPlugin}. Works with any application.
 */
public final class WitnessPlugin implements SparkPlugin {
  @Override
  public DriverPlugin driverPlugin() {
    return new WitnessDriver();
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new WitnessExecutor();
  }
}
