import org.apache.spark.launcher.JavaModuleOptions;

/** Prints the options that this version of Spark gives each of its JVMs, one a line. */
public final class ModuleOptions {
  public static void main(String[] args) {
    for (String option : JavaModuleOptions.defaultModuleOptionArray()) {
      System.out.println(option);
    }
  }
}
