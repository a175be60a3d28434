package dev.sparkchaos.source;

import dev.sparkchaos.source.WordStream.WordPartition;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.connector.read.PartitionReader;
import org.apache.spark.unsafe.types.UTF8String;

/** Reads a partition's words on an executor, page by page. */
final class WordReader implements PartitionReader<InternalRow> {
  private final WordPartition partition;
  private final ReadableWords client;
  private Iterator<String> page = List.<String>of().iterator();
  private long nextPage;
  private long offset;
  private String word;

  WordReader(WordPartition partition) {
    this.partition = partition;
    this.client = partition.options().client();
    this.nextPage = partition.from();
    this.offset = partition.from() - 1;
  }

  @Override
  public boolean next() throws IOException {
    if (!page.hasNext()) {
      if (nextPage >= partition.to()) {
        return false;
      }
      long to = Math.min(partition.to(), nextPage + ReadableWords.PAGE);
      page = client.words(nextPage, to).iterator();
      nextPage = to;
    }
    word = page.next();
    offset++;
    return true;
  }

  @Override
  public InternalRow get() {
    return new GenericInternalRow(
        new Object[] {offset, UTF8String.fromString(word), partition.batchStart(), partition.batchEnd()});
  }

  @Override
  public void close() {
    // Requests end with their answers; nothing is held.
  }
}
