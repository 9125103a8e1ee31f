package engine_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"retcon/edit"
	"retcon/engine"
)

const (
	demoModel = "../third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf"
	reference = "../../shared/data/reference/rome-smollm2.json"
)

// referenceFile is what the original PyTorch code computed (its README says how).
type referenceFile struct {
	Layer      int      `json:"layer"`
	Templates  []string `json:"templates"`
	Covariance struct {
		Tokens   int       `json:"tokens"`
		Chunk    int       `json:"chunk"`
		FirstIDs []int32   `json:"first_ids"`
		Trace    float64   `json:"trace"`
		Diag     []float64 `json:"diag"`
	} `json:"covariance"`
	Records []struct {
		Request struct {
			Prompt, Subject string
			TargetNew       struct{ Str string } `json:"target_new"`
		} `json:"request"`
		TargetIDs       []int32      `json:"target_ids"`
		Rows            []string     `json:"rows"`
		RowsIDs         [][]int32    `json:"rows_ids"`
		Losses          [][4]float64 `json:"losses"`
		KMean           []float64    `json:"k_mean"`
		U               []float64    `json:"u"`
		Right           []float64    `json:"right"`
		UnprefixedKey   []float64    `json:"unprefixed_key"`
		UnprefixedValue []float64    `json:"unprefixed_value"`
	} `json:"records"`
}

func readReference(t testing.TB) referenceFile {
	t.Helper()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Skip("no reference values beside the project")
	}
	var f referenceFile
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// demoF32 is the demo model dequantised by llama-quantize, as the reference was.
func demoF32(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat(demoModel); err != nil {
		t.Skip("no demo model: run make model")
	}
	out := "../build/SmolLM2-135M-Instruct.F32.gguf"
	if _, err := os.Stat(out); err == nil {
		return out
	}
	tmp := filepath.Join(filepath.Dir(out), "f32.tmp.gguf")
	cmd := exec.Command("../build/bin/llama-quantize", "--allow-requantize", demoModel, tmp, "F32")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("llama-quantize: %v\n%s", err, msg)
	}
	if err := os.Rename(tmp, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func open(t testing.TB, path string, opts engine.Options) *engine.Model {
	t.Helper()
	opts.CPUOnly = true
	m, err := engine.Open(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestReferenceLosses(t *testing.T) {
	ref := readReference(t)
	m := open(t, demoF32(t), engine.Options{Threads: 2, Transpose: engine.TransposeNever})
	ctx := context.Background()
	for i, r := range ref.Records {
		rows := make([]edit.ObjectiveRow, len(r.RowsIDs))
		n := len(r.RowsIDs) - 1
		for j, ids := range r.RowsIDs {
			at := subjectLast(t, m, r.Rows[j], r.Request.Subject, ids)
			rows[j] = edit.ObjectiveRow{Tokens: ids, At: at}
			if j == n {
				rows[j].KeepAt, rows[j].KLWeight = at, 0.0625
				continue
			}
			rows[j].NLLWeight = 1 / float64(n)
			for k, id := range r.TargetIDs {
				rows[j].Targets = append(rows[j].Targets, edit.Target{At: len(ids) - len(r.TargetIDs) + k, Token: id})
			}
		}
		keys, values, err := m.Keys(ctx, ref.Layer, []edit.Row{{Tokens: rows[0].Tokens, At: rows[0].At}})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("record %d: key off by %g, value off by %g", i, distance(keys[0], r.UnprefixedKey), distance(values[0], r.UnprefixedValue))
		start := time.Now()
		o, err := m.Objective(ctx, ref.Layer, rows)
		if err != nil {
			t.Fatal(err)
		}
		built := time.Since(start)
		start = time.Now()
		h := edit.DefaultHParams()
		v, err := edit.OptimiseValue(ctx, o, values[0], h, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("built in %v, %d steps in %v", built, len(v.Losses), time.Since(start))
		for j, l := range v.Losses {
			t.Logf("step %d: %.3f %.3f %.3f %.3f want %v", j, l.Total, l.NLL, l.KL, l.Decay, r.Losses[j])
		}
		o.Close()
	}
}

func subjectLast(t *testing.T, m *engine.Model, row, subject string, ids []int32) int {
	t.Helper()
	tokens, err := m.Tokenize(row, false)
	if err != nil {
		t.Fatal(err)
	}
	end := len(row) - len(subject)
	for ; end >= 0; end-- {
		if row[end:end+len(subject)] == subject {
			break
		}
	}
	for i, tok := range tokens {
		if tok.ID != ids[i] {
			t.Fatalf("%q tokenises to %v, not %v", row, tokens, ids)
		}
		if tok.End >= end+len(subject) {
			return i
		}
	}
	t.Fatalf("no subject %q in %q", subject, row)
	return 0
}

// distance is ||a - b|| / ||b||.
func distance(a []float32, b []float64) float64 {
	d, n := 0.0, 0.0
	for i := range b {
		d += (float64(a[i]) - b[i]) * (float64(a[i]) - b[i])
		n += b[i] * b[i]
	}
	return math.Sqrt(d / n)
}
