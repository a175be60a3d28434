package dev.sparkchaos.workloads;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class OptionsTest {
  private static Options options() {
    return new Options("Program", "does things")
        .number("count", 5, 1, 10, "how many")
        .requiredNumber("port", 1, 65535, "where")
        .seed("seed", "1", "randomness")
        .text("dir", "DIR", "", "directory");
  }

  private static List<String> problems(String... args) {
    return assertThrows(UsageException.class, () -> options().parse(args)).problems();
  }

  @Test
  void fallbacksServeForWhatIsNotGiven() throws UsageException {
    Options.Values values = options().parse("--port=1", "--seed=18446744073709551615");
    assertEquals(5, values.integer("count"));
    assertEquals(1, values.number("port"));
    assertEquals(-1, values.number("seed"));
    assertEquals("", values.text("dir"));
  }

  @Test
  void valuesMayHoldEqualsSigns() throws UsageException {
    assertEquals("a=b", options().parse("--port=1", "--dir=a=b").text("dir"));
  }

  @Test
  void allProblemsAreToldTogether() {
    assertEquals(
        List.of(
            "\"count=5\" is not an option; options are written --name=value",
            "--cuont is unknown; there are --count, --port, --seed, --dir",
            "--dir has no value; it is written --dir=DIR",
            "--count is given twice",
            "--count has to be a number from 1 to 10, not \"11\"",
            "--port=N is missing: where",
            "--seed has to be a number from 0 to 18446744073709551615, not \"-1\""),
        problems("count=5", "--cuont=1", "--dir", "--count=11", "--count=3", "--seed=-1"));
  }

  @Test
  void emptyValuesAreNotNumbers() {
    assertEquals(
        List.of("--port is empty; it is written --port=N", "--port=N is missing: where"), problems("--port="));
    assertEquals(
        List.of("--count is empty; it is written --count=N", "--port=N is missing: where"), problems("--count="));
  }

  @Test
  void whateverIsGivenEitherServesOrIsTold() {
    Random random = new Random(1);
    String alphabet = "-=ab5 \u0000é\ud83dportseedcnuit";
    for (int round = 0; round < 20_000; round++) {
      String[] args = new String[random.nextInt(4)];
      for (int i = 0; i < args.length; i++) {
        StringBuilder arg = new StringBuilder(random.nextBoolean() ? "--port=" : "--");
        random.ints(random.nextInt(8), 0, alphabet.length()).forEach(c -> arg.append(alphabet.charAt(c)));
        args[i] = arg.toString();
      }
      try {
        assertTrue(options().parse(args).number("port") >= 1);
      } catch (UsageException e) {
        assertFalse(e.problems().isEmpty(), Arrays.toString(args));
      }
    }
  }

  private static String run(int exitCode, String... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PrintStream print = new PrintStream(out, true, StandardCharsets.UTF_8);
    Application.Body body =
        values -> {
          throw new IllegalStateException("on purpose");
        };
    assertEquals(exitCode, Application.run(options(), args, body, print, print));
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void exitCodesSayWhatHappened() {
    assertTrue(run(0, "--nonsense", "--help").contains("--port=N"));
    assertTrue(run(64, "--port=0").startsWith("error: --port has to be"));
    assertTrue(run(1, "--port=1").startsWith("error: java.lang.IllegalStateException: on purpose"));
  }
}
