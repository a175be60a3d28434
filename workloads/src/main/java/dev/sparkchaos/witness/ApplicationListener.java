package dev.sparkchaos.witness;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.spark.scheduler.JobFailed;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.scheduler.SparkListenerApplicationStart;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.StageInfo;

/** Turns the driver's own events into records. Called by one thread of Spark's listener bus. */
final class ApplicationListener extends SparkListener {
  private final Witness witness;
  private final QueryEvents queries;
  // A task's start does not say which kind it is; its stage does.
  private final Map<Long, String> kinds = new HashMap<>();
  private final CountDownLatch ended = new CountDownLatch(1);

  ApplicationListener(Witness witness) {
    this.witness = witness;
    this.queries = new QueryEvents(witness);
  }

  /** Waits until the application's end has been recorded, at most that long. */
  void awaitApplicationEnd(Duration atMost) {
    try {
      ended.await(atMost.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void onApplicationStart(SparkListenerApplicationStart event) {
    witness.observe(
        () -> {
          if (event.appId().isDefined()) {
            witness.appID(event.appId().get());
          }
          witness.write(
              WitnessRecord.of(RecordType.APPLICATION_STARTED)
                  .detail("appName", event.appName())
                  .detail("user", event.sparkUser())
                  .detail("timeMillis", event.time()));
        });
  }

  @Override
  public void onApplicationEnd(SparkListenerApplicationEnd event) {
    witness.observe(
        () -> {
          WitnessRecord end = WitnessRecord.of(RecordType.APPLICATION_ENDED).detail("timeMillis", event.time());
          if (event.exitCode().isDefined()) {
            end.detail("exitCode", String.valueOf(event.exitCode().get()));
          }
          witness.write(end);
        });
    ended.countDown();
  }

  @Override
  public void onExecutorAdded(SparkListenerExecutorAdded event) {
    witness.observe(
        () -> {
          witness.write(
              WitnessRecord.of(RecordType.EXECUTOR_REGISTERED)
                  .executor(event.executorId())
                  .detail("host", event.executorInfo().executorHost())
                  .detail("cores", event.executorInfo().totalCores())
                  .detail("timeMillis", event.time()));
        });
  }

  @Override
  public void onExecutorRemoved(SparkListenerExecutorRemoved event) {
    witness.observe(
        () -> {
          witness.write(
              WitnessRecord.of(RecordType.EXECUTOR_REMOVED)
                  .executor(event.executorId())
                  .detail("reason", event.reason())
                  .detail("timeMillis", event.time()));
        });
  }

  @Override
  public void onJobStart(SparkListenerJobStart event) {
    witness.observe(
        () -> {
          Properties properties = event.properties() == null ? new Properties() : event.properties();
          queries.onJobStart(properties);
          witness.write(
              WitnessRecord.of(RecordType.JOB_STARTED)
                  .job(event.jobId())
                  .detail("stages", event.stageIds().mkString(","))
                  .detail("description", properties.getProperty("spark.job.description"))
                  .detail("timeMillis", event.time()));
        });
  }

  @Override
  public void onJobEnd(SparkListenerJobEnd event) {
    witness.observe(
        () -> {
          WitnessRecord end =
              WitnessRecord.of(RecordType.JOB_ENDED).job(event.jobId()).detail("timeMillis", event.time());
          if (event.jobResult() instanceof JobFailed failed) {
            end.detail("result", "failed").detail("reason", String.valueOf(failed.exception()));
          } else {
            end.detail("result", "succeeded");
          }
          witness.write(end);
        });
  }

  @Override
  public void onStageSubmitted(SparkListenerStageSubmitted event) {
    witness.observe(
        () -> {
          StageInfo stage = event.stageInfo();
          kinds.put(stageKey(stage.stageId(), stage.attemptNumber()), kind(stage));
          witness.write(stageRecord(RecordType.STAGE_SUBMITTED, stage));
        });
  }

  @Override
  public void onStageCompleted(SparkListenerStageCompleted event) {
    witness.observe(
        () -> {
          StageInfo stage = event.stageInfo();
          kinds.remove(stageKey(stage.stageId(), stage.attemptNumber()));
          WitnessRecord completed = stageRecord(RecordType.STAGE_COMPLETED, stage);
          if (stage.failureReason().isDefined()) {
            completed.detail("result", "failed").detail("reason", stage.failureReason().get());
          } else {
            completed.detail("result", "succeeded");
          }
          witness.write(completed);
        });
  }

  private static WitnessRecord stageRecord(String type, StageInfo stage) {
    WitnessRecord of =
        WitnessRecord.of(type)
            .stage(stage.stageId())
            .attempt(stage.attemptNumber())
            .detail("name", stage.name())
            .detail("kind", kind(stage))
            .detail("numTasks", stage.numTasks())
            .detail("parents", stage.parentIds().mkString(","));
    // A stage that makes the same shuffle's output anew for a later job has another id.
    if (stage.shuffleDepId().isDefined()) {
      of.detail("shuffleID", String.valueOf(stage.shuffleDepId().get()));
    }
    return of;
  }

  private static String kind(StageInfo stage) {
    return stage.shuffleDepId().isDefined() ? TaskRecords.MAP : TaskRecords.RESULT;
  }

  private static long stageKey(int stage, int attempt) {
    return ((long) stage << Integer.SIZE) | attempt;
  }

  @Override
  public void onTaskStart(SparkListenerTaskStart event) {
    witness.observe(
        () -> {
          witness.write(
              TaskRecords.started(event, kinds.get(stageKey(event.stageId(), event.stageAttemptId()))));
        });
  }

  @Override
  public void onTaskEnd(SparkListenerTaskEnd event) {
    witness.observe(
        () -> {
          // Spark reports a task that it knows nothing more of without its info.
          if (event.taskInfo() != null) {
            witness.write(TaskRecords.ended(event));
          }
        });
  }

  @Override
  public void onOtherEvent(SparkListenerEvent event) {
    witness.observe(
        () -> {
          queries.onOtherEvent(event);
        });
  }
}
