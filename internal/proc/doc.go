// Package proc tells what this process takes of the machine: resident memory,
// its own and that of mapped files, and the room that is left on a disk.
package proc
