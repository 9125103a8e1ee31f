package tpatcher

import (
	"errors"
	"math"
	"strings"
	"testing"

	"retcon/fact"
)

// Values without sense are refused with the range that they have.
func TestConfigCheck(t *testing.T) {
	if err := (Config{}).Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(c *Config){
		"above 0 and at most 1e+06, not NaN":      func(c *Config) { c.Alpha = math.NaN() },
		"above 0 and at most 1e+06, not -1":       func(c *Config) { c.Alpha = -1 },
		"above 0 and at most 1e+06, not 0":        func(c *Config) { c.Alpha = 0 },
		"between 0 and 1e+06, not +Inf":           func(c *Config) { c.Beta = math.Inf(1) },
		"beta margin must be between -1000 and":   func(c *Config) { c.BetaMargin = math.NaN() },
		"gamma margin must be between -1000 and":  func(c *Config) { c.GammaMargin = math.Inf(-1) },
		"between 0 and 1, not 5":                  func(c *Config) { c.Threshold = 5 },
		"between 0 and 1, not NaN":                func(c *Config) { c.Threshold = math.NaN() },
		"learning rate must be above 0":           func(c *Config) { c.LR = math.NaN() },
		"queries of the memory must be between 0": func(c *Config) { c.Queries = -5 },
		"at most": func(c *Config) { c.LR = 1e30 },
		"between 0 and 1000000, not 1000000000000": func(c *Config) { c.Queries = 1e12 },
		"steps must be between 1 and 10000, not 0": func(c *Config) { c.Steps = 0 },
		"neurons to add must be between 0":         func(c *Config) { c.Pad = -1 },
		"is exp-topk, hinge or mean":               func(c *Config) { c.Form = "x" },
		"all or deci":                              func(c *Config) { c.Widen = "x" },
		"new or reuse":                             func(c *Config) { c.Slots = "x" },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Check(); err == nil || !errors.Is(err, fact.ErrRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
