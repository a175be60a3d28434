package dev.sparkchaos.witness;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Map;

/**
 * Who writes a record: the pod, its node and the driver's incarnation.
 *
 * @param role "driver" or "executor"
 * @param podUID UID of the writer's pod, or a name unique to this JVM when the environment does not tell
 * @param podName name of the writer's pod
 * @param node name of the node that it runs on
 * @param executorID Spark's id of the executor, empty on the driver
 * @param incarnation pod UID of the driver; an executor's is its driver's
 */
public record Identity(
    String role, String podUID, String podName, String node, String executorID, String incarnation) {

  public static final String DRIVER = "driver";
  public static final String EXECUTOR = "executor";

  private static final String POD_UID = "SPARKCHAOS_POD_UID";
  private static final String POD_NAME = "SPARKCHAOS_POD_NAME";
  private static final String NODE_NAME = "SPARKCHAOS_NODE_NAME";

  /** The driver's identity: its own pod is the incarnation. */
  public static Identity ofDriver(Map<String, String> environment) {
    String uid = podUID(environment);
    return new Identity(DRIVER, uid, podName(environment), node(environment), "", uid);
  }

  /** An executor's identity within the incarnation that its driver told it. */
  public static Identity ofExecutor(
      Map<String, String> environment, String executorID, String incarnation) {
    return new Identity(
        EXECUTOR,
        podUID(environment),
        podName(environment),
        node(environment),
        executorID,
        incarnation);
  }

  private static String podUID(Map<String, String> environment) {
    // Two JVMs of one host must not be taken for one writer, hence the process id.
    return valueOr(environment, POD_UID, hostName(environment) + "-" + ProcessHandle.current().pid());
  }

  private static String podName(Map<String, String> environment) {
    return valueOr(environment, POD_NAME, hostName(environment));
  }

  private static String node(Map<String, String> environment) {
    return valueOr(environment, NODE_NAME, hostName(environment));
  }

  private static String hostName(Map<String, String> environment) {
    String name = environment.get("HOSTNAME");
    if (name != null && !name.isBlank()) {
      return name;
    }
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return "unknown-host";
    }
  }

  private static String valueOr(Map<String, String> environment, String key, String fallback) {
    String value = environment.get(key);
    return value == null || value.isBlank() ? fallback : value;
  }
}
