package main

import (
	"context"
	"net"
	"strings"

	"github.com/spf13/pflag"

	"retcon/engine"
	"retcon/internal/input"
	"retcon/llama"
	"retcon/replay"
)

// engineFlags say how a model is run. They are those of llama.cpp.
type engineFlags struct {
	threads  int
	gpu      gpuLayers
	rpc      []string
	memory   size
	template string // a file
	profile  string // of the commands that have the flag
}

// set has the flags of a command that edits.
func (f *engineFlags) set() *pflag.FlagSet {
	return f.bounded(f.conversing(), "an edit")
}

// bounded adds the flag for the memory that something may take.
func (f *engineFlags) bounded(fs *pflag.FlagSet, what string) *pflag.FlagSet {
	f.memory = replay.DefaultMemory
	fs.Var(&f.memory, "memory", "memory beyond the model that "+what+" may take")
	fromEnvironment(fs, "memory", "RETCON_MEMORY")
	return fs
}

// conversing has the flags of a command that may use the chat template.
func (f *engineFlags) conversing() *pflag.FlagSet {
	fs := f.machine()
	fs.Var(text{&f.template, "FILE"}, "chat-template-file", "chat template in Jinja, instead of the model's own")
	return fs
}

// machine has the flags that say what to compute on.
func (f *engineFlags) machine() *pflag.FlagSet {
	fs := newFlagSet("engine")
	f.gpu = gpuLayers{"auto", -1}
	fs.IntVarP(&f.threads, "threads", "t", 0, "threads; 0 or less is all processors")
	fs.Var(&f.gpu, "n-gpu-layers", "layers to offload to GPUs, also -ngl; 0 computes on the CPU alone")
	fs.StringSliceVar(&f.rpc, "rpc", nil, "`HOST:PORT,..`: llama.cpp RPC servers to run on")
	fromEnvironment(fs, "threads", "LLAMA_ARG_THREADS")
	fromEnvironment(fs, "n-gpu-layers", "LLAMA_ARG_N_GPU_LAYERS")
	fromEnvironment(fs, "rpc", "LLAMA_ARG_RPC")
	return fs
}

// profiled adds the flag for a profile to a command's.
func (f *engineFlags) profiled(fs *pflag.FlagSet) *pflag.FlagSet {
	fs.Var(text{&f.profile, "FILE"}, "profile", "write Go's CPU profile to FILE, and seconds and GFLOP/s of native code to FILE.txt; slows the run down")
	return fs
}

// options connects the RPC servers and returns how to load models.
func (f *engineFlags) options(ctx context.Context, in *input.Inputs) (engine.Options, error) {
	for _, server := range f.rpc {
		if err := connectRPC(ctx, strings.TrimSpace(server)); err != nil {
			return engine.Options{}, err
		}
	}
	template := ""
	if f.template != "" {
		var err error
		if template, err = readText(in, f.template); err != nil {
			return engine.Options{}, err
		}
	}
	return engine.Options{
		ChatTemplate: template,
		Threads:      max(0, f.threads), GPULayers: f.gpu.n, CPUOnly: f.gpu.n == 0 && len(f.rpc) == 0, Memory: int64(f.memory),
	}, nil
}

// connectRPC adds the devices of an RPC server.
func connectRPC(ctx context.Context, server string) error {
	if host, port, err := net.SplitHostPort(server); err != nil || host == "" || port == "" {
		return usagef("--rpc %q: give HOST:PORT of a llama.cpp RPC server", server)
	}
	return llama.AddRPC(ctx, server)
}
