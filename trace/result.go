package trace

// Result is the trace of one prompt. Grids hold the answer's mean probability
// over the samples, [token][layer]; cells that cannot differ from the corrupted
// run hold PCorrupted.
type Result struct {
	Prompt     string      `json:"prompt"`
	Tokens     []string    `json:"tokens"`
	Subject    [2]int      `json:"subject"` // tokens [begin, end)
	Answer     string      `json:"answer"`
	PClean     float64     `json:"p_clean"`
	PCorrupted float64     `json:"p_corrupted"`
	Noise      float64     `json:"noise"`
	Samples    int         `json:"samples"`
	Window     int         `json:"window"`
	Hidden     [][]float64 `json:"hidden,omitempty"`
	MLP        [][]float64 `json:"mlp,omitempty"`
	Attn       [][]float64 `json:"attn,omitempty"`
	Severed    *Severed    `json:"severed,omitempty"`
	Seconds    float64     `json:"seconds"`
}

// Severed are the runs that restore the state of the subject's last token, by
// layer: alone, with the FFN outputs and with the attention outputs of that
// token at all later layers as in the corrupted run.
type Severed struct {
	Single      []float64 `json:"single"`
	MLPSevered  []float64 `json:"mlp_severed"`
	AttnSevered []float64 `json:"attn_severed"`
}
