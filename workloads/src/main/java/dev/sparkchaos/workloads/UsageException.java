package dev.sparkchaos.workloads;

import java.util.List;

/** The arguments cannot be used; holds all that is wrong with them. */
final class UsageException extends Exception {
  private static final long serialVersionUID = 1L;

  private final transient List<String> problems;

  UsageException(List<String> problems) {
    super(String.join("; ", problems));
    this.problems = List.copyOf(problems);
  }

  List<String> problems() {
    return problems;
  }
}
