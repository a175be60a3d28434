package dev.sparkchaos.witness;

import java.time.Duration;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The plugin's side in the driver. */
final class WitnessDriver implements DriverPlugin {
  private static final Logger LOG = LoggerFactory.getLogger(WitnessDriver.class);

  /** Name under which executors learn the driver's pod UID. */
  static final String INCARNATION = "incarnation";

  // Spark shuts plugins down before its listener bus has delivered all events; the application's end is the last one.
  private static final Duration LAST_EVENT_WITHIN = Duration.ofSeconds(2);

  private Witness witness;
  private ApplicationListener listener;
  private LogEvidence evidence;

  @Override
  public Map<String, String> init(SparkContext context, PluginContext plugin) {
    Identity identity = Identity.ofDriver(System.getenv());
    try {
      witness = Witness.start(identity, Settings.of(plugin.conf(), System.getenv()), "");
      listener = new ApplicationListener(witness);
      context.addSparkListener(listener);
      evidence = LogEvidence.attach(witness);
    } catch (Throwable e) {
      LOG.warn("The witness cannot start in the driver; the application runs without it", e);
    }
    return Map.of(INCARNATION, identity.incarnation());
  }

  @Override
  public void registerMetrics(String appID, PluginContext plugin) {
    if (witness == null) {
      return;
    }
    witness.appID(appID);
    SparkConf conf = plugin.conf();
    witness.write(
        WitnessRecord.of(RecordType.DRIVER_STARTED)
            .detail("spark.app.id", appID)
            .detail("spark.app.name", conf.get("spark.app.name", ""))
            .detail("spark.master", conf.get("spark.master", ""))
            .detail(
                "spark.kubernetes.executor.podNamePrefix",
                conf.get("spark.kubernetes.executor.podNamePrefix", ""))
            .detail("spark.driver.host", conf.get("spark.driver.host", ""))
            .detail("spark.driver.port", conf.get("spark.driver.port", ""))
            .detail("sparkVersion", org.apache.spark.package$.MODULE$.SPARK_VERSION()));
  }

  @Override
  public void shutdown() {
    if (listener != null) {
      listener.awaitApplicationEnd(LAST_EVENT_WITHIN);
    }
    if (evidence != null) {
      evidence.detach();
    }
    if (witness != null) {
      witness.close();
    }
  }
}
