package edit

import (
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"retcon/edit/voice"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// Config says what [Run] is to do.
type Config struct {
	Model     string // path of the GGUF file, or of any of its shards
	Open      lm.Opener
	Quantizer lm.Quantizer
	Method    Method
	Requests  []fact.Request
	Material

	Output string // edited model to write, if not empty
	LoRA   string // adapter to write, if not empty
	Force  bool   // replace outputs, and write an edit that would be refused
	// Resume goes on with what an interrupted run with the same outputs has
	// kept.
	Resume bool
	// KeepGoing leaves out requests that fail instead of stopping.
	KeepGoing bool
	// Text is what side effects are measured on; empty is a text on everyday
	// matters. TextTokens is how many tokens of it are used; 0 is 512.
	Text       string
	TextTokens int

	// Ask are questions that are put to the model through its chat template
	// before and after the edits.
	Ask []string

	// Progress, if not nil, is told how far a stage is.
	Progress func(stage string, done, total int64)
	Logger   *slog.Logger
	Version  string // of the program, for provenance
}

// Material is what statistics of a model are made from.
type Material struct {
	// Corpus is a text file for them. Without it the model writes the text, in
	// at most StatsTime (0 is ten minutes).
	Corpus    string
	StatsTime time.Duration
	// StatsKeys is the number of keys; 0 is KeysPerDim times their length, and
	// where that is 0 too ten times.
	StatsKeys  int64
	KeysPerDim float64
	// Imatrix is an importance matrix in GGUF: the diagonal covariance, and
	// the weights of columns when a tensor is quantised.
	Imatrix string
	// CacheDir keeps statistics; see DefaultCacheDir. Empty keeps none.
	CacheDir string
}

// DefaultCacheDir is the user's cache directory for this program, empty if
// there is none.
func DefaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "retcon")
}

// check reports a configuration that asks for nothing.
func (c *Config) check() error {
	switch {
	case c.Method == nil:
		return fault.Errorf(fact.ErrRequest, "there is no method to edit with")
	case len(c.Requests) == 0:
		return fault.Errorf(fact.ErrRequest, "there is nothing to edit")
	}
	return nil
}

// voice is what the run speaks with.
func (c *Config) voice() *voice.Voice { return &voice.Voice{Progress: c.Progress, Logger: c.Logger} }

// output is the file that is written: the model, or else the adapter.
func (c *Config) output() string { return cmp.Or(c.Output, c.LoRA) }
