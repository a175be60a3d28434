package dev.sparkchaos.workloads;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparkchaos.workloads.Ranges.Range;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RangesTest {
  private static String of(long... offsets) {
    return Ranges.text(Ranges.of(offsets));
  }

  @Test
  void coverTheOffsets() {
    assertEquals("", of());
    assertEquals("0-3", of(2, 0, 1));
    assertEquals("0-2,5-6", of(5, 0, 1));
  }

  @Test
  void whatComesTwiceIsCoveredTwice() {
    assertEquals("0-3,1-3", of(0, 1, 2, 1, 2));
    assertEquals("0-10,5-15", Ranges.text(Ranges.joined(List.of(new Range(5, 15), new Range(0, 10)))));
  }

  @Test
  void nothingIsLostOrMadeUp() {
    Random random = new Random(1);
    for (int round = 0; round < 200; round++) {
      long[] offsets = random.longs(random.nextInt(50), 0, 30).toArray();
      List<Range> ranges = Ranges.of(offsets);
      assertEquals(offsets.length, Ranges.size(ranges));
      int[] expected = new int[30];
      for (long offset : offsets) {
        expected[(int) offset]++;
      }
      int[] covered = new int[30];
      for (Range range : ranges) {
        for (long offset = range.from(); offset < range.to(); offset++) {
          covered[(int) offset]++;
        }
      }
      org.junit.jupiter.api.Assertions.assertArrayEquals(expected, covered);
    }
  }
}
