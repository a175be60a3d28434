package dev.sparkchaos.witness;

import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.PluginContext;

/** The plugin's side in the driver. */
final class WitnessDriver implements DriverPlugin {
  /** Name under which executors learn the driver's pod UID. */
  static final String INCARNATION = "incarnation";

  // Spark shuts plugins down before its listener bus has delivered all events; the application's end is the last one.
  private static final Duration LAST_EVENT_WITHIN = Duration.ofSeconds(2);

  private Witness witness;
  private ApplicationListener listener;
  private LogEvidence evidence;

  @Override
  public Map<String, String> init(SparkContext context, PluginContext plugin) {
    try {
      Identity identity = Identity.ofDriver(System.getenv());
      witness = Witness.start(identity, Settings.of(plugin.conf(), System.getenv()), "");
      witness.observe(() -> listen(context));
      witness.observe(() -> evidence = LogEvidence.attach(witness));
      return Collections.singletonMap(INCARNATION, identity.incarnation());
    } catch (Throwable t) {
      WitnessPlugin.cannotStart(t);
      return Collections.emptyMap();
    }
  }

  private void listen(SparkContext context) {
    ApplicationListener to = new ApplicationListener(witness);
    context.addSparkListener(to);
    listener = to;
  }

  @Override
  public void registerMetrics(String appID, PluginContext plugin) {
    if (witness != null) {
      witness.observe(() -> started(appID, plugin.conf()));
    }
  }

  private void started(String appID, SparkConf conf) {
    witness.appID(appID);
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
    if (witness == null) {
      return;
    }
    if (listener != null) {
      witness.observe(() -> listener.awaitApplicationEnd(LAST_EVENT_WITHIN));
    }
    if (evidence != null) {
      witness.observe(() -> evidence.detach());
    }
    witness.close();
  }
}
