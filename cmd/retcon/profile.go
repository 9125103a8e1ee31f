package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"retcon/llama"
)

// profiling is what --profile writes: Go's CPU profile to a file, and the times
// of the native side, which Go sees as one call, to a table beside it.
type profiling struct {
	file   *os.File
	native llama.Profile
}

// startProfile starts a profile for the file, none if it has no name.
func (a *app) startProfile(path string) (*llama.Profile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("--profile: %w", err)
	}
	a.profiling = &profiling{file: f}
	return &a.profiling.native, nil
}

// profiled runs a command and writes the profile that it started, if any.
func (a *app) profiled(run func() error) error {
	err := run()
	if failed := a.endProfile(); err == nil {
		err = failed
	}
	return err
}

// endProfile writes what was collected, of a command that failed, too.
func (a *app) endProfile() error {
	p := a.profiling
	if p == nil {
		return nil
	}
	a.profiling = nil
	pprof.StopCPUProfile()
	table, err := os.Create(p.file.Name() + ".txt")
	if err != nil {
		return errors.Join(p.file.Close(), err)
	}
	return errors.Join(p.file.Close(), p.native.Write(table), table.Close())
}
