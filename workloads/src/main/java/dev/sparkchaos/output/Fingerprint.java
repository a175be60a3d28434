package dev.sparkchaos.output;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;

/**
 * What tells the rows of two outputs apart, whatever their order and however they are spread over files: numbers of rows, sums of
 * hashes, and a sample of rows that is the same part of both.
 */
final class Fingerprint {
  /** As many different rows are listed at most; of more, those whose hash ends in some bits that are zero. */
  static final int MOST_SAMPLED = 1000;

  /** Characters of a row that are shown at most. */
  static final int TEXT_LIMIT = 160;

  private static final int BUCKETS = 1024;
  private static final int EXAMPLES = 5;
  private static final String DATA = "sparkchaos_output";
  private static final String HASHED = "sparkchaos_hashed";

  private final SparkSession spark;
  private final List<StructField> columns = new ArrayList<>();

  /** Takes the rows apart from the columns that are not compared. */
  Fingerprint(SparkSession spark, Dataset<Row> rows, Output output) {
    this.spark = spark;
    List<String> names = new ArrayList<>();
    for (StructField field : rows.schema().fields()) {
      names.add(field.name());
      if (!output.ignore.contains(field.name())) {
        columns.add(field);
      }
    }
    for (String name : concat(output.keys, output.ignore)) {
      if (!names.contains(name)) {
        throw new IllegalArgumentException("it has no column " + name + "; there are " + String.join(", ", names));
      }
    }
    if (columns.isEmpty()) {
      throw new IllegalArgumentException("it has no column to compare");
    }
    rows.createOrReplaceTempView(DATA);
    String all = hash(columns);
    String key = output.keys.isEmpty() ? all : hash(columns.stream().filter(c -> output.keys.contains(c.name())).collect(Collectors.toList()));
    spark
        .sql("SELECT " + key + " AS k, " + all + " AS v, " + text(output.keys) + " AS t FROM " + DATA)
        .createOrReplaceTempView(HASHED);
  }

  private static List<String> concat(List<String> a, List<String> b) {
    List<String> both = new ArrayList<>(a);
    both.addAll(b);
    return both;
  }

  /** The expression for a row's text, in which some columns come first. */
  private String text(List<String> first) {
    List<String> names = new ArrayList<>(first);
    columns.stream().map(StructField::name).filter(name -> !first.contains(name)).forEach(names::add);
    String struct = names.stream().map(Fingerprint::quoted).collect(Collectors.joining(", "));
    return "substring(to_json(struct(" + struct + ")), 1, " + TEXT_LIMIT + ")";
  }

  /** The expression for the hash of columns. Spark's passes over what is null, so that is hashed beside each. */
  private static String hash(List<StructField> columns) {
    return columns.stream()
        .map(column -> comparable(column) + ", isnull(" + quoted(column.name()) + ")")
        .collect(Collectors.joining(", ", "xxhash64(", ")"));
  }

  private static String comparable(StructField column) {
    return CanonicalForm.expression(quoted(column.name()), column.dataType());
  }

  private static String quoted(String name) {
    return "`" + name.replace("`", "``") + "`";
  }

  private static String sum(String hash) {
    // A sum of 64-bit numbers leaves their range, which Spark 4 refuses.
    return "CAST(coalesce(sum(CAST(" + hash + " AS DECIMAL(20, 0))), 0) AS STRING)";
  }

  void write(JsonGenerator json) throws IOException {
    Row rows = spark.sql("SELECT count(*), " + sum("v") + " FROM " + HASHED).collectAsList().get(0);
    json.writeNumberField("rows", rows.getLong(0));
    json.writeStringField("sum", rows.getString(1));
    writeColumns(json);
    long distinct = spark.sql("SELECT count(*) FROM (SELECT DISTINCT k FROM " + HASHED + ")").collectAsList().get(0).getLong(0);
    json.writeNumberField("distinct", distinct);
    if (rows.getLong(0) > distinct) {
      writeRepeated(json);
    }
    if (writeSample(json, distinct) > 0) {
      writeBuckets(json);
    }
  }

  private void writeColumns(JsonGenerator json) throws IOException {
    List<String> sums = columns.stream().map(c -> sum(hash(Collections.singletonList(c)))).collect(Collectors.toList());
    List<StructField> floating = columns.stream().filter(c -> isFloating(c.dataType())).collect(Collectors.toList());
    for (StructField column : floating) {
      String value = "CAST(" + quoted(column.name()) + " AS DOUBLE)";
      sums.add("CAST(coalesce(sum(" + value + "), 0) AS STRING)");
      sums.add("CAST(coalesce(sum(abs(" + value + ")), 0) AS STRING)");
    }
    Row row = spark.sql("SELECT " + String.join(", ", sums) + " FROM " + DATA).collectAsList().get(0);
    json.writeArrayFieldStart("columns");
    for (int i = 0; i < columns.size(); i++) {
      json.writeStartObject();
      json.writeStringField("name", columns.get(i).name());
      json.writeStringField("type", columns.get(i).dataType().catalogString());
      json.writeStringField("sum", row.getString(i));
      int pair = floating.indexOf(columns.get(i));
      if (pair >= 0) {
        json.writeStringField("total", row.getString(columns.size() + 2 * pair));
        json.writeStringField("magnitude", row.getString(columns.size() + 2 * pair + 1));
      }
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static boolean isFloating(DataType type) {
    return type.equals(DataTypes.DoubleType) || type.equals(DataTypes.FloatType);
  }

  private void writeRepeated(JsonGenerator json) throws IOException {
    String query = "SELECT k, min(v), count(*) AS n, min(t) FROM " + HASHED + " GROUP BY k HAVING count(*) > 1 ORDER BY n DESC, k LIMIT " + EXAMPLES;
    writeRows(json, "repeated", spark.sql(query).collectAsList());
  }

  /** Writes the sample and returns how many bits its hashes end in that are zero. */
  private int writeSample(JsonGenerator json, long distinct) throws IOException {
    int bits = 0;
    while (distinct >> bits > MOST_SAMPLED) {
      bits++;
    }
    List<Row> sample = sample(bits);
    while (sample.size() > MOST_SAMPLED && bits < Long.SIZE - 2) {
      sample = sample(++bits);
    }
    json.writeNumberField("sampleBits", bits);
    writeRows(json, "sample", sample);
    return bits;
  }

  private List<Row> sample(int bits) {
    String query = "SELECT k, v, count(*), min(t) FROM " + HASHED + " WHERE (k & " + ((1L << bits) - 1) + "L) = 0 GROUP BY k, v ORDER BY k, v LIMIT ";
    return spark.sql(query + (MOST_SAMPLED + 1)).collectAsList();
  }

  private static void writeRows(JsonGenerator json, String field, List<Row> rows) throws IOException {
    json.writeArrayFieldStart(field);
    for (Row row : rows) {
      json.writeStartObject();
      json.writeStringField("key", Long.toHexString(row.getLong(0)));
      json.writeStringField("value", Long.toHexString(row.getLong(1)));
      json.writeNumberField("count", row.getLong(2));
      json.writeStringField("text", Texts.valid(row.getString(3)));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private void writeBuckets(JsonGenerator json) throws IOException {
    long[] counts = new long[BUCKETS];
    String[] sums = new String[BUCKETS];
    String bucket = "pmod(k, " + BUCKETS + "L)";
    for (Row row : spark.sql("SELECT " + bucket + ", count(*), " + sum("v") + " FROM " + HASHED + " GROUP BY " + bucket).collectAsList()) {
      int i = (int) row.getLong(0);
      counts[i] = row.getLong(1);
      sums[i] = row.getString(2);
    }
    json.writeArrayFieldStart("buckets");
    for (int i = 0; i < BUCKETS; i++) {
      json.writeStartObject();
      json.writeNumberField("rows", counts[i]);
      json.writeStringField("sum", sums[i] == null ? "0" : sums[i]);
      json.writeEndObject();
    }
    json.writeEndArray();
  }
}
