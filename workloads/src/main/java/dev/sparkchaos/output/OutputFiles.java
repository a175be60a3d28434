package dev.sparkchaos.output;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** The files of an output: what unfinished writes left, and which directories several writes share. */
final class OutputFiles {
  /** As many names of a kind are told at most. */
  static final int MOST_NAMES = 10;

  /** Directories by which a table says itself which of its files count. */
  private static final List<String> LOGS = Arrays.asList("_spark_metadata", "_delta_log", ".hoodie");

  /** A file of Spark has the number of the task in its name, and what each write has of its own. */
  private static final Pattern WRITE = Pattern.compile("part-\\d+-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}).*");

  private final String root;
  private final Map<String, Map<String, String>> writes = new TreeMap<>();
  private final List<String> temporary = new ArrayList<>();
  private String log = "";
  private long files;
  private long bytes;
  private long oldest = Long.MAX_VALUE;

  private OutputFiles(String root) {
    this.root = root;
  }

  static OutputFiles of(String path, Configuration hadoop) throws IOException {
    Path root = new Path(path);
    FileSystem system = root.getFileSystem(hadoop);
    FileStatus[] found = system.globStatus(root);
    if (found == null || found.length == 0) {
      throw new FileNotFoundException(path + " does not exist");
    }
    OutputFiles all = new OutputFiles(found[0].getPath().toUri().getPath());
    for (FileStatus status : found) {
      all.look(system, status);
    }
    return all;
  }

  private void look(FileSystem system, FileStatus status) throws IOException {
    if (!status.isDirectory()) {
      take(status);
      return;
    }
    for (FileStatus inside : system.listStatus(status.getPath())) {
      String name = inside.getPath().getName();
      if (inside.isDirectory() && LOGS.contains(name)) {
        log = name;
      } else if (inside.isDirectory() && (name.equals("_temporary") || name.startsWith(".spark-staging") || name.startsWith(".hive-staging"))) {
        temporary.add(below(inside.getPath()));
      } else if (!hidden(name)) {
        look(system, inside);
      }
    }
  }

  /** Whether Spark passes over a name. */
  private static boolean hidden(String name) {
    return name.startsWith(".") || name.startsWith("_") && !name.contains("=");
  }

  private void take(FileStatus file) {
    files++;
    bytes += file.getLen();
    oldest = Math.min(oldest, file.getModificationTime());
    Matcher name = WRITE.matcher(file.getPath().getName());
    if (name.matches()) {
      String directory = below(file.getPath().getParent());
      writes.computeIfAbsent(directory, d -> new TreeMap<>()).putIfAbsent(name.group(1), file.getPath().getName());
    }
  }

  /** A path relative to the output's own. */
  private String below(Path path) {
    String whole = path.toUri().getPath();
    return whole.equals(root) ? "." : whole.startsWith(root + "/") ? whole.substring(root.length() + 1) : whole;
  }

  /** Writes what was found; read is how many of the files hold the rows. */
  void write(JsonGenerator json, int read) throws IOException {
    json.writeObjectFieldStart("files");
    json.writeNumberField("count", files);
    json.writeNumberField("read", read);
    json.writeNumberField("bytes", bytes);
    if (files > 0) {
      json.writeNumberField("oldestMillis", oldest);
    }
    if (!log.isEmpty()) {
      json.writeStringField("log", log);
    }
    json.writeNumberField("temporaries", temporary.size());
    json.writeArrayFieldStart("temporary");
    for (String name : temporary.subList(0, Math.min(MOST_NAMES, temporary.size()))) {
      json.writeString(Texts.valid(name));
    }
    json.writeEndArray();
    writeShared(json);
    json.writeEndObject();
  }

  private void writeShared(JsonGenerator json) throws IOException {
    int most = writes.isEmpty() ? 0 : 1;
    int shared = 0;
    json.writeArrayFieldStart("shared");
    for (Map.Entry<String, Map<String, String>> directory : writes.entrySet()) {
      int count = directory.getValue().size();
      most = Math.max(most, count);
      if (count > 1 && ++shared <= MOST_NAMES) {
        json.writeStartObject();
        json.writeStringField("directory", Texts.valid(directory.getKey()));
        json.writeNumberField("writes", count);
        json.writeArrayFieldStart("examples");
        for (String example : new ArrayList<>(directory.getValue().values()).subList(0, 2)) {
          json.writeString(Texts.valid(example));
        }
        json.writeEndArray();
        json.writeEndObject();
      }
    }
    json.writeEndArray();
    json.writeNumberField("sharedDirectories", shared);
    json.writeNumberField("writes", most);
  }
}
