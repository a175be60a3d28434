package dev.sparkchaos.witness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskLogTest {
  @TempDir Path directory;

  private static byte[] line(String text) {
    return (text + "\n").getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void eachLineIsThereAtOnceUnderTheWritersName() throws IOException {
    try (DiskLog log = new DiskLog(directory.resolve("a/b"), "../uid/1", 5)) {
      assertEquals(directory.resolve("a/b/.._uid_1-5.ndjson"), log.file());
      assertNull(log.append(line("one")));
      assertEquals(List.of("one"), Files.readAllLines(log.file()));
      log.append(line("two"));
      assertTrue(log.sync());
      assertEquals(List.of("one", "two"), Files.readAllLines(log.file()));
    }
  }

  @Test
  void anInterruptedThreadStillWrites() throws IOException {
    try (DiskLog log = new DiskLog(directory, "uid", 1)) {
      Thread.currentThread().interrupt();
      log.append(line("one"));
      log.sync();
      assertTrue(Thread.interrupted());
      log.append(line("two"));
      assertEquals(List.of("one", "two"), Files.readAllLines(log.file()));
    }
  }

  @Test
  void aFullDiskIsNoFailureOfTheApplication() throws IOException {
    Files.createSymbolicLink(directory.resolve("uid-1.ndjson"), Path.of("/dev/full"));
    try (DiskLog log = new DiskLog(directory, "uid", 1)) {
      assertNotNull(log.append(line("lost")));
      assertNotNull(log.append(line("lost as well")));
    }
  }

  @Test
  void nothingIsWrittenAfterTheEnd() throws IOException {
    DiskLog log = new DiskLog(directory, "uid", 1);
    log.close();
    log.append(line("late"));
    log.close();
    assertFalse(log.sync());
    assertEquals(List.of(), Files.readAllLines(log.file()));
  }

  @Test
  void aDirectoryThatCannotBeMadeIsAnError() throws IOException {
    Path file = Files.createFile(directory.resolve("file"));
    assertThrows(IOException.class, () -> new DiskLog(file.resolve("below"), "uid", 1).close());
  }
}
