//go:build !linux

package sparkchaos

// Main must be called before anything else by the main function, or by TestMain, of a program that makes embedded clusters. On this operating
// system there are none, and it does nothing.
func Main() {}
