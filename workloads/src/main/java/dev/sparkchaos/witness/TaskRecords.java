package dev.sparkchaos.witness;

import org.apache.spark.FetchFailed;
import org.apache.spark.TaskEndReason;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.TaskInfo;

/** Makes the records of tasks. */
final class TaskRecords {
  /** Kind of a task whose output is a shuffle's input. */
  static final String MAP = "map";

  /** Kind of a task whose output goes to the driver or to the outside. */
  static final String RESULT = "result";

  private TaskRecords() {}

  static WitnessRecord started(SparkListenerTaskStart event, String kind) {
    return of(RecordType.TASK_STARTED, event.stageId(), event.stageAttemptId(), event.taskInfo())
        .detail("kind", kind)
        .detail("timeMillis", event.taskInfo().launchTime());
  }

  static WitnessRecord ended(SparkListenerTaskEnd event) {
    TaskInfo task = event.taskInfo();
    WitnessRecord ended =
        of(RecordType.TASK_ENDED, event.stageId(), event.stageAttemptId(), task)
            .detail("kind", "ShuffleMapTask".equals(event.taskType()) ? MAP : RESULT)
            .detail("timeMillis", task.finishTime())
            .detail("reason", reasonName(event.reason()));
    if (task.finished()) {
      ended.detail("durationMillis", task.duration());
    }
    if (event.reason() instanceof TaskFailedReason) {
      ended.detail("message", ((TaskFailedReason) event.reason()).toErrorString());
    }
    if (event.reason() instanceof FetchFailed) {
      fetchFailed(ended, (FetchFailed) event.reason());
    }
    return ended;
  }

  private static WitnessRecord of(String type, int stage, int stageAttempt, TaskInfo task) {
    WitnessRecord of =
        WitnessRecord.of(type)
            .executor(task.executorId())
            .stage(stage)
            .attempt(task.attemptNumber())
            .task(task.taskId())
            .partition(task.partitionId())
            .detail("stageAttempt", stageAttempt)
            .detail("host", task.host());
    return task.speculative() ? of.detail("speculative", "true") : of;
  }

  /** The reason's name as Spark's sources write it: Success, FetchFailed, ExecutorLostFailure, TaskKilled … */
  private static String reasonName(TaskEndReason reason) {
    return reason.getClass().getSimpleName().replace("$", "");
  }

  private static void fetchFailed(WitnessRecord ended, FetchFailed failed) {
    ended
        .detail("shuffleID", failed.shuffleId())
        .detail("mapIndex", failed.mapIndex())
        .detail("reduceID", failed.reduceId());
    // Without an address the whole shuffle's locations were unknown.
    if (failed.bmAddress() != null) {
      ended
          .detail("fetchExecutor", failed.bmAddress().executorId())
          .detail("fetchHost", failed.bmAddress().host());
    }
  }
}
