package dev.sparkchaos.witness;

import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Map;

/** Who writes a record: the pod, its node and the driver's incarnation. */
public final class Identity {

  public static final String DRIVER = "driver";
  public static final String EXECUTOR = "executor";

  private static final String POD_UID = "SPARKCHAOS_POD_UID";
  private static final String POD_NAME = "SPARKCHAOS_POD_NAME";
  private static final String NODE_NAME = "SPARKCHAOS_NODE_NAME";

  private final String role;
  private final String podUID;
  private final String podName;
  private final String node;
  private final String executorID;
  private final String incarnation;

  Identity(String role, String podUID, String podName, String node, String executorID, String incarnation) {
    this.role = role;
    this.podUID = podUID;
    this.podName = podName;
    this.node = node;
    this.executorID = executorID;
    this.incarnation = incarnation;
  }

  /** "driver" or "executor". */
  public String role() {
    return role;
  }

  /** UID of the writer's pod, or a name unique to this JVM when the environment does not tell. */
  public String podUID() {
    return podUID;
  }

  /** Name of the writer's pod. */
  public String podName() {
    return podName;
  }

  /** Name of the node that it runs on. */
  public String node() {
    return node;
  }

  /** Spark's id of the executor, empty on the driver. */
  public String executorID() {
    return executorID;
  }

  /** Pod UID of the driver; an executor's is its driver's. */
  public String incarnation() {
    return incarnation;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Identity && toString().equals(other.toString());
  }

  @Override
  public int hashCode() {
    return toString().hashCode();
  }

  @Override
  public String toString() {
    return String.join("/", "Identity", role, podUID, podName, node, executorID, incarnation);
  }

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
    // The name of the running JVM begins with its process id.
    String process = ManagementFactory.getRuntimeMXBean().getName();
    return valueOr(environment, POD_UID, hostName(environment) + "-" + process.replaceAll("@.*", ""));
  }

  private static String podName(Map<String, String> environment) {
    return valueOr(environment, POD_NAME, hostName(environment));
  }

  private static String node(Map<String, String> environment) {
    return valueOr(environment, NODE_NAME, hostName(environment));
  }

  private static String hostName(Map<String, String> environment) {
    String name = environment.get("HOSTNAME");
    if (!isBlank(name)) {
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
    return isBlank(value) ? fallback : value;
  }

  private static boolean isBlank(String text) {
    return text == null || text.trim().isEmpty();
  }
}
