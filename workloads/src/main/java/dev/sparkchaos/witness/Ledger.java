package dev.sparkchaos.witness;

import java.util.Map;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The results that an application commits, each with its writer's identity, so that a double write shows. A commit is on
 * the node's disk when the call returns and is sent to the harness soon after. Without the witness plugin a commit does
 * nothing but warn, so that an application runs anywhere.
 */
public final class Ledger {
  private static final Logger LOG = LoggerFactory.getLogger(Ledger.class);

  private Ledger() {}

  /**
   * Commits a result.
   *
   * @param key what the value is a result of; equal keys of two runs are compared
   * @param value the result, equal in each run of the same work
   * @param detail whatever else is worth knowing, not compared; must not hold "key" or "value"
   */
  public static void commit(String key, String value, Map<String, String> detail) {
    commit(record(key, value, detail));
  }

  /** Commits a result of a streaming batch; see {@link #commit(String, String, Map)}. */
  public static void commitBatch(long batchID, String key, String value, Map<String, String> detail) {
    commit(record(key, value, detail).batch(batchID));
  }

  private static WitnessRecord record(String key, String value, Map<String, String> detail) {
    Objects.requireNonNull(key, "key");
    Objects.requireNonNull(value, "value");
    Objects.requireNonNull(detail, "detail");
    WitnessRecord entry = WitnessRecord.of(RecordType.LEDGER);
    detail.forEach(entry::exactDetail);
    return entry.exactDetail("key", key).exactDetail("value", value);
  }

  private static void commit(WitnessRecord entry) {
    Witness witness = Witness.current();
    if (witness == null) {
      LOG.warn(
          "The witness plugin is not loaded (spark.plugins); {} is not in the ledger",
          entry.detail().get("key"));
      return;
    }
    witness.writeDurably(entry);
  }
}
