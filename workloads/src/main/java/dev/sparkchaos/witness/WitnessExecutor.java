package dev.sparkchaos.witness;

import java.util.Map;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;

/** The plugin's side in an executor. */
final class WitnessExecutor implements ExecutorPlugin {
  private Witness witness;
  private LogEvidence evidence;

  @Override
  public void init(PluginContext plugin, Map<String, String> fromDriver) {
    try {
      // In local mode executor and driver are one process, for which the driver's side speaks.
      if (Witness.current() == null) {
        start(plugin, fromDriver.getOrDefault(WitnessDriver.INCARNATION, ""));
      }
    } catch (Throwable t) {
      WitnessPlugin.cannotStart(t);
    }
  }

  private void start(PluginContext plugin, String incarnation) {
    Identity identity = Identity.ofExecutor(System.getenv(), plugin.executorID(), incarnation);
    witness = Witness.start(identity, Settings.of(plugin.conf(), System.getenv()), plugin.conf().get("spark.app.id", ""));
    witness.observe(() -> witness.write(WitnessRecord.of(RecordType.EXECUTOR_STARTED).detail("host", host(plugin))));
    witness.observe(() -> evidence = LogEvidence.attach(witness));
  }

  private static String host(PluginContext plugin) {
    try {
      return plugin.hostname();
    } catch (NullPointerException e) {
      // Spark asks for the address of a server that executors outside of tests do not have.
      return System.getenv("SPARK_LOCAL_IP");
    }
  }

  @Override
  public void shutdown() {
    if (witness == null) {
      return;
    }
    if (evidence != null) {
      witness.observe(() -> evidence.detach());
    }
    witness.close();
  }
}
