package dev.sparkchaos.testing;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts an application in a JVM of its own, which can be killed. */
public final class SparkProcess {
  private SparkProcess() {}

  /** Its output goes to target/, under the class's name. */
  public static Process start(SparkProperties spark, Class<?> application, String... args) throws IOException {
    return start(spark, System.getProperty("java.class.path"), application.getSimpleName(), application, args);
  }

  /** The same with a class path, and with another name for the output. */
  public static Process start(SparkProperties spark, String classPath, String name, Class<?> application, String... args)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(argument -> argument.startsWith("--add") || argument.startsWith("-X"))
        .forEach(command::add);
    spark.asMap().forEach((key, value) -> command.add("-D" + key + "=" + value));
    command.addAll(List.of("-cp", classPath, application.getName()));
    command.addAll(List.of(args));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(new File("target/" + name + ".log"))
        .start();
  }
}
