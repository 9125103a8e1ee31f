package tpatcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"retcon/edit"
	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/internal/human"
	"retcon/lm"
)

// Plan counts the neurons as if every token of a target were wrong.
func (w *work) Plan(_ context.Context, facts []fact.Fact, p *edit.Plan) error {
	p.Layer, p.LayerFrom = w.site.Layer, "last"
	neurons := 0
	for _, f := range facts {
		span, err := fact.Tokenize(w.base.Model, f, "", f.New)
		if err != nil {
			return err
		}
		neurons += len(span.Target)
		p.Tokens = max(p.Tokens, len(span.Target)*9)
	}
	down, _ := w.base.File.Tensor(w.net.Last().Down)
	p.Tensor, p.Type, p.Shape, p.TensorBytes = down.Name, down.Type.String(), down.Shape(), down.Size
	p.OutputBytes = w.base.File.Size()
	var room *RoomReport
	if w.cfg.Slots != SlotsOld {
		var err error
		if room, err = w.planRoom(neurons); err != nil {
			return err
		}
		p.OutputBytes += room.Bytes
	}
	p.Details = Details{Room: room}
	want := w.cfg.queries(w.base.Info.Width)
	key, err := w.memoryKey(want)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(w.base.CacheDir, memoryFile(key)))
	p.StatsKeys, p.StatsCached = int64(want), w.base.CacheDir != "" && !errors.Is(err, os.ErrNotExist)
	if !p.StatsCached {
		p.StatsTime = float64(want) / p.Rate
		if w.base.Corpus == "" {
			p.StatsTime *= 5 // one token a time, rows side by side
		}
	}
	p.MemoryBytes = int64(want) * int64(w.base.Info.Width) * 4
	// its rows and contrasts read, then steps over the output matrix
	p.Seconds = float64(len(facts)) * 1000 / p.Rate
	p.Lines = planLines(p, room)
	return nil
}

// planRoom is where so many neurons would go.
func (w *work) planRoom(neurons int) (*RoomReport, error) {
	room, err := w.strategy().Room(w.base.File, w.net, neurons)
	if err != nil {
		return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	e, err := room.Edits(w.base.Quantizer, nil, nil)
	if err != nil {
		return nil, fault.Errorf(lm.ErrUnsupported, "%w", err)
	}
	out, err := gguf.Rewrite(w.base.File, e)
	if err != nil {
		return nil, err
	}
	return &RoomReport{Strategy: w.cfg.Widen, From: w.net.Last().Width, To: room.Width, Free: len(room.Slots) - neurons,
		Layers: grown(room), Bytes: out.Size() - w.base.File.Size()}, nil
}

// planLines say what the method would do.
func planLines(p *edit.Plan, room *RoomReport) []edit.Line {
	text := fmt.Sprintf("%s queries", human.Thousands(p.StatsKeys))
	if p.StatsCached {
		text += ", cached"
	} else {
		text += fmt.Sprintf(", to be made in about %s", human.About(p.StatsTime))
	}
	lines := []edit.Line{
		{Label: "method", Text: fmt.Sprintf("%s at layer %d", Name, p.Layer)},
		{Label: "tensor", Text: fmt.Sprintf("%s, %s %s, %s", p.Tensor, p.Type, p.Shape, human.Bytes(p.TensorBytes))},
		{Label: "memory", Text: text},
	}
	if room != nil {
		lines = append(lines, edit.Line{Label: "room", Text: roomText(room)})
	}
	return lines
}
