package dev.sparkchaos.witness;

import java.nio.charset.StandardCharsets;

/** Small helpers for the text that goes into a record's detail. */
final class Text {
  /** Longest free text that a record carries, in characters: evidence, not a copy of the log. */
  static final int LIMIT = 2048;

  private Text() {}

  /** The text with each half of a surrogate pair that stands alone replaced: JSON cannot carry it. */
  static String valid(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  /** The text, cut to {@link #LIMIT} characters without splitting a surrogate pair; null becomes "". */
  static String cut(String text) {
    if (text == null) {
      return "";
    }
    if (text.length() <= LIMIT) {
      return valid(text);
    }
    int end = Character.isHighSurrogate(text.charAt(LIMIT - 2)) ? LIMIT - 2 : LIMIT - 1;
    return valid(text.substring(0, end)) + "…";
  }

  /** A name that is safe as part of a file's name. */
  static String fileName(String text) {
    return text.replaceAll("[^A-Za-z0-9._-]", "_");
  }
}
