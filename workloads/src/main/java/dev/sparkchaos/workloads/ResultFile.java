package dev.sparkchaos.workloads;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/** Commits a result as a file that is there as a whole, or not at all, whatever happens to the writer's node. */
final class ResultFile {
  private ResultFile() {}

  /**
   * Writes the result as DIRECTORY/WRITER/result.json, so that two writers never overwrite each other.
   *
   * @return the file
   */
  static Path commit(Path directory, String writer, Map<String, Object> result) throws IOException {
    Path own = directory.resolve(writer);
    Files.createDirectories(own);
    Path file = own.resolve("result.json");
    Path temporary = Files.createTempFile(own, "result", ".tmp");
    try {
      byte[] json = new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsBytes(result);
      try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE);
          OutputStream out = Channels.newOutputStream(channel)) {
        out.write(json);
        out.write('\n');
        channel.force(true);
      }
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      Files.deleteIfExists(temporary);
      throw new IOException("result " + file + " could not be committed", e);
    }
    sync(own);
    sync(directory);
    return file;
  }

  /** Without this the file's name, unlike its bytes, could be lost with the node. */
  private static void sync(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
