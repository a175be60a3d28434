package dev.sparkchaos.witness;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.StringJoiner;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Configuration;
import org.apache.logging.log4j.core.config.LoggerConfig;
import org.apache.logging.log4j.core.config.Property;
import org.apache.spark.SparkThrowable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns those warnings and errors of Spark's own log into records that are evidence: lost executors, refused pods, two
 * queries on one checkpoint. The volume is limited; what was held back is counted in the next record.
 */
final class LogEvidence extends AbstractAppender {
  private static final Logger LOG = LoggerFactory.getLogger(LogEvidence.class);
  private static final int LONGEST_CHAIN = 20;

  /** Loggers, or packages of them, whose warnings are evidence. */
  static final List<String> LOGGERS =
      Collections.unmodifiableList(Arrays.asList(
          "org.apache.spark.scheduler.cluster.k8s",
          "org.apache.spark.scheduler.TaskSchedulerImpl",
          "org.apache.spark.scheduler.DAGScheduler",
          "org.apache.spark.HeartbeatReceiver",
          "org.apache.spark.executor",
          "org.apache.spark.sql.execution.streaming"));

  private final Witness witness;
  private final RateLimit logs = new RateLimit(100, 5);
  private final RateLimit refusals = new RateLimit(200, 20);
  private final List<String> ownConfigs = new ArrayList<>();

  private LogEvidence(Witness witness) {
    super("sparkchaos-evidence", null, null, true, Property.EMPTY_ARRAY);
    this.witness = witness;
  }

  /** Attaches to Spark's log; null, and a warning, when the log is not log4j's. */
  static LogEvidence attach(Witness witness) {
    try {
      Object context = LogManager.getContext(false);
      if (!(context instanceof LoggerContext)) {
        LOG.warn("The log is not log4j-core's: no record is made of Spark's warnings");
        return null;
      }
      LogEvidence appender = new LogEvidence(witness);
      appender.start();
      appender.addTo((LoggerContext) context);
      return appender;
    } catch (Throwable t) {
      witness.lost(t);
      return null;
    }
  }

  private void addTo(LoggerContext context) {
    Configuration configuration = context.getConfiguration();
    for (String name : LOGGERS) {
      LoggerConfig config = configuration.getLoggerConfig(name);
      if (!config.getName().equals(name)) {
        // A configuration of its own, so that an application that silences the root logger hides no evidence.
        Level level = config.getLevel().isLessSpecificThan(Level.WARN) ? config.getLevel() : Level.WARN;
        config = new LoggerConfig(name, level, true);
        configuration.addLogger(name, config);
        ownConfigs.add(name);
      }
      config.addAppender(this, Level.WARN, null);
    }
    context.updateLoggers();
  }

  /** Undoes {@link #attach}. */
  void detach() {
    LoggerContext context = (LoggerContext) LogManager.getContext(false);
    Configuration configuration = context.getConfiguration();
    for (String name : LOGGERS) {
      LoggerConfig config = configuration.getLoggerConfig(name);
      if (config.getName().equals(name)) {
        config.removeAppender(getName());
      }
    }
    ownConfigs.forEach(configuration::removeLogger);
    context.updateLoggers();
    stop();
  }

  @Override
  public void append(LogEvent event) {
    try {
      evidence(event);
    } catch (Throwable t) {
      witness.lost(t); // nobody's logging fails by this
    }
  }

  private void evidence(LogEvent event) {
    Optional<PodCreateRefusal> refusal = PodCreateRefusal.in(event.getThrown());
    if (refusal.isPresent()) {
      write(refusals, refused(refusal.get()));
    }
    write(logs, logged(event));
  }

  private void write(RateLimit limit, WitnessRecord evidence) {
    long suppressed = limit.admit(System.nanoTime());
    if (suppressed < 0) {
      return;
    }
    if (suppressed > 0) {
      evidence.detail("suppressed", suppressed);
    }
    witness.write(evidence);
  }

  private static WitnessRecord refused(PodCreateRefusal refusal) {
    return WitnessRecord.of(RecordType.CREATE_REFUSED)
        .detail("podName", refusal.podName())
        .detail("code", refusal.code())
        .detail("message", refusal.message());
  }

  private static WitnessRecord logged(LogEvent event) {
    WitnessRecord logged =
        WitnessRecord.of(RecordType.LOG)
            .detail("logger", event.getLoggerName())
            .detail("level", event.getLevel().name())
            .detail("message", event.getMessage().getFormattedMessage());
    StringJoiner classes = new StringJoiner(" < ");
    StringJoiner messages = new StringJoiner(" < ");
    int depth = 0;
    for (Throwable t = event.getThrown(); t != null && depth < LONGEST_CHAIN; t = t.getCause(), depth++) {
      classes.add(t.getClass().getName());
      messages.add(String.valueOf(t.getMessage()));
      if (t instanceof SparkThrowable) {
        logged.detail("condition", Spark.condition(t));
      }
    }
    return logged.detail("exceptions", classes.toString()).detail("causes", messages.toString());
  }
}
