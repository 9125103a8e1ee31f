// Package progress shows how far a long piece of work is: as a bar on a
// terminal, otherwise as one line for each stage when it ends.
//
// Text that others write meanwhile goes through the Bar too, so that a bar and
// a log can share a terminal.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"retcon/internal/human"
)

// Options says how progress is shown.
type Options struct {
	// Columns is the width of the terminal, asked anew for each drawing. Nil
	// where there is no terminal: then no bar is drawn.
	Columns func() int
	// Ended is told of each stage as it ends, where there is no terminal. Nil
	// writes Stage.String.
	Ended func(Stage)
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// redraw is the least time between two drawings.
const redraw = 100 * time.Millisecond

// Terminal is the Columns of a file: nil where it is no terminal, or one that
// cannot move its cursor.
func Terminal(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil || columns <= 0 {
			return 80
		}
		return columns
	}
}

// Bar shows the progress of one stage after the other. It is safe for use by
// several goroutines.
type Bar struct {
	mu      sync.Mutex
	w       io.Writer
	o       Options
	stage   *Stage
	started time.Time
	first   int64 // done when the stage was first heard of
	drawn   time.Time
	visible bool
}

// New makes a bar that writes to w.
func New(w io.Writer, o Options) *Bar {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Bar{w: w, o: o}
}

// Update says that done of total parts of a stage are finished. Another name
// than before, or less done, begins another stage. A total of 0 is unknown.
func (b *Bar) Update(stage string, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now()
	if b.stage == nil || b.stage.Name != stage || done < b.stage.Done {
		b.end()
		b.stage = &Stage{Name: stage}
		b.started, b.first, b.drawn = now, done, time.Time{}
	}
	b.stage.Done, b.stage.Total = done, total
	b.stage.Elapsed = now.Sub(b.started)
	b.stage.since = done - b.first
	if b.o.Columns != nil && now.Sub(b.drawn) >= redraw {
		b.drawn = now
		b.draw()
	}
}

// Write writes text above the bar. The text should end a line.
func (b *Bar) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shown := b.visible
	b.clear()
	n, err := b.w.Write(p)
	if shown && err == nil {
		b.draw()
	}
	return n, err
}

// Close ends the last stage and removes the bar. The Bar can be used on.
func (b *Bar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
}

func (b *Bar) end() {
	b.clear()
	s := b.stage
	b.stage = nil
	switch {
	case s == nil || b.o.Columns != nil:
	case b.o.Ended != nil:
		// Ended may write through the Bar.
		b.mu.Unlock()
		b.o.Ended(*s)
		b.mu.Lock()
	default:
		fmt.Fprintln(b.w, s)
	}
}

func (b *Bar) clear() {
	if b.visible {
		io.WriteString(b.w, "\r\x1b[K")
		b.visible = false
	}
}

func (b *Bar) draw() {
	// The last column stays free: a terminal may wrap after it.
	io.WriteString(b.w, "\r"+b.stage.bar(b.o.Columns()-1)+"\x1b[K")
	b.visible = true
}

// bar is the stage in at most columns columns: name, bar, percentage, rate,
// time left; the less important are left out where it is narrow.
func (s *Stage) bar(columns int) string {
	if s.Total <= 0 {
		return cut(fmt.Sprintf("%s  %s", s.Name, human.Thousands(s.Done)), columns)
	}
	share := min(1, float64(s.Done)/float64(s.Total))
	percent := fmt.Sprintf("%3.0f %%", 100*share)
	tail := percent
	for _, more := range []string{s.rate(), s.left()} {
		if more != "" && len(s.Name)+len(tail)+len(more)+16 <= columns {
			tail += "  " + more
		}
	}
	room := min(40, columns-len(s.Name)-len(tail)-6)
	if room < 4 {
		return cut(s.Name+"  "+percent, columns)
	}
	full := int(share * float64(room))
	return fmt.Sprintf("%s  [%s%s]  %s", s.Name, strings.Repeat("=", full), strings.Repeat(" ", room-full), tail)
}

func cut(s string, columns int) string { return s[:max(0, min(len(s), columns))] }
