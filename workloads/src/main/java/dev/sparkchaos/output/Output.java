package dev.sparkchaos.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** A result of an application: where it is, and what of it is compared. */
final class Output {
  private static final String JDBC = "jdbc";

  final String path;
  final String table;
  private final String format;
  private final Map<String, String> options = new LinkedHashMap<>();
  final List<String> keys;
  final List<String> ignore;

  private Output(JsonNode json) {
    path = json.path("path").asText("");
    table = json.path("table").asText("");
    format = json.path("format").asText("");
    JsonNode given = json.path("options");
    given.fieldNames().forEachRemaining(name -> options.put(name, given.path(name).asText()));
    keys = texts(json.path("keys"));
    ignore = texts(json.path("ignore"));
  }

  /** The outputs of a JSON array, as the harness writes it. */
  static List<Output> parse(String json) throws IOException {
    List<Output> outputs = new ArrayList<>();
    for (JsonNode one : new ObjectMapper().readTree(json)) {
      outputs.add(new Output(one));
    }
    return outputs;
  }

  private static List<String> texts(JsonNode array) {
    List<String> all = new ArrayList<>();
    array.forEach(text -> all.add(text.asText()));
    return all;
  }

  /** Whether it is a directory with files. */
  boolean hasFiles() {
    return !path.isEmpty();
  }

  Dataset<Row> load(SparkSession spark) {
    if (hasFiles()) {
      return spark.read().format(format).options(options).load(path);
    }
    if (format.equals(JDBC)) {
      return spark.read().format(JDBC).options(options).option("dbtable", table).load();
    }
    return spark.read().options(options).table(table);
  }
}
