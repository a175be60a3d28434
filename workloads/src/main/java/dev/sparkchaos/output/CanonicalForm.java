package dev.sparkchaos.output;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DoubleType;
import org.apache.spark.sql.types.FloatType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * Brings values into a form whose hash is the same for two runs that computed the same: entries of maps have no order, the last digits of
 * floating-point numbers depend on the order in which they were added, and a hash passes over what is null.
 */
final class CanonicalForm {
  /** Decimals of the mantissa that are compared: 10 significant digits of the 15 that a double has, and 5 of a float's 6. */
  private static final int DOUBLE_DECIMALS = 9;

  private static final int FLOAT_DECIMALS = 4;

  private int depth;

  private CanonicalForm() {}

  /** The SQL expression for the form of a value that another expression gives. */
  static String expression(String value, DataType type) {
    return new CanonicalForm().of(value, type);
  }

  private String of(String value, DataType type) {
    if (type instanceof DoubleType) {
      return rounded(value, DOUBLE_DECIMALS);
    }
    if (type instanceof FloatType) {
      return rounded(value, FLOAT_DECIMALS);
    }
    if (type instanceof ArrayType) {
      return each(value, ((ArrayType) type).elementType());
    }
    if (type instanceof MapType) {
      MapType map = (MapType) type;
      StructType entry = new StructType().add("key", map.keyType(), false).add("value", map.valueType(), map.valueContainsNull());
      return "array_sort(" + each("map_entries(" + value + ")", entry) + ")";
    }
    return type instanceof StructType ? struct(value, (StructType) type) : value;
  }

  /** Zero is added to make -0.0 the same as 0.0. */
  private static String rounded(String value, int decimals) {
    return "IF(isnull(" + value + "), NULL, format_string('%." + decimals + "e', CAST(" + value + " AS DOUBLE) + 0.0D))";
  }

  private String each(String array, DataType element) {
    String name = "e" + depth++;
    return "transform(" + array + ", " + name + " -> named_struct(" + marked(0, name, element) + "))";
  }

  private String struct(String value, StructType type) {
    List<String> fields = new ArrayList<>();
    for (StructField field : type.fields()) {
      fields.add(marked(fields.size(), value + ".`" + field.name().replace("`", "``") + "`", field.dataType()));
    }
    return fields.isEmpty() ? value : "IF(isnull(" + value + "), NULL, named_struct(" + String.join(", ", fields) + "))";
  }

  /** Two fields of a struct: whether a value is null, which Spark's hashes pass over, and the value. */
  private String marked(int number, String value, DataType type) {
    return "'n" + number + "', isnull(" + value + "), 'v" + number + "', " + of(value, type);
  }
}
