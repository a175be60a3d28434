import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Runs the same tasks in a Spark without and in one with the witness, in turn, and prints what each took. Arguments: rounds,
 * tasks of a round, microseconds of CPU of a task, the witness's directory and URL.
 */
public final class WitnessOverhead {
  private static final int TASKS_OF_A_JOB = 20;

  /** Where the result of the work goes, so that it is done. */
  static volatile long sink;

  private WitnessOverhead() {}

  public static void main(String[] args) {
    int rounds = Integer.parseInt(args[0]);
    int tasks = Integer.parseInt(args[1]);
    long steps = steps(Long.parseLong(args[2]));
    for (int round = 0; round <= rounds; round++) {
      for (boolean witness : new boolean[] {false, true}) {
        String took = measure(tasks, steps, witness ? args : null);
        if (round > 0) { // the first round warms up
          System.out.println("TOOK witness=" + witness + " " + took);
        }
      }
    }
  }

  private static String measure(int tasks, long steps, String[] witness) {
    SparkConf conf = new SparkConf().setAppName("overhead").set("spark.ui.enabled", "false");
    if (witness != null) {
      conf.set("spark.plugins", "dev.sparkchaos.witness.WitnessPlugin");
      conf.set("spark.sparkchaos.witness.dir", witness[3]).set("spark.sparkchaos.witness.url", witness[4]);
    }
    try (JavaSparkContext context = new JavaSparkContext(conf)) {
      run(context, 5 * TASKS_OF_A_JOB, steps / 10);
      OperatingSystemMXBean machine = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
      System.gc();
      long cpu = machine.getProcessCpuTime();
      long began = System.nanoTime();
      run(context, tasks, steps);
      return "tasks=" + tasks + " nanos=" + (System.nanoTime() - began) + " cpu=" + (machine.getProcessCpuTime() - cpu);
    }
  }

  private static void run(JavaSparkContext context, int tasks, long steps) {
    List<Integer> numbers = new ArrayList<>();
    for (int i = 0; i < TASKS_OF_A_JOB; i++) {
      numbers.add(i);
    }
    for (int done = 0; done < tasks; done += TASKS_OF_A_JOB) {
      context.parallelize(numbers, TASKS_OF_A_JOB).foreach(i -> work(steps + i % 2));
    }
  }

  private static void work(long steps) {
    long value = steps;
    for (long i = 0; i < steps; i++) {
      value = value * 6364136223846793005L + 1442695040888963407L;
    }
    sink = value;
  }

  /** How many steps take a time: the same number for all tasks, since a task that watched the clock would hide what it costs. */
  private static long steps(long micros) {
    long steps = 1_000_000;
    long best = Long.MAX_VALUE;
    for (int i = 0; i < 50; i++) {
      long began = System.nanoTime();
      work(steps);
      best = Math.min(best, System.nanoTime() - began);
    }
    return micros * 1000 * steps / best;
  }
}
