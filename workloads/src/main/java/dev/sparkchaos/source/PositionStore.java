package dev.sparkchaos.source;

import java.io.IOException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.deploy.SparkHadoopUtil;

/**
 * A position that outlives its writer: the highest number among the names of empty files in a directory. To create a
 * file is atomic on each file system, and a name cannot be half-written; so there is always a position to read.
 */
final class PositionStore {
  private static final int DIGITS = 19;

  private final FileSystem files;
  private final Path directory;

  PositionStore(String directory) throws IOException {
    this.directory = new Path(directory);
    this.files = this.directory.getFileSystem(SparkHadoopUtil.get().conf());
    files.mkdirs(this.directory);
  }

  /** The position; 0 when none was written yet. */
  long read() throws IOException {
    long highest = 0;
    for (FileStatus file : files.listStatus(directory)) {
      highest = Math.max(highest, position(file));
    }
    return highest;
  }

  /** Notes a position; lower ones are removed afterwards. */
  void write(long position) throws IOException {
    files.create(new Path(directory, String.format("%0" + DIGITS + "d", position)), true).close();
    for (FileStatus file : files.listStatus(directory)) {
      if (position(file) < position) {
        // False when another receiver removed it first.
        files.delete(file.getPath(), false);
      }
    }
  }

  /** The position that a file's name says; -1 for other files. */
  private static long position(FileStatus file) {
    String name = file.getPath().getName();
    boolean number = name.length() == DIGITS && name.chars().allMatch(c -> c >= '0' && c <= '9');
    return number ? Long.parseLong(name) : -1;
  }
}
