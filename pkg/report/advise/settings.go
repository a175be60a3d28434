package advise

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Setting is a setting that governs a delay, as it was in the run.
type Setting struct {
	Name    string `json:"name"`            // as it is written where it is set
	Value   string `json:"value,omitempty"` // empty if the record does not name it
	Default bool   `json:"default,omitempty"`
}

func (s Setting) String() string {
	switch {
	case s.Value == "":
		return s.Name
	case s.Default:
		return fmt.Sprintf("%s = %s (default)", s.Name, s.Value)
	default:
		return fmt.Sprintf("%s = %s", s.Name, s.Value)
	}
}

// settings are those of a run that decide how soon a loss is noticed and made good.
type settings struct {
	Cluster struct {
		Kind   string `json:"kind"`
		Timing string `json:"timing"`
		Knobs  struct {
			NodeLeaseDuration      duration `json:"nodeLeaseDuration"`
			NodeMonitorPeriod      duration `json:"nodeMonitorPeriod"`
			NodeMonitorGracePeriod duration `json:"nodeMonitorGracePeriod"`
		} `json:"knobs"`
	} `json:"cluster"`
	Workload struct {
		Driver struct {
			Kind              string `json:"kind"`
			TolerationSeconds *int64 `json:"tolerationSeconds"`
		} `json:"driver"`
		Executors struct {
			TolerationSeconds *int64 `json:"tolerationSeconds"`
		} `json:"executors"`
		Conf map[string]json.RawMessage `json:"conf"`
	} `json:"workload"`
}

// readSettings takes the settings from a plan. Settings that the plan does not contain are unknown.
func readSettings(plan json.RawMessage) (settings, error) {
	var s settings
	if err := json.Unmarshal(plan, &s); err != nil {
		return s, fmt.Errorf("read the settings in the run's plan: %w", err)
	}
	return s, nil
}

// duration is a time.Duration in its textual form.
type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// sparkKey is a setting of Spark's with the value that Spark takes if there is none, and the unit of a number without one.
type sparkKey struct {
	name  string
	stock string
	unit  time.Duration
}

// Spark's settings, with the defaults of Spark 4.1 (core/src/main/scala/org/apache/spark/internal/config and its Kubernetes module).
func networkTimeout() sparkKey { return sparkKey{"spark.network.timeout", "120s", time.Second} }
func timeoutInterval() sparkKey {
	return sparkKey{"spark.network.timeoutInterval", "60s", time.Millisecond}
}
func heartbeatInterval() sparkKey {
	return sparkKey{"spark.executor.heartbeatInterval", "10s", time.Millisecond}
}
func heartbeatFailures() sparkKey { return sparkKey{"spark.executor.heartbeat.maxFailures", "60", 0} }
func batchDelay() sparkKey {
	return sparkKey{"spark.kubernetes.allocation.batch.delay", "1s", time.Millisecond}
}

// text returns the value of a setting of Spark's, and whether it is Spark's default. The value of a secret setting is not known.
func (s settings) text(key sparkKey) (string, bool) {
	var value string
	if raw, given := s.Workload.Conf[key.name]; given && json.Unmarshal(raw, &value) == nil {
		return value, false
	}
	return key.stock, true
}

// setting returns a setting of Spark's as it was.
func (s settings) setting(key sparkKey) Setting {
	value, stock := s.text(key)
	return Setting{Name: key.name, Value: value, Default: stock}
}

// time returns a time that a setting of Spark's gives; that of the default if the value is not one that Spark reads.
func (s settings) time(key sparkKey) time.Duration {
	value, _ := s.text(key)
	if parsed, err := parseSparkTime(value, key.unit); err == nil {
		return parsed
	}
	parsed, _ := parseSparkTime(key.stock, key.unit)
	return parsed
}

// number returns a number that a setting of Spark's gives; that of the default if the value is none.
func (s settings) number(key sparkKey) int64 {
	value, _ := s.text(key)
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
		return n
	}
	n, _ := strconv.ParseInt(key.stock, 10, 64)
	return n
}

// parseSparkTime reads a time as Spark writes it: digits, and us, ms, s, m, min, h or d; a number without a unit has the setting's own.
func parseSparkTime(text string, unit time.Duration) (time.Duration, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(lower, "abcdefghijklmnopqrstuvwxyz")
	units := map[string]time.Duration{
		"": unit, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}
	scale, known := units[lower[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known || n < 0 || scale > 0 && n > int64(maxTime/scale) {
		return 0, fmt.Errorf("%q is not a time as Spark writes it, like 120s", text)
	}
	return time.Duration(n) * scale, nil
}

// maxTime bounds what is calculated with.
const maxTime = 365 * 24 * time.Hour
