package dev.sparkchaos.witness;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkFirehoseListener;
import org.apache.spark.scheduler.JobFailed;
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

/**
 * Turns the driver's own events into records. Called by one thread of Spark's listener bus, by one method for all events,
 * so that nothing that fails in here gets out: Spark stops an application whose listener fails badly.
 */
final class ApplicationListener extends SparkFirehoseListener {
  private final Witness witness;
  private final QueryEvents queries;
  private final BatchEvents batches;
  // A task's start does not say which kind it is; its stage does.
  private final Map<Long, String> kinds = new HashMap<>();
  private final CountDownLatch ended = new CountDownLatch(1);

  ApplicationListener(Witness witness) {
    this.witness = witness;
    this.queries = new QueryEvents(witness);
    this.batches = new BatchEvents(witness);
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
  public void onEvent(SparkListenerEvent event) {
    try {
      observe(event);
    } catch (Throwable t) {
      witness.lost(t);
    }
  }

  /** The most frequent events come first. */
  private void observe(SparkListenerEvent event) {
    if (event instanceof SparkListenerTaskStart) {
      taskStarted((SparkListenerTaskStart) event);
    } else if (event instanceof SparkListenerTaskEnd) {
      taskEnded((SparkListenerTaskEnd) event);
    } else if (event instanceof SparkListenerStageSubmitted) {
      stageSubmitted((SparkListenerStageSubmitted) event);
    } else if (event instanceof SparkListenerStageCompleted) {
      stageCompleted((SparkListenerStageCompleted) event);
    } else if (event instanceof SparkListenerJobStart) {
      jobStarted((SparkListenerJobStart) event);
    } else if (event instanceof SparkListenerJobEnd) {
      jobEnded((SparkListenerJobEnd) event);
    } else if (event instanceof SparkListenerExecutorAdded) {
      executorAdded((SparkListenerExecutorAdded) event);
    } else if (event instanceof SparkListenerExecutorRemoved) {
      executorRemoved((SparkListenerExecutorRemoved) event);
    } else if (event instanceof SparkListenerApplicationStart) {
      applicationStarted((SparkListenerApplicationStart) event);
    } else if (event instanceof SparkListenerApplicationEnd) {
      try {
        applicationEnded((SparkListenerApplicationEnd) event);
      } finally {
        ended.countDown();
      }
    } else {
      queries.onOtherEvent(event);
      batches.onOtherEvent(event);
    }
  }

  private void applicationStarted(SparkListenerApplicationStart event) {
    if (event.appId().isDefined()) {
      witness.appID(event.appId().get());
    }
    witness.write(
        WitnessRecord.of(RecordType.APPLICATION_STARTED)
            .detail("appName", event.appName())
            .detail("user", event.sparkUser())
            .detail("timeMillis", event.time()));
  }

  private void applicationEnded(SparkListenerApplicationEnd event) {
    witness.write(
        WitnessRecord.of(RecordType.APPLICATION_ENDED)
            .detail("timeMillis", event.time())
            .detail("exitCode", Spark.option(event, "exitCode")));
  }

  private void executorAdded(SparkListenerExecutorAdded event) {
    witness.write(
        WitnessRecord.of(RecordType.EXECUTOR_REGISTERED)
            .executor(event.executorId())
            .detail("host", event.executorInfo().executorHost())
            .detail("cores", event.executorInfo().totalCores())
            .detail("timeMillis", event.time()));
  }

  private void executorRemoved(SparkListenerExecutorRemoved event) {
    witness.write(
        WitnessRecord.of(RecordType.EXECUTOR_REMOVED)
            .executor(event.executorId())
            .detail("reason", event.reason())
            .detail("timeMillis", event.time()));
  }

  private void jobStarted(SparkListenerJobStart event) {
    Properties properties = event.properties() == null ? new Properties() : event.properties();
    queries.onJobStart(properties);
    witness.write(
        WitnessRecord.of(RecordType.JOB_STARTED)
            .job(event.jobId())
            .detail("stages", Spark.list(event, "stageIds"))
            .detail("description", properties.getProperty("spark.job.description"))
            .detail("timeMillis", event.time()));
  }

  private void jobEnded(SparkListenerJobEnd event) {
    WitnessRecord end =
        WitnessRecord.of(RecordType.JOB_ENDED).job(event.jobId()).detail("timeMillis", event.time());
    if (event.jobResult() instanceof JobFailed) {
      end.detail("result", "failed").detail("reason", String.valueOf(((JobFailed) event.jobResult()).exception()));
    } else {
      end.detail("result", "succeeded");
    }
    witness.write(end);
  }

  private void stageSubmitted(SparkListenerStageSubmitted event) {
    StageInfo stage = event.stageInfo();
    kinds.put(stageKey(stage.stageId(), stage.attemptNumber()), kind(stage));
    witness.write(stageRecord(RecordType.STAGE_SUBMITTED, stage));
  }

  private void stageCompleted(SparkListenerStageCompleted event) {
    StageInfo stage = event.stageInfo();
    kinds.remove(stageKey(stage.stageId(), stage.attemptNumber()));
    WitnessRecord completed = stageRecord(RecordType.STAGE_COMPLETED, stage);
    if (stage.failureReason().isDefined()) {
      completed.detail("result", "failed").detail("reason", stage.failureReason().get());
    } else {
      completed.detail("result", "succeeded");
    }
    witness.write(completed);
  }

  private static WitnessRecord stageRecord(String type, StageInfo stage) {
    WitnessRecord of =
        WitnessRecord.of(type)
            .stage(stage.stageId())
            .attempt(stage.attemptNumber())
            .detail("name", stage.name())
            .detail("kind", kind(stage))
            .detail("numTasks", stage.numTasks())
            .detail("parents", Spark.list(stage, "parentIds"));
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

  private void taskStarted(SparkListenerTaskStart event) {
    witness.write(TaskRecords.started(event, kinds.get(stageKey(event.stageId(), event.stageAttemptId()))));
  }

  private void taskEnded(SparkListenerTaskEnd event) {
    // Spark reports a task that it knows nothing more of without its info.
    if (event.taskInfo() != null) {
      witness.write(TaskRecords.ended(event));
    }
  }
}
