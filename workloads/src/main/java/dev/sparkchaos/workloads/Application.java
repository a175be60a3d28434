package dev.sparkchaos.workloads;

import java.io.PrintStream;
import java.util.Arrays;
import java.util.List;

/** What the applications' main methods have in common: arguments in, exit code out. */
public final class Application {
  /** Exit code of an application that did what it should. */
  public static final int OK = 0;

  /** Exit code of an application that failed, or whose result is not the known answer. */
  public static final int FAILED = 1;

  /** Exit code for arguments that cannot be used. */
  public static final int USAGE = 64;

  /** The application itself. */
  public interface Body {
    int run(Options.Values values) throws Exception;
  }

  private Application() {}

  /** Runs an application and says its exit code. */
  public static int run(Options options, String[] args, Body body, PrintStream out, PrintStream err) {
    List<String> given = Arrays.asList(args);
    if (given.contains("--help")) {
      out.print(options.help());
      return OK;
    }
    try {
      return body.run(options.parse(args));
    } catch (UsageException e) {
      e.problems().forEach(problem -> err.println("error: " + problem));
      err.println("--help shows all options");
      return USAGE;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      err.println("error: interrupted");
      return FAILED;
    } catch (Exception e) {
      err.println("error: " + e);
      e.printStackTrace(err);
      return FAILED;
    }
  }
}
