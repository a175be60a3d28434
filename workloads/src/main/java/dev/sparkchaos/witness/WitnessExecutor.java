package dev.sparkchaos.witness;

import java.util.Map;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The plugin's side in an executor. */
final class WitnessExecutor implements ExecutorPlugin {
  private static final Logger LOG = LoggerFactory.getLogger(WitnessExecutor.class);

  private Witness witness;
  private LogEvidence evidence;

  @Override
  public void init(PluginContext plugin, Map<String, String> fromDriver) {
    if (Witness.current() != null) {
      // In local mode executor and driver are one process, for which the driver's side speaks.
      return;
    }
    try {
      Identity identity =
          Identity.ofExecutor(
              System.getenv(), plugin.executorID(), fromDriver.getOrDefault(WitnessDriver.INCARNATION, ""));
      witness = Witness.start(identity, Settings.of(plugin.conf(), System.getenv()), plugin.conf().get("spark.app.id", ""));
      witness.write(WitnessRecord.of(RecordType.EXECUTOR_STARTED).detail("host", plugin.hostname()));
      evidence = LogEvidence.attach(witness);
    } catch (Throwable e) {
      LOG.warn("The witness cannot start in executor {}; it runs without", plugin.executorID(), e);
    }
  }

  @Override
  public void shutdown() {
    if (evidence != null) {
      evidence.detach();
    }
    if (witness != null) {
      witness.close();
    }
  }
}
