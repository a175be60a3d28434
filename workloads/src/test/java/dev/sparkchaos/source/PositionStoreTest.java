package dev.sparkchaos.source;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PositionStoreTest {
  @TempDir Path directory;

  @Test
  void theHighestPositionCounts() throws IOException {
    String path = directory.resolve("positions").toUri().toString();
    PositionStore store = new PositionStore(path);
    assertEquals(0, store.read());
    store.write(10);
    store.write(2000);
    assertEquals(2000, new PositionStore(path).read());
    // A second receiver that lags behind does not take the stream back.
    store.write(50);
    assertEquals(2000, store.read());
    Files.createFile(directory.resolve("positions/other"));
    assertEquals(2000, store.read());
  }
}
