package dev.sparkchaos.source;

import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.connector.catalog.SupportsRead;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableCapability;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * A replayable streaming source of words for Structured Streaming:
 * {@code spark.readStream().format("dev.sparkchaos.source.WordSource").option("url", "http://host:port")}.
 *
 * <p>Each row tells its micro-batch's range of offsets too, so that a stateful query knows how far it has come without
 * looking at the checkpoint. Options: see {@link SourceOptions}.
 */
public final class WordSource implements TableProvider {
  /** offset, word, and the range [batchStart, batchEnd) of the micro-batch that the row came with. */
  static final StructType SCHEMA =
      new StructType()
          .add("offset", DataTypes.LongType, false)
          .add("word", DataTypes.StringType, false)
          .add("batchStart", DataTypes.LongType, false)
          .add("batchEnd", DataTypes.LongType, false);

  @Override
  public StructType inferSchema(CaseInsensitiveStringMap options) {
    return SCHEMA;
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map<String, String> properties) {
    return new WordTable();
  }

  private static final class WordTable implements Table, SupportsRead {
    @Override
    public String name() {
      return "words";
    }

    @Override
    @SuppressWarnings("deprecation") // the successor, columns(), falls back to it
    public StructType schema() {
      return SCHEMA;
    }

    @Override
    public Set<TableCapability> capabilities() {
      return Set.of(TableCapability.MICRO_BATCH_READ);
    }

    @Override
    public ScanBuilder newScanBuilder(CaseInsensitiveStringMap options) {
      SourceOptions read = SourceOptions.of(options);
      return () -> new WordScan(read);
    }
  }

  private record WordScan(SourceOptions options) implements Scan {
    @Override
    public StructType readSchema() {
      return SCHEMA;
    }

    @Override
    public String description() {
      return "words of " + options.url();
    }

    @Override
    public MicroBatchStream toMicroBatchStream(String checkpointLocation) {
      return new WordStream(options);
    }
  }
}
