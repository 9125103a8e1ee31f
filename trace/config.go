package trace

import (
	"context"
	"fmt"

	"retcon/llama"
)

// Config says what to trace. The zero value traces all three grids with the
// subject hidden as by a zero [Hiding].
type Config struct {
	// Corruption hides the subject; see [Hider.Hide].
	Corruption Corruption
	Level      float64 // standard deviation of the noise, for the record
	Window     int     // layers of a module window; 0: DefaultWindow
	// Hidden, MLP and Attn are the grids, Sever the severed runs. With none of
	// the four all grids are traced.
	Hidden, MLP, Attn bool
	Sever             bool
	// Approx, if not nil, estimates the grids instead.
	Approx *Approx
	// Foil is what the answer's logit is compared with.
	Foil Foil
	// Pin is the noise of the run whose module outputs severed runs are held
	// to; nil means the corruption's own. The original draws anew for its
	// second pass.
	Pin [][]float32
	// Progress, if not nil, is told how much of the work is done.
	Progress func(done, total int)
}

// DefaultWindow is the window of ROME's traces.
const DefaultWindow = 10

// withDefaults fills in what is zero.
func (t *Tracer) withDefaults(ctx context.Context, cfg Config, p Prompt) (Config, error) {
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if !cfg.Hidden && !cfg.MLP && !cfg.Attn && !cfg.Sever {
		cfg.Hidden, cfg.MLP, cfg.Attn = true, true, true
	}
	if x := cfg.Approx; x != nil && x.Steps == 0 {
		cfg.Approx = &Approx{Steps: 1, Refine: x.Refine}
	}
	if cfg.Corruption.Noise != nil || cfg.Corruption.Tokens != nil {
		return cfg, nil
	}
	if t.hider == nil {
		var err error
		if t.hider, err = NewHider(ctx, t.model, Hiding{}); err != nil {
			return cfg, err
		}
	}
	replace := cfg.Corruption.Replace
	cfg, _, err := t.hider.Config(cfg, p, "")
	cfg.Corruption.Replace = replace
	return cfg, err
}

func (j *job) check() error {
	cfg, p, info := &j.cfg, j.prompt, j.model.Info()
	switch {
	case cfg.Window < 1:
		return fmt.Errorf("%w: a window of %d layers", llama.ErrInvalid, cfg.Window)
	case cfg.Pin != nil && len(cfg.Pin) != len(cfg.Corruption.Noise):
		return fmt.Errorf("%w: %d samples of noise, %d to pin", llama.ErrInvalid, len(cfg.Corruption.Noise), len(cfg.Pin))
	case cfg.Approx != nil && (cfg.Approx.Steps < 1 || cfg.Approx.Refine < 0):
		return fmt.Errorf("%w: an estimate of %d steps and %d exact cells", llama.ErrInvalid, cfg.Approx.Steps, cfg.Approx.Refine)
	case cfg.Approx != nil && cfg.Foil != (Foil{}):
		return fmt.Errorf("%w: logit differences are not estimated", ErrPrompt)
	case cfg.Foil.named == bySwap && cfg.Corruption.Tokens == nil:
		return fmt.Errorf("%w: no swapped prompt to take the foil from", llama.ErrInvalid)
	case cfg.Foil.token < 0 || int(cfg.Foil.token) >= info.Vocab:
		return fmt.Errorf("%w: token %d is not in the vocabulary", llama.ErrInvalid, cfg.Foil.token)
	}
	if err := cfg.Corruption.check(p, info.Width); err != nil {
		return err
	}
	if cfg.Pin == nil {
		return nil
	}
	pin := Corruption{Noise: cfg.Pin}
	return pin.check(p, info.Width)
}
