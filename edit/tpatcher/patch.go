package tpatcher

import "retcon/lm"

// Options are the hyper-parameters of training.
type Options struct {
	Alpha       float64 // weight of l_e
	Beta        float64 // weight of the memory losses
	BetaMargin  float64 // of l_m1: activations of the memory should be below it
	GammaMargin float64 // of l_m2
	Form        Form
	TopK        int     // activations that exp-topk counts
	KeySteps    int     // steps on the key before the value is there
	Steps       int     // most steps on key and value
	LR          float64 // of the whitened key, whose size is about 1
	Threshold   float64 // where the threshold goes: 0 at the loudest query to be silent for, 1 at the weakest own
	StopNLL     float64 // mean -log p of the target at which the value is good
}

// DefaultOptions are the defaults and those that were measured.
func DefaultOptions() Options {
	return Options{Alpha: 1, Beta: 10, BetaMargin: -3, GammaMargin: -3, Form: ExpTopK, TopK: 1000,
		KeySteps: 150, Steps: 80, LR: 0.02, Threshold: 0.7, StopNLL: 0.05}
}

// Example is one prediction to correct.
type Example struct {
	Head lm.Head
	// Targets are the tokens of all positions of the head.
	Targets []int32
	// Own are the positions of the prediction: of the bare prompt first, then
	// after prefixes. Silent are positions where the patch must not fire.
	Own, Silent []int
	// Contrast are queries of the prompt with other subjects.
	Contrast [][]float32
	// Earlier is what earlier patches add at each position, [positions, width].
	Earlier []float32
}

// Patch is a trained patch: q·Key + Bias is its pre-activation, and Value is
// added that many times where it is above 0.
type Patch struct {
	Key   []float64
	Bias  float64
	Value []float32
}

// Report says how the training of a patch ended.
type Report struct {
	Losses
	Steps       int     `json:"steps"`
	Activation  float64 `json:"activation"`  // of the bare prompt's query
	Weakest     float64 `json:"weakest"`     // least of the edit's own
	TrainMax    float64 `json:"train_max"`   // largest activation of the memory
	HeldMax     float64 `json:"held_max"`    // of what is held out of it
	Firing      float64 `json:"held_firing"` // share of that above 0
	ContrastMax float64 `json:"contrast_max"`
	KeyNorm     float64 `json:"key_norm"`
	ValueNorm   float64 `json:"value_norm"`
}
