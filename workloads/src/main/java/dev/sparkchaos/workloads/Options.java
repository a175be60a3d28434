package dev.sparkchaos.workloads;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An application's arguments, all of the form --name=value: what there is, what is allowed, and strict parsing. */
public final class Options {
  /** Turns an argument's text into its value; an IllegalArgumentException's message says what it has to be. */
  public interface Parser {
    Object parse(String text);
  }

  private record Option(String placeholder, String fallback, String help, Parser parser) {
    boolean required() {
      return fallback == null;
    }

    /** Whether it has to be given, and what serves when it is not. */
    String need() {
      if (required()) {
        return "required";
      }
      return fallback.isEmpty() ? "optional" : "default " + fallback;
    }
  }

  /** Checked values of all options. */
  public static final class Values {
    private final Map<String, Object> values;

    private Values(Map<String, Object> values) {
      this.values = values;
    }

    public long number(String name) {
      return (Long) values.get(name);
    }

    public int integer(String name) {
      return Math.toIntExact(number(name));
    }

    public String text(String name) {
      return (String) values.get(name);
    }

    /** The value of an option with a parser of its own, as that returned it. */
    public Object value(String name) {
      return values.get(name);
    }
  }

  private final String program;
  private final String summary;
  private final Map<String, Option> options = new LinkedHashMap<>();

  public Options(String program, String summary) {
    this.program = program;
    this.summary = summary;
  }

  /** Adds an option whose value is a number from least to most. */
  public Options number(String name, long fallback, long least, long most, String help) {
    return add(name, "N", Long.toString(fallback), help, text -> parseNumber(text, least, most));
  }

  /** Adds a required option whose value is a number from least to most. */
  public Options requiredNumber(String name, long least, long most, String help) {
    return add(name, "N", null, help, text -> parseNumber(text, least, most));
  }

  /** Adds an option whose value is any unsigned number of 64 bits. */
  public Options seed(String name, String fallback, String help) {
    return add(name, "N", fallback, help, Options::parseSeed);
  }

  /** Adds an option whose value is text; without a fallback (null) it is required. */
  public Options text(String name, String placeholder, String fallback, String help) {
    return text(name, placeholder, fallback, help, text -> text);
  }

  /** The same with a check of its own. */
  public Options text(String name, String placeholder, String fallback, String help, Parser parser) {
    return add(name, placeholder, fallback, help, parser);
  }

  private Options add(String name, String placeholder, String fallback, String help, Parser parser) {
    options.put(name, new Option(placeholder, fallback, help, parser));
    return this;
  }

  private static Long parseNumber(String text, long least, long most) {
    try {
      long value = Long.parseLong(text);
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Told below, together with numbers out of range.
    }
    throw new IllegalArgumentException(
        "has to be a number from " + least + " to " + most + ", not \"" + text + "\"");
  }

  private static Long parseSeed(String text) {
    try {
      return Long.parseUnsignedLong(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "has to be a number from 0 to 18446744073709551615, not \"" + text + "\"", e);
    }
  }

  /** Parses arguments; the exception holds everything that is wrong with them. */
  Values parse(String... args) throws UsageException {
    List<String> problems = new ArrayList<>();
    Map<String, String> given = new LinkedHashMap<>();
    for (String arg : args) {
      take(arg, given, problems);
    }
    Map<String, Object> values = new LinkedHashMap<>();
    options.forEach(
        (name, option) -> {
          String text = given.getOrDefault(name, option.fallback());
          if (text == null) {
            problems.add("--" + name + "=" + option.placeholder() + " is missing: " + option.help());
            return;
          }
          if (text.isEmpty() && !option.required()) {
            values.put(name, text);
            return;
          }
          try {
            values.put(name, option.parser().parse(text));
          } catch (IllegalArgumentException e) {
            problems.add("--" + name + " " + e.getMessage());
          }
        });
    if (!problems.isEmpty()) {
      throw new UsageException(problems);
    }
    return new Values(values);
  }

  private void take(String arg, Map<String, String> given, List<String> problems) {
    int equals = arg.indexOf('=');
    if (!arg.startsWith("--") || arg.length() == 2) {
      problems.add("\"" + arg + "\" is not an option; options are written --name=value");
      return;
    }
    String name = equals < 0 ? arg.substring(2) : arg.substring(2, equals);
    if (!options.containsKey(name)) {
      problems.add("--" + name + " is unknown; there are --" + String.join(", --", options.keySet()));
      return;
    }
    if (equals < 0) {
      problems.add("--" + name + " has no value; it is written --" + name + "=" + options.get(name).placeholder());
      return;
    }
    String value = arg.substring(equals + 1);
    if (value.isEmpty() && !"".equals(options.get(name).fallback())) {
      problems.add("--" + name + " is empty; it is written --" + name + "=" + options.get(name).placeholder());
      return;
    }
    if (given.putIfAbsent(name, value) != null) {
      problems.add("--" + name + " is given twice");
    }
  }

  /** What --help shows. */
  String help() {
    StringBuilder text = new StringBuilder(program + ": " + summary + "\n\n");
    options.forEach(
        (name, option) -> {
          String usage = "  --" + name + "=" + option.placeholder();
          text.append(String.format("%-26s %s (%s)%n", usage, option.help(), option.need()));
        });
    return text.append(String.format("%-26s %s%n", "  --help", "shows this")).toString();
  }
}
