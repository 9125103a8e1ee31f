package main

import (
	"errors"
	"runtime"

	"retcon/eval"
	"retcon/llama"
)

// runner scores what the flags ask for.
func (a *app) runner(f *scoreFlags, t *eval.Task) (*eval.Runner, error) {
	results, err := f.results()
	if err != nil {
		return nil, err
	}
	r := &eval.Runner{Task: t, Results: results, Logger: a.log}
	if !a.quiet {
		r.Progress = a.bar.Update
	}
	return r, nil
}

// finish prints the series. That no record could be scored is an error.
func (a *app) finish(f *scoreFlags, all []eval.Series) error {
	a.bar.Close()
	if err := a.printSeries(f.format, all); err != nil {
		return err
	}
	for i := range all {
		if err := all[i].Err(); err != nil {
			return err
		}
	}
	return nil
}

// machine is what this program runs on.
func machine(threads int) eval.Machine {
	m := eval.Machine{
		Version: version, LlamaCPP: llama.Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Threads: threads,
	}
	for _, d := range llama.Devices() {
		if d.Name == "CPU" {
			m.CPU = d.Description
		} else {
			m.Devices = append(m.Devices, d.Name+": "+d.Description)
		}
	}
	return m
}

var errNoModel = errors.New("no model: name a GGUF file with -m FILE (or LLAMA_ARG_MODEL)")
