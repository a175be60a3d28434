package dev.sparkchaos.output;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Reads the outputs of an application that has ended, and prints a fingerprint of each in lines of its own. It runs in the application's own
 * image, whatever Spark that has, and brings nothing but its classes.
 */
public final class OutputReader {
  /** Begins each line with a part of a fingerprint: logs stand between them. */
  static final String MARK = "SPARKCHAOS-OUTPUT ";

  /** Follow the mark: more of the same fingerprint comes in the next marked line, or this was the last part of it. */
  static final String MORE = "+";

  static final String LAST = ".";

  /** The longest part of a fingerprint: container runtimes cut lines of 16 KiB, and what is written to the other stream gets between. */
  static final int PART = 8000;

  private OutputReader() {}

  /** Reads the outputs that the only argument lists as JSON. */
  public static void main(String[] args) throws IOException {
    SparkSession spark = SparkSession.builder().getOrCreate();
    try {
      read(spark, args[0], System.out);
    } finally {
      spark.stop();
    }
  }

  static void read(SparkSession spark, String outputs, PrintStream out) throws IOException {
    for (Output output : Output.parse(outputs)) {
      print(describe(spark, output), out);
    }
  }

  private static void print(String fingerprint, PrintStream out) {
    int begin = 0;
    for (; fingerprint.length() - begin > PART; begin += PART) {
      out.println(MARK + MORE + fingerprint.substring(begin, begin + PART));
    }
    out.println(MARK + LAST + fingerprint.substring(begin));
    out.flush();
  }

  /** A generator of JSON in which each character is one byte. */
  private static JsonGenerator generator(StringWriter text) throws IOException {
    return new JsonFactory().createGenerator(text).setHighestNonEscapedChar(127);
  }

  /** The fingerprint of an output as JSON, or why there is none. */
  private static String describe(SparkSession spark, Output output) throws IOException {
    try {
      return fingerprint(spark, output);
    } catch (Exception | LinkageError | StackOverflowError | OutOfMemoryError e) {
      StringWriter line = new StringWriter();
      try (JsonGenerator json = generator(line)) {
        json.writeStartObject();
        json.writeStringField("error", Texts.of(e));
        json.writeEndObject();
      }
      return line.toString();
    }
  }

  private static String fingerprint(SparkSession spark, Output output) throws IOException {
    OutputFiles files = output.hasFiles() ? OutputFiles.of(output.path, spark.sparkContext().hadoopConfiguration()) : null;
    Dataset<Row> rows = output.load(spark);
    StringWriter line = new StringWriter();
    try (JsonGenerator json = generator(line)) {
      json.writeStartObject();
      new Fingerprint(spark, rows, output).write(json);
      if (files != null) {
        files.write(json, rows.inputFiles().length);
      }
      json.writeEndObject();
    }
    return line.toString();
  }
}
