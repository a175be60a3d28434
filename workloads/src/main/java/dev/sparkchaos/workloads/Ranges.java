package dev.sparkchaos.workloads;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.StringJoiner;

/** Ranges of offsets, written "0-10,15-20": first offset, and the one after the last. */
final class Ranges {
  private Ranges() {}

  /** One range [from, to). */
  record Range(long from, long to) implements java.io.Serializable {
    @Override
    public String toString() {
      return from + "-" + to;
    }
  }

  /** The ranges that cover these offsets; an offset that comes twice is covered twice. */
  static List<Range> of(long[] offsets) {
    long[] sorted = offsets.clone();
    Arrays.sort(sorted);
    List<Range> each = new ArrayList<>();
    for (long offset : sorted) {
      each.add(new Range(offset, offset + 1));
    }
    return joined(each);
  }

  /** Joins ranges that follow each other; what overlaps stays apart, so that double reading shows. */
  static List<Range> joined(Collection<Range> ranges) {
    List<Range> sorted = new ArrayList<>(ranges);
    sorted.sort(Comparator.comparingLong(Range::from).thenComparingLong(Range::to));
    List<Range> joined = new ArrayList<>();
    for (Range range : sorted) {
      int predecessor = endingAt(joined, range.from());
      if (predecessor < 0) {
        joined.add(range);
      } else {
        joined.set(predecessor, new Range(joined.get(predecessor).from(), range.to()));
      }
    }
    return joined;
  }

  private static int endingAt(List<Range> ranges, long end) {
    // Ranges come sorted, so one that can be continued is among the last ones.
    for (int i = ranges.size() - 1; i >= 0; i--) {
      if (ranges.get(i).to() == end) {
        return i;
      }
    }
    return -1;
  }

  /** How many offsets the ranges hold, double ones counted twice. */
  static long size(Collection<Range> ranges) {
    return ranges.stream().mapToLong(range -> range.to() - range.from()).sum();
  }

  static String text(Collection<Range> ranges) {
    StringJoiner text = new StringJoiner(",");
    ranges.forEach(range -> text.add(range.toString()));
    return text.toString();
  }
}
