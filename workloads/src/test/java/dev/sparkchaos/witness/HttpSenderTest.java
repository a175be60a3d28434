package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparkchaos.testing.Eventually;
import dev.sparkchaos.testing.RecordingWitness;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class HttpSenderTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final String TOKEN = "token-of-the-tests";

  private final Troubles troubles = new Troubles();

  private long lost() {
    return troubles.count(Troubles.What.SEND);
  }

  private static byte[] line(String text) {
    return (text + "\n").getBytes(StandardCharsets.UTF_8);
  }

  private static URL records(String base) throws Exception {
    return URI.create(base + "/v1/records").toURL();
  }

  private static int unusedPort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 0, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  @Test
  void sendsAllLinesInOrder() throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        HttpSender sender = new HttpSender(records(witness.url()), TOKEN, troubles)) {
      List<String> lines = IntStream.range(0, 3000).mapToObj(i -> "line " + i + " " + "x".repeat(100)).toList();
      lines.forEach(text -> sender.offer(line(text)));
      assertTrue(sender.flush(LONG));
      assertEquals(lines, witness.lines());
      assertEquals(Set.of("application/x-ndjson"), Set.copyOf(witness.contentTypes()));
      assertEquals(Set.of("Bearer " + TOKEN), Set.copyOf(witness.authorizations()));
      assertEquals(0, lost());
    }
  }

  @Test
  void whileTheWitnessIsAwayTheOldestAreDropped() throws Exception {
    int port = unusedPort();
    try (HttpSender sender = new HttpSender(records("http://127.0.0.1:" + port), TOKEN, troubles, 10)) {
      for (int i = 0; i < 25; i++) {
        sender.offer(line("line " + i));
      }
      assertFalse(sender.flush(Duration.ofMillis(50)));
      try (RecordingWitness witness = new RecordingWitness(port)) {
        assertTrue(sender.flush(LONG));
        assertEquals(IntStream.range(15, 25).mapToObj(i -> "line " + i).toList(), witness.lines());
        assertEquals(15, sender.dropped());
        assertEquals(15, lost());
      }
    }
  }

  @Test
  void aWitnessInTroubleIsAskedAgain() throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        HttpSender sender = new HttpSender(records(witness.url()), TOKEN, troubles)) {
      witness.answerWith(503);
      sender.offer(line("one"));
      assertFalse(sender.flush(Duration.ofMillis(300)));
      witness.answerWith(200);
      assertTrue(sender.flush(LONG));
      assertEquals(List.of("one"), witness.lines());
    }
  }

  @Test
  void refusedLinesDoNotBlockLaterOnes() throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        HttpSender sender = new HttpSender(records(witness.url()), TOKEN, troubles)) {
      witness.answerWith(400);
      sender.offer(line("bad"));
      assertTrue(sender.flush(LONG));
      witness.answerWith(200);
      sender.offer(line("good"));
      assertTrue(sender.flush(LONG));
      assertEquals(List.of("good"), witness.lines());
      assertEquals(1, lost());
    }
  }

  @Test
  void ofARefusedBatchWhatTheWitnessSaysIsLost() throws Exception {
    try (RecordingWitness witness = new RecordingWitness();
        HttpSender sender = new HttpSender(records(witness.url()), TOKEN, troubles)) {
      witness.answerWith(413, "{\"accepted\":4,\"duplicates\":0,\"rejected\":2,\"problems\":[\"\\\"rejected\\\":9,\"]}");
      sender.offer(("a\nb\nc\nd\ne\nf\n").getBytes(StandardCharsets.UTF_8));
      assertTrue(sender.flush(LONG));
      assertEquals(1, lost(), "never more than what was sent in one batch");
      for (int i = 0; i < 6; i++) {
        sender.offer(line("line " + i));
      }
      assertTrue(sender.flush(LONG));
      assertTrue(lost() >= 2 && lost() <= 7, "lost " + lost());
    }
  }

  @Test
  void whatIsNotSentInTheEndIsCounted() throws Exception {
    try (HttpSender sender = new HttpSender(records("http://127.0.0.1:" + unusedPort()), TOKEN, troubles)) {
      for (int i = 0; i < 25; i++) {
        sender.offer(line("line " + i));
      }
      assertFalse(sender.flush(Duration.ofMillis(50)));
      sender.giveUp();
      // A batch that is under way may fail and come back; none is forgotten.
      assertTrue(lost() >= 25, "lost " + lost());
    }
  }

  @Test
  void whateverIsThrownDoesNotEndTheSending() throws Exception {
    URL unsuitable = URI.create("file:///v1/records").toURL(); // its connections are of a class that nobody expects
    try (HttpSender sender = new HttpSender(unsuitable, TOKEN, troubles)) {
      for (int i = 1; i <= 3; i++) {
        int lines = i;
        sender.offer(line("line " + i));
        Eventually.await("line " + i + " is given up", () -> lost() == lines);
      }
      assertTrue(sender.flush(LONG));
    }
  }

  @Test
  void aWitnessThatNeverAnswersHoldsNobodyUp() throws Exception {
    // It accepts connections (the kernel does) and says nothing.
    try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        HttpSender sender = new HttpSender(records("http://127.0.0.1:" + silent.getLocalPort()), TOKEN, troubles, 5)) {
      for (int i = 0; i < 1000; i++) {
        sender.offer(line("line " + i));
      }
      Eventually.await("lines are dropped", () -> sender.dropped() >= 990);
      assertFalse(sender.flush(Duration.ofMillis(10)));
    }
  }
}
