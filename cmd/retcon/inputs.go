package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"retcon/gguf"
	"retcon/internal/input"
	"retcon/internal/outputs"
	"retcon/internal/textfile"
)

// roles are the parts in which files are GGUF; those in all others are texts.
var roles = map[string]gguf.Role{
	"-m": gguf.RoleModel, "--base": gguf.RoleModel, "--lora": gguf.RoleAdapter, "--imatrix": gguf.RoleImatrix,
}

// beginning is how much of a text is read to see that it is one, in bytes.
const beginning = 4096

// checkInputs opens all that a command is told to read, before a model is
// loaded, whether this run comes to it or not. Streams are not touched: they are
// copied or read where they are wanted.
func (a *app) checkInputs(f files) error {
	var p outputs.Plan
	f.files(&p)
	for _, in := range p.Inputs() {
		if err := checkInput(in); err != nil {
			if l, ok := f.(interface{ list(part string) *fileList }); ok && errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w%s", err, l.list(in.Part).commas())
			}
			return err
		}
	}
	return nil
}

func checkInput(in outputs.Input) error {
	role, ok := roles[in.Part]
	if !ok {
		if input.Once(in.Path) {
			return nil
		}
		if _, err := textfile.Beginning(in.Path, beginning); err != nil {
			return fmt.Errorf("%s: %w", in.Part, err)
		}
		return nil
	}
	f, err := gguf.OpenAs(in.Path, role)
	if role == gguf.RoleAdapter && errors.Is(err, fs.ErrNotExist) {
		if m := scaled.FindStringSubmatch(in.Path); m != nil && there(m[1]) {
			return usagef("--lora %s: an adapter is scored whole, without a scale like that of llama.cpp's --lora-scaled: give --lora %s", in.Path, m[1])
		}
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// scaled is an adapter with a scale, as llama.cpp's --lora-scaled has it.
var scaled = regexp.MustCompile(`^(.+):[-+]?[0-9.]+$`)

// roleAdvice says what is meant by a file that is in another's place.
func roleAdvice(e *gguf.RoleError) string {
	switch {
	case e.Want == gguf.RoleModel && e.Is == gguf.RoleAdapter:
		return "; give the model that it was made for with -m, and score the adapter with eval --lora"
	case e.Want == gguf.RoleModel && e.Is == gguf.RoleImatrix:
		return "; give the model with -m, and this to edit or bench with --imatrix"
	case e.Want == gguf.RoleModel && e.Is == gguf.RoleProjector:
		return "; give the language model, which is a file of its own beside it"
	case e.Want == gguf.RoleModel && e.Is == gguf.RoleControl:
		return "; give the model that it was made for"
	case e.Want == gguf.RoleModel:
		return "; give the file that has the weights"
	case e.Want == gguf.RoleAdapter && e.Is == gguf.RoleModel:
		return "; a model is given with -m or --base, and --lora takes adapters, which edit --lora writes"
	case e.Want == gguf.RoleAdapter:
		return "; --lora takes adapters, which edit --lora writes"
	case e.Want == gguf.RoleImatrix:
		return "; --imatrix takes what llama-imatrix writes"
	}
	return ""
}

// checkAdapterOutput finds an adapter that edit was meant to load.
func checkAdapterOutput(path string, force bool) error {
	if path == "" || force {
		return nil
	}
	f, err := gguf.OpenAs(path, gguf.RoleAdapter)
	if err != nil {
		return nil // what stands against another file is said where it is made
	}
	f.Close()
	return usagef("--lora %s: there is an adapter already, and edit writes its adapter there: it loads none. "+
		"Name another file; eval --lora scores a model with an adapter, and to edit on top of an edit give -m a model that -o wrote. --force would replace this one", path)
}

// notUsed tells of inputs that this run does not come to.
func (a *app) notUsed(texts []string) {
	for _, t := range texts {
		a.log.Warn(t)
	}
}

// spooled makes files of the streams in a list.
func (a *app) spooled(ctx context.Context, l *fileList) error {
	paths, err := a.filesOf(ctx, l.paths)
	if err == nil {
		l.paths = paths
	}
	return err
}
