package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.net.httpserver.HttpServer;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PodCreateRefusalTest {
  static final String TOLD = "pods \"run-exec-1\" already exists";
  private static final String POST =
      "Failure executing: POST at: https://10.0.0.1:443/api/v1/namespaces/ns/pods. Message: ";

  static KubernetesClientException conflict() {
    return new KubernetesClientException(POST + TOLD + ".", 409, status("pods", "run-exec-1", "AlreadyExists", TOLD));
  }

  private static Status status(String kind, String name, String reason, String message) {
    return new StatusBuilder()
        .withReason(reason)
        .withMessage(message)
        .withNewDetails()
        .withKind(kind)
        .withName(name)
        .endDetails()
        .build();
  }

  @Test
  void findsTheConflictAmongTheCauses() {
    Throwable wrapped = new RuntimeException("outer", new IllegalStateException(conflict()));
    assertEquals(
        Optional.of(new PodCreateRefusal("run-exec-1", 409, TOLD)), PodCreateRefusal.in(wrapped));
  }

  @Test
  void theClientsOwnExceptionIsUnderstood() throws Exception {
    byte[] status =
        ("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"AlreadyExists\",\"code\":409,"
                + "\"message\":\"pods \\\"run-exec-1\\\" already exists\","
                + "\"details\":{\"name\":\"run-exec-1\",\"kind\":\"pods\"}}")
            .getBytes(StandardCharsets.UTF_8);
    HttpServer api = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    api.createContext(
        "/",
        exchange -> {
          try (exchange) {
            exchange.getRequestBody().readAllBytes();
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(409, status.length);
            exchange.getResponseBody().write(status);
          }
        });
    api.start();
    Config config = Config.empty();
    config.setMasterUrl("http://127.0.0.1:" + api.getAddress().getPort());
    try (KubernetesClient client = new KubernetesClientBuilder().withConfig(config).build()) {
      Pod pod = new PodBuilder().withNewMetadata().withName("run-exec-1").endMetadata().build();
      KubernetesClientException refused =
          assertThrows(
              KubernetesClientException.class, () -> client.pods().inNamespace("ns").resource(pod).create());
      assertEquals(
          Optional.of(new PodCreateRefusal("run-exec-1", 409, TOLD)), PodCreateRefusal.in(refused));
      // What is left of it when only the message survives.
      assertEquals(
          "run-exec-1",
          PodCreateRefusal.in(new KubernetesClientException(refused.getMessage(), 409, null)).get().podName());
    } finally {
      api.stop(0);
    }
  }

  @Test
  void theMessageServesWhenThereIsNoStatus() {
    assertEquals(
        Optional.of(new PodCreateRefusal("run-exec-1", 409, POST + TOLD)),
        PodCreateRefusal.in(new KubernetesClientException(POST + TOLD, 409, null)));
  }

  @Test
  void otherRefusalsCountToo() {
    String quota = "pods \"run-exec-2\" is forbidden: exceeded quota";
    assertEquals(
        Optional.of(new PodCreateRefusal("run-exec-2", 403, quota)),
        PodCreateRefusal.in(
            new KubernetesClientException(POST + quota, 403, status("pods", "run-exec-2", "Forbidden", quota))));
  }

  @Test
  void othersTroublesAreNoRefusals() {
    String patch = "Failure executing: PATCH at: https://10.0.0.1/api/v1/namespaces/ns/pods/x. Message: conflict";
    String list = "Failure executing: GET at: https://10.0.0.1/api/v1/namespaces/ns/pods. Message: forbidden";
    String other = "Failure executing: POST at: https://10.0.0.1/api/v1/namespaces/ns/configmaps. Message: "
        + "configmaps \"c\" already exists";
    Throwable[] none = {
      null,
      new IllegalStateException(TOLD),
      new KubernetesClientException("no connection", new java.io.IOException("refused")),
      new KubernetesClientException(patch, 409, status("pods", "x", "Conflict", "conflict")),
      new KubernetesClientException(list, 403, null),
      new KubernetesClientException(other, 409, status("configmaps", "c", "AlreadyExists", "exists")),
      new KubernetesClientException(POST + "internal error", 500, null),
    };
    for (Throwable exception : none) {
      assertEquals(Optional.empty(), PodCreateRefusal.in(exception), String.valueOf(exception));
    }
  }

  @Test
  void aCircleOfCausesEnds() {
    RuntimeException a = new RuntimeException("a");
    RuntimeException b = new RuntimeException("b", a);
    a.initCause(b);
    assertEquals(Optional.empty(), PodCreateRefusal.in(a));
  }
}
