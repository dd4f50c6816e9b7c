// Package test tries whole processes: the binary as it is shipped, several of
// them, killed at any moment, with the simulated bank in a process of its own.
package test
