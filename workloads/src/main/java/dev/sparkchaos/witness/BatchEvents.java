package dev.sparkchaos.witness;

import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.streaming.scheduler.BatchInfo;
import org.apache.spark.streaming.scheduler.OutputOperationInfo;
import org.apache.spark.streaming.scheduler.StreamingListenerBatchCompleted;
import org.apache.spark.streaming.scheduler.StreamingListenerBatchStarted;
import scala.Option;
import scala.collection.Iterator;

/**
 * Turns a DStream application's batches into records; a batch's id is its time in milliseconds. Spark passes them through
 * its common listener bus, wrapped, so that applications have nothing to set.
 */
final class BatchEvents {
  private static final String WRAPPED =
      "org.apache.spark.streaming.scheduler.StreamingListenerBus$WrappedStreamingListenerEvent";

  private final Witness witness;

  BatchEvents(Witness witness) {
    this.witness = witness;
  }

  void onOtherEvent(SparkListenerEvent event) {
    // By name: the class is private to Spark, and an application without DStreams has none of the others either.
    if (!event.getClass().getName().equals(WRAPPED)) {
      return;
    }
    Object batch = Spark.call(event, "streamingListenerEvent");
    if (batch instanceof StreamingListenerBatchStarted) {
      started(((StreamingListenerBatchStarted) batch).batchInfo());
    } else if (batch instanceof StreamingListenerBatchCompleted) {
      completed(((StreamingListenerBatchCompleted) batch).batchInfo());
    }
  }

  private void started(BatchInfo batch) {
    witness.write(of(RecordType.BATCH_STARTED, batch));
  }

  private void completed(BatchInfo batch) {
    WitnessRecord completed = of(RecordType.BATCH_COMPLETED, batch);
    addMillis(completed, "schedulingDelayMillis", batch.schedulingDelay());
    addMillis(completed, "durationMillis", batch.processingDelay());
    int failed = 0;
    Iterator<OutputOperationInfo> outputs = batch.outputOperationInfos().valuesIterator();
    while (outputs.hasNext()) {
      Option<String> reason = outputs.next().failureReason();
      if (reason.isDefined()) {
        failed++;
        completed.detail("reason", reason.get());
      }
    }
    witness.write(completed.detail("failedOutputs", failed));
  }

  private static WitnessRecord of(String type, BatchInfo batch) {
    return WitnessRecord.of(type)
        .batch(batch.batchTime().milliseconds())
        .detail("numInputRows", batch.numRecords());
  }

  private static void addMillis(WitnessRecord to, String key, Option<Object> millis) {
    if (millis.isDefined()) {
      to.detail(key, String.valueOf(millis.get()));
    }
  }
}
