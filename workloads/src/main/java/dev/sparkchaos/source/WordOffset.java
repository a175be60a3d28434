package dev.sparkchaos.source;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.spark.sql.connector.read.streaming.Offset;

/** Position in the word source as it stands in a checkpoint: {"offset":N}, N the first word not read yet. */
final class WordOffset extends Offset {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final long value;

  WordOffset(long value) {
    this.value = value;
  }

  long value() {
    return value;
  }

  @Override
  public String json() {
    return "{\"offset\":" + value + "}";
  }

  static WordOffset parse(String json) {
    try {
      JsonNode offset = JSON.readTree(json).path("offset");
      if (offset.isIntegralNumber() && offset.canConvertToLong() && offset.longValue() >= 0) {
        return new WordOffset(offset.longValue());
      }
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("offset in the checkpoint is not JSON: " + json, e);
    }
    throw new IllegalArgumentException(
        "offset in the checkpoint is " + json + "; {\"offset\":N} with N >= 0 was expected");
  }
}
