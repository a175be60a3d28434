package dev.sparkchaos.witness;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What is to be told of one event; who tells it, and when, is added as it is written. Not thread-safe: made,
 * filled and written by one thread.
 */
final class WitnessRecord {
  private static final JsonFactory JSON = new JsonFactory();

  private final String type;
  private final Map<String, Long> numbers = new LinkedHashMap<>();
  private final Map<String, String> detail = new LinkedHashMap<>();
  private String executorID;

  private WitnessRecord(String type) {
    this.type = type;
  }

  static WitnessRecord of(String type) {
    return new WitnessRecord(type);
  }

  String type() {
    return type;
  }

  Map<String, String> detail() {
    return detail;
  }

  /** The executor that the record is about, when that is not the writer. */
  WitnessRecord executor(String id) {
    this.executorID = id;
    return this;
  }

  WitnessRecord job(long id) {
    return number("jobID", id);
  }

  WitnessRecord stage(long id) {
    return number("stageID", id);
  }

  /** Attempt of the stage, or of the task in a task's record; the first is 0. */
  WitnessRecord attempt(long number) {
    return number("attempt", number);
  }

  WitnessRecord task(long id) {
    return number("taskID", id);
  }

  WitnessRecord partition(long index) {
    return number("partition", index);
  }

  WitnessRecord batch(long id) {
    return number("batchID", id);
  }

  /** Adds a detail; null and "" are left out. */
  WitnessRecord detail(String key, String value) {
    if (value != null && !value.isEmpty()) {
      detail.put(key, Text.cut(value));
    }
    return this;
  }

  WitnessRecord detail(String key, long value) {
    return detail(key, Long.toString(value));
  }

  /** Adds a detail as it is, however long: for what an application commits, which must not be altered. */
  WitnessRecord exactDetail(String key, String value) {
    detail.put(key, Text.valid(value));
    return this;
  }

  private WitnessRecord number(String field, long value) {
    numbers.put(field, value);
    return this;
  }

  /** The record as one line of JSON, line feed included. */
  byte[] toLine(long seq, long wallMicros, Identity writer, String appID) {
    ByteArrayOutputStream line = new ByteArrayOutputStream(512);
    try (JsonGenerator json = JSON.createGenerator(line)) {
      json.writeStartObject();
      json.writeNumberField("seq", seq);
      json.writeNumberField("wallMicros", wallMicros);
      json.writeStringField("type", type);
      json.writeStringField("role", writer.role());
      json.writeStringField("podUID", writer.podUID());
      json.writeStringField("podName", writer.podName());
      json.writeStringField("node", writer.node());
      writeUnlessEmpty(json, "appID", appID);
      writeUnlessEmpty(json, "executorID", executorID == null ? writer.executorID() : executorID);
      for (Map.Entry<String, Long> number : numbers.entrySet()) {
        json.writeNumberField(number.getKey(), number.getValue());
      }
      writeUnlessEmpty(json, "incarnation", writer.incarnation());
      if (!detail.isEmpty()) {
        json.writeObjectFieldStart("detail");
        for (Map.Entry<String, String> entry : detail.entrySet()) {
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      json.writeEndObject();
      json.writeRaw('\n');
    } catch (IOException e) {
      throw new UncheckedIOException("write a witness record to memory", e);
    }
    return line.toByteArray();
  }

  private static void writeUnlessEmpty(JsonGenerator json, String field, String value)
      throws IOException {
    if (value != null && !value.isEmpty()) {
      json.writeStringField(field, value);
    }
  }
}
