package dev.sparkchaos.witness;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.sql.streaming.SourceProgress;
import org.apache.spark.sql.streaming.StreamingQueryListener.QueryProgressEvent;
import org.apache.spark.sql.streaming.StreamingQueryListener.QueryStartedEvent;
import org.apache.spark.sql.streaming.StreamingQueryListener.QueryTerminatedEvent;
import org.apache.spark.sql.streaming.StreamingQueryProgress;

/**
 * Turns Structured Streaming's events into records. They pass Spark's common listener bus, so that each query of each
 * session is seen and applications have nothing to set.
 */
final class QueryEvents {
  private static final String QUERY_EVENTS = "org.apache.spark.sql.streaming.StreamingQueryListener$";
  private static final String QUERY_ID_PROPERTY = "sql.streaming.queryId";
  private static final String BATCH_ID_PROPERTY = "streaming.sql.batchId";
  private static final String RUN_ID_PROPERTY = "spark.jobGroup.id";

  private final Witness witness;
  private final Map<String, Long> lastBatchOfRun = new HashMap<>();

  QueryEvents(Witness witness) {
    this.witness = witness;
  }

  /** Reports a micro-batch's start at its first job: Spark has no event for it. */
  void onJobStart(Properties properties) {
    String query = properties.getProperty(QUERY_ID_PROPERTY);
    String batch = properties.getProperty(BATCH_ID_PROPERTY);
    String run = properties.getProperty(RUN_ID_PROPERTY);
    if (query == null || batch == null || run == null) {
      return;
    }
    long id = Long.parseLong(batch);
    Long last = lastBatchOfRun.put(run, id);
    if (last == null || last != id) {
      witness.write(
          WitnessRecord.of(RecordType.BATCH_STARTED)
              .batch(id)
              .detail("queryId", query)
              .detail("runId", run));
    }
  }

  void onOtherEvent(SparkListenerEvent event) {
    // By name first: an application without Spark SQL on its class path has none of these classes.
    if (!event.getClass().getName().startsWith(QUERY_EVENTS)) {
      return;
    }
    if (event instanceof QueryStartedEvent) {
      started((QueryStartedEvent) event);
    } else if (event instanceof QueryProgressEvent) {
      progressed(((QueryProgressEvent) event).progress());
    } else if (event instanceof QueryTerminatedEvent) {
      terminated((QueryTerminatedEvent) event);
    }
  }

  private void started(QueryStartedEvent event) {
    witness.write(
        WitnessRecord.of(RecordType.QUERY_STARTED)
            .detail("queryId", event.id().toString())
            .detail("runId", event.runId().toString())
            .detail("name", event.name())
            .detail("timestamp", event.timestamp()));
  }

  private void progressed(StreamingQueryProgress progress) {
    WitnessRecord completed =
        WitnessRecord.of(RecordType.BATCH_COMPLETED)
            .batch(progress.batchId())
            .detail("queryId", progress.id().toString())
            .detail("runId", progress.runId().toString())
            .detail("name", progress.name())
            .detail("timestamp", progress.timestamp())
            .detail("numInputRows", progress.numInputRows())
            .detail("durationMillis", progress.batchDuration());
    SourceProgress[] sources = progress.sources();
    for (int i = 0; i < sources.length; i++) {
      // One source is the common case and gets plain names; more are numbered.
      String number = sources.length == 1 ? "" : Integer.toString(i);
      completed
          .detail("source" + number, sources[i].description())
          .detail("startOffset" + number, sources[i].startOffset())
          .detail("endOffset" + number, sources[i].endOffset());
    }
    witness.write(completed);
  }

  private void terminated(QueryTerminatedEvent event) {
    lastBatchOfRun.remove(event.runId().toString());
    WitnessRecord ended =
        WitnessRecord.of(RecordType.QUERY_ENDED)
            .detail("queryId", event.id().toString())
            .detail("runId", event.runId().toString());
    if (event.exception().isDefined()) {
      ended.detail("exception", event.exception().get());
    }
    witness.write(ended.detail("errorClass", Spark.option(event, "errorClassOnException")));
  }
}
