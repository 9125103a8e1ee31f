package main

import (
	"errors"
	"fmt"
	"runtime/pprof"

	"retcon/internal/atomicfile"
	"retcon/llama"
)

// profiling is what --profile writes: Go's CPU profile to a file, and the times
// of the native side, which Go sees as one call, to a table beside it.
type profiling struct {
	file, table *atomicfile.File
	native      llama.Profile
}

// profileTable is added to the name of a profile for that of its table.
const profileTable = ".txt"

// startProfile starts a profile for the file, none if it has no name. Files that
// exist are replaced with force, once there is a profile.
func (a *app) startProfile(path string, force bool) (*llama.Profile, error) {
	if path == "" {
		return nil, nil
	}
	p := &profiling{}
	opts := atomicfile.Options{Force: force, Lock: true}
	var err error
	if p.file, err = atomicfile.Create(path, opts); err != nil {
		return nil, fmt.Errorf("--profile: %w", err)
	}
	if p.table, err = atomicfile.Create(path+profileTable, opts); err == nil {
		err = pprof.StartCPUProfile(p.file)
	}
	if err != nil {
		p.file.Abort()
		p.table.Abort()
		return nil, fmt.Errorf("--profile: %w", err)
	}
	a.profiling = p
	return &p.native, nil
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
	defer p.file.Abort()
	defer p.table.Abort()
	return errors.Join(p.native.Write(p.table), p.file.Commit(), p.table.Commit())
}
