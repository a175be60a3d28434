// Package model holds what a history says in the terms in which anchors, targets and invariants are stated: pods, nodes and Jobs, the
// incarnations of the driver with their executors, faults and what they cost, the lives of processes, tasks, streams and artifacts.
//
// A Model takes one event after the other (Observe) and can be asked at any time: of a run that continues, fed by the history's writer,
// or of a file, fed by package check. The same events give the same answers. It knows no cluster and no clock.
//
// Three rules say which pod is the driver, for three purposes: see Incarnations.Live, Current and Placed.
//
// # What an invariant needs
//
// A Moment is when something happened and the event that shows it; Never tells whether it happened at all. Incarnations are the
// driver's lives, Executors the pods of one of them, Processes the JVMs as their own records tell. Landed are the faults that hit
// something, DriverLosses and ExecutorLosses what they cost. Horizon and SeenUntil bound what can be said of things that did not
// happen, SawAll and Blind report gaps, Lapse how long something took at least and at most, Life when a process lived, Slack how
// uncertain its clock is.
package model
