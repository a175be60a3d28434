package dev.sparkchaos.witness;

import java.lang.reflect.Method;
import scala.Option;
import scala.collection.Iterator;
import scala.collection.Seq;

/**
 * What is not the same in each supported version of Spark and of Scala, called by its name. The class files of everything
 * else are the same whichever of them it is compiled against, so that one jar serves all.
 */
final class Spark {
  private Spark() {}

  /** The elements of a sequence, separated by commas: what methods return as Seq is another type in each Scala. */
  static String list(Object of, String method) {
    StringBuilder joined = new StringBuilder();
    Iterator<?> elements = ((Seq<?>) call(of, method)).iterator();
    while (elements.hasNext()) {
      joined.append(joined.length() == 0 ? "" : ",").append(elements.next());
    }
    return joined.toString();
  }

  /** The text of an option; null if it is empty, or if this version does not have it. */
  static String option(Object of, String method) {
    Method there = find(of, method);
    if (there == null) {
      return null;
    }
    Option<?> option = (Option<?>) call(of, there);
    return option.isDefined() ? String.valueOf(option.get()) : null;
  }

  /** Spark's name of an error; 4.0 renamed the method that tells it. */
  static String condition(Throwable spark) {
    Method there = find(spark, "getCondition");
    return (String) (there == null ? call(spark, "getErrorClass") : call(spark, there));
  }

  /** What a method without arguments returns. Throws NoSuchMethodError if there is none. */
  static Object call(Object of, String method) {
    Method there = find(of, method);
    if (there == null) {
      throw new NoSuchMethodError(of.getClass().getName() + "." + method + "()");
    }
    return call(of, there);
  }

  private static Method find(Object of, String method) {
    try {
      return of.getClass().getMethod(method);
    } catch (NoSuchMethodException e) {
      return null;
    }
  }

  private static Object call(Object of, Method method) {
    try {
      // A public method may be that of a class which is not: the classes of Scala's own are.
      method.setAccessible(true);
      return method.invoke(of);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("call " + method, e);
    }
  }
}
