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
 * Reads the outputs of an application that has ended, and prints a fingerprint of each as one line. It runs in the application's own
 * image, whatever Spark that has, and brings nothing but its classes.
 */
public final class OutputReader {
  /** Begins each line with a fingerprint: logs stand between them. */
  static final String MARK = "SPARKCHAOS-OUTPUT ";

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
      out.println(MARK + describe(spark, output));
      out.flush();
    }
  }

  /** The fingerprint of an output as JSON, or why there is none. */
  private static String describe(SparkSession spark, Output output) throws IOException {
    try {
      return fingerprint(spark, output);
    } catch (Exception | LinkageError | StackOverflowError | OutOfMemoryError e) {
      StringWriter line = new StringWriter();
      try (JsonGenerator json = new JsonFactory().createGenerator(line)) {
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
    try (JsonGenerator json = new JsonFactory().createGenerator(line)) {
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
