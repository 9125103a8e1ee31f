package main

import (
	"context"
	"os"

	"retcon/edit"
	"retcon/internal/outputs"
)

// files are the flags of a command that name files, all of them, whether this
// run comes to them or not.
type files interface{ files(p *outputs.Plan) }

// checkFiles finds outputs that are inputs, before any file is opened.
func (a *app) checkFiles(f files) error {
	var p outputs.Plan
	p.Stdin, _ = a.stdin.(*os.File)
	p.Stdout, _ = a.stdout.w.(*os.File)
	f.files(&p)
	return p.Check()
}

func (f *editFlags) files(p *outputs.Plan) {
	p.Model("-m", f.model)
	p.Read("--requests", f.requests)
	p.Read("--text", f.text)
	f.statistics(p)
	f.engine.files(p)
	p.Write("-o", f.output)
	p.Write("--lora", f.lora)
	if out := edit.JournalOf(f.output, f.lora); out != "" && f.requests != "" {
		p.Write("the journal", out)
	}
}

// statistics are the inputs that bench has as well.
func (f *editFlags) statistics(p *outputs.Plan) {
	p.Read("--hparams", f.hparams)
	p.Read("--prefixes", f.prefixes)
	p.Read("--corpus", f.corpus)
	p.Read("--imatrix", f.imatrix)
	p.Folder("--cache-dir", f.cacheDir)
}

func (f *engineFlags) files(p *outputs.Plan) {
	p.Read("--chat-template-file", f.template)
	if f.profile != "" {
		p.Write("--profile", f.profile)
		p.Write("--profile's table", f.profile+profileTable)
	}
}

func (f *scoreFlags) files(p *outputs.Plan) {
	p.Read("--text", f.text)
	p.Read("--snippets", f.snippets)
	p.Write("-o", f.output)
}

func (f *benchFlags) files(p *outputs.Plan) {
	p.Model("-m", f.models.paths...)
	p.Read("--data", f.data)
	f.edit.statistics(p)
	f.edit.engine.files(p)
	f.score.files(p)
}

func (f *evalFlags) files(p *outputs.Plan) {
	p.Model("-m", f.model)
	p.Model("--base", f.base)
	p.Read("--lora", f.lora.paths...)
	p.Read("--requests", f.requests)
	f.engine.files(p)
	f.score.files(p)
}

func (f *traceFlags) files(p *outputs.Plan) {
	p.Model("-m", f.model)
	p.Read("--requests", f.averages.requests)
	p.Read("--text", f.text)
	p.Read("--merge", f.averages.merge.paths...)
	f.engine.files(p)
	p.Write("-o", f.averages.output)
	p.Write("--svg", f.pictures.svg)
	p.Write("--html", f.pictures.html)
}

// list is the flag of a part that takes several files.
func (f *benchFlags) list(part string) *fileList { return listOf(part, "-m", &f.models) }
func (f *evalFlags) list(part string) *fileList  { return listOf(part, "--lora", &f.lora) }
func (f *traceFlags) list(part string) *fileList { return listOf(part, "--merge", &f.averages.merge) }

func listOf(part, its string, l *fileList) *fileList {
	if part != its {
		return nil
	}
	return l
}

// merging are files of results that are to be joined.
type merging struct {
	*scoreFlags
	results []string
}

func (f merging) files(p *outputs.Plan) {
	p.Read("--merge", f.results...)
	f.scoreFlags.files(p)
}

// spool makes files of the streams that statistics are made from, which are
// read at many places, and again by each run of bench.
func (a *app) spool(ctx context.Context, f *editFlags) error {
	files, err := a.filesOf(ctx, []string{f.corpus, f.imatrix})
	if err == nil {
		f.corpus, f.imatrix = files[0], files[1]
	}
	return err
}

// filesOf makes files of streams; what is a file stays as it is.
func (a *app) filesOf(ctx context.Context, paths []string) ([]string, error) {
	out := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if out[i], err = a.inputs.File(ctx, path); err != nil {
			return nil, err
		}
	}
	return out, nil
}
