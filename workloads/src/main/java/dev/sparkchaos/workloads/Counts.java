package dev.sparkchaos.workloads;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** How often each word was counted, and a digest by which two counts are compared. */
final class Counts {
  private final SortedMap<String, Long> byWord;

  Counts(Map<String, Long> byWord) {
    this.byWord = new TreeMap<>(byWord);
  }

  SortedMap<String, Long> byWord() {
    return byWord;
  }

  /** All words counted. */
  long total() {
    return byWord.values().stream().mapToLong(Long::longValue).sum();
  }

  /** SHA-256, in hexadecimal, of the lines "word count" in the words' order. */
  String digest() {
    MessageDigest sha256;
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("each Java platform has SHA-256", e);
    }
    byWord.forEach(
        (word, count) -> sha256.update((word + " " + count + "\n").getBytes(StandardCharsets.UTF_8)));
    return HexFormat.of().formatHex(sha256.digest());
  }

  /** The counts as a value for the ledger: equal counts have equal summaries. */
  String summary() {
    return "sha256:" + digest() + " total=" + total() + " distinct=" + byWord.size();
  }
}
