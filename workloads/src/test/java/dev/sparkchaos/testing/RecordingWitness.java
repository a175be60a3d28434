package dev.sparkchaos.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A witness that keeps what is posted to it. */
public final class RecordingWitness implements AutoCloseable {
  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<String> lines = new CopyOnWriteArrayList<>();
  private final List<String> contentTypes = new CopyOnWriteArrayList<>();
  private final List<String> authorizations = new CopyOnWriteArrayList<>();
  private volatile int status = 200;
  private volatile String answer = "";

  public RecordingWitness() throws IOException {
    this(0);
  }

  public RecordingWitness(int port) throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.createContext("/v1/records", this::record);
    server.setExecutor(threads);
    server.start();
  }

  private void record(HttpExchange exchange) throws IOException {
    try (exchange) {
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      if (status == 200 && exchange.getRequestMethod().equals("POST")) {
        contentTypes.add(exchange.getRequestHeaders().getFirst("Content-Type"));
        authorizations.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
        body.lines().forEach(lines::add);
      }
      byte[] said = answer.getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(status, said.length == 0 ? -1 : said.length);
      if (said.length > 0) {
        exchange.getResponseBody().write(said);
      }
    }
  }

  public void answerWith(int newStatus) {
    answerWith(newStatus, "");
  }

  public void answerWith(int newStatus, String newAnswer) {
    answer = newAnswer;
    status = newStatus;
  }

  public String url() {
    return "http://127.0.0.1:" + port();
  }

  public int port() {
    return server.getAddress().getPort();
  }

  public List<String> lines() {
    return List.copyOf(lines);
  }

  public List<String> contentTypes() {
    return List.copyOf(contentTypes);
  }

  public List<String> authorizations() {
    return List.copyOf(authorizations);
  }

  public List<JsonNode> records() {
    return Records.parse(lines);
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
