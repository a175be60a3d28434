package dev.sparkchaos.witness;

import org.apache.spark.streaming.scheduler.BatchInfo;
import org.apache.spark.streaming.scheduler.OutputOperationInfo;
import org.apache.spark.streaming.scheduler.StreamingListener;
import org.apache.spark.streaming.scheduler.StreamingListenerBatchCompleted;
import org.apache.spark.streaming.scheduler.StreamingListenerBatchStarted;
import scala.Option;
import scala.collection.Iterator;

/** Turns a DStream application's batches into records; a batch's id is its time in milliseconds. */
final class BatchListener implements StreamingListener {
  private final Witness witness;

  BatchListener(Witness witness) {
    this.witness = witness;
  }

  @Override
  public void onBatchStarted(StreamingListenerBatchStarted event) {
    witness.observe(
        () -> {
          witness.write(of(RecordType.BATCH_STARTED, event.batchInfo()));
        });
  }

  @Override
  public void onBatchCompleted(StreamingListenerBatchCompleted event) {
    witness.observe(
        () -> {
          BatchInfo batch = event.batchInfo();
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
        });
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
