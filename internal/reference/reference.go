// Package reference holds what other programs computed, for tests of parity: the
// original PyTorch code of ROME on the demo model, NLTK on retcon's own text.
// The folder's README says how each figure was made.
package reference

import (
	"bytes"
	"embed"
	"encoding/binary"
	"encoding/json"
)

//go:embed *.json *.f32
var files embed.FS

// ROME is four edits of the demo model by the original code, step by step.
type ROME struct {
	Layer    int
	KLFactor float64 `json:"kl_factor"`
	// Text is the covariance of the original, over the beginning of WikiText-2's
	// test split; Random that of tokens by [RandomTokens].
	Text, Random Covariance
	Edits        []Edit `json:"records"`

	Key   int `json:"key_width"`
	Value int `json:"value_width"`
}

// Covariance is C = mean of k kᵀ over the keys k of a layer.
type Covariance struct {
	Tokens   int     // of the whole text
	Chunk    int     // tokens that were run together
	FirstIDs []int32 `json:"first_ids"` // of the text
	// Diagonal is that of C, [width of a key].
	Diagonal []float32 `json:"-"`
}

// Edit is one fact and the values on the way to its update.
type Edit struct {
	Prompt     string // with {} for the subject
	Subject    string
	TargetNew  string       `json:"target_new"`
	TargetTrue string       `json:"target_true"`
	TargetIDs  []int32      `json:"target_ids"`
	RowsIDs    [][]int32    `json:"rows_ids"` // the optimised rows; the last is "{subject} is a"
	Losses     [][4]float64 // of each step: total, NLL, KL, decay

	MeanKey []float32 `json:"-"` // over the rows but the last
	// OwnKey and OwnValue are input and output of the down-projection at the
	// subject's last token in the prompt alone.
	OwnKey   []float32 `json:"-"`
	OwnValue []float32 `json:"-"`
	// U is C⁻¹ MeanKey, of unit length, C being that of the text; URandom that
	// of random tokens.
	U       []float32 `json:"-"`
	URandom []float32 `json:"-"`
	// Right makes the update Right Uᵀ of the weight.
	Right []float32 `json:"-"`
}

// Record is the place of edit i among the records of CounterFact and of
// [Scores], from 0.
func Record(i int) int { return i + 1 }

// LoadROME reads the edits.
func LoadROME() (*ROME, error) {
	r := &ROME{}
	if err := load("rome.json", r); err != nil {
		return nil, err
	}
	data, err := files.ReadFile("rome.f32")
	if err != nil {
		return nil, err
	}
	in := bytes.NewReader(data)
	take := func(into *[]float32, n int) {
		*into = make([]float32, n)
		if err == nil {
			err = binary.Read(in, binary.LittleEndian, *into)
		}
	}
	take(&r.Text.Diagonal, r.Key)
	take(&r.Random.Diagonal, r.Key)
	for i := range r.Edits {
		e := &r.Edits[i]
		take(&e.MeanKey, r.Key)
		take(&e.OwnKey, r.Key)
		take(&e.OwnValue, r.Value)
		take(&e.U, r.Key)
		take(&e.URandom, r.Key)
		take(&e.Right, r.Value)
	}
	return r, err
}

// RandomTokens are n tokens of a vocabulary, the same on every machine: text for
// a covariance that anyone can make again.
func RandomTokens(n, vocabulary int) []int32 {
	out := make([]int32, n)
	x := uint32(1)
	for i := range out {
		x = 1664525*x + 1013904223
		out[i] = int32((x >> 8) % uint32(vocabulary))
	}
	return out
}

// Traces are causal traces by the original code.
type Traces struct {
	Level     float64 `json:"noise_level"`   // of the noise, three times Deviation
	Deviation float64 `json:"embedding_std"` // of the embeddings of Subjects
	Subjects  []int32 `json:"subject_ids"`   // tokens of the first 200 known facts' subjects
	Window    int     // layers restored at once
	Records   []Trace
}

// Trace is one fact's. Its probabilities are of the answer's first token, means
// over the samples of noise; a grid is [token][layer].
type Trace struct {
	Prompt, Subject, Answer string
	InputIDs                []int32 `json:"input_ids"`
	SubjectRange            [2]int  `json:"subject_range"` // tokens [begin, end)
	High                    float64 // of the clean run
	Low                     float64 // of the corrupted runs
	Hidden, MLP, Attn       [][]float64
	Severed                 Severed
	// NoiseShape is samples x tokens of the subject x width; NoiseFirst and
	// NoiseLast are the ends of the noise that numpy's RandomState(1) drew.
	NoiseShape [3]int    `json:"noise_shape"`
	NoiseFirst []float64 `json:"noise_first"`
	NoiseLast  []float64 `json:"noise_last"`
}

// Severed are series over the layers at which the state of the subject's last
// token is restored.
type Severed struct {
	Single      []float64
	MLPSevered  []float64 `json:"mlp_severed"`
	AttnSevered []float64 `json:"attn_severed"`
}

// LoadTraces reads the traces.
func LoadTraces() (*Traces, error) { return loaded[Traces]("trace.json") }

// Scores are those of a record of CounterFact.
type Scores struct {
	Case int // the record's own number
	// New and True are the mean negative log-likelihoods of the new and the true
	// answer's tokens on the unedited model: the rewrite prompt, two
	// paraphrases, ten neighbourhood prompts.
	New, True []float64
	// Edited has ES, PS, NS and EM after an edit, as shares.
	Edited map[string]float64
}

// LoadScores reads the scores of CounterFact's records 0 to 99.
func LoadScores() ([]Scores, error) {
	s, err := loaded[[]Scores]("scores.json")
	if err != nil {
		return nil, err
	}
	return *s, nil
}

// Fluency is what NLTK made of a text.
type Fluency struct {
	Words   int
	Entropy float64 // n-gram entropy as ROME weighs it, in bits
}

// LoadFluency reads what NLTK made of each paragraph of retcon's neutral text.
func LoadFluency() ([]Fluency, error) {
	f, err := loaded[[]Fluency]("nltk.json")
	if err != nil {
		return nil, err
	}
	return *f, nil
}

func loaded[T any](name string) (*T, error) {
	v := new(T)
	return v, load(name, v)
}

func load(name string, into any) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
