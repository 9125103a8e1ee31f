package trace

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"retcon/gguf"
	"retcon/llama"
	"retcon/lm"
)

// EmbeddingDeviation is the standard deviation of all elements of the token
// embeddings in the model at path.
func EmbeddingDeviation(ctx context.Context, path string) (float64, error) {
	e, err := openEmbeddings(path)
	if err != nil {
		return 0, err
	}
	defer e.file.Close()
	var all moments
	const block = 256 // rows at a time
	for row := int64(0); row < e.rows; row += block {
		m, err := e.moments(ctx, row, min(block, e.rows-row))
		if err != nil {
			return 0, err
		}
		all.add(m, 1)
	}
	return all.deviation(), nil
}

// SubjectDeviation is the standard deviation of all elements of the embeddings
// of tokens in the model at path, a token counting as often as it is there: the
// figure that ROME's noise is a multiple of, over the tokens of all subjects
// (experiments/causal_trace.py). No other rows of the table are read.
func SubjectDeviation(ctx context.Context, path string, tokens []int32) (float64, error) {
	if len(tokens) == 0 {
		return 0, fmt.Errorf("%w: no tokens to take the noise from", ErrPrompt)
	}
	e, err := openEmbeddings(path)
	if err != nil {
		return 0, err
	}
	defer e.file.Close()
	times := map[int32]int{}
	for _, t := range tokens {
		if t < 0 || int64(t) >= e.rows {
			return 0, fmt.Errorf("%w: token %d of %d", llama.ErrInvalid, t, e.rows)
		}
		times[t]++
	}
	var all moments
	for _, t := range slices.Sorted(maps.Keys(times)) { // in order: sums round the same each time
		m, err := e.moments(ctx, int64(t), 1)
		if err != nil {
			return 0, err
		}
		all.add(m, times[t])
	}
	return all.deviation(), nil
}

// SubjectTokens are the tokens of subjects, each alone, as ROME takes them: no
// space in front, and none that the model puts before a text.
func SubjectTokens(m lm.Tokenizer, subjects []string) ([]int32, error) {
	var out []int32
	for _, s := range subjects {
		tokens, err := m.Tokenize(s, false)
		if err != nil {
			return nil, err
		}
		for _, t := range tokens {
			if t.End > t.Begin {
				out = append(out, t.ID)
			}
		}
	}
	return out, nil
}

// embeddings is the table of token embeddings in a file.
type embeddings struct {
	file            *gguf.File
	reader          *io.SectionReader
	kind            int
	rows            int64
	width, rowBytes int64
}

func openEmbeddings(path string) (*embeddings, error) {
	const name = "token_embd.weight"
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	t, ok := f.Tensor(name)
	if !ok {
		f.Close()
		return nil, fmt.Errorf("%w: the model has no %s", llama.ErrUnsupported, name)
	}
	e := &embeddings{file: f, kind: int(t.Type), rows: t.Rows(), width: t.RowLength()}
	if e.rowBytes, err = t.Type.RowBytes(e.width); err == nil {
		e.reader, err = f.TensorReader(name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return e, nil
}

// moments are those of rows of the table.
func (e *embeddings) moments(ctx context.Context, row, n int64) (moments, error) {
	if err := ctx.Err(); err != nil {
		return moments{}, err
	}
	data := make([]byte, n*e.rowBytes)
	if _, err := e.reader.ReadAt(data, row*e.rowBytes); err != nil {
		return moments{}, fmt.Errorf("token embeddings: %w", err)
	}
	values := make([]float32, n*e.width)
	if err := llama.Dequantize(values, e.kind, data); err != nil {
		return moments{}, err
	}
	m := moments{count: float64(len(values))}
	for _, x := range values {
		m.sum += float64(x)
		m.squares += float64(x) * float64(x)
	}
	return m, nil
}

// moments are the sums behind a standard deviation.
type moments struct{ count, sum, squares float64 }

func (m *moments) add(o moments, times int) {
	m.count += float64(times) * o.count
	m.sum += float64(times) * o.sum
	m.squares += float64(times) * o.squares
}

func (m *moments) deviation() float64 {
	mean := m.sum / m.count
	return math.Sqrt(max(0, m.squares/m.count-mean*mean))
}
