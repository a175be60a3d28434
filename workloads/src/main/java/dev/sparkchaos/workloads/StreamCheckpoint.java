package dev.sparkchaos.workloads;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.deploy.SparkHadoopUtil;

/** Reads how far a Structured Streaming query over the word source has come, from its checkpoint. */
final class StreamCheckpoint {
  private StreamCheckpoint() {}

  /** The end of the last committed micro-batch; empty when none is committed. */
  static OptionalLong committedEnd(String checkpoint) throws IOException {
    Path directory = new Path(checkpoint);
    FileSystem files = directory.getFileSystem(SparkHadoopUtil.get().conf());
    Path commits = new Path(directory, "commits");
    if (!files.exists(commits)) {
      return OptionalLong.empty();
    }
    long last = -1;
    for (FileStatus file : files.listStatus(commits)) {
      String name = file.getPath().getName();
      if (name.matches("\\d{1,18}")) {
        last = Math.max(last, Long.parseLong(name));
      }
    }
    return last < 0
        ? OptionalLong.empty()
        : OptionalLong.of(end(files, new Path(directory, "offsets/" + last)));
  }

  /** The source's offset: the last line of a batch's file, after a version and the query's metadata. */
  private static long end(FileSystem files, Path file) throws IOException {
    String last = "";
    try (BufferedReader reader =
        new BufferedReader(new InputStreamReader(files.open(file), StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        last = line;
      }
    }
    JsonNode offset = new ObjectMapper().readTree(last).path("offset");
    if (!offset.isIntegralNumber()) {
      throw new IOException(file + " ends with " + last + "; {\"offset\":N} was expected");
    }
    return offset.longValue();
  }
}
