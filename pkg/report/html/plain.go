package html

import "regexp"

// Plain returns a text without the escape sequences by which programs colour the lines of their logs.
func Plain(text string) string {
	escapes := regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])`)
	return escapes.ReplaceAllString(text, "")
}
