package llama_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"retcon/llama"
)

func TestContextParams(t *testing.T) {
	m := loadTiny(t)
	for name, p := range map[string]llama.ContextParams{
		"no cells":           {Batch: 8, Sequences: 1},
		"negative cells":     {Cells: -1, Batch: 8, Sequences: 1},
		"no batch":           {Cells: 32, Sequences: 1},
		"no sequences":       {Cells: 32, Batch: 8},
		"too many sequences": {Cells: 1024, Batch: 512, Sequences: llama.MaxSequences + 1},
		"cells past 32 bits": {Cells: 1<<32 + 32, Batch: 8, Sequences: 1},
		"batch past 32 bits": {Cells: 32, Batch: 1<<32 + 8, Sequences: 1},
		"too many threads":   {Cells: 32, Batch: 8, Sequences: 1, Threads: 100000},
	} {
		c, err := m.NewContext(p)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := newContext(t, m, llama.ContextParams{Cells: 20, Batch: 4, Outputs: 100, Sequences: 6})
	if p := c.Params(); p.Cells < 20 || p.Outputs < 6 || p.Batch < p.Outputs || c.Model() != m {
		t.Errorf("%+v", p)
	}
}

func TestBatchErrors(t *testing.T) {
	m := loadTiny(t)
	c := newContext(t, m, llama.ContextParams{Cells: 64, Batch: 8, Outputs: 2, Sequences: 2})
	one := func(token int32, position, sequence int) *llama.Batch {
		b := &llama.Batch{}
		b.Add(token, position, sequence, true)
		return b
	}
	outputs := &llama.Batch{}
	for i := range 3 {
		outputs.Add(1, i, 0, true)
	}
	uneven := prompt(4, 0)
	uneven.Positions = uneven.Positions[:3]
	for name, b := range map[string]*llama.Batch{
		"empty":              {},
		"too long":           prompt(9, 0),
		"negative token":     one(-1, 0, 0),
		"token past the end": one(256, 0, 0),
		"negative sequence":  one(1, 0, -1),
		"sequence past end":  one(1, 0, 2),
		"negative position":  one(1, -1, 0),
		"too many outputs":   outputs,
		"uneven":             uneven,
	} {
		if err := c.Decode(context.Background(), b); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Record(context.Background(), b, nil); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s, recorded: %v", name, err)
		}
		if err := c.DecodeHooked(context.Background(), b, nil); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s, hooked: %v", name, err)
		}
	}
	decodeFresh(t, c, prompt(8, 1))
}

// A cache that is full, and positions that leave a gap, are errors; the
// context serves the next decode.
func TestDecodeErrors(t *testing.T) {
	m := loadTiny(t)
	c := newContext(t, m, llama.ContextParams{Cells: 256, Batch: 128, Sequences: 1})
	want := decodeFresh(t, c, prompt(8, 0))
	c.Clear()
	for start := 0; ; start += 100 {
		b := &llama.Batch{}
		for i := range 100 {
			b.Add(1, start+i, 0, false)
		}
		err := c.Decode(context.Background(), b)
		if err == nil && start < c.Params().Cells {
			continue
		}
		if !errors.Is(err, llama.ErrMemory) {
			t.Errorf("a full cache: %v", err)
		}
		break
	}
	if got := decodeFresh(t, c, prompt(8, 0)); !equal(got, want) {
		t.Error("after a full cache the logits are others")
	}
	back := prompt(3, 0) // positions that the cache holds already
	if err := c.Decode(context.Background(), back); err == nil {
		t.Error("positions are decoded twice")
	}
	if got := decodeFresh(t, c, prompt(8, 0)); !equal(got, want) {
		t.Error("after a refused batch the logits are others")
	}
}

func TestLogitsErrors(t *testing.T) {
	c := smallContext(t)
	logits := make([]float32, 256)
	if err := c.Logits(logits, 0); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("before any decode: %v", err)
	}
	decodeFresh(t, c, prompt(5, 0))
	for _, i := range []int{-1, 0, 3, 5, 1 << 30} {
		if err := c.Logits(logits, i); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("token %d: %v", i, err)
		}
	}
	if err := c.Logits(logits[:255], 4); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("a short slice: %v", err)
	}
	if err := c.Logits(logits, 4); err != nil {
		t.Error(err)
	}
	for _, q := range []struct{ at, tokens []int32 }{
		{[]int32{4}, []int32{256}}, {[]int32{4}, []int32{-1}}, {[]int32{3}, []int32{1}}, {[]int32{-5}, []int32{1}}, {[]int32{4, 4}, []int32{1}},
	} {
		if _, err := c.LogProbs(q.at, q.tokens); !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("log p of %v after %v: %v", q.tokens, q.at, err)
		}
	}
	if p, err := c.LogProbs(nil, nil); p != nil || err != nil {
		t.Errorf("nothing: %v, %v", p, err)
	}
}

// Log-probabilities are the log of a distribution, and agree with the logits.
func TestLogProbs(t *testing.T) {
	c := smallContext(t)
	logits := decodeFresh(t, c, prompt(5, 0))
	at, tokens := make([]int32, 256), make([]int32, 256)
	for i := range tokens {
		at[i], tokens[i] = 4, int32(i)
	}
	p, err := c.LogProbs(at, tokens)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, v := range p {
		sum += math.Exp(v)
		if d := v - p[0] - float64(logits[i]-logits[0]); math.Abs(d) > 1e-5 {
			t.Errorf("token %d: off by %g", i, d)
		}
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("the probabilities sum to %g", sum)
	}
}

// Sequences do not see each other; removed cells are gone.
func TestSequences(t *testing.T) {
	for _, separate := range []bool{false, true} {
		c := newContext(t, loadTiny(t), llama.ContextParams{Cells: 64, Batch: 16, Sequences: 2, Separate: separate})
		want := decodeFresh(t, c, prompt(6, 0))
		next := func() []float32 {
			t.Helper()
			b := &llama.Batch{}
			b.Add(9, 6, 0, true)
			if err := c.Decode(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			logits := make([]float32, 256)
			if err := c.Logits(logits, 0); err != nil {
				t.Fatal(err)
			}
			return logits
		}
		first := next()
		if err := c.Remove(0, 6, -1); err != nil {
			t.Fatal(err)
		}
		if !equal(next(), first) {
			t.Errorf("separate %v: a cell removed and decoded again changes the logits", separate)
		}
		for _, seq := range []int{-1, 2, 1000} {
			if err := c.Remove(seq, 0, -1); !errors.Is(err, llama.ErrInvalid) {
				t.Errorf("removing of sequence %d: %v", seq, err)
			}
		}
		if got := decodeFresh(t, c, prompt(6, 1)); !equal(got, want) {
			t.Errorf("separate %v: the second sequence has other logits", separate)
		}
	}
}

func TestClosedContext(t *testing.T) {
	m := loadTiny(t)
	c := newContext(t, m, llama.ContextParams{Cells: 32, Batch: 8, Sequences: 1})
	p, x, y := doubling(t, c)
	s, err := c.NewStore([]llama.TensorSpec{{Ne: [4]int64{4, 1, 1, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	logits := make([]float32, 256)
	_, recordErr := c.Record(ctx, prompt(2, 0), nil)
	_, probErr := c.LogProbs([]int32{0}, []int32{0})
	_, storeErr := c.NewStore([]llama.TensorSpec{{Ne: [4]int64{4, 1, 1, 1}}})
	_, measureErr := p.Measure()
	for name, err := range map[string]error{
		"decode": c.Decode(ctx, prompt(2, 0)), "record": recordErr, "hooked": c.DecodeHooked(ctx, prompt(2, 0), nil),
		"logits": c.Logits(logits, 0), "probabilities": probErr, "store": storeErr,
		"remove": c.Remove(0, 0, -1), "adapters": c.SetAdapters(nil, nil),
		"write": llama.WriteTensor(c, s.Handle(0), 0, []float32{1}), "read": llama.ReadTensor(c, s.Handle(0), 0, logits[:1]),
		"run": p.Run(ctx), "set": p.Set(x, logits[:8]), "read of a program": p.Read(logits[:8], y), "measure": measureErr,
	} {
		if !errors.Is(err, llama.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Clear()
	c.TrimPrograms()
	if p.Splits() != 0 {
		t.Error("a closed program has run")
	}
	if err := errors.Join(p.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestDoneContext(t *testing.T) {
	c := smallContext(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Decode(ctx, prompt(2, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	want := errors.New("enough")
	cause, stop := context.WithCancelCause(context.Background())
	stop(want)
	if err := c.Decode(cause, prompt(2, 0)); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

// A decode ends within a second of its context, and the next one is right.
func TestCancelDecode(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	m := loadDemo(t)
	c := newContext(t, m, llama.ContextParams{Cells: 1024, Batch: 1024, Outputs: 1, Sequences: 1})
	want := decodeFresh(t, c, prompt(8, 0))
	c.Clear()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err := c.Decode(ctx, prompt(1000, 0))
	if late := time.Since(deadline(ctx)); !errors.Is(err, context.DeadlineExceeded) || late > time.Second {
		t.Errorf("%v, %v after the deadline", err, late)
	}
	if got := decodeFresh(t, c, prompt(8, 0)); !equal(got, want) {
		t.Error("after a cancelled decode the logits are others")
	}
}

func deadline(ctx context.Context) time.Time {
	d, _ := ctx.Deadline()
	return d
}
