package dev.sparkchaos.witness;

/** The types of witness records, as the harness knows them (its history package names the same strings). */
public final class RecordType {
  public static final String HEARTBEAT = "heartbeat";
  public static final String DRIVER_STARTED = "driverStarted";
  public static final String DRIVER_STOPPING = "driverStopping";
  public static final String EXECUTOR_STARTED = "executorStarted";
  public static final String EXECUTOR_STOPPING = "executorStopping";
  public static final String EXECUTOR_REGISTERED = "executorRegistered";
  public static final String EXECUTOR_REMOVED = "executorRemoved";
  public static final String APPLICATION_STARTED = "applicationStarted";
  public static final String APPLICATION_ENDED = "applicationEnded";
  public static final String JOB_STARTED = "jobStarted";
  public static final String JOB_ENDED = "jobEnded";
  public static final String STAGE_SUBMITTED = "stageSubmitted";
  public static final String STAGE_COMPLETED = "stageCompleted";
  public static final String TASK_STARTED = "taskStarted";
  public static final String TASK_ENDED = "taskEnded";
  public static final String BATCH_STARTED = "batchStarted";
  public static final String BATCH_COMPLETED = "batchCompleted";
  public static final String QUERY_STARTED = "queryStarted";
  public static final String QUERY_ENDED = "queryEnded";
  public static final String LEDGER = "ledger";
  public static final String LOG = "log";
  public static final String CREATE_REFUSED = "createRefused";
  public static final String WITNESS_TROUBLE = "witnessTrouble";

  private RecordType() {}
}
