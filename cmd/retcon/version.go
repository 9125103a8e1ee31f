package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"retcon/llama"
)

// version is set by the linker.
var version string

func init() {
	if version == "" {
		version = builtVersion()
	}
}

// builtVersion is what the Go tool knows, for a build without the Makefile.
func builtVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

type versionResult struct {
	Schema   int             `json:"schema"`
	Version  string          `json:"version"`
	LlamaCPP string          `json:"llama_cpp"`
	Go       string          `json:"go"`
	Platform string          `json:"platform"`
	System   string          `json:"system_info"`
	Devices  []versionDevice `json:"devices"`
}

type versionDevice struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Free        uint64 `json:"free_bytes"`
	Total       uint64 `json:"total_bytes"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print versions and the devices that can compute",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			r := versionResult{
				Schema: 1, Version: version, LlamaCPP: llama.Version(), Go: runtime.Version(),
				Platform: runtime.GOOS + "/" + runtime.GOARCH, System: llama.SystemInfo(), Devices: []versionDevice{},
			}
			for _, d := range llama.Devices() {
				r.Devices = append(r.Devices, versionDevice{d.Name, d.Description, d.Free, d.Total})
			}
			if a.json {
				return a.printJSON(r)
			}
			fmt.Fprintf(a.stdout, "retcon     %s\nllama.cpp  %s\ngo         %s %s\nsystem     %s\n", r.Version, r.LlamaCPP, r.Go, r.Platform, r.System)
			for _, d := range r.Devices {
				fmt.Fprintf(a.stdout, "device     %s: %s, %s free of %s\n", d.Name, d.Description, bytesText(int64(d.Free)), bytesText(int64(d.Total)))
			}
			return nil
		},
	}
}
