package progress

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that moves when it is told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time       { return c.t }
func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Unix(1000, 0)} }

func TestPlainLines(t *testing.T) {
	var out strings.Builder
	c := newClock()
	b := New(&out, Options{Now: c.now})
	b.Update("statistics", 100, 15360)
	c.pass(2 * time.Second)
	b.Update("statistics", 15360, 15360)
	b.Update("optimising", 1, 20)
	c.pass(time.Second)
	b.Update("optimising", 7, 20)
	b.Update("optimising", 1, 20) // the next request
	b.Close()
	b.Close()
	want := "statistics: done in 2.0 s\noptimising: 7 of 20 in 1.0 s\noptimising: 1 of 20\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestEnded(t *testing.T) {
	var out strings.Builder
	var b *Bar
	b = New(&out, Options{Now: newClock().now, Ended: func(s Stage) { io.WriteString(b, "<"+s.Name+">\n") }})
	b.Update("one", 1, 2)
	b.Update("two", 1, 2)
	b.Close()
	if want := "<one>\n<two>\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestBar(t *testing.T) {
	var out strings.Builder
	c := newClock()
	b := New(&out, Options{Now: c.now, Columns: func() int { return 80 }})
	take := func() string {
		s := out.String()
		out.Reset()
		return s
	}
	b.Update("sampling text", 0, 1000)
	if got, want := take(), "\rsampling text  ["+strings.Repeat(" ", 40)+"]    0 %\x1b[K"; got != want {
		t.Errorf("at the start: %q, want %q", got, want)
	}
	c.pass(10 * time.Millisecond)
	b.Update("sampling text", 10, 1000)
	if got := take(); got != "" {
		t.Errorf("drawn too often: %q", got)
	}
	c.pass(1990 * time.Millisecond)
	b.Update("sampling text", 500, 1000)
	got := take()
	for _, want := range []string{" 50 %", "250/s", "0:02 left", "====="} {
		if !strings.Contains(got, want) {
			t.Errorf("half way: %q lacks %q", got, want)
		}
	}
	io.WriteString(b, "a line of the log\n")
	if got := take(); !strings.HasPrefix(got, "\r\x1b[Ka line of the log\n\rsampling text") {
		t.Errorf("text above the bar: %q", got)
	}
	b.Close()
	if got := take(); got != "\r\x1b[K" {
		t.Errorf("at the end: %q", got)
	}
	io.WriteString(b, "after\n")
	if got := take(); got != "after\n" {
		t.Errorf("after the end: %q", got)
	}
}

func TestBarFits(t *testing.T) {
	s := Stage{Name: "side effects", Done: 123456, Total: 99999999, Elapsed: time.Hour, since: 1000}
	unknown := Stage{Name: "side effects", Done: 123456}
	for columns := -1; columns < 200; columns++ {
		for _, s := range []Stage{s, unknown} {
			if got := s.bar(columns); len(got) > max(0, columns) {
				t.Errorf("%d columns: %q has %d", columns, got, len(got))
			}
		}
	}
}

func TestNoTerminal(t *testing.T) {
	if Terminal(&strings.Builder{}) != nil {
		t.Error("a string builder is taken for a terminal")
	}
}

func TestConcurrent(t *testing.T) {
	b := New(io.Discard, Options{Columns: func() int { return 40 }, Now: func() time.Time { return time.Now() }})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range int64(200) {
				b.Update("stage", i, 200)
				io.WriteString(b, "text\n")
			}
		})
	}
	wg.Wait()
	b.Close()
}
