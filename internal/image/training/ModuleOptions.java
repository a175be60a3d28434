import org.apache.spark.launcher.JavaModuleOptions;

/** Prints the options that this version of Spark gives each of its JVMs. */
public final class ModuleOptions {
  public static void main(String[] args) {
    System.out.println(JavaModuleOptions.defaultModuleOptions());
  }
}
