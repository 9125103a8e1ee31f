package edit

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"retcon/edit/covariance"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// Config says what Run is to do.
type Config struct {
	Model     string // path of the GGUF file, or of any of its shards
	Open      lm.Opener
	Quantizer lm.Quantizer
	Requests  []fact.Request
	HParams   HParams
	// Method is MethodROME, also if empty, or MethodTPatcher, which Patch is for.
	Method string
	Patch  PatchConfig

	// Locate, if not nil, chooses the layer, in place of HParams.Layers and
	// HParams.Auto.
	Locate Locator

	// Corpus is a text file for the key statistics. Without it the model
	// writes the text, in at most StatsTime (0 is ten minutes).
	Corpus    string
	StatsTime time.Duration
	// StatsKeys is the number of keys; 0 is KeysPerDim times their length, and
	// where that is 0 too ten times.
	StatsKeys  int64
	KeysPerDim float64
	// Imatrix is an importance matrix in GGUF: the diagonal covariance, and
	// the weights of columns when the tensor is quantised.
	Imatrix string
	// CacheDir keeps covariances; see DefaultCacheDir. Empty keeps none.
	CacheDir string

	Output string // edited model to write, if not empty
	LoRA   string // adapter to write, if not empty
	Force  bool   // replace outputs, and write an edit that would be refused
	// Resume goes on with what an interrupted run of T-Patcher with the same
	// Output has kept.
	Resume bool
	// KeepGoing leaves out requests that fail instead of stopping.
	KeepGoing bool
	// Text is what side effects are measured on; empty is NeutralText.
	Text string
	// TextTokens is how many tokens of it are used; 0 is 512.
	TextTokens int

	// Ask are questions that are put to the model through its chat template
	// before and after the edits.
	Ask []string

	// Progress, if not nil, is told how far a stage is.
	Progress func(stage string, done, total int64)
	Logger   *slog.Logger
	Version  string // of the program, for provenance

	warnings []string
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

// anyRequest reports a configuration without requests.
func (c *Config) anyRequest() error {
	if len(c.Requests) == 0 {
		return fault.Errorf(fact.ErrRequest, "there is nothing to edit")
	}
	return nil
}

func (c *Config) statsTime() time.Duration {
	if c.StatsTime > 0 {
		return c.StatsTime
	}
	return 10 * time.Minute
}

// keys is the number of keys of length n that statistics are made from.
func (c *Config) keys(n int) int64 {
	if c.StatsKeys > 0 {
		return c.StatsKeys
	}
	if c.KeysPerDim > 0 {
		return max(1, int64(math.Round(c.KeysPerDim*float64(n))))
	}
	return int64(covariance.EnoughKeys * n)
}

// fewest is the least number of keys of length n for a full covariance: what
// was asked for, if that is below the usual bound.
func (c *Config) fewest(n int) int64 {
	least := int64(covariance.FewestKeys * n)
	if c.KeysPerDim > 0 {
		least = min(least, c.keys(n))
	}
	return least
}

func (c *Config) progress(stage string, done, total int64) {
	if c.Progress != nil {
		c.Progress(stage, done, total)
	}
}

func (c *Config) info(msg string, args ...any) {
	if c.Logger != nil {
		c.Logger.Info(msg, args...)
	}
}

// warn records a warning for the result and logs it.
func (c *Config) warn(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	c.warnings = append(c.warnings, msg)
	if c.Logger != nil {
		c.Logger.Warn(msg)
	}
}
