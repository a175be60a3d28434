package dev.sparkchaos.output;

import java.nio.charset.StandardCharsets;

/** Small helpers for text that goes into the record. */
final class Texts {
  /** Longest message of an error, in characters. */
  private static final int LIMIT = 1000;

  private Texts() {}

  /** The text with each half of a surrogate pair that stands alone replaced: JSON cannot carry it. */
  static String valid(String text) {
    return text == null ? "" : new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  /** What an error says, with the class that says what it is. */
  static String of(Throwable error) {
    String text = error.getClass().getSimpleName() + ": " + error.getMessage();
    return valid(text.length() <= LIMIT ? text : text.substring(0, LIMIT) + "…");
  }
}
