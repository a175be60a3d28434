// Package tell tells the story of a run in plain sentences, each with the numbers of the events that show it. It knows the record alone:
// the model of the history, and the verdict.
package tell
