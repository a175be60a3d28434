package scenario

import "time"

// Duration is a time.Duration that YAML writes with its unit ("2s"); a bare number is refused.
type Duration time.Duration
