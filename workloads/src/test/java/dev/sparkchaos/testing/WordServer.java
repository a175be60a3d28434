package dev.sparkchaos.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.sparkchaos.source.Words;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** A word source after SOURCE_PROTOCOL.md whose end the test moves. */
public final class WordServer implements AutoCloseable {
  private final Words words;
  private final HttpServer http;
  private final ServerSocket tcp;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final AtomicInteger failures = new AtomicInteger();
  private volatile long end;

  public WordServer(Words words, long end) throws IOException {
    this.words = words;
    this.end = end;
    http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    http.createContext("/v1/words", this::answer);
    http.setExecutor(threads);
    http.start();
    tcp = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
    threads.submit(this::accept);
  }

  public String url() {
    return "http://127.0.0.1:" + http.getAddress().getPort();
  }

  public int tcpPort() {
    return tcp.getLocalPort();
  }

  public void end(long newEnd) {
    end = newEnd;
  }

  /** Lets the next requests fail with status 503. */
  public void failNext(int requests) {
    failures.set(requests);
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      if (failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
        exchange.sendResponseHeaders(503, -1);
        return;
      }
      StringBuilder body = new StringBuilder();
      if (exchange.getRequestURI().getPath().equals("/v1/words/end")) {
        body.append(end).append('\n');
      } else {
        String[] range = exchange.getRequestURI().getQuery().replaceAll("[a-z=]", "").split("&");
        if (Long.parseLong(range[1]) > end) {
          exchange.sendResponseHeaders(416, -1);
          return;
        }
        for (long i = Long.parseLong(range[0]); i < Long.parseLong(range[1]); i++) {
          body.append(words.at(i)).append('\n');
        }
      }
      byte[] bytes = body.toString().getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(200, bytes.length == 0 ? -1 : bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  private void accept() {
    try {
      while (true) {
        Socket socket = tcp.accept();
        threads.submit(() -> serve(socket));
      }
    } catch (IOException e) {
      // close() closed the listener.
    }
  }

  private Void serve(Socket socket) throws Exception {
    try (socket) {
      BufferedReader in =
          new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
      OutputStream out = socket.getOutputStream();
      String request = in.readLine();
      if (request == null || !request.matches("FROM \\d+")) {
        out.write(("ERROR not understood: " + request + "\n").getBytes(StandardCharsets.UTF_8));
        return null;
      }
      for (long i = Long.parseLong(request.substring(5)); ; i++) {
        while (i >= end) {
          Thread.sleep(10);
        }
        out.write((i + " " + words.at(i) + "\n").getBytes(StandardCharsets.UTF_8));
      }
    }
  }

  @Override
  public void close() throws IOException {
    http.stop(0);
    tcp.close();
    threads.shutdownNow();
  }
}
