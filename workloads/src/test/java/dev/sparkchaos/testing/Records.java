package dev.sparkchaos.testing;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Reads witness records. */
public final class Records {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Records() {}

  public static List<JsonNode> parse(List<String> lines) {
    List<JsonNode> records = new ArrayList<>();
    for (String line : lines) {
      try {
        records.add(JSON.readTree(line));
      } catch (JsonProcessingException e) {
        throw new AssertionError("not JSON: " + line, e);
      }
    }
    return records;
  }

  /** The lines of all files of a directory that a plugin wrote to. */
  public static List<String> onDisk(Path directory) throws IOException {
    List<String> lines = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.sorted().toList()) {
        lines.addAll(Files.readAllLines(file));
      }
    }
    return lines;
  }

  public static List<JsonNode> ofType(List<JsonNode> records, String type) {
    return records.stream().filter(record -> record.path("type").asText().equals(type)).toList();
  }

  /** A value of the record's detail, "" when it is not there. */
  public static String detail(JsonNode record, String key) {
    return record.path("detail").path(key).asText();
  }
}
