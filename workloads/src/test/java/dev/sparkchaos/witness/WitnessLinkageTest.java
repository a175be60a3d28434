package dev.sparkchaos.witness;

import static dev.sparkchaos.testing.Records.detail;
import static dev.sparkchaos.testing.Records.ofType;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sparkchaos.testing.Records;
import dev.sparkchaos.testing.SparkProcess;
import dev.sparkchaos.testing.SparkProperties;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.xbean.asm9.ClassReader;
import org.apache.xbean.asm9.ClassVisitor;
import org.apache.xbean.asm9.ClassWriter;
import org.apache.xbean.asm9.MethodVisitor;
import org.apache.xbean.asm9.Opcodes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The plugin in a Spark that has not what it was compiled against: the application must not notice. */
@Timeout(300)
class WitnessLinkageTest {
  @TempDir Path directory;

  /** An application that nobody wrote for sparkchaos. */
  static final class Plain {
    public static void main(String[] args) {
      try (JavaSparkContext context = new JavaSparkContext()) {
        long sum = context.parallelize(List.of(1, 2, 3), 3).reduce(Integer::sum);
        System.out.println("the sum is " + sum);
        System.exit(sum == 6 ? 0 : 1);
      }
    }
  }

  private static Path classes() {
    try {
      return Path.of(WitnessPlugin.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static List<Path> classFiles() throws IOException {
    try (Stream<Path> files = Files.list(classes().resolve("dev/sparkchaos/witness"))) {
      return files.filter(file -> file.toString().endsWith(".class")).toList();
    }
  }

  /** Makes each call of what lies in a package one of a method that is not there. */
  private static final class Renamer extends ClassVisitor {
    private final Predicate<String> owners;
    private int renamed;

    Renamer(ClassWriter to, Predicate<String> owners) {
      super(Opcodes.ASM9, to);
      this.owners = owners;
    }

    @Override
    public MethodVisitor visitMethod(int access, String name, String descriptor, String signature, String[] thrown) {
      return new MethodVisitor(Opcodes.ASM9, super.visitMethod(access, name, descriptor, signature, thrown)) {
        @Override
        public void visitMethodInsn(int opcode, String owner, String called, String of, boolean isInterface) {
          boolean missing = owners.test(owner) && !called.equals("<init>");
          renamed += missing ? 1 : 0;
          super.visitMethodInsn(opcode, owner, missing ? called + "Missing" : called, of, isInterface);
        }
      };
    }
  }

  /** Runs the application with a plugin to which those methods are missing, and returns its records. */
  private List<JsonNode> recordsWithout(String missing) throws Exception {
    Path changed = directory.resolve("classes");
    Path package_ = Files.createDirectories(changed.resolve("dev/sparkchaos/witness"));
    int renamed = 0;
    for (Path file : classFiles()) {
      ClassReader from = new ClassReader(Files.readAllBytes(file));
      ClassWriter to = new ClassWriter(from, 0);
      Renamer renamer = new Renamer(to, owner -> owner.startsWith(missing));
      from.accept(renamer, 0);
      renamed += renamer.renamed;
      Files.write(package_.resolve(file.getFileName()), to.toByteArray());
    }
    assertTrue(renamed > 0, "the plugin calls nothing in " + missing);
    Path disk = Files.createDirectories(directory.resolve("disk"));
    try (SparkProperties spark = new SparkProperties().witness(disk, null).set("spark.app.name", "plain")) {
      List<String> classPath = new ArrayList<>(List.of(changed.toString(), System.getProperty("java.class.path")));
      String name = "Plain-without-" + missing.replace('/', '.');
      Process driver = SparkProcess.start(spark, String.join(":", classPath), name, Plain.class);
      assertEquals(0, driver.waitFor(), "the application fails; see target/" + name + ".log");
      assertTrue(Files.readString(Path.of("target/" + name + ".log")).contains("the sum is 6"));
    }
    return Records.parse(Records.onDisk(disk));
  }

  @ParameterizedTest
  @CsvSource({
    "org/apache/spark/scheduler/, java.lang.NoSuchMethodError", // in the listener
    "org/apache/logging/log4j/, java.lang.NoSuchMethodError", // in the reader of the log
  })
  void whatIsMissingIsTold(String missing, String error) throws Exception {
    List<JsonNode> records = recordsWithout(missing);
    assertFalse(ofType(records, "heartbeat").isEmpty(), "the witness itself goes on");
    JsonNode trouble = ofType(records, "witnessTrouble").get(0);
    assertEquals("write", detail(trouble, "what"));
    assertTrue(detail(trouble, "error").startsWith(error), trouble.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"org/apache/spark/", "com/fasterxml/"})
  void whatKeepsTheWitnessFromStartingKeepsNothingElse(String missing) throws Exception {
    assertEquals(List.of(), recordsWithout(missing));
  }

  @Test
  void theClassFilesAreForTheOldestJava() throws IOException {
    for (Path file : classFiles()) {
      byte[] bytes = Files.readAllBytes(file);
      assertEquals(52, bytes[7], file + " is not for Java 8");
    }
  }
}
