package dev.sparkchaos.workloads;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultFileTest {
  @TempDir Path directory;

  @Test
  void theResultIsThereAsAWholeAndNothingElse() throws IOException {
    Path output = directory.resolve("new/output");
    ResultFile.commit(output, "uid", Map.of("total", 1));
    Path file = ResultFile.commit(output, "uid", Map.of("total", 2));
    assertEquals(output.resolve("uid/result.json"), file);
    assertEquals(2, new ObjectMapper().readTree(file.toFile()).path("total").asInt());
    try (Stream<Path> files = Files.list(file.getParent())) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void aFailureLeavesNoHalfResult() throws IOException {
    Files.createDirectories(directory.resolve("uid/result.json/not-empty"));
    assertThrows(IOException.class, () -> ResultFile.commit(directory, "uid", Map.of()));
    try (Stream<Path> files = Files.list(directory.resolve("uid"))) {
      assertEquals(List.of(directory.resolve("uid/result.json")), files.toList());
    }
  }
}
