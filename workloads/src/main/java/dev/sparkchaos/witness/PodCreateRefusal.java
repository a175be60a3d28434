package dev.sparkchaos.witness;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What an exception tells about a pod that the API server refused to create. Spark hides such a refusal: it logs a
 * warning, skips the executor's id and asks for the next one.
 */
final class PodCreateRefusal {
  private static final String EXCEPTION = "io.fabric8.kubernetes.client.KubernetesClientException";
  private static final Pattern POD_IN_MESSAGE = Pattern.compile("pods \"([^\"]+)\"");
  private static final Pattern POST_OF_PODS = Pattern.compile("\\bPOST at: \\S*/pods[.?\\s]");
  private static final int LONGEST_CHAIN = 20;

  private final String podName;
  private final int code;
  private final String message;

  PodCreateRefusal(String podName, int code, String message) {
    this.podName = podName;
    this.code = code;
    this.message = message;
  }

  /** Name that was asked for, empty when the API server did not say. */
  String podName() {
    return podName;
  }

  /** HTTP status: 409 when a pod of that name exists, 403 when a quota or a policy forbids it … */
  int code() {
    return code;
  }

  /** The API server's. */
  String message() {
    return message;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PodCreateRefusal && toString().equals(other.toString());
  }

  @Override
  public int hashCode() {
    return toString().hashCode();
  }

  @Override
  public String toString() {
    return String.join("/", "PodCreateRefusal", podName, Integer.toString(code), message);
  }

  /** Looks for a refusal in an exception and its causes. */
  static Optional<PodCreateRefusal> in(Throwable exception) {
    int depth = 0;
    for (Throwable t = exception; t != null && depth < LONGEST_CHAIN; t = t.getCause(), depth++) {
      // By name first: without Spark's Kubernetes module the class is not there to be tested against.
      if (t.getClass().getName().equals(EXCEPTION)) {
        return of((KubernetesClientException) t);
      }
    }
    return Optional.empty();
  }

  private static Optional<PodCreateRefusal> of(KubernetesClientException exception) {
    int code = exception.getCode();
    String message = exception.getMessage() == null ? "" : exception.getMessage();
    Status status = exception.getStatus();
    boolean creation =
        POST_OF_PODS.matcher(message).find() || status != null && "AlreadyExists".equals(status.getReason());
    if (!creation || code < 400 || code >= 500 || !aboutPods(status, message)) {
      return Optional.empty();
    }
    String told = status == null || status.getMessage() == null ? message : status.getMessage();
    return Optional.of(new PodCreateRefusal(podName(status, message), code, told));
  }

  private static boolean aboutPods(Status status, String message) {
    if (status != null && status.getDetails() != null && status.getDetails().getKind() != null) {
      return status.getDetails().getKind().equals("pods");
    }
    return message.contains("/pods") || POD_IN_MESSAGE.matcher(message).find();
  }

  private static String podName(Status status, String message) {
    if (status != null && status.getDetails() != null && status.getDetails().getName() != null) {
      return status.getDetails().getName();
    }
    Matcher named = POD_IN_MESSAGE.matcher(message);
    return named.find() ? named.group(1) : "";
  }
}
