package dev.sparkchaos.output;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparkchaos.testing.SparkProperties;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class OutputReaderTest {
  private static final String ROWS = "SELECT id, concat('w', id % 3) AS word, IF(id = 4, NULL, id * 2) AS amount FROM range(0, 10, 1, ";

  private static SparkProperties properties;
  private static SparkSession spark;

  @TempDir Path directory;

  @BeforeAll
  static void start(@TempDir Path warehouse) {
    properties = new SparkProperties().set("spark.sql.warehouse.dir", warehouse.toUri().toString());
    spark = SparkSession.builder().getOrCreate();
  }

  @AfterAll
  static void stop() {
    spark.stop();
    properties.close();
  }

  private static List<JsonNode> read(String outputs) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    OutputReader.read(spark, outputs, new PrintStream(out, true, StandardCharsets.UTF_8));
    List<JsonNode> all = new ArrayList<>();
    StringBuilder told = new StringBuilder();
    for (String line : out.toString(StandardCharsets.UTF_8).split("\n")) {
      assertTrue(line.startsWith(OutputReader.MARK), line);
      assertTrue(line.length() < OutputReader.PART + 100, line);
      String part = line.substring(OutputReader.MARK.length());
      told.append(part.substring(1));
      if (part.startsWith(OutputReader.LAST)) {
        all.add(new ObjectMapper().readTree(told.toString()));
        told.setLength(0);
      } else {
        assertTrue(part.startsWith(OutputReader.MORE), line);
      }
    }
    assertEquals(0, told.length());
    return all;
  }

  /** The fingerprint of one output; more is what its JSON object has beside the path. */
  private static JsonNode readPath(Path path, String format, String more) throws IOException {
    return read("[{\"path\":\"" + path.toUri() + "\",\"format\":\"" + format + "\"" + more + "}]").get(0);
  }

  private Path write(String name, String format, Dataset<Row> rows) {
    Path path = directory.resolve(name);
    rows.write().format(format).save(path.toUri().toString());
    return path;
  }

  private static void assertEqualRows(JsonNode a, JsonNode b) {
    assertEquals("", a.path("error").asText() + b.path("error").asText());
    for (String field : List.of("rows", "distinct", "sum", "columns", "sample", "sampleBits", "buckets")) {
      assertEquals(a.path(field), b.path(field), field);
    }
  }

  private static List<String> differing(JsonNode a, JsonNode b) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < a.path("columns").size(); i++) {
      if (!a.path("columns").get(i).equals(b.path("columns").get(i))) {
        names.add(a.path("columns").get(i).path("name").asText());
      }
    }
    return names;
  }

  @ParameterizedTest
  @ValueSource(strings = {"parquet", "orc", "json", "csv"})
  void rowsAreTheSameWhateverTheirOrderAndFiles(String format) throws IOException {
    JsonNode one = readPath(write("one", format, spark.sql(ROWS + "1)")), format, "");
    JsonNode other = readPath(write("other", format, spark.sql(ROWS + "4)").repartition(3).sortWithinPartitions("word")), format, "");
    assertEqualRows(one, other);
    assertEquals(10, one.path("rows").asLong());
    assertEquals(10, one.path("sample").size());
    assertNotEquals(one.path("files").path("count").asInt(), other.path("files").path("count").asInt());
    assertEquals(other.path("files").path("count"), other.path("files").path("read"));
  }

  @Test
  void linesOfText() throws IOException {
    Dataset<Row> lines = spark.sql("SELECT concat('line ', id % 5) AS value FROM range(0, 10, 1, 2)");
    JsonNode read = readPath(write("lines", "text", lines), "text", "");
    assertEquals(10, read.path("rows").asLong());
    assertEquals(5, read.path("distinct").asLong());
    assertEquals("{\"value\":\"line", read.path("repeated").get(0).path("text").asText().substring(0, 14));
  }

  @Test
  void aTableOfACatalogAndOneOfADatabaseHaveTheFingerprintOfTheirRows() throws IOException, SQLException {
    JsonNode files = readPath(write("files", "parquet", spark.sql(ROWS + "2)")), "parquet", "");
    spark.sql("CREATE TABLE results USING parquet AS " + ROWS + "3)");
    assertEqualRows(files, read("[{\"table\":\"default.results\"}]").get(0));
    String url = "jdbc:h2:mem:results;DB_CLOSE_DELAY=-1;DATABASE_TO_UPPER=FALSE";
    try (Connection connection = DriverManager.getConnection(url); Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE results (\"id\" BIGINT, \"word\" VARCHAR, \"amount\" BIGINT)");
      for (int id = 9; id >= 0; id--) {
        statement.execute("INSERT INTO results VALUES (" + id + ", 'w" + id % 3 + "', " + (id == 4 ? "NULL" : id * 2) + ")");
      }
    }
    JsonNode database = read("[{\"table\":\"results\",\"format\":\"jdbc\",\"options\":{\"url\":\"" + url + "\"}}]").get(0);
    assertEqualRows(files, database);
    assertTrue(database.path("files").isMissingNode());
  }

  @Test
  void aRowThatIsLostDoubledOrChangedShows() throws IOException {
    Dataset<Row> rows = spark.sql(ROWS + "2)");
    JsonNode whole = readPath(write("whole", "parquet", rows), "parquet", "");
    JsonNode lost = readPath(write("lost", "parquet", rows.where("id <> 3")), "parquet", "");
    assertEquals(9, lost.path("rows").asLong());
    assertEquals(9, lost.path("distinct").asLong());
    JsonNode doubled = readPath(write("doubled", "parquet", rows.union(rows.where("id = 3"))), "parquet", "");
    assertEquals(11, doubled.path("rows").asLong());
    assertEquals(10, doubled.path("distinct").asLong());
    assertEquals(1, doubled.path("repeated").size());
    assertEquals(2, doubled.path("repeated").get(0).path("count").asInt());
    assertEquals("{\"id\":3,\"word\":\"w0\",\"amount\":6}", doubled.path("repeated").get(0).path("text").asText());
    Dataset<Row> other = rows.selectExpr("id", "word", "IF(id = 3, 7, amount) AS amount");
    JsonNode changed = readPath(write("changed", "parquet", other), "parquet", "");
    assertNotEquals(whole.path("sum"), changed.path("sum"));
    assertEquals(List.of("amount"), differing(whole, changed));
  }

  @Test
  void theLastDigitsOfFloatingPointNumbersAreNotCompared() throws IOException {
    String parts = " AS value, CAST(id AS FLOAT) / 3 AS small, array(struct(id / 7D AS x), NULL) AS list, map('a', map('b', id / 9D)) AS more"
        + " FROM range(1, 20, 1, 1)";
    JsonNode wanted = readPath(write("wanted", "parquet", spark.sql("SELECT (0.1D + 0.2D + 0.3D) * id" + parts)), "parquet", "");
    JsonNode reordered = readPath(write("reordered", "parquet", spark.sql("SELECT (0.3D + 0.2D + 0.1D) * id" + parts)), "parquet", "");
    JsonNode changed = readPath(write("changed", "parquet", spark.sql("SELECT (0.3D + 0.2D + 0.1000001D) * id" + parts)), "parquet", "");
    assertEquals("", wanted.path("error").asText());
    assertEquals(List.of(), differing(withoutTotals(wanted), withoutTotals(reordered)));
    assertEquals(wanted.path("sum"), reordered.path("sum"));
    assertEquals(List.of("value"), differing(withoutTotals(wanted), withoutTotals(changed)));
    assertEquals(114.0, wanted.path("columns").get(0).path("total").asDouble(), 1e-9);
    assertEquals(114.0, wanted.path("columns").get(0).path("magnitude").asDouble(), 1e-9);
    assertTrue(wanted.path("columns").get(2).path("total").isMissingNode());
  }

  private static JsonNode withoutTotals(JsonNode fingerprint) {
    JsonNode copy = fingerprint.deepCopy();
    copy.path("columns").forEach(column -> ((com.fasterxml.jackson.databind.node.ObjectNode) column).remove(List.of("total", "magnitude")));
    return copy;
  }

  @Test
  void valuesWithinOthersShow() throws IOException {
    String form = "SELECT %s AS list, struct(%s AS x, -0.0D AS zero) AS inner, map(id, %s) AS more FROM range(0, 3, 1, 1)";
    JsonNode one = readPath(write("one", "parquet", spark.sql(String.format(form, "array(1D, NULL)", "0.5D", "array(id)"))), "parquet", "");
    JsonNode two = readPath(write("two", "parquet", spark.sql(String.format(form, "array(2D, NULL)", "NULL", "array(id, 1)"))), "parquet", "");
    assertEquals("", one.path("error").asText() + two.path("error").asText());
    assertEquals(List.of("list", "inner", "more"), differing(one, two));
    JsonNode gone = readPath(write("gone", "parquet", spark.sql(String.format(form, "array(1D)", "0.5D", "array(id)"))), "parquet", "");
    assertEquals(List.of("list"), differing(one, gone));
  }

  @Test
  void aNullIsNotTakenForTheValueBesideIt() throws IOException {
    JsonNode left = readPath(write("left", "parquet", spark.sql("SELECT 1 AS a, CAST(NULL AS INT) AS b")), "parquet", "");
    JsonNode right = readPath(write("right", "parquet", spark.sql("SELECT CAST(NULL AS INT) AS a, 1 AS b")), "parquet", "");
    assertNotEquals(left.path("sum"), right.path("sum"));
  }

  @Test
  void keysNameRowsAndColumnsCanBeLeftOut() throws IOException {
    Dataset<Row> rows = spark.sql(ROWS + "2)").selectExpr("*", "uuid() AS run", "map('b', id, 'a', 1L) AS more");
    String more = ",\"keys\":[\"word\"],\"ignore\":[\"run\"]";
    JsonNode first = readPath(write("first", "parquet", rows), "parquet", more);
    JsonNode second = readPath(write("second", "parquet", rows), "parquet", more);
    assertEqualRows(first, second);
    assertEquals(3, first.path("distinct").asLong());
    assertEquals(10, first.path("sample").size());
    assertTrue(first.path("sample").get(0).path("text").asText().startsWith("{\"word\":\"w"), first.path("sample").get(0).toString());
    assertTrue(first.path("sample").toString().indexOf("run") < 0);
  }

  @Test
  void ofManyRowsASampleIsListedThatIsTheSamePartOfBoth() throws IOException {
    Dataset<Row> rows = spark.sql("SELECT id, uuid() IS NULL AS no FROM range(0, 5000, 1, 2)");
    JsonNode most = readPath(write("most", "parquet", rows.where("id < 4990")), "parquet", "");
    JsonNode all = readPath(write("all", "parquet", rows), "parquet", "");
    assertEquals(3, all.path("sampleBits").asInt());
    assertTrue(all.path("sample").size() <= Fingerprint.MOST_SAMPLED);
    List<String> listed = new ArrayList<>();
    all.path("sample").forEach(row -> listed.add(row.path("key").asText()));
    most.path("sample").forEach(row -> assertTrue(listed.contains(row.path("key").asText())));
    long bucketed = 0;
    for (JsonNode bucket : all.path("buckets")) {
      bucketed += bucket.path("rows").asLong();
    }
    assertEquals(5000, bucketed);
  }

  @Test
  void whatUnfinishedAndRepeatedWritesLeaveIsSeen() throws IOException {
    Path path = directory.resolve("table");
    Dataset<Row> rows = spark.sql(ROWS + "2)");
    String part = path.resolve("batch=0").toUri().toString();
    rows.write().parquet(part);
    rows.write().parquet(path.resolve("batch=1").toUri().toString());
    JsonNode once = readPath(path, "parquet", "").path("files");
    assertEquals(1, once.path("writes").asInt());
    assertEquals(0, once.path("temporaries").asInt());
    assertTrue(once.path("oldestMillis").asLong() > 0);
    rows.write().mode("append").parquet(part);
    Files.createDirectories(path.resolve("batch=2/_temporary/0/_temporary/attempt_1"));
    JsonNode twice = readPath(path, "parquet", "").path("files");
    assertEquals(2, twice.path("writes").asInt());
    assertEquals(1, twice.path("sharedDirectories").asInt());
    assertEquals("batch=0", twice.path("shared").get(0).path("directory").asText());
    assertEquals(2, twice.path("shared").get(0).path("examples").size());
    assertEquals("[\"batch=2/_temporary\"]", twice.path("temporary").toString());
  }

  @Test
  void whatCannotBeReadIsToldAndKeepsNothingElseFromBeingRead() throws IOException {
    Path path = write("there", "parquet", spark.sql(ROWS + "2)"));
    Path text = directory.resolve("text");
    Files.writeString(text, "no parquet\n");
    String there = "{\"path\":\"" + path.toUri() + "\",\"format\":\"parquet\"}";
    List<JsonNode> read =
        read(
            "[{\"path\":\"" + directory.resolve("absent").toUri() + "\",\"format\":\"parquet\"},"
                + "{\"path\":\"" + text.toUri() + "\",\"format\":\"parquet\"},"
                + there.replace("}", ",\"keys\":[\"number\"]}") + ","
                + there.replace("}", ",\"ignore\":[\"id\",\"word\",\"amount\"]}") + ","
                + "{\"table\":\"no.such.table\"}," + there + "]");
    assertTrue(read.get(0).path("error").asText().endsWith("absent does not exist"), read.get(0).toString());
    assertTrue(read.get(1).has("error"));
    assertTrue(read.get(2).path("error").asText().contains("no column number; there are id, word, amount"), read.get(2).toString());
    assertTrue(read.get(3).path("error").asText().contains("no column to compare"), read.get(3).toString());
    assertTrue(read.get(4).has("error"));
    assertEquals(10, read.get(5).path("rows").asLong());
    assertTrue(Stream.of("rows", "sample").noneMatch(read.get(0)::has));
  }
}
