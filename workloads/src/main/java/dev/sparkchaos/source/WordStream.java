package dev.sparkchaos.source;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.connector.read.streaming.Offset;
import org.apache.spark.sql.connector.read.streaming.ReadLimit;
import org.apache.spark.sql.connector.read.streaming.SupportsAdmissionControl;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The driver's side of the source: how far a micro-batch goes and how it is split. */
final class WordStream implements MicroBatchStream, SupportsAdmissionControl {
  private static final Logger LOG = LoggerFactory.getLogger(WordStream.class);

  private final SourceOptions options;
  private final ReadableWords client;

  WordStream(SourceOptions options) {
    this.options = options;
    this.client = options.impatientClient();
  }

  @Override
  public Offset initialOffset() {
    return new WordOffset(0);
  }

  @Override
  public Offset deserializeOffset(String json) {
    return WordOffset.parse(json);
  }

  @Override
  public Offset latestOffset() {
    throw new UnsupportedOperationException("the word source is asked by latestOffset(start, limit)");
  }

  @Override
  public Offset latestOffset(Offset start, ReadLimit limit) {
    long from = ((WordOffset) start).value();
    long end;
    try {
      end = client.end();
    } catch (IOException e) {
      // A query must outlive a source that is away for a while: nothing new is what it sees.
      LOG.warn("The word source is away; the query waits at offset {}", from, e);
      return start;
    }
    long most = Math.min(options.until(), from + Math.min(options.maxPerBatch(), Long.MAX_VALUE - from));
    return new WordOffset(Math.max(from, Math.min(end, most)));
  }

  @Override
  public InputPartition[] planInputPartitions(Offset start, Offset end) {
    long from = ((WordOffset) start).value();
    long to = ((WordOffset) end).value();
    int count = options.partitions();
    long length = to - from;
    List<InputPartition> partitions = new ArrayList<>();
    long begin = from;
    for (int i = 0; i < count; i++) {
      long next = begin + length / count + (i < length % count ? 1 : 0);
      if (next > begin) {
        partitions.add(new WordPartition(options, begin, next, from, to));
      }
      begin = next;
    }
    return partitions.toArray(InputPartition[]::new);
  }

  @Override
  public PartitionReaderFactory createReaderFactory() {
    return partition -> new WordReader((WordPartition) partition);
  }

  @Override
  public void commit(Offset end) {
    // The source keeps everything; there is nothing to let go.
  }

  @Override
  public void stop() {
    // No connection is held between requests.
  }

  /** Words [from, to) of the micro-batch [batchStart, batchEnd). */
  record WordPartition(SourceOptions options, long from, long to, long batchStart, long batchEnd)
      implements InputPartition {}
}
