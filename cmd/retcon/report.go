package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"retcon/edit"
	"retcon/fact"
	"retcon/internal/human"
)

// printReport prints what an edit did, for people. err is why it was refused.
func printReport(w io.Writer, s style, r *edit.Result, err error) {
	p := &report{w: w, s: s, r: r, written: r.Output != "" || r.LoRA != ""}
	p.edits = r.Edits
	if len(p.edits) == 1 {
		p.one(p.edits[0])
	} else {
		p.many()
	}
	p.how()
	p.trials()
	p.asked(r.Asked)
	p.warnings(r.Warnings)
	switch {
	case err != nil:
		p.heading("Refused: nothing was written")
	case p.written:
		p.files()
		p.usage()
	default:
		p.heading("Nothing was written")
		p.line("", "add -o out.gguf for an edited model, or --lora out.gguf for an adapter")
	}
}

type report struct {
	w       io.Writer
	s       style
	r       *edit.Result
	edits   []*edit.Edit
	written bool
}

// base is a file's name without its folder, as it can be shown.
func base(path string) string { return human.Printable(filepath.Base(path)) }

func (p *report) heading(text string) { fmt.Fprintf(p.w, "\n%s\n", p.s.bold(text)) }

// line prints a label and what belongs to it.
func (p *report) line(label, text string) {
	if label == "" {
		fmt.Fprintf(p.w, "  %s\n", text)
		return
	}
	fmt.Fprintf(p.w, "  %s %s\n", p.s.dim(pad(label, 13)), text)
}

func pad(text string, n int) string {
	return text + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(text)))
}

// one shows a single edit: a table of before and after.
func (p *report) one(e *edit.Edit) {
	fmt.Fprintf(p.w, "%s\n", p.s.bold(fmt.Sprintf("%s: %s -> %s", base(p.r.Model), quote(e.Subject, 40), quote(e.Target, 40))))
	p.line("prompt", quote(e.Prompt, 100))
	p.row("", "P(target)", "continuation")
	p.outcome("before", e.Before)
	if e.After != (edit.Outcome{}) {
		p.outcome("after", e.After)
	}
	if e.Written != nil {
		p.outcome("as written", *e.Written)
	}
}

func (p *report) row(label, probability, text string) {
	p.line(pad(label, 1), pad(probability, 10)+" "+text)
}

func (p *report) outcome(label string, o edit.Outcome) {
	text := quote(o.Completion, 50)
	if o.Success {
		text = p.s.green(text)
	}
	p.row(label, percent(o.Probability), text)
}

// many shows a line for each of several edits.
func (p *report) many() {
	fmt.Fprintf(p.w, "%s\n", p.s.bold(base(p.r.Model)+": "+counted(len(p.edits), "request")))
	fmt.Fprintf(p.w, "  %s\n", p.s.dim("  #  before     after      request"))
	for _, e := range p.edits {
		before, after, text := percent(e.Before.Probability), percent(e.After.Probability), fmt.Sprintf("%s -> %s", quote(e.Subject, 30), quote(e.Target, 30))
		if e.Before == (edit.Outcome{}) {
			before = "-" // it was not asked
		}
		if e.After == (edit.Outcome{}) {
			after = "-"
		}
		switch {
		case e.Error != "":
			text += "  " + p.s.red("failed: "+oneLine(e.Error))
		case e.After.Success:
			text = p.s.green(text)
		}
		if e.SameAs > 0 {
			text += fmt.Sprintf("  as request %d", e.SameAs)
		}
		fmt.Fprintf(p.w, "  %3d  %s %s %s\n", e.Record, pad(before, 10), pad(after, 10), text)
	}
}

// how says by which means, with what side effects, in what time.
func (p *report) how() {
	if len(p.r.Lines) == 0 {
		return // it ended before there was anything to say
	}
	fmt.Fprintln(p.w)
	for _, l := range p.r.Lines {
		p.line(l.Label, words(l.Text))
	}
	p.cost(p.r)
}

// cost says side effects and time.
func (p *report) cost(r *edit.Result) {
	if se := r.SideEffects; se != nil {
		p.line("side effects", fmt.Sprintf("on %d tokens of other text: mean KL %.3g, same likeliest token at %.1f %%", se.Tokens, se.KL, 100*se.SameTop1))
	}
	times := fmt.Sprintf("%.2f s for the edit; %.2f s loading, %.2f s statistics", r.Seconds, r.LoadSeconds, r.StatsSeconds)
	if p.written {
		times += fmt.Sprintf(", %.2f s writing and checking", r.WriteSeconds)
	}
	if r.PeakRSS > 0 {
		times += "; peak memory " + bytesText(r.PeakRSS)
	}
	if r.PeakOwn > 0 {
		times += fmt.Sprintf(" (%s without mapped files)", bytesText(r.PeakOwn))
	}
	p.line("time", times)
}

// trials shows what each layer did that was tried.
func (p *report) trials() {
	if len(p.r.LayersTried) == 0 {
		return
	}
	p.heading("Layers tried, by the target's least log-probability less ten times KL")
	for _, t := range p.r.LayersTried {
		text := fmt.Sprintf("score %7.3f   log-probability %7.3f   KL %.4f", t.Score, t.LogProb, t.KL)
		if t.Error != "" {
			text = p.s.red(oneLine(words(t.Error)))
		}
		mark := " "
		if t.Layer == p.r.Layer && t.Error == "" {
			mark = "*"
		}
		p.line(fmt.Sprintf("%s layer %d", mark, t.Layer), text)
	}
}

// asked shows answers to questions before and after.
func (p *report) asked(all []edit.Asked) {
	if len(all) == 0 {
		return
	}
	p.heading("Asked through the chat template")
	for _, a := range all {
		p.line("question", quote(a.Question, 100))
		p.line("before", quote(a.Before, 100))
		p.line("after", quote(a.After, 100))
	}
}

func (p *report) warnings(texts []string) {
	if len(texts) == 0 {
		return
	}
	p.heading("Warnings")
	for _, w := range texts {
		p.line("", "- "+oneLine(w))
	}
}

// files lists what was written.
func (p *report) files() {
	p.heading("Written")
	about := func(path, what string) {
		size := ""
		if st, err := os.Stat(path); err == nil {
			size = ", " + bytesText(st.Size())
		}
		p.line("", fmt.Sprintf("%s  (%s%s)", human.Printable(path), what, size))
	}
	if p.r.Output != "" {
		about(p.r.Output, "edited model")
		for _, c := range p.r.TypesChanged {
			p.line("", fmt.Sprintf("    %s is %s instead of %s: %s", c.Tensor, c.To, c.From, oneLine(words(c.Reason))))
		}
	}
	if p.r.LoRA != "" {
		about(p.r.LoRA, "adapter for "+base(p.r.Model))
	}
}

// usage says how to run what was written.
func (p *report) usage() {
	p.heading("Try it")
	ask := ""
	for _, e := range p.edits {
		if e.Error == "" {
			ask = fmt.Sprintf(" -no-cnv -n 16 --temp 0 -p %s", shellQuote(fact.Escape(e.Prompt)))
			break
		}
	}
	r := p.r
	if r.Output != "" {
		p.line("", "llama-completion -m "+shellQuote(r.Output)+ask)
	}
	if r.LoRA != "" {
		p.line("", "llama-completion -m "+shellQuote(r.Model)+" --lora "+shellQuote(r.LoRA)+ask)
	}
	if r.Output == "" {
		p.line("", "ollama takes no adapters any more: write a model with -o for it")
		return
	}
	p.line("", fmt.Sprintf("ollama: echo %s > Modelfile && ollama create %s -f Modelfile", shellQuote("FROM "+fromPath(r.Output)), ollamaName(r.Output)))
}

// fromPath is a path that ollama takes for a file and not for a model's name.
func fromPath(path string) string {
	if filepath.IsAbs(path) || strings.HasPrefix(path, ".") {
		return path
	}
	return "./" + path
}

// ollamaName makes a model's name of a file's.
func ollamaName(path string) string {
	name := strings.ToLower(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, name)
	if name = strings.Trim(name, "-_."); name == "" {
		return "edited"
	}
	return name
}
