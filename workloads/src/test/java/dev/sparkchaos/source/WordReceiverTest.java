package dev.sparkchaos.source;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparkchaos.testing.Eventually;
import dev.sparkchaos.testing.SparkProperties;
import dev.sparkchaos.testing.WordServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.apache.spark.SparkConf;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
@SuppressWarnings("deprecation")
class WordReceiverTest {
  private static final Words WORDS = new Words(3, 10);
  // Written by Spark's threads, which see copies of what a function refers to, but the same class.
  private static final List<String> RECEIVED = new CopyOnWriteArrayList<>();

  @TempDir Path directory;

  /** A source that breaks each of its first connections in another way. */
  private static void serveBadly(ServerSocket server) {
    for (int attempt = 0; ; attempt++) {
      try (Socket socket = server.accept()) {
        BufferedReader in =
            new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
        long from = Long.parseLong(in.readLine().substring("FROM ".length()));
        String answer =
            switch (attempt) {
              case 0 -> text(from, from + 2) + "half a l";
              case 1 -> text(from, from + 1) + text(from + 7, from + 8);
              case 2 -> "ERROR busy\n";
              default -> text(from, 20);
            };
        OutputStream out = socket.getOutputStream();
        // Byte by byte: lines must not depend on how the network cuts them.
        for (byte b : answer.getBytes(StandardCharsets.US_ASCII)) {
          out.write(b);
          out.flush();
        }
        Thread.sleep(600);
      } catch (IOException | InterruptedException e) {
        return;
      }
    }
  }

  private static String text(long from, long to) {
    return LongStream.range(from, to).mapToObj(i -> i + " " + WORDS.at(i) + "\n").collect(Collectors.joining());
  }

  private void receive(int port, long until) throws Exception {
    RECEIVED.clear();
    try (SparkProperties spark = new SparkProperties()) {
      JavaStreamingContext context =
          new JavaStreamingContext(new SparkConf().setAppName("receiver"), Durations.milliseconds(200));
      try {
        String positions = directory.resolve("positions").toUri().toString();
        context
            .receiverStream(new WordReceiver("127.0.0.1", port, positions, until))
            .foreachRDD(rdd -> RECEIVED.addAll(rdd.collect()));
        context.start();
        Eventually.await("all words", () -> RECEIVED.size() >= until);
      } finally {
        context.stop(true, false);
      }
    }
  }

  private static List<String> inOrder() {
    return RECEIVED.stream()
        .sorted(Comparator.comparing(line -> Long.parseLong(line.substring(0, line.indexOf(' ')))))
        .toList();
  }

  private static List<String> lines(long until) {
    return LongStream.range(0, until).mapToObj(i -> i + " " + WORDS.at(i)).toList();
  }

  @Test
  void receivesEachWordOnceAndStopsWhereItShould() throws Exception {
    try (WordServer server = new WordServer(WORDS, 10_000)) {
      receive(server.tcpPort(), 5000);
      assertEquals(lines(5000), inOrder());
    }
  }

  @Test
  void goesOnAfterABrokenConnectionOrABrokenLine() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread source = new Thread(() -> serveBadly(server));
      source.setDaemon(true);
      source.start();
      receive(server.getLocalPort(), 20);
      assertEquals(lines(20), inOrder());
    }
  }
}
